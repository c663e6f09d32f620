// Feeds a recorded trace to a fresh scheduler and compares what it commands, byte for byte.
#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "trace/codec.h"

namespace laxity {

/// The first place where the fresh scheduler decided otherwise.
struct ReplayDifference {
  std::uint64_t line = 0;  ///< In the trace, from 1.
  std::string expected;    ///< As recorded.
  std::string found;       ///< As decided now.
};

struct ReplayReport {
  std::string driver;
  std::string policy;
  std::uint64_t events = 0;  ///< Compared, up to the first difference.
  std::uint64_t commands = 0;
  std::uint64_t plans = 0;   ///< Computed again; their hashes were equal.
  std::uint64_t tables = 0;  ///< Times the execution times were replaced.
  Instant last;              ///< Of the last event.
  /// How the recording ended; none: without saying, as after a crash. Whole lines before are compared all the
  /// same.
  std::optional<TraceEndReason> end;
  std::optional<ReplayDifference> difference;
};

/// Errors: kInvalidArgument: not a trace, a line that is none, an event that cannot have happened, or a trace
/// that dropped events; kNotFound: its policy is unknown here. Messages begin with `origin` and the line.
/// Precondition: `trace` can seek.
Result<ReplayReport> replay_trace(std::istream& trace, const std::string& origin);

/// As above. Errors also: kNotFound: no such file.
Result<ReplayReport> replay_trace_file(const std::string& path);

}  // namespace laxity
