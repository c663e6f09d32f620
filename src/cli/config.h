// laxity.toml: how a server is set up (contracts section 3). Every key has a default.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/limits.h"
#include "core/system_model.h"
#include "policy/registry.h"

namespace laxity {

struct ExecutorConfig {
  std::string name;
  ExecutorKind kind = ExecutorKind::kCpu;
  std::vector<int> cores;      ///< Where its threads run; empty: anywhere.
  std::uint32_t slots = 1;     ///< Batches at once: one executor each.
  bool segments_only = false;  ///< Runs CPU segments and no batches.
  std::string table;           ///< Profile file of an emulated accelerator.
};

struct ServeConfig {
  std::string models = "models";
  std::string policy = "laxity";
  std::string profile = "auto";  ///< A file, or "auto": this machine's own, made at first start.
  PolicyOptions policy_options;
  PlanningBound planning_bound = PlanningBound::kP99;

  struct Http {
    std::string address = "127.0.0.1";
    std::uint16_t port = 8000;  ///< 0: any free one, printed at start.
    std::uint32_t body_size_max_mb = 64;
    std::uint32_t connections_max = 1024;
  } http;

  Limits limits;
  std::uint32_t stream_idle_s = 10;  ///< A stream that is silent so long, and for ten periods, ends.
  std::uint32_t trace_size_max_mb = 1024;

  struct Threads {
    bool busy_poll = false;               ///< The network thread polls instead of sleeping.
    std::uint32_t executor_spin_us = 50;  ///< How long an executor looks for its next batch before it sleeps.
    std::uint32_t inline_execution_max_us =
        300;                     ///< A lone batch this short runs on the thread that received it.
    int network_core = 0;        ///< -1: not pinned.
    int realtime_priority = 10;  ///< Of the network and timer threads, where permitted; 0: none.
  } threads;

  std::vector<ExecutorConfig> executors;  ///< Never empty once read: the default is one per core left.
  std::string origin = "built-in defaults";
};

/// Errors: kInvalidArgument: an unknown key (names the nearest), a wrong type, a value out of range.
Result<ServeConfig> parse_config(std::string_view text, std::string_view origin, std::uint32_t core_count);
/// Errors: kNotFound; as parse_config.
Result<ServeConfig> read_config(const std::string& path, std::uint32_t core_count);
/// What is used without a file: one CPU executor per core left after the network core (at least one).
ServeConfig default_config(std::uint32_t core_count);

}  // namespace laxity
