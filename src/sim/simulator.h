// Driver 1: runs the production scheduler through virtual time. No clock, no thread, no socket, no tensor.
//
// Between JobReleased and SettleJob the walk is the live server's; arrivals.h stands where clients and
// network stand, execution_time.h where the engine stands. Events at equal instants come in the order of
// core/event.h, then of their making. The same arguments give the same result, byte for byte.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/slowdown_table.h"
#include "core/system_model.h"
#include "policy/registry.h"
#include "sched/scheduler.h"
#include "sim/execution_time.h"
#include "sim/oracle.h"
#include "sim/scenario.h"
#include "trace/results.h"
#include "trace/trace_sink.h"

namespace laxity {

struct SimulationOptions {
  ExecutionOptions execution;
  bool audit = false;
  Duration ingress{};  ///< From a client's intended send time until the scheduler knows of the job.
  Duration reply{};    ///< From SettleJob until the client has the answer.
  Duration wake{};     ///< Added to a batch whose executor was idle: the hand-over to another core.
  Duration terminate_delay = 100us;  ///< From TerminateBatch until the engine has let go.
  /// When set, all executors share one device and batches slow each other down by this table. Outlives the
  /// run.
  const SlowdownTable* slowdown = nullptr;
  /// From ComputePlan to PlanReady; drawn uniformly in [minimum, maximum] per plan.
  Duration plan_delay_min{};
  Duration plan_delay_max{};
  std::vector<const OracleTable*>
      oracles;                            ///< By model; empty or null: confidences are drawn, truth unknown.
  TraceSink* trace = nullptr;             ///< Told of every scheduler call.
  std::uint64_t (*clock_ns)() = nullptr;  ///< Measures each call when set; lives with the caller.
};

/// What a policy has said of one task.
struct Promise {
  struct Span {
    Instant from, until;  ///< [from, until)
  };
  Guarantee guarantee = Guarantee::kNone;  ///< As said last; kNone: nothing was promised ever.
  std::vector<Span> spans;                 ///< Frames with r in one of them are promised. In order.
  std::uint32_t losses = 0;                ///< So often it was told that the promise is lost.

  /// True if a frame whose r lies in [earliest, latest] is promised wherever in it r is.
  bool covers(Instant earliest, Instant latest) const {
    for (const Span& span : spans) {
      if (earliest >= span.from && latest < span.until) return true;
    }
    return false;
  }
};

struct SimulationOutput {
  RunResult result;
  SchedulerCounters counters;
  Instant end;                      ///< Of the last event.
  std::vector<Promise> promises;    ///< By task; those of policies that promise nothing say kNone.
  std::uint64_t commands_hash = 0;  ///< Over every command in order: equal runs have equal hashes.
};

/// Errors: kNotFound (policy, option, a model that `system` lacks; names the nearest), kInvalidArgument
/// (option out of range, an executor that is not there), kFailedPrecondition (a model of the scenario was
/// never measured).
Result<SimulationOutput> simulate(const Scenario& scenario, const SystemModel& system,
                                  std::string_view policy, const PolicyOptions& policy_options,
                                  std::uint64_t seed, const SimulationOptions& options = {});

}  // namespace laxity
