// What a run came to: the one result object of simulate, load and demo (docs: results; contracts section 6).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/outcome.h"
#include "core/task.h"

namespace laxity {

/// One job as it ended, from the point of view of whoever measured (client or simulator).
struct JobRecord {
  std::uint32_t task = 0;              ///< Index into RunResult::task_names.
  Instant intended;                    ///< Release in the simulator, intended send time for a client.
  Outcome outcome = Outcome::kOnTime;  ///< Judged by whoever measured.
  Reason reason = Reason::kNone;
  std::optional<Duration> response_time;  ///< From `intended`; none: no answer.
  std::optional<Duration> lateness;       ///< finish - deadline; none without deadline or answer.
  std::uint32_t exit_count = 0;           ///< Depth: stages behind the answer.
  std::uint32_t batch_size = 0;
  std::optional<bool> is_right;        ///< None: the truth is not known.
  std::optional<bool> server_on_time;  ///< The server's own verdict, where there is one.
  std::optional<Duration> send_lag;    ///< How late the client itself was.
  bool is_promised = false;            ///< A frame of an admitted stream that its guarantee covered.
};

/// What admission said about one task's contract.
enum class TaskAnswer : std::uint8_t { kNotAsked, kAdmitted, kRefused };
struct TaskVerdict {
  TaskAnswer answer = TaskAnswer::kNotAsked;
  Guarantee guarantee = Guarantee::kNone;  ///< When it was admitted.
  std::optional<Duration> response_time_bound;
  Reason refusal = Reason::kNone;  ///< Which test said no, also when the offer was then taken.
  std::optional<Duration> deadline_offer, period_offer;
  bool took_offer = false;  ///< It asked again for what was offered; the other fields are of that answer.
};

/// Everything about one run (one scenario, policy and seed).
struct RunResult {
  std::string scenario;
  std::string policy;
  std::uint64_t seed = 0;
  Duration duration{};
  double load = 0;  ///< display: fraction of capacity, 0 when the scenario does not say
  bool is_simulated = false;
  std::vector<std::string> task_names;
  std::vector<JobRecord> jobs;
  std::uint32_t tasks_asked = 0;
  std::uint32_t tasks_admitted = 0;
  std::vector<TaskVerdict> verdicts;  ///< One per task, or empty: then only the counts are known.
  std::optional<Duration> busy_time;  ///< Summed over executors, for utilization.
  std::uint32_t executor_count = 1;
  std::vector<std::uint32_t> decision_ns;  ///< One per scheduler call, when measured.
};

struct MachineInfo {
  std::string cpu;
  std::uint32_t cores = 0;
  std::string engine;
  bool emulated = false;
};

/// CPU name and cores of this machine, from /proc/cpuinfo; "unknown" when unreadable.
MachineInfo this_machine();

struct ResultDocument {
  std::string command;  ///< "load", "simulate", "demo"
  MachineInfo machine;
  std::vector<RunResult> runs;
};

/// The JSON object of contracts section 6, schema "laxity.result/1", one line. Same input, same bytes.
std::string to_json(const ResultDocument& document);

/// Totals of one run, as they stand in the JSON: for tables made for people.
struct RunTotals {
  std::uint64_t jobs = 0;
  std::uint64_t outcomes[kOutcomeCount] = {};
  double miss_rate = 0, goodput_per_s = 0;                // display
  std::optional<double> accuracy_answered, accuracy_all;  // display; none when no truth is known
  double response_ms_p50 = 0, response_ms_p95 = 0, response_ms_p99 = 0, response_ms_p999 = 0,
         response_ms_max = 0;                                   // display
  double batch_size_mean = 0, depth_mean = 0, utilization = 0;  // display
  double send_lag_ms_p99 = 0;                                   // display
  std::uint64_t promised = 0, kept = 0;  ///< Frames that a guarantee covered, and those of them on time.
};
RunTotals totals(const RunResult& run);

/// A table for people: one line a run (sent, on time, late, dropped, response p50/p99/max, accuracy), and one
/// a stream that asked for a promise (verdict, guarantee, frames promised and kept).
std::string to_table(const ResultDocument& document);

}  // namespace laxity
