// The policy `laxity`: streams that ask, plans that are made beside the scheduler, promises and their loss.
#include <algorithm>

#include "policy/laxity_policy.h"

namespace laxity {
namespace {

constexpr int kAdoptionTries = 4;  // a plan that is stale each time is refused: the server is too busy
constexpr std::int64_t kPpm = 1'000'000;

}  // namespace

// Frames whose time has passed cannot be promised any more.
PlannedStream LaxityPolicy::planned_stream(const Task& task, std::uint64_t next, Instant now) const {
  PlannedStream planned;
  planned.id = static_cast<std::uint32_t>(books_->stream_slot(task.id));
  planned.category = plan_categories_[index(task.model)][task.lowest_variant];
  planned.phase.first = now;
  planned.phase.period = task.min_inter_arrival;
  if (task.first_release) planned.phase = books_->stream(task.id)->phase;
  planned.jitter = task.release_jitter_max + wake() + preprocess_elsewhere(task.model);
  planned.deadline = task.relative_deadline - reply();
  planned.end = task.frame_count;
  planned.next = next;
  if (planned.release(next) < now) {
    const auto passed =
        static_cast<std::uint64_t>((now - planned.release(next) - 1ns) / planned.phase.period + 1);
    planned.next += passed;
    while (planned.release(planned.next) < now) ++planned.next;
  }
  return planned;
}

// Where frames are decoded on executors set apart for that, they come so much later.
Duration LaxityPolicy::preprocess_elsewhere(ModelId model) const {
  const SystemModel& system = books_->system();
  const bool is_elsewhere = system.catalog.model(model).has_preprocess && !system.preprocesses_inline();
  return is_elsewhere ? system.table.segment(model, SegmentKind::kPreprocess).p99 : Duration::zero();
}

void LaxityPolicy::ask(StreamPlan& stream) {
  stream.state = StreamPlan::State::kAsked;
  set_displaced(stream, false);
  if (std::find(pending_.begin(), pending_.end(), stream.id) == pending_.end()) pending_.push_back(stream.id);
}

void LaxityPolicy::set_displaced(StreamPlan& stream, bool value) {
  if (stream.is_displaced == value) return;
  stream.is_displaced = value;
  displaced_count_ = value ? displaced_count_ + 1 : displaced_count_ - 1;
}

// Streams that have lost their promise are tried again by turns, one a period.
void LaxityPolicy::ask_for_a_displaced(Instant now) {
  if (displaced_count_ == 0 || now < restore_at_ || !pending_.empty()) return;
  restore_at_ = now + options_.extension_period;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    next_displaced_ = (next_displaced_ + 1) % streams_.size();
    if (!streams_[next_displaced_].is_displaced) continue;
    ask(streams_[next_displaced_]);
    return;
  }
}

std::optional<AnswerTask> LaxityPolicy::answer_task(const Task& task, Instant) {
  AnswerTask answer;
  answer.task = task.id;
  if (task.kind == JobKind::kBestEffort) {
    answer.admitted = true;
    return answer;
  }
  const bool needs_demand = task.guarantee == Guarantee::kDemand;
  // Segments that queue on executors of their own are in no proof.
  const bool has_no_proof = needs_demand && preprocess_elsewhere(task.model) > Duration::zero();
  if (has_no_proof || !is_measured(task.model, task.lowest_variant)) {
    answer.reason = needs_demand ? Reason::kAdmissionDemand : Reason::kAdmissionPlan;
    return answer;
  }
  if (pending_.size() >= kPendingMax) {
    answer.reason = Reason::kAdmissionBusy;
    return answer;
  }
  StreamPlan& stream = streams_[books_->stream_slot(task.id)];
  stream = StreamPlan{};
  stream.id = task.id;
  ask(stream);
  return std::nullopt;
}

std::optional<AnswerTask> LaxityPolicy::later_answer(Instant) {
  if (answers_told_ == answers_.size()) {
    answers_.clear();
    answers_told_ = 0;
    return std::nullopt;
  }
  return answers_[answers_told_++];
}

