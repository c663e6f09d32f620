// The driver for real time: threads around one scheduler.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/event.h"
#include "core/system_model.h"
#include "engine/engine.h"
#include "live/job_store.h"
#include "live/live_stream.h"
#include "live/placement.h"
#include "live/steady_clock.h"
#include "model/repository.h"
#include "policy/registry.h"
#include "sched/scheduler.h"
#include "trace/trace_sink.h"

namespace laxity {

struct LiveOptions {
  /// Cores of each executor; a missing or empty entry is chosen by place_threads.
  std::vector<std::vector<int>> executor_cores;
  /// Keep threads on their cores. Off in tests that share a machine.
  bool pin_threads = true;
  /// A poster that allows it runs a batch planned for at most this itself, when no other job is alive:
  /// cheaper than waking the executor's core and being woken by it. Zero: never.
  Duration inline_execution_max = 300us;
  /// How long an executor with a core of its own watches for its next command before it sleeps: about what
  /// waking it would cost.
  Duration spin = 50us;
  /// Executors, and the timer, that have a core of their own never sleep. For machines that serve nothing
  /// else.
  bool busy_poll = false;
  /// Real-time priority of the timer thread, and of the planner's while it holds the strand: in [1, 99] where
  /// the system permits it; 0: none. A timer that waits for an ordinary thread of its core to be preempted
  /// fires late by whole milliseconds.
  int realtime_priority = 0;
  /// External events that may wait for the strand; more are refused ("overloaded").
  std::size_t event_queue_length_max = 1024;
  SchedulerOptions scheduler;
};

/// What goes on right now, for people: GET /v2/laxity/state.
struct LiveState {
  struct ExecutorState {
    bool is_lost = false;
    std::optional<BatchId> batch;
    std::optional<CategoryId> category;
    std::size_t job_count = 0;
    std::optional<Instant> start, planned_finish;
  };
  Instant now;
  std::string policy;
  std::size_t job_count = 0;       ///< Waiting or running.
  std::vector<std::size_t> ready;  ///< By category: jobs that wait for it.
  std::size_t waiting_for_segment = 0;
  std::vector<ExecutorState> executors;  ///< By executor.
  std::optional<Instant> timer;
  SchedulerCounters scheduler;
  std::uint64_t refused = 0;         ///< External events that found the queue full.
  std::uint64_t inline_batches = 0;  ///< Batches that the poster ran itself.
  std::uint64_t executor_wakes = 0;  ///< Times a sleeping executor had to be woken.
  std::uint64_t timer_wakes = 0;
};

/// Owns every thread of the server but its network threads. After `start` neither executors nor whoever holds
/// the strand allocate.
class LiveRunner {
 public:
  /// Loads and warms every stage on every executor, then starts the threads. `engines[i]` serves executor i;
  /// `models[i]` is model i of `system.catalog` (Repository::models). All references outlive the runner.
  /// `trace` and `clock` may be null. Blocks for as long as warming takes.
  /// Errors: as Engine::load; kInvalidArgument: a core that does not exist; kFailedPrecondition: address
  /// space.
  static Result<std::unique_ptr<LiveRunner>> start(const LiveOptions& options, SystemModel system,
                                                   std::unique_ptr<Policy> policy,
                                                   std::span<const LoadedModel> models,
                                                   std::span<Engine* const> engines, JobStore& store,
                                                   TraceSink* trace = nullptr,
                                                   const SteadyClock* clock = nullptr);
  /// Stops without grace when still running.
  ~LiveRunner();

  /// Tells the scheduler. For JobReleased, JobCancelled, TaskSubmitted, TaskRemoved; others are the runner's
  /// own. False: too many events wait, or the runner has stopped; nothing happened: answer "overloaded".
  /// `may_run_inline`: this thread may be kept for up to `inline_execution_max` per stage of the only job
  /// alive. Any thread; JobStore calls may happen inside.
  bool post(const Event& event, bool may_run_inline = false);

  /// Accepts nothing new, finishes what has a chance, until no job is left or `grace` has passed; then
  /// cancels the rest, waits for what still runs (the engine is asked to stop it) and joins all threads.
  /// Every job gets its SettleJob before this returns. Not on a network thread: replies must be able to leave
  /// meanwhile.
  void stop(Duration grace);

  /// Uses other execution times from now on. Errors: kFailedPrecondition: it measures larger batches than the
  /// stages were loaded for; restart to use it. Any thread; allocates.
  Status replace_table(const LatencyTable& table);

  /// Any thread; allocates; waits microseconds for the strand.
  LiveState state();

  /// Fills in what is known of each stream, by its `task`. Any thread; O(streams); does not allocate; waits
  /// microseconds for the strand.
  void look_up(std::span<LiveStream> streams);

  const SteadyClock& clock() const noexcept;
  Instant now() const noexcept { return clock().now(); }
  /// Where threads run; the server settles its network threads by it.
  const Placement& placement() const noexcept;

 private:
  class Impl;
  explicit LiveRunner(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace laxity
