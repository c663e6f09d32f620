// Plays a scenario against a server: the live twin of the simulator's run.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "load/load_client.h"
#include "sim/scenario.h"
#include "trace/results.h"

namespace laxity {

struct LoadReport {
  RunResult run;
  LoadStats stats;
  std::string engine;                 ///< As the server says; empty when it does not.
  bool is_emulated = false;           ///< The server says that an emulated accelerator answered.
  std::vector<std::string> warnings;  ///< Sentences: what makes this run less than it seems.
};

/// Sends the jobs of `scenario` at the same times as the simulator releases them (same seed, same jobs), and
/// returns when all are settled (load_client.h). Streams are not asked for: each frame stands on its own.
/// Errors: kInvalidArgument (URL, a scenario without jobs, a model whose inputs cannot be made), kNotFound (a
/// model the server does not have, a sample set), kUnavailable (no server, not ready). Blocks for the
/// scenario's duration and the drain after it.
Result<LoadReport> run_load(const Scenario& scenario, const std::string& url, const LoadOptions& options);

}  // namespace laxity
