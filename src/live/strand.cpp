#include "live/strand.h"

#include <sched.h>
#include <time.h>

#include <algorithm>

#include "base/check.h"

namespace laxity {
namespace {

// An executor that has got its own next batch leaves a queue longer than this to the timer thread: 32
// decisions of about a microsecond are what one wake-up of another core costs.
constexpr int kEventsWithOwnWorkMax = 32;

}  // namespace

Strand::Strand(Scheduler& scheduler, const Clock& clock, const Limits& limits,
               std::size_t external_length_max, std::size_t internal_length_max, TraceSink* trace,
               StrandClient& client)
    : scheduler_(scheduler),
      clock_(clock),
      trace_(trace),
      client_(client),
      external_(external_length_max),
      internal_(internal_length_max),
      commands_(limits) {}

bool Strand::push_external(const Event& event) noexcept {
  if (external_.try_push(event)) return true;
  refused_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void Strand::push_internal(const Event& event) noexcept {
  // Sized for everything that can be under way, so a full queue is an event that nobody asked for.
  LAXITY_CHECK(internal_.try_push(event));
}

void Strand::drain(StrandHolder& holder) noexcept {
  if (is_held_.exchange(true, std::memory_order_seq_cst)) return;  // the holder will find our event
  drain_held(holder);
}

void Strand::take_for_sure() noexcept {
  // Held for microseconds at a time, so waiting politely is enough; a bell here would cost every poster. At
  // real-time priority a yield lets nobody else run, not even the holder: then it is time to sleep.
  constexpr int kYieldsMax = 16;
  constexpr timespec kPause{0, 20'000};
  for (int yields = 0; is_held_.exchange(true, std::memory_order_seq_cst); ++yields) {
    if (yields < kYieldsMax) {
      ::sched_yield();
    } else {
      (void)::clock_nanosleep(CLOCK_MONOTONIC, 0, &kPause, nullptr);
    }
  }
}

void Strand::shut_down() noexcept {
  StrandHolder holder;
  take_for_sure();
  (void)drain_some(holder);
  deliver(clock_.now(), ShutdownStarted{}, holder);
  drain_held(holder);
}

void Strand::drain_held(StrandHolder& holder) noexcept {
  for (;;) {
    const bool is_empty = drain_some(holder);
    client_.drained();
    if (!is_empty) {
      ++counters_.handed_over;
      is_held_.exchange(false, std::memory_order_seq_cst);
      timer_bell_.ring(kBellDrain);
      return;
    }
    if (let_go()) return;
  }
}

// Lets the strand go; false: something came in meanwhile and we have it again.
bool Strand::let_go() noexcept {
  is_held_.exchange(false, std::memory_order_seq_cst);
  // A poster that saw the flag still set pushed before our exchange, so its event is visible to these looks.
  if (internal_.front() == nullptr && external_.front() == nullptr) return true;
  // Taken by somebody else in between? Then it is theirs to finish.
  return is_held_.exchange(true, std::memory_order_seq_cst);
}

// True when all is done; false when an executor should go and run its own work.
bool Strand::drain_some(StrandHolder& holder) noexcept {
  for (int handled_with_own_work = 0;; ++handled_with_own_work) {
    if (!holder.has_own_work) handled_with_own_work = 0;
    if (handled_with_own_work > kEventsWithOwnWorkMax) return false;
    const Instant now = std::max(clock_.now(), last_now_);
    if (timer_at_ && *timer_at_ < now) {
      deliver(now, TimerFired{}, holder);
      continue;
    }
    // Finishes first: they rank before everything else that may have come in the same moment.
    if (const Event* event = internal_.front()) {
      // The timer thread's note that one is due, found above unless it was just replaced by a later one. It
      // is taken back before the timer is looked at: a note that was left out because of it is found in the
      // next round.
      const bool is_timer = std::holds_alternative<TimerFired>(*event);
      if (is_timer) timer_is_noted_.store(false, std::memory_order_seq_cst);
      if (!is_timer || (timer_at_ && *timer_at_ <= now)) deliver(now, *event, holder);
      internal_.pop();
    } else if (const Event* posted = external_.front()) {
      deliver(now, *posted, holder);
      external_.pop();
    } else if (timer_at_ && *timer_at_ == now) {
      deliver(now, TimerFired{}, holder);
    } else {
      return true;
    }
  }
}

Instant Strand::stamp(Instant now, int rank) noexcept {
  if (now <= last_now_) {
    now = rank < last_rank_ ? last_now_ + 1ns : last_now_;
  }
  last_now_ = now;
  last_rank_ = rank;
  return now;
}

void Strand::deliver(const Event& event) noexcept {
  StrandHolder holder;
  deliver(clock_.now(), event, holder);
}

void Strand::deliver(Instant now, const Event& event, StrandHolder& holder) noexcept {
  now = stamp(now, tie_rank(event));
  if (std::holds_alternative<TimerFired>(event)) {
    timer_at_.reset();
    armed_ns_.store(kNever, std::memory_order_seq_cst);
  }
  client_.before_event(event);
  scheduler_.handle(now, event, commands_);
  ++counters_.handled;
  if (trace_ != nullptr) trace_->record(now, event, commands_);
  for (const Command& command : commands_) {
    if (const auto* timer = std::get_if<SetTimer>(&command)) {
      arm(timer->at);
    } else {
      client_.carry_out(command, holder);
    }
  }
  commands_.clear();
}

void Strand::arm(Instant at) noexcept {
  timer_at_ = at;
  const std::int64_t at_ns = at.since_start().count();
  armed_ns_.store(at_ns, std::memory_order_seq_cst);
  // A later timer than the one slept for is found at the wake-up: most timers are replaced before they are
  // due.
  if (at_ns < wakes_at_ns_.load(std::memory_order_seq_cst)) {
    ++counters_.timer_wakes;
    timer_bell_.ring(kBellEarlier);
  }
  if (at_ns < watcher_wakes_at_ns_.load(std::memory_order_seq_cst)) {
    watcher_bell_.load(std::memory_order_relaxed)->ring(kBellWatch);
  }
}

// False: it was armed anew, or somebody else has noted it.
bool Strand::note_timer_due(std::int64_t armed_ns) noexcept {
  // Queued, not just drained for: the strand's present holder, if there is one, will not miss it.
  if (!armed_ns_.compare_exchange_strong(armed_ns, kNever, std::memory_order_seq_cst)) return false;
  // One note at a time, so that it never takes a finish's place.
  if (!timer_is_noted_.exchange(true, std::memory_order_seq_cst)) push_internal(TimerFired{});
  return true;
}

Doorbell::Bits Strand::wait_watching_timer(Doorbell& bell, const SteadyClock& clock, Duration spin) noexcept {
  constexpr Duration kLook = 20us;  // how long the timer may be out of sight while spinning
  const bool never_sleeps = spin == Duration::max();
  const bool is_watcher = !is_watched_.exchange(true, std::memory_order_seq_cst);
  if (is_watcher) watcher_bell_.store(&bell, std::memory_order_relaxed);
  Doorbell::Bits bits = 0;
  while (bits == 0) {
    const std::int64_t armed_ns = is_watcher ? armed_ns_.load(std::memory_order_seq_cst) : kNever;
    const std::int64_t now_ns = clock.now().since_start().count();
    if (armed_ns <= now_ns) {
      if (note_timer_due(armed_ns)) break;
      continue;
    }
    if (never_sleeps || armed_ns - now_ns <= spin.count()) {
      bits = bell.spin(clock, std::min(kLook, Duration(armed_ns - now_ns)));
    } else {
      const std::int64_t wake_ns = armed_ns == kNever ? kNever : armed_ns - spin.count();
      if (is_watcher) watcher_wakes_at_ns_.store(armed_ns, std::memory_order_seq_cst);
      // As in wait_for_timer: armed anew before it could see when we mean to wake, it has not rung.
      if (!is_watcher || armed_ns_.load(std::memory_order_seq_cst) >= armed_ns) {
        bits = bell.wait(wake_ns == kNever
                             ? std::nullopt
                             : std::optional(clock.monotonic_ns(Instant::from_start(Duration(wake_ns)))));
      }
      if (is_watcher) watcher_wakes_at_ns_.store(kAwake, std::memory_order_seq_cst);
    }
    bits &= ~kBellWatch;
  }
  if (is_watcher) is_watched_.store(false, std::memory_order_seq_cst);
  return bits;
}

bool Strand::wait_for_timer(const SteadyClock& clock, bool poll) noexcept {
  for (;;) {
    const std::int64_t armed_ns = armed_ns_.load(std::memory_order_seq_cst);
    Doorbell::Bits bits = timer_bell_.take();
    if (bits == 0) {
      if (armed_ns <= clock.now().since_start().count()) {
        if (!note_timer_due(armed_ns)) continue;
        return true;
      }
      if (poll) {
        bits = timer_bell_.spin(clock, 20us);
      } else {
        wakes_at_ns_.store(armed_ns, std::memory_order_seq_cst);
        // Armed anew before it could see when we mean to wake? Then it has not rung, and we must look again.
        if (armed_ns_.load(std::memory_order_seq_cst) >= armed_ns) {
          bits = timer_bell_.wait(armed_ns == kNever ? std::nullopt
                                                     : std::optional(clock.monotonic_ns(
                                                           Instant::from_start(Duration(armed_ns)))));
        }
        wakes_at_ns_.store(kAwake, std::memory_order_seq_cst);
      }
    }
    if ((bits & kBellStop) != 0) return false;
    if ((bits & kBellDrain) != 0) return true;
  }
}

}  // namespace laxity
