// One event at a time: apply it, settle what has come due, ask the policy, set the timer.
//
// The order inside handle() is part of the contract with the drivers and the policies:
//   1. the event changes the books (a batch that finishes exactly at a deadline is therefore on time);
//   2. jobs whose deadline, less the time a reply takes, has come are settled;
//   3. CPU segments start on the executors set apart for them;
//   4. the policy reviews what time has decided, then chooses for each idle executor, in order of id;
//   5. the policy may ask for a plan; 6. the timer moves if it has to.
#include "sched/scheduler.h"

#include <algorithm>
#include <utility>

#include "analysis/drift_watch.h"
#include "base/check.h"
#include "sched/audit.h"
#include "sched/job_books.h"

namespace laxity {
namespace {

std::optional<Instant> earlier(std::optional<Instant> a, std::optional<Instant> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace

class Scheduler::State {
 public:
  State(SystemModel model, std::unique_ptr<Policy> chosen, SchedulerOptions chosen_options)
      : books(std::move(model)),
        policy(std::move(chosen)),
        options(chosen_options),
        drift_watch(books.system().table, books.system().catalog) {
    LAXITY_CHECK(policy != nullptr && books.has_batch_executor());
    LAXITY_CHECK(books.capacity() > 0 && books.capacity() <= kJobSlotMask + 1);
    LAXITY_CHECK(books.system().limits.batch_size_max <= kBatchSizeMax);
    policy->attach(books);
    traits = policy->traits();
  }

  void handle(Instant at, const Event& event, CommandBuffer& buffer);

  JobBooks books;
  std::unique_ptr<Policy> policy;
  SchedulerOptions options;
  DriftWatch drift_watch;
  PolicyTraits traits;
  SchedulerCounters counters;
  std::optional<PlanId> outstanding_plan;
  std::uint64_t plan_budget = 0;

 private:
  void on(const TaskSubmitted& event);
  void on(const TaskRemoved& event);
  void on(const JobReleased& event);
  void on(const JobCancelled& event);
  void on(const SegmentFinished& event);
  void on(const BatchFinished& event);
  void on(const ExecutorLost& event);
  void on(const ExecutorBack& event);
  void on(const PlanReady& event);
  void on(const TablesChanged&) { policy->tables_changed(now); }
  void on(const ShutdownStarted&);
  void on(const TimerFired&) { armed_timer.reset(); }

  void answer_task(const AnswerTask& answer);
  std::optional<Reason> refusal(Job& job);
  void watch_drift(CategoryId category, std::uint32_t batch_size, Duration excess);
  void reanchor(TaskId task, PhaseTracker::Move move);
  void make_ready(JobIndex i);
  void leave_waiting(JobIndex i);
  void settle(JobIndex i, Outcome outcome, Reason reason);
  void settle_finished(JobIndex i);
  void forget(JobIndex i);
  void stage_finished(JobIndex i, Confidence confidence);
  void free_executor(ExecutorId id);
  void settle_due();
  void settle_unrunnable();
  void give_up(const Decision& decision);
  void start_segments();
  void change_variant(JobIndex i, std::uint32_t variant);
  void start_batch(ExecutorId id, const Decision& decision);
  void ask_policy(bool timer_fired);
  std::optional<Instant> review(bool timer_fired);
  void ask_for_plan();
  void set_timer();
  Duration reply_time() const { return books.system().table.overheads.reply_p99; }

  Instant now;
  CommandBuffer* commands = nullptr;
  StartBatch start;  // filled anew for each; kept here because clearing its array each time would cost more
  std::uint64_t last_batch = 0;
  std::uint64_t last_plan = 0;
  std::optional<Instant> armed_timer;
  std::optional<Instant> policy_wake;
  bool is_shutting_down = false;
};

void Scheduler::State::handle(Instant at, const Event& event, CommandBuffer& buffer) {
  LAXITY_CHECK(counters.events == 0 || at >= now);
  now = at;
  commands = &buffer;
  ++counters.events;
  std::visit([this](const auto& e) { on(e); }, event);
  settle_due();
  start_segments();
  ask_policy(std::holds_alternative<TimerFired>(event));
  while (const auto answer = policy->later_answer(now)) answer_task(*answer);
  ask_for_plan();
  set_timer();
  if (options.audit) audit(books, *policy, counters, now, armed_timer);
}

void Scheduler::State::on(const TaskSubmitted& event) {
  const Task& task = event.task;
  LAXITY_CHECK(task.min_inter_arrival > Duration::zero() && task.relative_deadline > Duration::zero());
  LAXITY_CHECK(task.release_jitter_max >= Duration::zero());
  AnswerTask refusal;
  refusal.task = task.id;
  refusal.reason = is_shutting_down ? Reason::kShuttingDown : books.open_stream(task);
  if (refusal.reason != Reason::kNone) {
    commands->push(refusal);
  } else if (const auto answer = policy->answer_task(task, now)) {
    answer_task(*answer);
  }
}

void Scheduler::State::on(const TaskRemoved& event) {
  StreamEntry* stream = books.stream_entry(event.task);
  if (stream == nullptr) return;
  policy->task_removed(event.task, now);
  stream->state = StreamEntry::State::kFree;
}

void Scheduler::State::answer_task(const AnswerTask& answer) {
  StreamEntry* stream = books.stream_entry(answer.task);
  LAXITY_CHECK(stream != nullptr && (answer.admitted || stream->state == StreamEntry::State::kAsked));
  stream->state = answer.admitted ? StreamEntry::State::kAdmitted : StreamEntry::State::kFree;
  commands->push(answer);
}

std::optional<Reason> Scheduler::State::refusal(Job& job) {
  if (is_shutting_down) return Reason::kShuttingDown;
  if (slot(job.id) >= books.capacity()) return Reason::kQueueFull;
  if (!books.has_batch_executor()) return Reason::kExecutorLost;
  if (books.takes_segment(job) && !books.has_segment_executor()) return Reason::kExecutorLost;
  if (!job.task) return std::nullopt;
  bool is_anchored_now = false;
  const Reason reason = books.bind_frame(job, now, is_anchored_now);
  if (is_anchored_now) policy->task_anchored(*job.task, now);
  if (reason != Reason::kNone) return reason;
  if (const auto move = books.phase_move(job, now)) reanchor(*job.task, *move);
  return std::nullopt;
}

// Frames that were promised keep their r; the clock drifts on until the first that was not.
void Scheduler::State::reanchor(TaskId task, PhaseTracker::Move move) {
  StreamEntry& stream = *books.stream_entry(task);
  const std::uint64_t from = std::max(stream.next_frame, policy->first_unpromised(task, stream.next_frame));
  if (policy->counts_every_interval(task)) {
    const Duration period = stream.phase.period_at(stream.next_frame);
    move = PhaseTracker::spread(move, stream.task.min_inter_arrival, period);
  }
  const auto until_then = static_cast<std::int64_t>(from - stream.next_frame);
  stream.phase.move(from, move.by + until_then * move.per_frame, move.per_frame);
  stream.tracker.restart();
  ++stream.reanchored;
  policy->task_reanchored(task, now);
}

void Scheduler::State::on(const JobReleased& event) {
  Job job = event.job;
  const Catalog& catalog = books.system().catalog;
  LAXITY_CHECK(index(job.model) < catalog.models.size());
  LAXITY_CHECK(job.variant < catalog.models[index(job.model)].variants.size());
  ++counters.released;
  const auto reason = refusal(job);
  LAXITY_CHECK(reason || job.kind == JobKind::kBestEffort || job.absolute_deadline);
  if (reason) {
    ++counters.settled[static_cast<int>(Outcome::kRejected)];
    SettleJob answer{};
    answer.job = job.id;
    answer.outcome = Outcome::kRejected;
    answer.reason = *reason;
    if (job.absolute_deadline) answer.slack = *job.absolute_deadline - now;
    answer.frame = job.frame;
    commands->push(answer);
    return;
  }
  const auto i = static_cast<JobIndex>(slot(job.id));
  JobEntry& entry = books.job(i);
  LAXITY_CHECK(entry.state == JobState::kFree);
  entry = JobEntry{};
  entry.job = job;
  entry.encoded = job.needs_preprocess;
  entry.ready_since = now;
  ++books.alive_count;
  // Soft jobs too: at its deadline a staged job is answered with the exit it has.
  if (traits.settles_at_deadline && job.kind != JobKind::kBestEffort) {
    books.deadlines.push(i, {*job.absolute_deadline - reply_time(), job.id});
  }
  if (books.takes_segment(job)) {
    entry.state = JobState::kNeedsSegment;
    books.segments.push(i, {traits.segments_by_deadline ? job.deadline_key() : job.release, job.id});
  } else {
    make_ready(i);
  }
}

void Scheduler::State::on(const JobCancelled& event) {
  if (const auto i = books.find_unsettled(event.job)) {
    leave_waiting(*i);
    settle(*i, Outcome::kCancelled, Reason::kClientGone);
  }
}

void Scheduler::State::on(const SegmentFinished& event) {
  ExecutorEntry& executor = books.executor(event.executor);
  if (executor.segment != event.job) return;  // it ran on an executor that has been lost meanwhile
  const auto i = static_cast<JobIndex>(slot(event.job));
  JobEntry& entry = books.job(i);
  entry.execution_time += now - executor.start;
  executor.segment.reset();
  if (entry.state == JobState::kZombie) {
    forget(i);
  } else if (!event.succeeded) {
    settle(i, Outcome::kFailed, Reason::kPreprocessFailed);
  } else {
    entry.encoded = false;
    make_ready(i);
  }
}

void Scheduler::State::on(const BatchFinished& event) {
  ExecutorEntry& executor = books.executor(event.executor);
  RunningBatch& running = books.running(event.executor);
  if (executor.batch != event.batch) {
    LAXITY_CHECK(running.lost && event.batch <= *running.lost);  // it ran here when the executor was lost
    return;
  }
  const bool succeeded = event.status == BatchStatus::kSucceeded;
  LAXITY_CHECK(!succeeded || event.confidences.size() == running.jobs.size());
  const Duration planned = executor.planned_finish - executor.start;
  free_executor(event.executor);
  policy->batch_finished(running.category, event.executor, event.status, event.execution_time, now);
  for (std::size_t n = 0; n < running.jobs.size(); ++n) {
    const JobIndex i = running.jobs[n];
    if (books.job(i).state == JobState::kZombie) {
      forget(i);
    } else if (event.status == BatchStatus::kFailed) {
      settle(i, Outcome::kFailed, Reason::kEngineFailed);
    } else if (event.status == BatchStatus::kTerminated) {
      make_ready(i);
    } else if ((event.preprocess_failed >> n) & 1u) {
      settle(i, Outcome::kFailed, Reason::kPreprocessFailed);
    } else {
      stage_finished(i, event.confidences[n]);
    }
  }
  if (succeeded && planned > Duration::zero())
    watch_drift(running.category, static_cast<std::uint32_t>(running.jobs.size()),
                event.execution_time + books.system().table.overheads.dispatch - planned);
}

// A bound that measured times have left is replaced, and who plans with it is told.
void Scheduler::State::watch_drift(CategoryId category, std::uint32_t batch_size, Duration excess) {
  LatencyTable& table = books.table();
  const auto bound = drift_watch.observe(table, category, batch_size, excess);
  if (!bound) return;
  const std::uint32_t point = *DriftWatch::point(table, category, batch_size);
  ExecutionTime time = *table.measured(category, point);
  time.p99 = *bound;
  time.max = table.planning_bound() == PlanningBound::kMax ? time.p99 : std::max(time.max, time.p99);
  time.after_idle_p99 = std::max(time.after_idle_p99, time.p99);
  table.set(category, point, time);
  ++counters.bounds_changed;
  policy->tables_changed(now);
}

void Scheduler::State::on(const ExecutorLost& event) {
  ExecutorEntry& executor = books.executor(event.executor);
  if (executor.is_lost) return;
  executor.is_lost = true;
  if (executor.segment) {
    const auto i = static_cast<JobIndex>(slot(*executor.segment));
    executor.segment.reset();
    JobEntry& entry = books.job(i);
    if (entry.state == JobState::kZombie) {
      forget(i);
    } else {
      entry.execution_time += now - executor.start;
      entry.ready_since = now;
      books.segments.push(
          i, {traits.segments_by_deadline ? entry.job.deadline_key() : entry.job.release, entry.job.id});
    }
  }
  if (executor.batch) {
    RunningBatch& running = books.running(event.executor);
    running.lost = executor.batch;
    free_executor(event.executor);
    policy->batch_finished(running.category, event.executor, BatchStatus::kTerminated, now - executor.start,
                           now);
    for (const JobIndex i : running.jobs) {
      if (books.job(i).state == JobState::kZombie) {
        forget(i);
      } else {
        make_ready(i);
      }
    }
  }
  settle_unrunnable();
}

void Scheduler::State::on(const ExecutorBack& event) { books.executor(event.executor).is_lost = false; }

void Scheduler::State::on(const PlanReady& event) {
  LAXITY_CHECK(outstanding_plan == event.plan);
  outstanding_plan.reset();
  policy->plan_ready(now);
}

// Waiting jobs without a deadline, or that can no longer meet theirs, are turned away; the others are
// finished.
void Scheduler::State::on(const ShutdownStarted&) {
  if (is_shutting_down) return;
  is_shutting_down = true;
  for (const StreamEntry& stream : books.streams()) {  // who still waits for an answer gets one
    if (stream.state != StreamEntry::State::kAsked) continue;
    AnswerTask refusal;
    refusal.task = stream.task.id;
    refusal.reason = Reason::kShuttingDown;
    policy->task_removed(stream.task.id, now);
    answer_task(refusal);
  }
  for (JobIndex i = 0; i < books.capacity(); ++i) {
    const JobEntry& entry = books.job(i);
    const bool in_segment = entry.state == JobState::kNeedsSegment && !books.segments.contains(i);
    if ((entry.state != JobState::kReady && entry.state != JobState::kNeedsSegment) || in_segment) continue;
    const bool has_answer = entry.stages_done >= books.mandatory_count(entry);
    const bool has_deadline = entry.job.absolute_deadline.has_value();
    const Duration needed =
        books.remaining(entry, has_answer ? entry.stages_done : books.mandatory_count(entry));
    if (has_deadline && now + needed + reply_time() <= *entry.job.absolute_deadline) continue;
    leave_waiting(i);
    if (has_answer) {
      settle_finished(i);
    } else {
      settle(i, Outcome::kRejected, Reason::kShuttingDown);
    }
  }
  policy->shutdown_started(now);
}

void Scheduler::State::make_ready(JobIndex i) {
  JobEntry& entry = books.job(i);
  entry.state = JobState::kReady;
  entry.ready_since = now;
  ++books.ready_count;
  policy->job_ready(i, now);
}

// Takes a job out of whatever it waits in. A running job is left where it is: settling makes it a zombie.
void Scheduler::State::leave_waiting(JobIndex i) {
  JobEntry& entry = books.job(i);
  if (entry.state == JobState::kReady) {
    policy->job_gone(i, now);
    --books.ready_count;
  } else if (books.segments.contains(i)) {
    books.segments.erase(i);
  } else {
    return;
  }
  entry.queue_time += now - entry.ready_since;
}

// The job's one outcome. Precondition: it waits in no queue any more (but may still be in the deadline
// queue).
void Scheduler::State::settle(JobIndex i, Outcome outcome, Reason reason) {
  JobEntry& entry = books.job(i);
  LAXITY_CHECK(entry.state != JobState::kFree && entry.state != JobState::kZombie);
  if (books.deadlines.contains(i)) books.deadlines.erase(i);
  const bool is_answered = outcome == Outcome::kOnTime || outcome == Outcome::kLate;
  const auto holds_segment = [&](const ExecutorEntry& executor) { return executor.segment == entry.job.id; };
  const bool in_batch = entry.state == JobState::kRunning && entry.batch;
  const bool in_segment = entry.state == JobState::kNeedsSegment &&
                          std::any_of(books.executors().begin(), books.executors().end(), holds_segment);
  SettleJob answer{};
  answer.job = entry.job.id;
  answer.outcome = outcome;
  answer.reason = reason;
  answer.exit_count = is_answered ? entry.stages_done : 0;
  answer.confidence = is_answered ? entry.confidence : Confidence{0};
  answer.queue_time = entry.queue_time;
  answer.execution_time = entry.execution_time;
  answer.batch_size = entry.last_batch_size;
  if (entry.job.absolute_deadline) answer.slack = *entry.job.absolute_deadline - now;
  if (entry.is_other_variant && is_answered) answer.variant = entry.job.variant;
  answer.is_last = !in_batch && !in_segment;
  answer.frame = entry.job.frame;
  commands->push(answer);
  ++counters.settled[static_cast<int>(outcome)];
  if (answer.is_last) {
    entry.state = JobState::kFree;
    --books.alive_count;
    return;
  }
  entry.state = JobState::kZombie;
  ++books.zombie_count;
  if (!in_batch) return;
  for (std::size_t e = 0; e < books.executor_count(); ++e) {
    const auto id = static_cast<ExecutorId>(e);
    if (books.executor(id).batch != entry.batch) continue;
    if (--books.running(id).waited_for_count == 0) commands->push(TerminateBatch{*entry.batch, id});
  }
}

// With an answer in hand: on time up to and including the deadline. Firm answers are worthless after it.
void Scheduler::State::settle_finished(JobIndex i) {
  const Job& job = books.job(i).job;
  if (!job.absolute_deadline || now <= *job.absolute_deadline) {
    settle(i, Outcome::kOnTime, Reason::kNone);
  } else if (job.kind == JobKind::kFirm && traits.settles_at_deadline) {
    settle(i, Outcome::kDropped, Reason::kRanPastDeadline);
  } else {
    settle(i, Outcome::kLate, Reason::kRanPastDeadline);
  }
}

void Scheduler::State::forget(JobIndex i) {
  JobEntry& entry = books.job(i);
  LAXITY_CHECK(entry.state == JobState::kZombie);
  commands->push(ForgetJob{entry.job.id});
  entry.state = JobState::kFree;
  entry.batch.reset();
  --books.zombie_count;
  --books.alive_count;
}

void Scheduler::State::stage_finished(JobIndex i, Confidence confidence) {
  JobEntry& entry = books.job(i);
  ++entry.stages_done;
  entry.confidence = confidence;
  entry.encoded = false;
  if (entry.stages_done == books.stage_count(entry)) {
    settle_finished(i);
    return;
  }
  if (policy->continue_to_next_stage(i, now)) {
    make_ready(i);
  } else {
    LAXITY_CHECK(entry.stages_done >= books.mandatory_count(entry));
    settle_finished(i);
  }
}

// Empties the executor: its jobs are in no batch afterwards, and have been charged for the time in it. Who
// they were stays in `running` until the next start.
void Scheduler::State::free_executor(ExecutorId id) {
  ExecutorEntry& executor = books.executor(id);
  RunningBatch& running = books.running(id);
  for (const JobIndex i : running.jobs) {
    books.job(i).batch.reset();
    books.job(i).execution_time += now - executor.start;
  }
  running.waited_for_count = 0;
  executor.batch.reset();
}

void Scheduler::State::settle_due() {
  while (!books.deadlines.empty() && books.deadlines.top_key().at <= now) {
    const JobIndex i = books.deadlines.pop();
    const JobEntry& entry = books.job(i);
    const bool has_answer = entry.stages_done >= books.mandatory_count(entry);
    if (has_answer) {
      leave_waiting(i);
      settle_finished(i);
    } else if (entry.job.kind == JobKind::kFirm) {
      leave_waiting(i);
      settle(i, Outcome::kDropped, Reason::kRanPastDeadline);
    }  // soft: runs on, and comes out late
  }
}

// After an executor was lost: jobs that nobody is left to run.
void Scheduler::State::settle_unrunnable() {
  const bool batches = books.has_batch_executor();
  const bool segments = books.has_segment_executor();
  if (batches && (segments || books.segments.empty())) return;
  for (JobIndex i = 0; i < books.capacity(); ++i) {
    const JobState state = books.job(i).state;
    const bool stranded = (state == JobState::kReady && !batches) ||
                          (state == JobState::kNeedsSegment && (!batches || !segments));
    if (!stranded) continue;
    leave_waiting(i);
    settle(i, Outcome::kDropped, Reason::kExecutorLost);
  }
}

void Scheduler::State::give_up(const Decision& decision) {
  LAXITY_CHECK(!decision.jobs.empty() && decision.reason != Reason::kNone);
  for (const JobIndex i : decision.jobs) {
    LAXITY_CHECK(i < books.capacity());
    JobEntry& entry = books.job(i);
    LAXITY_CHECK(entry.state == JobState::kReady && entry.job.kind == JobKind::kFirm);
    --books.ready_count;
    entry.queue_time += now - entry.ready_since;
    if (entry.stages_done >= books.mandatory_count(entry)) {
      settle_finished(i);
    } else {
      settle(i, Outcome::kDropped, decision.reason);
    }
  }
}

void Scheduler::State::start_segments() {
  for (std::size_t e = 0; e < books.executor_count() && !books.segments.empty(); ++e) {
    const auto id = static_cast<ExecutorId>(e);
    ExecutorEntry& executor = books.executor(id);
    if (!books.runs_only_segments(id) || !executor.is_idle()) continue;
    JobEntry& entry = books.job(books.segments.pop());
    entry.queue_time += now - entry.ready_since;
    executor.segment = entry.job.id;
    executor.start = now;
    executor.planned_finish =
        now + books.system().table.segment(entry.job.model, SegmentKind::kPreprocess).p99;
    commands->push(StartSegment{entry.job.id, id});
  }
}

void Scheduler::State::change_variant(JobIndex i, std::uint32_t variant) {
  LAXITY_CHECK(i < books.capacity());
  JobEntry& entry = books.job(i);
  LAXITY_CHECK(entry.stages_done == 0);
  LAXITY_CHECK(variant < books.system().catalog.models[index(entry.job.model)].variants.size());
  entry.is_other_variant = entry.is_other_variant || entry.job.variant != variant;
  entry.job.variant = variant;
}

void Scheduler::State::start_batch(ExecutorId id, const Decision& decision) {
  const std::size_t count = decision.jobs.size();
  LAXITY_CHECK(count > 0 && decision.jobs[0] < books.capacity());
  LAXITY_CHECK(books.job(decision.jobs[0]).state == JobState::kReady);
  if (decision.variant) {
    for (const JobIndex i : decision.jobs) change_variant(i, *decision.variant);
  }
  const CategoryId category = books.next_category(books.job(decision.jobs[0]));
  LAXITY_CHECK(count <= books.system().batch_size_max(category));
  const auto batch = static_cast<BatchId>(++last_batch);
  start.jobs.clear();
  start.batch = batch;
  start.executor = id;
  start.category = category;
  RunningBatch& running = books.running(id);
  running.category = category;
  running.jobs.clear();
  std::uint32_t encoded_count = 0;
  for (const JobIndex i : decision.jobs) {
    LAXITY_CHECK(i < books.capacity());
    JobEntry& entry = books.job(i);
    LAXITY_CHECK(entry.state == JobState::kReady && books.next_category(entry) == category);
    entry.state = JobState::kRunning;  // so a job that is named twice fails the check above
    entry.batch = batch;
    entry.queue_time += now - entry.ready_since;
    entry.last_batch_size = static_cast<std::uint32_t>(count);
    if (entry.encoded) ++encoded_count;
    running.jobs.push_back(i);
    start.jobs.push_back(entry.job.id);
  }
  books.ready_count -= count;
  running.waited_for_count = count;
  start.planned = books.system().planned(category, static_cast<std::uint32_t>(count), encoded_count);
  ExecutorEntry& executor = books.executor(id);
  executor.batch = batch;
  executor.start = now;
  executor.planned_finish = now + start.planned;
  ++counters.batches;
  counters.batch_jobs += count;
  commands->push(start);
}

void Scheduler::State::ask_policy(bool timer_fired) {
  std::optional<Instant> review_wake = review(timer_fired);
  policy_wake.reset();
  bool has_started = false;
  for (std::size_t e = 0; e < books.executor_count(); ++e) {
    const auto id = static_cast<ExecutorId>(e);
    if (!books.runs_batches(id)) continue;
    while (books.executor(id).is_idle()) {
      const Decision decision = policy->decide(id, now);
      if (decision.kind == Decision::Kind::kStart) {
        start_batch(id, decision);
        has_started = true;
      } else if (decision.kind == Decision::Kind::kDrop) {
        give_up(decision);
      } else {
        policy_wake = earlier(policy_wake, decision.wait_until);
        break;
      }
    }
  }
  // The jobs that have just been started are no longer a reason to wake.
  if (has_started) review_wake = review(timer_fired);
  policy_wake = earlier(policy_wake, review_wake);
}

std::optional<Instant> Scheduler::State::review(bool timer_fired) {
  for (;;) {
    const Decision decision = policy->review(now, timer_fired);
    LAXITY_CHECK(decision.kind != Decision::Kind::kStart);
    if (decision.kind == Decision::Kind::kWait) return decision.wait_until;
    give_up(decision);
  }
}

void Scheduler::State::ask_for_plan() {
  if (outstanding_plan) return;
  if (const auto budget = policy->request_plan(now)) {
    outstanding_plan = static_cast<PlanId>(++last_plan);
    plan_budget = *budget;
    commands->push(ComputePlan{*outstanding_plan, plan_budget});
  }
}

// A wake-up at this very instant is allowed: it says "when all else of this instant has been told".
void Scheduler::State::set_timer() {
  std::optional<Instant> due;
  if (!books.deadlines.empty()) due = books.deadlines.top_key().at;
  const std::optional<Instant> wanted = earlier(policy_wake, due);
  if (!wanted) {
    if (armed_timer && *armed_timer < now) armed_timer.reset();
    return;
  }
  LAXITY_CHECK(*wanted >= now);
  if (wanted == armed_timer) return;
  armed_timer = wanted;
  commands->push(SetTimer{*wanted});
}

Scheduler::Scheduler(SystemModel model, std::unique_ptr<Policy> policy, SchedulerOptions options)
    : state_(std::make_unique<State>(std::move(model), std::move(policy), options)) {}
Scheduler::~Scheduler() = default;

void Scheduler::handle(Instant now, const Event& event, CommandBuffer& commands) {
  state_->handle(now, event, commands);
}

std::uint64_t Scheduler::compute_plan(PlanId plan) {
  LAXITY_CHECK(state_->outstanding_plan == plan);
  return state_->policy->compute_plan(state_->plan_budget);
}

void Scheduler::replace_table(const LatencyTable& table) {
  state_->books.table() = table;
  state_->drift_watch = DriftWatch(table, state_->books.system().catalog);
}

const Books& Scheduler::books() const noexcept { return state_->books; }
const Policy& Scheduler::policy() const noexcept { return *state_->policy; }
const SchedulerCounters& Scheduler::counters() const noexcept { return state_->counters; }
std::size_t Scheduler::job_count() const noexcept { return state_->books.alive_count; }

}  // namespace laxity