void LaxityPolicy::announce(const AnswerTask& answer) {
  LAXITY_CHECK(answers_.size() < answers_.capacity());
  answers_.push_back(answer);
}

// `until`: frames released before it stay promised; none: those that are planned. A loss that was told is
// told again only if it takes more.
void LaxityPolicy::announce_loss(StreamPlan& stream, Reason reason, std::optional<Instant> until) {
  stream.returns_by_itself = false;
  if (!stream.was_promised) return;
  if (stream.loss_is_announced && (!until || *until >= stream.promised_until)) return;
  stream.loss_is_announced = true;
  stream.promised_until =
      until.value_or(stream.is_in_plan() ? executors_[stream.executor].horizon : Instant{});
  AnswerTask answer;
  answer.task = stream.id;
  answer.admitted = true;
  answer.reason = reason;
  if (stream.is_in_plan()) {
    answer.guarantee = Guarantee::kPlanRolling;
    answer.guaranteed_until = stream.promised_until;
  } else {
    answer.guaranteed_until = until;
  }
  announce(answer);
}

std::optional<Instant> LaxityPolicy::guaranteed_until(TaskId task) const {
  const StreamPlan& stream = streams_[books_->stream_slot(task)];
  if (stream.id != task) return std::nullopt;
  if (stream.state == StreamPlan::State::kDemand && !stream.loss_is_announced) return Instant::latest();
  if (stream.state != StreamPlan::State::kPlanned) return std::nullopt;
  const Instant until = is_for_life(stream) ? Instant::latest() : executors_[stream.executor].horizon;
  return stream.loss_is_announced ? std::min(until, stream.promised_until) : until;
}

// The first frame fixes the phase. The room that was kept at an assumed one is given back, and the stream is
// tested again at the real one; that frame itself is served without a promise. The demand test holds for any
// phase.
void LaxityPolicy::task_anchored(TaskId task, Instant now) {
  StreamPlan* stream = find(task);
  if (stream == nullptr || stream->state == StreamPlan::State::kDemand) return;
  unplan(*stream, now);
  ask(*stream);
}

std::uint64_t LaxityPolicy::first_unpromised(TaskId task, std::uint64_t next) const {
  const StreamPlan& stream = streams_[books_->stream_slot(task)];
  return stream.id == task && stream.is_in_plan() ? std::max(next, stream.planned.next) : next;
}

void LaxityPolicy::task_reanchored(TaskId task, Instant) {
  StreamPlan* stream = find(task);
  if (stream == nullptr) return;
  if (stream->is_in_plan()) stream->planned.phase = books_->stream(task)->phase;
  is_stale_ = is_stale_ || is_planning_;
}

void LaxityPolicy::task_removed(TaskId task, Instant now) {
  StreamPlan* stream = find(task);
  if (stream == nullptr) return;
  unplan(*stream, now);
  std::erase(pending_, task);
  if (held_ && held_->task == task) held_.reset();
  set_displaced(*stream, false);
  stream->state = StreamPlan::State::kFree;
}

void LaxityPolicy::tables_changed(Instant now) {
  gap_.tables_changed();
  make_times();
  times_are_new_ = true;
  is_stale_ = is_stale_ || is_planning_;
  dispatch_.times_changed(times_);
  for (std::uint32_t i = 0; i < executors_.size(); ++i) {
    ExecutorPlan& e = executors_[i];
    e.demand.wants_test = e.demand.set.living_count() > 0;
    if (e.stream_count == 0) continue;
    e.plan.settle(times_);
    e.wants_plan = true;
    e.retry_at = now;
    if (e.plan.is_valid(free_at(i, now).value_or(now))) continue;
    for (StreamPlan& stream : streams_) {
      if (stream.is_in_plan() && stream.executor == i) announce_loss(stream, Reason::kAdmissionPlan, now);
    }
  }
}

