// The scheduler: events in, commands out. Run by sim/ and by live/ without a line of difference.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/command.h"
#include "core/event.h"
#include "core/system_model.h"
#include "policy/policy.h"

namespace laxity {

struct SchedulerOptions {
  bool audit = false;  ///< Check every invariant after each event: O(jobs) each; for simulation and tests.
};

/// Numbers since the start, for state pages and metrics.
struct SchedulerCounters {
  std::uint64_t events = 0;
  std::uint64_t released = 0;
  std::uint64_t settled[kOutcomeCount] = {};
  std::uint64_t batches = 0;
  std::uint64_t batch_jobs = 0;
  std::uint64_t bounds_changed = 0;  ///< Times that measured execution times moved a bound of the table.
};

/// Deterministic: the same (now, event) sequence gives the same commands. It owns no clock, no thread, no
/// tensor. Not thread-safe: whoever runs it owns it for that call. Does not allocate after construction.
class Scheduler {
 public:
  /// Precondition: at least one executor that runs batches; limits within kBatchSizeMax and 2^20 slots.
  Scheduler(SystemModel model, std::unique_ptr<Policy> policy, SchedulerOptions options = {});
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Applies `event`, which happened at `now`, and appends to `commands` (not cleared) what to do next.
  /// `now` never goes back between calls. Cost: the policy's decision bound, plus O(log n) books.
  void handle(Instant now, const Event& event, CommandBuffer& commands);

  /// Runs the planning asked for by the outstanding ComputePlan. May run on another thread while handle()
  /// goes on.
  std::uint64_t compute_plan(PlanId plan);

  /// Replaces the execution times, and what the drift watch takes for profiled; the driver follows with
  /// TablesChanged. Must not run beside handle().
  void replace_table(const LatencyTable& table);

  const Books& books() const noexcept;
  const Policy& policy() const noexcept;
  const SchedulerCounters& counters() const noexcept;
  /// Jobs that wait (for a segment or a batch) or run.
  std::size_t job_count() const noexcept;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace laxity
