#include "sim/virtual_loop.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace laxity {
namespace {

constexpr int kFinishRank = 0;
constexpr int kPlanRank = 2;
constexpr int kReleaseRank = 3;
constexpr int kTimerRank = 4;
constexpr unsigned kRankShift = 60;

// A scheduler that arms timers for ever while nothing else happens, or events that never leave one instant.
constexpr std::uint64_t kEventsWithoutProgressMax = 50'000'000;

}  // namespace

VirtualLoop::VirtualLoop(const SystemModel& system, std::unique_ptr<Policy> policy, World& world,
                         const Options& options)
    : world_(world),
      options_(options),
      scheduler_(system, std::move(policy), SchedulerOptions{.audit = options.audit}),
      commands_(system.limits),
      executors_(system.executors.size()) {
  if (options.slowdown != nullptr) shared_.emplace(*options.slowdown, executors_.size());
}

void VirtualLoop::push(Instant at, int rank, Kind kind, std::uint32_t index, std::uint32_t generation) {
  const std::uint64_t order = (static_cast<std::uint64_t>(rank) << kRankShift) | sequence_++;
  heap_.push_back({at, order, index, generation, kind});
  std::push_heap(heap_.begin(), heap_.end());
}

void VirtualLoop::at(Instant at, int rank, std::uint32_t token) {
  LAXITY_CHECK(at >= now_);
  push(at, rank, Kind::kWorld, token);
}

void VirtualLoop::finish_later(std::uint32_t index) {
  VirtualExecutor& executor = executors_[index];
  push(executor.finish, kFinishRank, Kind::kExecutor, index, ++executor.generation);
}

void VirtualLoop::stall(Instant now, std::uint32_t index, Duration duration) {
  VirtualExecutor& executor = executors_.at(index);
  executor.stalled_until = std::max(executor.stalled_until, now) + duration;
  if (!executor.is_busy()) return;
  if (shared_ && shared_->is_busy(index)) {
    shared_->add_work(now, index, duration);
    now_ = now;
    renew_finishes();
    return;
  }
  executor.finish = executor.finish + duration;
  finish_later(index);
}

/// When each batch ends, after something beside it has started or stopped.
void VirtualLoop::renew_finishes() {
  for (std::uint32_t i = 0; i < executors_.size(); ++i) {
    VirtualExecutor& executor = executors_[i];
    if (!shared_->is_busy(i) || executor.is_terminated) continue;
    const Instant finish = shared_->finish(i);
    if (finish == executor.finish) continue;
    executor.finish = finish;
    finish_later(i);
  }
}

/// What ran there is over, however it ended.
void VirtualLoop::stop(VirtualExecutor& executor) {
  if (executor.is_busy()) busy_time_ += now_ - executor.start;
  executor.batch.reset();
  executor.is_segment = false;
  executor.is_terminated = false;
  executor.idle_since = now_;
  ++executor.generation;
  const auto slot = static_cast<std::size_t>(&executor - executors_.data());
  if (!shared_ || !shared_->is_busy(slot)) return;
  shared_->remove(now_, slot);
  renew_finishes();
}

bool VirtualLoop::lose(Instant now, std::uint32_t index) {
  VirtualExecutor& executor = executors_.at(index);
  if (executor.is_lost) return false;
  now_ = now;
  stop(executor);
  executor.is_lost = true;
  return true;
}

bool VirtualLoop::bring_back(Instant now, std::uint32_t index) {
  VirtualExecutor& executor = executors_.at(index);
  if (!executor.is_lost) return false;
  executor.is_lost = false;
  executor.idle_since = now;
  return true;
}

void VirtualLoop::run() {
  while (next_event()) {
  }
}

/// Takes the earliest of what is pending, the next release and the timer. False when the run is over.
bool VirtualLoop::next_event() {
  const auto release = world_.next_release();
  const bool is_quiet = heap_.empty() && !release;
  if (is_quiet && scheduler_.job_count() == 0) return false;
  // Jobs wait, and nothing will ever wake them: right only where an executor is gone for good, and even then
  // the scheduler should have settled them.
  LAXITY_CHECK(!is_quiet || timer_);

  constexpr Instant kNever = Instant::latest();
  const auto key = [](Instant at, int rank) {
    return std::pair(at, static_cast<std::uint64_t>(rank) << kRankShift);
  };
  const auto pending_key = heap_.empty() ? key(kNever, kTimerRank) : heap_.front().key();
  const auto release_key = key(release.value_or(kNever), kReleaseRank);
  const auto timer_key = key(timer_.value_or(kNever), kTimerRank);

  if (timer_ && timer_key < pending_key && timer_key < release_key) {
    now_ = *timer_;
    timer_.reset();
    event_.emplace<TimerFired>();
    check_progress(true);
    call_scheduler();
    return true;
  }
  if (release && release_key <= pending_key) {  // known in advance, so it came first
    now_ = *release;
    if (world_.take_release(now_, event_)) call_scheduler();
    check_progress(false);
    return true;
  }
  now_ = heap_.front().at;
  if (take_pending()) call_scheduler();
  check_progress(false);
  return true;
}