void LaxityPolicy::snapshot(std::uint32_t executor, Instant now) {
  const ExecutorPlan& e = executors_[executor];
  PlanWorkshop::Snapshot& to = work_->snapshots[executor];
  const std::optional<Instant> free = free_at(executor, now);
  to.is_usable =
      books_->system().executors[executor].runs_batches && !books_->executors()[executor].is_lost && free;
  to.free_at = free.value_or(now);
  to.plan = e.plan;
  to.streams.clear();
  to.utilisation_ppm = 0;
  for (const StreamPlan& stream : streams_) {
    if (!stream.is_in_plan() || stream.executor != executor) continue;
    PlannedStream planned = stream.planned;
    while (planned.release(planned.next) < now && (!planned.end || planned.next < *planned.end))
      ++planned.next;
    to.streams.push_back(planned);
    to.utilisation_ppm += utilisation_ppm(planned.category, planned.phase.period);
  }
  if (books_->system().executors[executor].runs_batches) snapshot_demand(executor);
}

std::int64_t LaxityPolicy::utilisation_ppm(CategoryIndex category, Duration period) const {
  return times_(category, 1).count() * kPpm / period.count();
}

std::optional<std::uint64_t> LaxityPolicy::request_plan(Instant now) {
  candidate_.reset();
  ask_for_a_displaced(now);
  const bool is_admission = !is_held(now) && !pending_.empty();
  const auto budget = is_admission ? ask_for_admission(now) : ask_for_extension(now);
  if (!budget) return std::nullopt;
  if (times_are_new_) renew_workshop_times();
  is_planning_ = true;
  is_stale_ = false;
  gone_.clear();
  return budget;
}

std::optional<std::uint64_t> LaxityPolicy::ask_for_admission(Instant now) {
  PlanWorkshop& w = *work_;
  const StreamPlan& stream = *find(pending_.front());
  const Task& task = books_->stream(stream.id)->task;
  w.question = PlanWorkshop::Question::kAdmit;
  w.candidate = planned_stream(task, stream.next_wanted, now);
  w.demand_candidate = {slot_of(stream), w.candidate->category, counted(task)};
  w.needs_demand = task.guarantee == Guarantee::kDemand;
  w.wants_offers = !stream.was_promised;
  // A stream that begins later is planned as far beyond its beginning.
  const Instant begin = std::max(now, w.candidate->release(w.candidate->next));
  w.horizon = begin + options_.horizon;
  w.horizon_min = begin + std::min(options_.horizon, options_.lookahead);
  asked_at_ = now;
  bool is_any_usable = false, is_any_overrunning = false;
  for (std::uint32_t e = 0; e < executors_.size(); ++e) {
    snapshot(e, now);
    is_any_usable = is_any_usable || w.snapshots[e].is_usable;
    is_any_overrunning = is_any_overrunning || (books_->system().executors[e].runs_batches &&
                                                !books_->executors()[e].is_lost && !free_at(e, now));
    if (executors_[e].horizon < Instant::latest()) w.horizon = std::max(w.horizon, executors_[e].horizon);
  }
  // A batch that overruns its table says nothing of the stream: asked again once it has ended.
  if (!is_any_usable && is_any_overrunning) return std::nullopt;
  candidate_ = stream.id;
  return options_.search_nodes;
}

