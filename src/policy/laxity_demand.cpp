// The policy `laxity`: executors that rest on the demand test. Proofs: docs/analysis/demand.md.
#include <algorithm>

#include "policy/laxity_policy.h"

namespace laxity {
namespace {

/// Jobs end before their frames are due: of two events at that very instant the other may be told first.
constexpr Duration kBeforeDue = 1ns;

/// A group whose frames are jobs of their own: one may be released at any time.
bool runs_unbatched(const DemandSet& set) {
  for (std::uint32_t g = 0; g < kDemandGroupsMax; ++g) {
    if (set.group(g).is_open && set.group(g).window == Duration::zero()) return true;
  }
  return false;
}

}  // namespace

// A contract as the test counts it. Frames as much later as plans bear; of a stream whose clock may be
// followed the shortest period that it may get; and a deadline that also bears the job being seen late.
DemandStream LaxityPolicy::counted(const Task& task) const {
  const Duration elsewhere = preprocess_elsewhere(task.model);
  const Duration period =
      task.frame_count ? task.min_inter_arrival : PhaseTracker::least_period(task.min_inter_arrival);
  return {period, task.release_jitter_max + wake() + elsewhere,
          task.relative_deadline - reply() - kBeforeDue - elsewhere - release_delay()};
}

bool LaxityPolicy::counts_every_interval(TaskId task) const {
  const StreamPlan& stream = streams_[books_->stream_slot(task)];
  return stream.id == task && stream.state == StreamPlan::State::kDemand;
}

std::optional<DemandView> LaxityPolicy::demand(ExecutorId executor) const {
  const ExecutorPlan& e = executors_.at(index(executor));
  if (!e.rests_on_demand()) return std::nullopt;
  return DemandView{&e.demand.set, &times_, release_delay(), e.demand.allowance};
}

// True when the frame is promised and now waits for its job. One later than its contract is served without a
// promise; one that is early waits until r.
bool LaxityPolicy::demand_frame(StreamPlan& stream, JobIndex job, Instant now) {
  const JobEntry& entry = books_->entry(job);
  const std::uint64_t number = *entry.job.frame;
  const StreamEntry& contract = *books_->stream(stream.id);
  stream.next_wanted = std::max(stream.next_wanted, number + 1);
  const Instant release = contract.release(number);
  StreamPlan::Arrived& place = stream.place(number);
  const Duration jitter =
      contract.task.release_jitter_max + wake() + preprocess_elsewhere(contract.task.model);
  if (now > release + jitter || place.job != kNoIndex) return false;
  place = {number, job};
  dispatch_.add({job, entry.job.id, stream.demand_group, std::max(now, release),
                 *entry.job.absolute_deadline - reply() - kBeforeDue},
                stream.executor, executors_[stream.executor].demand.set.group(stream.demand_group), times_,
                now, fired_at_ == now);
  return true;
}

// Nothing that was released is unfinished. A gap batch may run.
bool LaxityPolicy::is_clear(std::uint32_t executor) const {
  return !executors_[executor].demand.runs_job && !dispatch_.has_pending(executor);
}

void LaxityPolicy::release_demand(std::uint32_t executor, Instant now) {
  DemandExecutor& d = executors_[executor].demand;
  const bool was_clear = is_clear(executor);
  const auto first = dispatch_.release_due(executor, now, fired_at_ == now);
  if (!first || !was_clear) return;
  d.first_release = *first;
  d.has_started = false;
}

// The earliest instant at which a job can be released from now on.
Instant LaxityPolicy::earliest_release(std::uint32_t executor, Instant now) const {
  const DemandSet& set = executors_[executor].demand.set;
  Instant earliest = Instant::latest();
  for (std::uint32_t g = 0; g < kDemandGroupsMax; ++g) {
    const DemandGroupEntry& group = set.group(g);
    if (!group.is_open) continue;
    if (group.window == Duration::zero()) return now;
    Instant joint = group.joint_from(now);
    if (joint == now && fired_at_ == now) joint = joint + group.window;
    earliest = std::min(earliest, joint);
  }
  return earliest;
}

Decision LaxityPolicy::decide_demand(std::uint32_t executor, Instant now) {
  DemandExecutor& d = executors_[executor].demand;
  Decision decision;
  d.runs_job = false;
  release_demand(executor, now);
  if (start_demand_job(executor, now, decision)) return decision;
  announce_given_up(executor);
  interval_ended(executor);
  // The first job that can come now comes at `earliest`, and bears to wait B.
  const Instant earliest = d.set.empty() ? Instant::latest() : earliest_release(executor, now);
  Instant until = earliest == Instant::latest() ? earliest : earliest + d.allowance;
  if (const auto held = held_allowance(executor)) until = std::min(until, now + *held);
  if (start_gap_batch(until, std::nullopt, now, decision)) return decision;
  decision.wait_until = dispatch_.next_release(executor);
  // After the next joint there is room until the one behind it.
  const bool is_joint = earliest > now || (fired_at_ != now && earliest == now && !runs_unbatched(d.set));
  const bool has_other_work = !gap_.empty() || !best_effort_.empty();
  const bool may_wait = has_other_work && is_joint && earliest < Instant::latest();
  if (may_wait && (!decision.wait_until || earliest < *decision.wait_until)) decision.wait_until = earliest;
  return decision;
}

bool LaxityPolicy::start_demand_job(std::uint32_t executor, Instant now, Decision& decision) {
  ExecutorPlan& e = executors_[executor];
  DemandExecutor& d = e.demand;
  while (dispatch_.has_pending(executor)) {
    CategoryIndex category = 0;
    DemandDispatch::Jobs jobs;
    const Instant deadline = dispatch_.take_batch(executor, times_, category, jobs);
    const Instant finish = now + times_(category, static_cast<std::uint32_t>(jobs.size()));
    if (finish > deadline) {  // something took longer than its table
      for (const JobIndex job : jobs) give_up(job, now);
      continue;
    }
    if (!d.has_started) d.first_start = now;
    d.has_started = d.runs_job = true;
    d.running_deadline = deadline;
    d.running.clear();
    decision.kind = Decision::Kind::kStart;
    decision.jobs = jobs;
    for (const JobIndex job : jobs) {
      const Job& frame = books_->entry(job).job;
      const auto slot = static_cast<std::uint32_t>(books_->stream_slot(*frame.task));
      streams_[slot].place(*frame.frame).job = kNoIndex;
      places_[job].kind = Place::Kind::kGroup;
      places_[job].executor = executor;
      d.running.push_back({slot, *frame.frame});
    }
    e.group_finish = finish;
    return true;
  }
  return false;
}

// Nothing released is unfinished, so a busy interval that begins later owes nothing to what was before: who
// left counts no more, and what was lost is promised again.
void LaxityPolicy::interval_ended(std::uint32_t executor) {
  DemandExecutor& d = executors_[executor].demand;
  d.runs_job = d.has_started = d.is_disturbed = false;
  if (d.set.departed_count() > 0) {
    d.set.forget_departed();
    is_stale_ = is_stale_ || is_planning_;
    d.wants_test = d.set.living_count() > 0;  // there is more room for other work
  }
  if (!d.has_loss) return;
  d.has_loss = false;
  for (StreamPlan& stream : streams_) {
    const bool is_concerned = stream.state == StreamPlan::State::kDemand && stream.executor == executor;
    if (!is_concerned || !stream.loss_is_announced) continue;
    stream.loss_is_announced = false;
    announce(verdict(stream));
  }
}

// What time decides while the executor is busy, or after it has been: frames that cannot be kept, and jobs
// that have run past their deadline.
void LaxityPolicy::watch_demand(std::uint32_t executor, Instant now) {
  DemandExecutor& d = executors_[executor].demand;
  release_demand(executor, now);
  while (const auto job = dispatch_.take_hopeless(executor, now)) give_up(*job, now);
  const bool is_busy = !books_->executors()[executor].is_idle();
  if (!d.runs_job || !is_busy || now < d.running_deadline || d.running.empty()) return;
  d.is_disturbed = true;
  for (const FrameName& frame : d.running) lose(executor, frame);
  d.running.clear();
}

// The frame is served without its promise. Its stream is told: see announce_given_up.
void LaxityPolicy::give_up(JobIndex job, Instant now) {
  const Job& frame = books_->entry(job).job;
  StreamPlan& stream = streams_[books_->stream_slot(*frame.task)];
  stream.place(*frame.frame).job = kNoIndex;
  to_gap(job, now);
  executors_[stream.executor].demand.is_disturbed = true;
  lose(stream.executor, {slot_of(stream), *frame.frame});
}

void LaxityPolicy::lose(std::uint32_t executor, const FrameName& frame) {
  StreamPlan& stream = streams_[frame.stream];
  if (stream.state != StreamPlan::State::kDemand || stream.executor != executor) return;  // it has left
  note_given_up(stream, books_->stream(stream.id)->release(frame.number));
  executors_[executor].demand.has_loss = true;
}

// Its frames are served without a promise; what its jobs have kept others waiting counts until the busy
// interval is over.
void LaxityPolicy::leave_demand(StreamPlan& stream, Instant now) {
  for (StreamPlan::Arrived& arrived : stream.arrived) {
    if (arrived.job == kNoIndex) continue;
    dispatch_.erase(arrived.job);
    to_gap(arrived.job, now);
    arrived.job = kNoIndex;
  }
  stream.given_up_from.reset();
  executors_[stream.executor].demand.set.leave(slot_of(stream));
  is_stale_ = is_stale_ || is_planning_;
  stream.state = StreamPlan::State::kAsked;
}

// A stream joins at once unless what has kept the present busy interval waiting, or what runs now, is longer
// than the larger set bears.
bool LaxityPolicy::may_join(std::uint32_t executor, const DemandChoice& choice, Instant now) {
  const ExecutorPlan& e = executors_[executor];
  if (books_->executors()[executor].is_lost) return false;
  release_demand(executor, now);
  if (e.rests_on_demand() && e.demand.is_disturbed) return false;
  const std::optional<Instant> free = free_at(executor, now);
  if (!free) return false;
  if (!is_clear(executor)) {
    const Instant started = e.demand.has_started ? e.demand.first_start : *free;
    return started - e.demand.first_release <= choice.allowance;
  }
  const bool opens_window = choice.opens_group && choice.window > Duration::zero();
  Instant earliest = opens_window ? now + choice.window : now;
  if (!choice.opens_group && choice.window > Duration::zero()) earliest = earliest_release(executor, now);
  earliest = std::min(earliest, earliest_release(executor, now));
  return *free - earliest <= choice.allowance;
}

bool LaxityPolicy::adopt_demand(Instant now) {
  const PlanWorkshop& w = *work_;
  const DemandChoice& choice = w.demand_choice();
  if (is_stale_ || !may_join(w.executor, choice, now)) return false;
  StreamPlan& stream = *find(*candidate_);
  const Task& task = books_->stream(*candidate_)->task;
  DemandExecutor& d = executors_[w.executor].demand;
  if (d.set.empty()) d.runs_job = d.has_started = d.is_disturbed = d.has_loss = false;
  if (choice.opens_group) {
    d.set.open(choice.group, {true, w.demand_candidate.category, choice.window,
                              choice.job_deadline + release_delay(), now});
  }
  d.set.join({slot_of(stream), choice.group, counted(task), false, ++join_count_});
  d.allowance = choice.allowance;
  d.wants_test = false;
  stream.executor = w.executor;
  stream.demand_group = choice.group;
  stream.state = StreamPlan::State::kDemand;
  return true;
}

// How long other work may take on the executor while a stream waits to join it: then it may join, however
// that work lies.
std::optional<Duration> LaxityPolicy::held_allowance(std::uint32_t executor) const {
  if (!held_ || !held_->fit || held_->fit->executor != executor) return std::nullopt;
  return held_->fit->choice.allowance;
}

bool LaxityPolicy::any_departed() const {
  return std::any_of(executors_.begin(), executors_.end(),
                     [](const ExecutorPlan& e) { return e.demand.set.departed_count() > 0; });
}

// The candidate is asked for again when that may help.
void LaxityPolicy::hold(std::optional<HeldJoin::Fit> fit, Instant now) {
  const bool is_known = held_ && held_->task == *candidate_;
  held_ = HeldJoin{*candidate_, is_known ? held_->since : now, std::move(fit)};
}

// True while the first admission that waits can only be answered after the busy interval there is.
bool LaxityPolicy::is_held(Instant now) {
  if (!held_) return false;
  const bool is_over = pending_.empty() || pending_.front() != held_->task;
  if (is_over || (held_->fit && books_->executors()[held_->fit->executor].is_lost)) {
    held_.reset();
    return false;
  }
  if (now - held_->since <= kHeldMax)
    return held_->fit ? !may_join(held_->fit->executor, held_->fit->choice, now) : any_departed();
  held_.reset();
  AnswerTask refusal;
  refusal.reason = Reason::kAdmissionBusy;
  StreamPlan& stream = *find(pending_.front());
  pending_.erase(pending_.begin());
  refuse(stream, refusal);
  return false;
}

void LaxityPolicy::snapshot_demand(std::uint32_t executor) {
  PlanWorkshop::Snapshot& to = work_->snapshots[executor];
  const ExecutorPlan& e = executors_[executor];
  to.rests_on_demand = e.rests_on_demand();
  to.is_free = !to.rests_on_demand && e.stream_count == 0;
  to.demand = e.demand.set;
  to.demand.shorten_job_deadlines(release_delay());
  if (!to.rests_on_demand) return;
  const bool is_full = e.demand.set.departed_count() >= kDepartedMax;
  to.is_usable = !books_->executors()[executor].is_lost && !is_full;
  for (DemandMember& member : to.demand.members()) {
    if (member.has_left) continue;
    member.contract = counted(books_->stream(streams_[member.stream].id)->task);
    const CategoryIndex category = e.demand.set.group(member.group).category;
    to.utilisation_ppm += utilisation_ppm(category, member.contract.min_inter_arrival);
  }
}

void LaxityPolicy::retest_ready(Instant now) {
  const PlanWorkshop& w = *work_;
  DemandExecutor& d = executors_[w.executor].demand;
  if (is_stale_) {
    d.wants_test = d.set.living_count() > 0;
    return;
  }
  d.allowance = w.allowance();
  for (const std::uint32_t slot : w.lost()) {
    StreamPlan& stream = streams_[slot];
    leave_demand(stream, now);
    announce_loss(stream, Reason::kAdmissionDemand);
    set_displaced(stream, true);
  }
}

}  // namespace laxity
