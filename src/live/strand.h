// One decider, many threads: events queue up, and whoever posts one while nobody decides, decides.
//
// A thread of its own for the scheduler would cost two wake-ups of a sleeping core per batch (15 to 40 us
// each): one to tell it that an executor has finished, one to tell the executor what comes next. So the
// scheduler is a *strand*: a piece of work that runs on one thread at a time, but on whichever thread has
// something for it. A poster puts its event into a bounded queue and tries to take the strand. If it gets it,
// it feeds the scheduler until the queue is empty; if not, the holder will find the event: it looks once more
// after letting go. An executor that finishes therefore runs the next decision itself and starts its next
// batch without any hand-over.
//
// Time is read inside the strand, once per event, so the scheduler sees instants that never go back, whatever
// thread they come from. At equal instants events keep the order of `tie_rank`: one that would come too late
// for its rank is stamped a nanosecond later. A timer that is due is delivered before any event with a later
// stamp, as the simulator does, even if the thread that watches it has not woken yet.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "core/command.h"
#include "core/event.h"
#include "live/mailbox.h"
#include "live/steady_clock.h"
#include "sched/scheduler.h"
#include "trace/trace_sink.h"

namespace laxity {

/// Who holds the strand, for this holding.
struct StrandHolder {
  bool may_run_inline = false;     ///< This thread may run a short batch itself afterwards.
  std::optional<ExecutorId> self;  ///< The executor whose thread this is.
  std::optional<ExecutorId>
      inline_executor;        ///< Set while holding: this thread must run that executor's work.
  bool has_own_work = false;  ///< Set while holding: `self` was given work.
};

/// What the strand does besides deciding. All calls come inside the strand.
class StrandClient {
 public:
  virtual ~StrandClient() = default;
  /// Before the scheduler is told.
  virtual void before_event(const Event& event) = 0;
  virtual void carry_out(const Command& command, StrandHolder& holder) = 0;
  /// Nothing is left to do; the strand is about to be let go.
  virtual void drained() = 0;
};

struct StrandCounters {
  std::uint64_t handled = 0;      ///< Events told to the scheduler.
  std::uint64_t timer_wakes = 0;  ///< Times the timer thread had to be woken for an earlier timer.
  std::uint64_t handed_over = 0;  ///< Times an executor left the rest of a long queue to the timer thread.
};

class Strand {
 public:
  /// `external_length_max`: queue of posts that may be refused. `internal_length_max`: most finishes, plans
  /// and the like that can be under way at once; these are never refused. `trace` may be null.
  Strand(Scheduler& scheduler, const Clock& clock, const Limits& limits, std::size_t external_length_max,
         std::size_t internal_length_max, TraceSink* trace, StrandClient& client);

  /// Queues an event from outside: releases, cancels, tasks. False: full, nothing happened; answer
  /// "overloaded". Any thread; does not block. Follow with `drain`.
  bool push_external(const Event& event) noexcept;
  /// Queues BatchFinished, SegmentFinished, PlanReady. Any thread; does not block.
  void push_internal(const Event& event) noexcept;

  /// Feeds the scheduler until nothing is queued and no timer is due, unless another thread is doing so. Any
  /// thread.
  void drain(StrandHolder& holder) noexcept;

  /// Runs `work(scheduler)` inside the strand, waiting (microseconds) for whoever holds it; then drains.
  /// `work` may call `deliver`.
  template <typename Work>
  void run_inside(Work&& work) {
    StrandHolder holder;
    take_for_sure();
    work(scheduler_);
    drain_held(holder);
  }
  /// Tells the scheduler of the shutdown, after everything that was posted before; then drains. Waits for
  /// whoever holds the strand. Precondition: nothing is posted any more.
  void shut_down() noexcept;

  /// Tells the scheduler right now. Inside run_inside only.
  void deliver(const Event& event) noexcept;

  /// The timer thread's body: `while (wait_for_timer(…)) drain(…);`. False: `kBellStop` was rung.
  /// `poll`: watch without sleeping.
  bool wait_for_timer(const SteadyClock& clock, bool poll) noexcept;
  static constexpr Doorbell::Bits kBellEarlier = 1, kBellDrain = 2, kBellStop = 4;
  Doorbell& timer_bell() noexcept { return timer_bell_; }

  /// For a thread that is idle on a core of its own, where it wakes sooner than the timer thread does among
  /// others: waits at `bell` until it is rung, and returns its bits; or until the timer is due, notes that as
  /// the timer thread would, and returns 0: drain. The last `spin` before that it watches without sleeping
  /// (Duration::max(): all the time). One thread watches the timer at a time, others only their bells. Other
  /// bits of `bell` than kBellWatch are the caller's.
  Doorbell::Bits wait_watching_timer(Doorbell& bell, const SteadyClock& clock, Duration spin) noexcept;
  static constexpr Doorbell::Bits kBellWatch = 1 << 8;

  /// Inside the strand.
  const StrandCounters& counters() const noexcept { return counters_; }
  /// External events that found the queue full. Any thread.
  std::uint64_t refused() const noexcept { return refused_.load(std::memory_order_relaxed); }
  /// When the armed timer is due. Inside the strand.
  std::optional<Instant> timer() const noexcept { return timer_at_; }

 private:
  void take_for_sure() noexcept;
  void drain_held(StrandHolder& holder) noexcept;
  bool drain_some(StrandHolder& holder) noexcept;
  bool let_go() noexcept;
  void deliver(Instant now, const Event& event, StrandHolder& holder) noexcept;
  void arm(Instant at) noexcept;
  bool note_timer_due(std::int64_t armed_ns) noexcept;
  Instant stamp(Instant now, int rank) noexcept;

  Scheduler& scheduler_;
  const Clock& clock_;
  TraceSink* trace_;
  StrandClient& client_;
  BoundedQueue<Event> external_;
  BoundedQueue<Event> internal_;
  std::atomic<std::uint64_t> refused_{0};

  alignas(kCacheLineSize) std::atomic<bool> is_held_{false};

  // Only inside the strand.
  CommandBuffer commands_;
  Instant last_now_;
  int last_rank_ = 0;
  std::optional<Instant> timer_at_;
  StrandCounters counters_;

  // Between the strand and who waits for the timer (the timer thread, and at most one watcher): when it is
  // due, and when each means to wake.
  static constexpr std::int64_t kNever = INT64_MAX;
  static constexpr std::int64_t kAwake = INT64_MIN;
  alignas(kCacheLineSize) std::atomic<std::int64_t> armed_ns_{kNever};
  std::atomic<std::int64_t> wakes_at_ns_{kAwake};
  std::atomic<bool> timer_is_noted_{false};  // a TimerFired is queued
  Doorbell timer_bell_;
  std::atomic<bool> is_watched_{false};
  std::atomic<std::int64_t> watcher_wakes_at_ns_{kAwake};
  std::atomic<Doorbell*> watcher_bell_{nullptr};
};

}  // namespace laxity