std::optional<std::uint64_t> LaxityPolicy::ask_for_extension(Instant now) {
  PlanWorkshop& w = *work_;
  std::optional<std::uint32_t> due;
  for (std::uint32_t e = 0; e < executors_.size() && !due; ++e) {
    const ExecutorPlan& plan = executors_[e];
    if (books_->executors()[e].is_lost) continue;
    if (plan.demand.wants_test) due = e;
    if (plan.stream_count == 0 || now < plan.retry_at) continue;
    const bool is_short = plan.horizon < Instant::latest() && now >= plan.horizon - options_.lookahead;
    if (plan.wants_plan || is_short) due = e;
  }
  if (!due) return std::nullopt;
  w.candidate.reset();
  w.executor = *due;
  ExecutorPlan& e = executors_[*due];
  if (e.demand.wants_test) {
    w.question = PlanWorkshop::Question::kRetest;
    e.demand.wants_test = false;
    snapshot(*due, now);
    return options_.search_nodes;
  }
  w.question = PlanWorkshop::Question::kExtend;
  w.horizon = now + options_.lookahead + 2 * options_.extension_period;
  if (e.horizon < Instant::latest()) w.horizon = std::max(w.horizon, e.horizon);
  e.wants_plan = false;
  e.retry_at = now + options_.extension_period;
  snapshot(*due, now);
  if (!w.snapshots[*due].is_usable) {  // asked again once the running batch has ended
    e.wants_plan = true;
    e.retry_at = now + wake() + 1ms;
    return std::nullopt;
  }
  return options_.search_nodes;
}

// Brings the result up to the present and takes it over if it is valid now.
bool LaxityPolicy::adopt(Instant now) {
  PlanWorkshop& w = *work_;
  ExecutorPlan& e = executors_[w.executor];
  const std::optional<Instant> free = free_at(w.executor, now);
  if (is_stale_ || !free || books_->executors()[w.executor].is_lost) return false;
  Plan& plan = w.plan();
  for (const FrameName& frame : gone_) plan.remove(frame.stream, frame.number, times_);
  for (const PlannedStream& planned : w.planned()) {
    const StreamPlan& stream = streams_[planned.id];
    for (const StreamPlan::Arrived& arrived : stream.arrived) {
      if (arrived.job == kNoIndex) continue;
      const JobEntry& entry = books_->entry(arrived.job);
      plan.arrived(planned.id, arrived.number, entry.ready_since, *entry.job.absolute_deadline - reply(),
                   times_);
    }
  }
  if (candidate_) {  // frames that came meanwhile have been served without a promise
    const StreamPlan& stream = *find(*candidate_);
    for (std::uint64_t k = w.candidate->next; k < stream.next_wanted; ++k) {
      plan.remove(w.candidate->id, k, times_);
    }
  }
  if (!plan.is_valid(*free)) return false;
  std::swap(e.plan, plan);
  e.horizon = w.plan_horizon();
  e.end_is_announced = false;
  // A full plan buffer may reach less far than the time between two extensions.
  if (e.horizon < Instant::latest()) {
    const Duration half = (e.horizon - now) / 2;
    e.retry_at = now + std::clamp<Duration>(half, 1ms, options_.extension_period);
  }
  for (const PlannedStream& planned : w.planned()) streams_[planned.id].planned = planned;
  return true;
}

AnswerTask LaxityPolicy::verdict(const StreamPlan& stream) const {
  const Task& task = books_->stream(stream.id)->task;
  AnswerTask answer;
  answer.task = stream.id;
  answer.admitted = true;
  answer.is_provisional = stream.state == StreamPlan::State::kProvisional;
  answer.response_time_bound = task.relative_deadline;
  if (preprocess_elsewhere(task.model) > Duration::zero()) {
    answer.guarantee = Guarantee::kNominal;  // segments queue on executors of their own, which no plan covers
  } else if (stream.state == StreamPlan::State::kDemand) {
    answer.guarantee = Guarantee::kDemand;
  } else if (is_for_life(stream)) {
    answer.guarantee = Guarantee::kPlan;
  } else {
    answer.guarantee = Guarantee::kPlanRolling;
    answer.guaranteed_until = executors_[stream.executor].horizon;
  }
  return answer;
}

