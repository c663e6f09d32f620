// The policy `laxity`: what an idle executor does next. Each move keeps the plan valid.
#include <algorithm>

#include "policy/laxity_policy.h"

namespace laxity {
namespace {

constexpr std::size_t kLookAhead = 16;  // planned batches behind the head that may be run early

}  // namespace

void LaxityPolicy::batch_finished(CategoryId, ExecutorId executor, BatchStatus, Duration, Instant now) {
  ExecutorPlan& e = executors_[index(executor)];
  if (!e.plan.empty() && now > e.plan.batch(0).latest_start) e.wants_plan = true;
  if (now > books_->executors()[index(executor)].planned_finish + wake()) e.demand.is_disturbed = true;
}

Decision LaxityPolicy::review(Instant now, bool timer_fired) {
  if (timer_fired) fired_at_ = now;
  for (std::uint32_t e = 0; e < executors_.size(); ++e) {
    const bool has_promised = executors_[e].stream_count > 0 || executors_[e].rests_on_demand();
    if (has_promised && books_->executors()[e].is_lost) abandon(e, now);
    if (executors_[e].rests_on_demand()) watch_demand(e, now);
    announce_given_up(e);
    return_promises(e, now);
    announce_end_of_plan(e, now);
  }
  Decision decision = gap_.review(now);
  if (decision.kind == Decision::Kind::kDrop) return decision;
  // Plans run short by themselves: someone has to be awake to ask for more.
  std::optional<Instant> wake_up;
  for (std::uint32_t e = 0; e < executors_.size(); ++e) {
    const ExecutorPlan& plan = executors_[e];
    if (const auto hopeless = dispatch_.hopeless_after(e);
        hopeless && (!wake_up || *hopeless + 1ns < *wake_up))
      wake_up = *hopeless + 1ns;
    if (plan.stream_count == 0) continue;
    if (plan.return_at && *plan.return_at > now && (!wake_up || *plan.return_at < *wake_up))
      wake_up = plan.return_at;
    if (plan.horizon > now && plan.horizon < Instant::latest() && (!wake_up || plan.horizon < *wake_up))
      wake_up = plan.horizon;
    Instant at = plan.retry_at;
    if (!plan.wants_plan) {
      if (plan.horizon == Instant::latest()) continue;
      at = std::max(at, plan.horizon - options_.lookahead);
    }
    if (at > now && (!wake_up || at < *wake_up)) wake_up = at;
  }
  if (displaced_count_ > 0 && restore_at_ > now && (!wake_up || restore_at_ < *wake_up))
    wake_up = restore_at_;
  if (wake_up && (!decision.wait_until || *wake_up < *decision.wait_until)) decision.wait_until = wake_up;
  return decision;
}

bool LaxityPolicy::continue_to_next_stage(JobIndex job, Instant now) {
  const JobEntry& entry = books_->entry(job);
  const bool has_answer = entry.stages_done >= books_->mandatory_count(entry);
  return !has_answer || !entry.job.absolute_deadline || now <= gap_.latest_start(entry);
}

Decision LaxityPolicy::decide(ExecutorId id, Instant now) {
  const auto executor = static_cast<std::uint32_t>(index(id));
  ExecutorPlan& e = executors_[executor];
  Decision decision;
  if (!e.group.empty()) {  // a planned group between two stages goes on at once
    decision.kind = Decision::Kind::kStart;
    for (const JobIndex job : e.group) decision.jobs.push_back(job);
    e.group.clear();
    return decision;
  }
  e.group_finish = now;
  if (e.rests_on_demand()) return decide_demand(executor, now);
  if (!e.plan.empty() && now > e.plan.batch(0).latest_start) shed(executor, now);
  drop_missing(executor, now);
  if (e.plan.empty()) {
    const auto held = held_allowance(executor);
    start_gap_batch(held ? now + *held : Instant::latest(), std::nullopt, now, decision);
    return decision;
  }
  const PlanBatch& head = e.plan.batch(0);
  const Instant latest = head.latest_start;
  const bool head_is_here = is_here(e, head);
  // More urgent work that was promised nothing may go first where the promise bears it.
  const std::optional<Instant> before = head_is_here ? std::optional(head.deadline) : std::nullopt;
  if (head_is_here) {
    if (start_gap_batch(latest, before, now, decision)) return decision;
    return start_head(executor, now);
  }
  if (start_planned_early(executor, true, now, decision)) return decision;
  if (start_gap_batch(latest, std::nullopt, now, decision)) return decision;
  if (start_planned_early(executor, false, now, decision)) return decision;
  decision.wait_until = next_look(e, now);
  return decision;
}

// When the head has to be started with whoever is there; or, of a plan that was broken, when the next of its
// missing frames may be given up.
Instant LaxityPolicy::next_look(const ExecutorPlan& e, Instant now) const {
  const PlanBatch& head = e.plan.batch(0);
  const Instant armed = head.latest_start - wake();
  if (armed > now) return armed;
  Instant next = Instant::latest();
  for (const PlanFrame& frame : e.plan.frames(head)) {
    const StreamPlan& stream = streams_[frame.stream];
    if (stream.job_of(frame.number) != kNoIndex) continue;
    next =
        std::min(next, std::max(now, stream.planned.release(frame.number) + stream.planned.jitter - wake()));
  }
  return next;
}

Decision LaxityPolicy::start_head(std::uint32_t executor, Instant now) {
  ExecutorPlan& e = executors_[executor];
  const PlanBatch head = e.plan.batch(0);
  Decision decision;
  decision.kind = Decision::Kind::kStart;
  for (const PlanFrame& frame : e.plan.frames(head)) take_frame(frame, executor, decision);
  e.plan.pop_head();
  grow_head(executor, head.category, head.deadline, now, decision);
  e.group_finish = now + times_(head.category, static_cast<std::uint32_t>(decision.jobs.size()));
  return decision;
}

// Theorem 2, move 3: one more arrived frame of the category, while the batch still ends by every deadline in
// it and by the latest start of what then is the head. Only where sharing is cheaper than a batch of its own.
void LaxityPolicy::grow_head(std::uint32_t executor, CategoryIndex category, Instant limit, Instant now,
                             Decision& decision) {
  Plan& plan = executors_[executor].plan;
  std::size_t j = 0;
  while (j < std::min(kLookAhead, plan.batch_count())) {
    const auto n = static_cast<std::uint32_t>(decision.jobs.size());
    if (n >= times_.cap(category)) return;
    const Duration longer = times_(category, n + 1);
    if (longer >= times_(category, n) + times_(category, 1)) return;
    if (plan.batch(j).category != category) {
      ++j;
      continue;
    }
    std::optional<PlanFrame> added;
    for (const PlanFrame& frame : plan.frames(plan.batch(j))) {
      if (streams_[frame.stream].job_of(frame.number) == kNoIndex) continue;
      // Taken from the head, the next batch's latest start binds if nothing of the head is left; a head that
      // shrinks only gains, so its latest start as it is now errs to the safe side.
      const bool is_last_of_head = j == 0 && plan.batch(0).count == 1;
      const Instant next = !is_last_of_head         ? plan.batch(0).latest_start
                           : plan.batch_count() > 1 ? plan.batch(1).latest_start
                                                    : Instant::latest();
      if (now + longer > std::min({limit, frame.deadline, next})) continue;
      added = frame;
      break;
    }
    if (!added) {
      ++j;
      continue;
    }
    take_frame(*added, executor, decision);
    plan.remove(added->stream, added->number, times_);
    limit = std::min(limit, added->deadline);
    // The same place may hold the next batch now: look at it again.
  }
}

// Theorem 2, move 2, with planned frames that have come: whole batches, or else what has come of one.
bool LaxityPolicy::start_planned_early(std::uint32_t executor, bool whole, Instant now, Decision& decision) {
  ExecutorPlan& e = executors_[executor];
  const Instant latest = e.plan.batch(0).latest_start;
  for (std::size_t j = whole ? 1 : 0; j < std::min(kLookAhead, e.plan.batch_count()); ++j) {
    const PlanBatch batch = e.plan.batch(j);
    FixedVector<PlanFrame, kBatchSizeMax> here;
    for (const PlanFrame& frame : e.plan.frames(batch)) {
      if (streams_[frame.stream].job_of(frame.number) != kNoIndex) here.push_back(frame);
    }
    if (here.empty() || (whole && here.size() < batch.count)) continue;
    const Instant finish = now + times_(batch.category, static_cast<std::uint32_t>(here.size()));
    if (finish > latest) continue;
    decision.kind = Decision::Kind::kStart;
    for (const PlanFrame& frame : here) {
      take_frame(frame, executor, decision);
      e.plan.remove(frame.stream, frame.number, times_);
    }
    e.group_finish = finish;
    return true;
  }
  return false;
}

// The most urgent waiting job that ends by `until`; with `before`, only what is due before that.
std::optional<JobIndex> LaxityPolicy::most_urgent(const UrgencyQueue& queue, Instant until,
                                                  std::optional<Instant> before, Instant now) const {
  std::optional<JobIndex> best;
  if (queue.empty()) return best;
  const SystemModel& system = books_->system();
  for (std::size_t c = 0; c < system.catalog.categories.size(); ++c) {
    const auto category = static_cast<CategoryId>(c);
    if (queue.empty(category)) continue;
    const JobIndex job = queue.top(category);
    const JobEntry& entry = books_->entry(job);
    if (until < Instant::latest()) {
      // Work that was never measured runs only where nothing is promised.
      if (system.table.batch_size_max(category) == 0) continue;
      if (now + gap_time(category, 1, entry.encoded ? 1 : 0) > until) continue;
    }
    const bool is_mandatory = queue.key(job).rank == UrgencyRank::kInTime;
    if (before && (!is_mandatory || entry.job.deadline_key() - reply() >= *before)) continue;
    if (!best || queue.key(job) < queue.key(*best)) best = job;
  }
  return best;
}

// Work without a promise that ends by `until`. Optional stages and best-effort work share the gaps when both
// wait: what one is given meanwhile is counted, so that a flood of either leaves the other its share. All
// else goes before best effort.
bool LaxityPolicy::start_gap_batch(Instant until, std::optional<Instant> before, Instant now,
                                   Decision& decision) {
  constexpr std::int64_t kCreditMax = std::int64_t{100} * 1'000'000'000;  // a second
  const std::optional<JobIndex> urgent = most_urgent(gap_, until, before, now);
  const std::optional<JobIndex> best_effort = most_urgent(best_effort_, until, before, now);
  if (!urgent && !best_effort) return false;
  const std::int64_t percent = options_.best_effort_percent;
  const bool is_shared = urgent && best_effort && gap_.key(*urgent).rank == UrgencyRank::kOptional;
  const bool is_best_effort = !urgent || (is_shared && percent > 0 && gap_credit_ >= 0);
  decision.kind = Decision::Kind::kStart;
  decision.jobs.push_back(is_best_effort ? *best_effort : *urgent);
  const Duration time = grow_gap_batch(is_best_effort ? best_effort_ : gap_, until, now, decision);
  if (is_shared) {
    gap_credit_ += time.count() * (is_best_effort ? percent - 100 : percent);
    gap_credit_ = std::clamp(gap_credit_, -kCreditMax, kCreditMax);
  }
  return true;
}

// Company for the one job of a gap batch, in order of urgency, as long as it still ends by `until`, by the
// first one's deadline, and does not make the most urgent job of another category late that was not. Returns
// the batch's planned time.
Duration LaxityPolicy::grow_gap_batch(UrgencyQueue& queue, Instant until, Instant now, Decision& decision) {
  const JobIndex first = decision.jobs[0];
  const JobEntry& head = books_->entry(first);
  const CategoryId category = books_->next_category(head);
  const UrgencyRank rank = queue.key(first).rank;
  const Instant in_time = queue.latest_finish(head, rank);
  const std::size_t cap = books_->system().batch_size_max(category);
  queue.erase(first);
  const auto elsewhere = gap_.latest_start_elsewhere(category);
  std::uint32_t encoded_count = head.encoded ? 1 : 0;
  Duration time = gap_time(category, 1, encoded_count);
  const Duration alone = time;
  while (decision.jobs.size() < cap && !queue.empty(category)) {
    const JobIndex next = queue.top(category);
    const std::uint32_t encoded = encoded_count + (books_->entry(next).encoded ? 1 : 0);
    const Duration longer = gap_time(category, static_cast<std::uint32_t>(decision.jobs.size() + 1), encoded);
    const Instant finish = now + longer;
    if (finish > until || finish > in_time || longer >= time + alone) return time;
    if (elsewhere && now + time <= elsewhere->latest_start && finish > elsewhere->latest_start) return time;
    queue.erase(next);
    decision.jobs.push_back(next);
    encoded_count = encoded;
    time = longer;
  }
  return time;
}

// When the head has to start, frames that have not come are later than their contract: they leave the plan.
// A frame that may still come at this very instant is waited for until the instant is over.
void LaxityPolicy::drop_missing(std::uint32_t executor, Instant now) {
  ExecutorPlan& e = executors_[executor];
  const bool is_over = fired_at_ == now;
  while (!e.plan.empty() && now >= e.plan.batch(0).latest_start - wake()) {
    std::optional<FrameName> missing;
    for (const PlanFrame& frame : e.plan.frames(e.plan.batch(0))) {
      const StreamPlan& stream = streams_[frame.stream];
      if (stream.job_of(frame.number) != kNoIndex) continue;
      const Instant latest = stream.planned.release(frame.number) + stream.planned.jitter - wake();
      if (now < latest || (now == latest && !is_over)) continue;
      missing = FrameName{frame.stream, frame.number};
      break;
    }
    if (!missing) return;
    forget_frame(executor, missing->stream, missing->number);
  }
}

// After an overrun the plan cannot be kept whole: the longest batch up to the first that would be late is
// given up until the rest holds. [Moore 1968, for one machine and equal weights] Its frames go on without a
// promise, and their streams are told.
void LaxityPolicy::shed(std::uint32_t executor, Instant now) {
  ExecutorPlan& e = executors_[executor];
  e.wants_plan = true;
  while (!e.plan.empty() && now > e.plan.batch(0).latest_start) {
    Instant t = now;
    std::size_t longest = 0;
    for (std::size_t j = 0; j < e.plan.batch_count(); ++j) {
      const PlanBatch& batch = e.plan.batch(j);
      const Duration time = times_(batch.category, batch.count);
      if (time > times_(e.plan.batch(longest).category, e.plan.batch(longest).count)) longest = j;
      t = std::max(t, batch.arrival) + time;
      if (t > batch.deadline) break;
    }
    FixedVector<PlanFrame, kBatchSizeMax> frames;
    for (const PlanFrame& frame : e.plan.frames(e.plan.batch(longest))) frames.push_back(frame);
    for (const PlanFrame& frame : frames) {
      StreamPlan& stream = streams_[frame.stream];
      const JobIndex job = stream.job_of(frame.number);
      const Instant release = stream.planned.release(frame.number);
      note_given_up(stream, release);
      forget_frame(executor, frame.stream, frame.number);
      if (job == kNoIndex) continue;
      stream.place(frame.number).job = kNoIndex;
      to_gap(job, now);
    }
  }
  announce_given_up(executor);
}

}  // namespace laxity
