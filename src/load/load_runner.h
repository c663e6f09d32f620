// Plays a scenario against a server: the live twin of the simulator's run.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "load/load_client.h"
#include "load/stream_codec.h"
#include "sim/scenario.h"
#include "trace/results.h"

namespace laxity {

struct LoadReport {
  RunResult run;
  LoadStats stats;
  StreamTally streams;       ///< What the server counted of the streams that were still open at the end.
  std::string engine;        ///< As the server says; empty when it does not.
  bool is_emulated = false;  ///< The server says that an emulated accelerator answered.
  std::vector<std::string> warnings;  ///< Sentences: what makes this run less than it seems.
};

/// Sends the jobs of `scenario` at the same times as the simulator releases them (same seed, same jobs), and
/// returns when all are settled (load_client.h). Streams are asked for in the scenario's order before instant
/// 0, which lies so far ahead; those that were refused do as on_refusal says: frames that are not sent count
/// as rejected, a counter-offer changes deadline or period of what is sent. All are closed at the end.
/// Errors: kInvalidArgument (URL, a scenario without jobs, a model whose inputs cannot be made), kNotFound (a
/// model the server does not have, a sample set), kUnavailable (no server, not ready). Blocks for the
/// scenario's duration and the drain after it.
Result<LoadReport> run_load(const Scenario& scenario, const std::string& url, const LoadOptions& options);

}  // namespace laxity
