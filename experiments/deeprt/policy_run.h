// One trace under one policy, through the production scheduler and the simulator.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "experiments/deeprt/request_trace.h"
#include "sim/simulator.h"

namespace laxity::study {

/// A policy as it takes part in the comparison.
struct Contender {
  std::string label;
  std::string policy;
  PolicyOptions options;
  bool is_concurrent = false;  ///< A slot of the device for each category, slowed by what runs beside.
};

struct RunSpec {
  double time_factor = 1;
  ExecutionMode mode = ExecutionMode::kSampled;
  std::uint64_t seed = 1;
  double jitter_share = 0;  ///< Of each period.
  std::vector<Fault> faults = {};
  std::vector<Shape> smaller_shapes = {};  ///< What networks may fall back on; sequential contenders only.
};

/// What became of each frame of the requests in `chosen` (indices into trace.requests; one task each, in
/// order).
SimulationOutput run(const RequestTrace& trace, const std::vector<std::size_t>& chosen,
                     const Contender& contender, const RunSpec& spec);

/// Indices of all requests.
std::vector<std::size_t> all_of(const RequestTrace& trace);
/// Those of `chosen` that were admitted.
std::vector<std::size_t> admitted(const std::vector<std::size_t>& chosen, const SimulationOutput& output);

struct Summary {
  std::uint64_t admitted = 0;
  std::uint64_t at_once = 0;  ///< Most admitted requests that sent frames at the same time.
  std::uint64_t frames = 0;   ///< Of admitted requests.
  std::uint64_t missed = 0;
  double miss_percent = 0;
  double images_per_s = 0;  ///< Answered frames, from the first arrival to the last answer.
  double batch_size_mean = 0;
  std::vector<double> overdue_ms;  ///< Of late frames.
};
Summary summarise(const RequestTrace& trace, const std::vector<std::size_t>& chosen,
                  const SimulationOutput& output);

}  // namespace laxity::study