void LaxityPolicy::admission_ready(Instant now) {
  PlanWorkshop& w = *work_;
  StreamPlan* stream = find(*candidate_);
  if (stream == nullptr || pending_.empty() || pending_.front() != *candidate_) return;  // it has left
  // Its phase was fixed meanwhile: ask again, at the real one.
  const Task& task = books_->stream(*candidate_)->task;
  const bool is_demand = w.rests_on_demand();
  if (!is_demand && task.first_release &&
      w.candidate->phase.first != books_->stream(*candidate_)->phase.first) {
    return;
  }
  const bool is_adopted = w.found() && (is_demand ? adopt_demand(now) : adopt(now));
  if (w.found() && !is_adopted && is_demand && !is_stale_) {  // soon: see is_held
    hold(HeldJoin::Fit{w.executor, w.demand_choice()}, now);
    return;
  }
  if (!w.found() && any_departed()) return hold(std::nullopt, now);  // there may be room soon
  if ((w.found() || is_stale_) && !is_adopted && ++tries_ < kAdoptionTries)
    return;  // again, against the present
  tries_ = 0;
  held_.reset();
  pending_.erase(pending_.begin());
  if (is_adopted) {
    if (!is_demand) {
      stream->executor = w.executor;
      stream->state = task.first_release ? StreamPlan::State::kPlanned : StreamPlan::State::kProvisional;
      ++executors_[w.executor].stream_count;
    }
    stream->was_promised = true;
    stream->loss_is_announced = false;
    announce(verdict(*stream));
    return;
  }
  AnswerTask refusal;
  refusal.reason = is_demand ? Reason::kAdmissionDemand : Reason::kAdmissionPlan;
  if (w.found()) {
    refusal.reason = Reason::kAdmissionBusy;
  } else if (is_demand) {
    const DemandEvidence& evidence = w.demand_evidence();
    if (evidence.stream) refusal.failing_task = streams_[*evidence.stream].id;
    if (evidence.at) refusal.failing_at = asked_at_ + *evidence.at;
  } else if (const auto& frame = w.evidence().frame) {
    refusal.failing_task = streams_[frame->stream].id;
    refusal.failing_at = frame->deadline + reply();
  }
  if (w.deadline_offer()) refusal.deadline_offer = *w.deadline_offer() + reply();
  refusal.period_offer = w.period_offer();
  refuse(*stream, refusal);
}

// A stream that was promised before stays; its frames are served without a promise.
void LaxityPolicy::refuse(StreamPlan& stream, AnswerTask refusal) {
  refusal.task = stream.id;
  refusal.admitted = stream.was_promised;
  set_displaced(stream, stream.was_promised);
  if (!stream.was_promised) stream.state = StreamPlan::State::kFree;
  if (!stream.was_promised || !stream.loss_is_announced) announce(refusal);
  stream.loss_is_announced = true;
}

void LaxityPolicy::extension_ready(Instant now) {
  PlanWorkshop& w = *work_;
  ExecutorPlan& e = executors_[w.executor];
  const bool is_adopted = w.found() && adopt(now);
  if (w.found() && !is_adopted) {
    e.wants_plan = true;  // stale: again at once, against the present
    if (++tries_ < kAdoptionTries) e.retry_at = now;
  }
  if (is_adopted || tries_ >= kAdoptionTries) tries_ = 0;
  for (StreamPlan& stream : streams_) {
    if (stream.state != StreamPlan::State::kPlanned || stream.executor != w.executor) continue;
    if (is_adopted && stream.loss_is_announced && now > stream.given_up_until) {
      stream.loss_is_announced = false;
      announce(verdict(stream));
    } else if (is_adopted && stream.loss_is_announced) {
      stream.returns_by_itself = true;
      await_return(stream);
    } else if (!w.found() && !is_for_life(stream)) {
      announce_loss(stream, Reason::kAdmissionPlan);
    }
  }
}

void LaxityPolicy::plan_ready(Instant now) {
  is_planning_ = false;
  if (candidate_) {
    admission_ready(now);
  } else if (work_->question == PlanWorkshop::Question::kRetest) {
    retest_ready(now);
  } else {
    extension_ready(now);
  }
}

}  // namespace laxity