void VirtualLoop::check_progress(bool is_timer) {
  if (!is_timer && now_ > progress_) {
    progress_ = now_;
    events_without_progress_ = 0;
  }
  LAXITY_CHECK(++events_without_progress_ < kEventsWithoutProgressMax);
}

bool VirtualLoop::take_pending() {
  const Pending pending = heap_.front();
  std::pop_heap(heap_.begin(), heap_.end());
  heap_.pop_back();
  switch (pending.kind) {
    case Kind::kExecutor:
      if (pending.generation != executors_[pending.index].generation)
        return false;  // stalled, terminated or lost
      return finish_on(pending.index);
    case Kind::kPlan: {
      const PlanId plan = plans_[pending.index];
      event_.emplace<PlanReady>(PlanReady{plan, scheduler_.compute_plan(plan)});
      return true;
    }
    case Kind::kWorld:
      return world_.due(now_, pending.index, event_);
  }
  return false;
}

bool VirtualLoop::finish_on(std::uint32_t index) {
  VirtualExecutor& executor = executors_[index];
  const auto id = static_cast<ExecutorId>(index);
  if (executor.is_segment) {
    event_.emplace<SegmentFinished>(SegmentFinished{executor.segment_job, id, true});
    std::get<SegmentFinished>(event_).succeeded = world_.segment_succeeds(executor.segment_job);
  } else {
    auto& finished = event_.emplace<BatchFinished>();
    finished.batch = *executor.batch;
    finished.executor = id;
    finished.execution_time = std::max(now_ - executor.start - executor.handover, Duration(1));
    if (executor.is_terminated) {
      finished.status = BatchStatus::kTerminated;
    } else {
      world_.fill_result(executor.category, executor.jobs, finished);
    }
  }
  stop(executor);
  return true;
}

void VirtualLoop::call_scheduler() {
  commands_.clear();
  const std::uint64_t before = options_.clock_ns != nullptr ? options_.clock_ns() : 0;
  scheduler_.handle(now_, event_, commands_);
  if (options_.clock_ns != nullptr && options_.decision_ns != nullptr) {
    const std::uint64_t spent = options_.clock_ns() - before;
    options_.decision_ns->push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(spent, UINT32_MAX)));
  }
  if (options_.trace != nullptr) options_.trace->record(now_, event_, commands_);
  if (commands_.empty()) return;
  world_.decided(now_, commands_);
  for (const Command& command : commands_) carry_out(command);
}

void VirtualLoop::carry_out(const Command& command) {
  if (const auto* batch = std::get_if<StartBatch>(&command)) {
    const auto executor_index = static_cast<std::uint32_t>(index(batch->executor));
    VirtualExecutor& executor = executors_.at(executor_index);
    LAXITY_CHECK(!executor.is_busy() && !executor.is_lost);
    const WorkTime time = world_.batch_time(now_, *batch, now_ - executor.idle_since);
    executor.batch = batch->batch;
    executor.category = batch->category;
    executor.jobs = batch->jobs;
    start(executor_index, time);
  } else if (const auto* timer = std::get_if<SetTimer>(&command)) {
    LAXITY_CHECK(timer->at >= now_);
    timer_ = timer->at;
  } else if (const auto* segment = std::get_if<StartSegment>(&command)) {
    const auto executor_index = static_cast<std::uint32_t>(index(segment->executor));
    VirtualExecutor& executor = executors_.at(executor_index);
    LAXITY_CHECK(!executor.is_busy() && !executor.is_lost);
    const WorkTime time = world_.segment_time(now_, *segment);
    executor.is_segment = true;
    executor.segment_job = segment->job;
    start(executor_index, time);
  } else if (const auto* terminate = std::get_if<TerminateBatch>(&command)) {
    const auto executor_index = static_cast<std::uint32_t>(index(terminate->executor));
    VirtualExecutor& executor = executors_.at(executor_index);
    LAXITY_CHECK(executor.batch == terminate->batch);
    // One that would end before the engine has noticed ends as it would have.
    if (now_ + options_.terminate_delay >= executor.finish) return;
    executor.is_terminated = true;
    executor.finish = now_ + options_.terminate_delay;
    finish_later(executor_index);
  } else if (const auto* plan = std::get_if<ComputePlan>(&command)) {
    plans_.push_back(plan->plan);
    push(now_ + world_.plan_delay(), kPlanRank, Kind::kPlan, static_cast<std::uint32_t>(plans_.size() - 1));
  }
}

void VirtualLoop::start(std::uint32_t index, const WorkTime& time) {
  VirtualExecutor& executor = executors_[index];
  LAXITY_CHECK(time.execution > Duration::zero() && time.handover >= Duration::zero());
  const Duration stalled = std::max(executor.stalled_until - now_, Duration::zero());
  executor.start = now_;
  executor.handover = time.handover;
  if (shared_ && executor.batch) {
    shared_->start(now_, index, executor.category, stalled + time.handover + time.execution);
    executor.finish = now_;  // not yet known: renewed with all the others
    renew_finishes();
    return;
  }
  executor.finish = now_ + stalled + time.handover + time.execution;
  finish_later(index);
}

}  // namespace laxity
