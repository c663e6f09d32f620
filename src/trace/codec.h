// The trace as text: JSON Lines, a header first, then one scheduler call a line (contracts section 9;
// docs/trace.md).
//
//   {"schema":"laxity.trace/1","driver":"live","policy":"edf","limits":{…},"catalog":{…},"table":{…},…}
//   {"at_ns":1200,"kind":"job_released","job":1048577,…,"commands":[{"kind":"start_batch","batch":1,…}]}
//   {"at_ns":1900,"kind":"batch_finished",…,"predicted_finish_ns":1850,"finish_ns":1900,"commands":[…]}
//   {"kind":"end","events":2,"dropped":0,"reason":"complete"}
//
// The header holds everything a fresh scheduler needs, so that a trace replays without any other file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/command.h"
#include "core/event.h"
#include "core/system_model.h"
#include "trace/results.h"

namespace laxity {

inline constexpr std::string_view kTraceSchema = "laxity.trace/1";

struct TraceHeader {
  std::string driver;  ///< "live" or "sim"
  MachineInfo machine;
  std::int64_t wall_clock_zero_ns = 0;  ///< Unix time of Instant zero; 0 in simulations.
  std::string policy;
  std::map<std::string, std::int64_t, std::less<>> policy_options;
  std::map<std::string, std::string, std::less<>> config;  ///< For people: scenario, seed, command line.
  SystemModel system;
};

/// One scheduler call.
struct TraceEntry {
  Instant at;
  Event event;
  std::vector<Command> commands;
  bool operator==(const TraceEntry&) const = default;
};

/// The execution times that the next TablesChanged announces.
struct TraceTable {
  LatencyTable table;
};

enum class TraceEndReason : std::uint8_t {
  kComplete,
  kDropped,     ///< Events are missing in between: what follows them cannot be replayed.
  kSizeLimit,   ///< Recording stopped at the size limit; all before is whole.
  kWriteError,  ///< The disk was full or failed. Such a trace has no end line, unless there was room again.
};
const char* name(TraceEndReason reason) noexcept;

struct TraceEnd {
  std::uint64_t event_count = 0;
  std::uint64_t dropped_count = 0;
  TraceEndReason reason = TraceEndReason::kComplete;
};

using TraceLine = std::variant<TraceHeader, TraceEntry, TraceTable, TraceEnd>;

/// Writes lines; each ends with a newline. Same input, same bytes. Owned by one thread.
class TraceEncoder {
 public:
  explicit TraceEncoder(std::size_t executor_count) : predicted_finish_(executor_count) {}

  static void header(const TraceHeader& header, std::string& out);
  static void table(const LatencyTable& table, const Catalog& catalog, std::string& out);
  static void end(const TraceEnd& end, std::string& out);
  /// Remembers what starts predicted, so that finishes can say it again.
  void entry(Instant at, const Event& event, std::span<const Command> commands, std::string& out);

 private:
  std::vector<std::optional<Instant>> predicted_finish_;  // index: executor
};

/// Reads one line without its newline. Accepts exactly what the encoder writes, up to the order of keys; ids
/// are checked for their range, not against a header. Errors: kInvalidArgument: expected …, found … .
Result<TraceLine> decode_trace_line(std::string_view line);

}  // namespace laxity
