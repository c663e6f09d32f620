// Scenarios with their expected decisions: readable by a non-programmer, checked by the tests
// (docs/scenarios.md).
//
//   # A job that can no longer finish in time is dropped before it wastes the executor.
//   executors 1
//   policy    edf
//   job A  r=0ms  C=6ms  d=8ms
//   job B  r=1ms  C=4ms  d=9ms
//   ---
//   0ms         start A on 0
//
// Above the line, one statement a line, `#` starts a comment:
//
//   executors N [segments=M]          N run batches; M more run CPU segments only
//   policy NAME [option=value …]
//   limits [queue=N] [batch=N]
//   overheads [dispatch=T] [reply=T]
//   plan-delay T
//   model M stages=E,E… [batch=N] [mandatory=N] [preprocess=T] [postprocess=T]
//         E, one a stage: 3ms/4ms/6ms (batches of 1, 2, 3) or 3ms+1ms (3 ms and 1 ms for each further job)
//   slowdown M beside=M factor=F    executors share one device: a batch of the first takes F times as long
//         while one of the second runs beside it (three decimals); beyond two, what is added adds up
//   job J r=T [C=T | model=M] [d=T | D=T] [kind=firm|soft|best-effort] [priority=N] [x=T] [confidence=P,…]
//         [encoded] [engine-fails] [undecodable]
//         C: a network of its own that takes C; d: absolute, D: relative deadline; x: what it really takes
//   stream S model=M T=T D=T [J=T] [r=T] [frames=N] [endless] [kind=…] [asks=T] [lag=T] [x=T]
//         [guarantee=demand]
//         asks for its contract at `asks`, or at r; frames S.0, S.1, … come at r + kT + lag, each takes x;
//         endless: that is what the contract says; it leaves when the last one is due
//   leave S at=T · cancel J at=T · lose EXECUTOR at=T · return EXECUTOR at=T · shutdown at=T
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/event.h"
#include "core/slowdown_table.h"
#include "core/system_model.h"
#include "policy/registry.h"

namespace laxity {

struct TextJob {
  std::string name;
  Job job;                                 ///< Its id is given at release.
  std::optional<Duration> execution_time;  ///< `x`
  std::vector<Confidence> confidences;  ///< Per exit; the last one goes for those not said; empty: certainty.
  bool engine_fails = false;
  bool is_undecodable = false;
};

/// Anything else that happens: a stream asks, a client goes, an executor is lost.
struct TextEvent {
  enum class Kind : std::uint8_t { kSubmit, kLeave, kCancel, kLose, kReturn, kShutdown };
  Instant at;
  Kind kind = Kind::kCancel;
  Task task;              ///< kSubmit; kLeave: its id
  std::size_t job = 0;    ///< kCancel: index into `jobs`
  ExecutorId executor{};  ///< kLose, kReturn
};

/// One expected line: "0ms  start A on 0  # why".
struct TextDecision {
  Instant at;
  std::string words;    ///< Single spaces between them.
  std::string comment;  ///< With its '#'; empty: none.
};

struct TextScenario {
  std::string origin;
  std::string setup;  ///< Everything up to and including the line `---`, as it stands in the file.
  SystemModel system;
  std::string policy;
  PolicyOptions policy_options;
  Duration plan_delay{};
  std::optional<SlowdownTable> slowdown;
  std::vector<TextJob> jobs;      ///< By release, then order in the file.
  std::vector<TextEvent> events;  ///< By time, then order in the file.
  std::vector<std::string> task_names;
  std::vector<TextDecision> expected;
};

/// Errors: kInvalidArgument: "file:line: expected …, found …".
Result<TextScenario> parse_text_scenario(std::string_view text, std::string_view origin);

/// What the scheduler decides, line by line, in the words of the file. Audited.
/// Errors: as make_policy.
Result<std::vector<TextDecision>> run_text_scenario(const TextScenario& scenario);

/// Empty when `found` is what the scenario expects; else the differing lines, expected with '-', found with
/// '+'.
std::string difference(const TextScenario& scenario, const std::vector<TextDecision>& found);

/// The file with `found` below the line; comments stay on lines that did not change.
std::string updated(const TextScenario& scenario, const std::vector<TextDecision>& found);

/// "3ms", "5.000001ms": milliseconds with as many digits as needed.
std::string text_of(Duration d);

}  // namespace laxity
