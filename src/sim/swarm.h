// The whole scheduler under random systems, workloads, options and faults, audited after every event.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "policy/registry.h"
#include "sim/simulator.h"

namespace laxity {

/// Everything that one seed stands for.
struct SwarmCase {
  Scenario scenario;  ///< Brings its system.
  std::string policy;
  PolicyOptions policy_options;
  SimulationOptions options;
};
SwarmCase swarm_case(std::uint64_t seed);

/// A case of streams that ask for a promise, with work beside them that does not; nothing leaves what the
/// promise covers: no faults, executions within the table, arrivals within jitter.
SwarmCase promise_case(std::uint64_t seed);
/// The same with streams that never end: they are promised by plans that roll on.
SwarmCase endless_case(std::uint64_t seed, Duration duration);

/// The first promised frame that was not answered in time, in words. Empty: every promise was kept, or the
/// case leaves what promises cover.
std::string broken_promise(const SwarmCase& made, const SimulationOutput& output);

struct SwarmFailure {
  std::uint64_t seed = 0;
  std::string message;  ///< What did not hold.
};

struct SwarmReport {
  std::uint64_t seeds_run = 0;
  std::uint64_t jobs = 0;
  std::uint64_t events = 0;
  std::optional<SwarmFailure> failure;  ///< Of the first seed that failed; later ones were not run.
};

/// Runs seeds first_seed, …, first_seed + count - 1. A check that fails inside aborts the process after
/// printing "reproduce: laxity simulate --seeds 1 --seed N". `progress` (may be null) is called after each
/// seed.
SwarmReport run_swarm(std::uint64_t first_seed, std::uint64_t count, void (*progress)(std::uint64_t done));

/// Runs one seed twice and checks what must hold of every run. None: all held.
std::optional<std::string> run_swarm_seed(std::uint64_t seed, SwarmReport& report);

}  // namespace laxity
