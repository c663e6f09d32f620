// The policy `laxity`: which waiting job is in the plan, in a group that runs, or waits for a gap.
#include <algorithm>

#include "policy/laxity_policy.h"

namespace laxity {

// True when the frame is in the plan and now waits for its batch there.
bool LaxityPolicy::plan_frame(StreamPlan& stream, JobIndex job, Instant now) {
  const JobEntry& entry = books_->entry(job);
  const std::uint64_t number = *entry.job.frame;
  stream.next_wanted = std::max(stream.next_wanted, number + 1);
  if (!stream.is_in_plan()) return false;
  const Instant latest = stream.planned.release(number) + stream.planned.jitter;
  StreamPlan::Arrived& place = stream.place(number);
  Plan& plan = executors_[stream.executor].plan;
  const Instant due = *entry.job.absolute_deadline - reply();
  if (now <= latest && place.job == kNoIndex && plan.arrived(slot_of(stream), number, now, due, times_)) {
    place = {number, job};
    return true;
  }
  forget_frame(stream.executor, slot_of(stream), number);  // late: it leaves the plan
  return false;
}

void LaxityPolicy::job_ready(JobIndex job, Instant now) {
  const JobEntry& entry = books_->entry(job);
  Place& place = places_[job];
  const bool is_member = place.id == entry.job.id && place.kind == Place::Kind::kGroup;
  if (is_member && entry.stages_done < books_->mandatory_count(entry) &&
      !books_->executors()[place.executor].is_lost) {
    executors_[place.executor].group.push_back(job);
    return;
  }
  place = {entry.job.id, Place::Kind::kGap, 0};
  if (entry.job.task && entry.stages_done == 0 && !is_member) {
    StreamPlan* stream = find(*entry.job.task);
    const bool is_demand = stream != nullptr && stream->state == StreamPlan::State::kDemand;
    if (stream != nullptr && (is_demand ? demand_frame(*stream, job, now) : plan_frame(*stream, job, now))) {
      place.kind = is_demand ? Place::Kind::kDemand : Place::Kind::kPlanned;
      place.executor = stream->executor;
      return;
    }
  }
  waiting_of(job).push(job, now);
}

void LaxityPolicy::job_gone(JobIndex job, Instant now) {
  const Place place = places_[job];
  if (place.kind == Place::Kind::kGap) {
    waiting_of(job).erase(job);
  } else if (place.kind == Place::Kind::kGroup) {
    auto& group = executors_[place.executor].group;
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (group[i] != job) continue;
      group.erase_at(i);
      break;
    }
  } else {
    // A promised frame that waited: its place falls free. In a plan it was kept waiting until its deadline by
    // a batch that overran its table.
    const Job& gone = books_->entry(job).job;
    StreamPlan& stream = streams_[books_->stream_slot(*gone.task)];
    stream.place(*gone.frame).job = kNoIndex;
    if (place.kind == Place::Kind::kDemand) {
      dispatch_.erase(job);
    } else {
      forget_frame(stream.executor, slot_of(stream), *gone.frame);
      if (now >= *gone.absolute_deadline - reply())
        note_given_up(stream, stream.planned.release(*gone.frame));
    }
  }
  places_[job].kind = Place::Kind::kGap;
}

void LaxityPolicy::to_gap(JobIndex job, Instant now) {
  places_[job].kind = Place::Kind::kGap;
  waiting_of(job).push(job, now);
}

bool LaxityPolicy::is_here(const ExecutorPlan& e, const PlanBatch& batch) const {
  for (const PlanFrame& frame : e.plan.frames(batch)) {
    if (streams_[frame.stream].job_of(frame.number) == kNoIndex) return false;
  }
  return true;
}

void LaxityPolicy::note_gone(std::uint32_t stream, std::uint64_t number) {
  if (!is_planning_) return;
  if (gone_.size() == gone_.capacity()) {
    is_stale_ = true;
  } else {
    gone_.push_back({stream, number});
  }
}

void LaxityPolicy::forget_frame(std::uint32_t executor, std::uint32_t stream, std::uint64_t number) {
  executors_[executor].plan.remove(stream, number, times_);
  note_gone(stream, number);
}

// Into the batch that is being started. The caller takes the frame out of the plan.
void LaxityPolicy::take_frame(const PlanFrame& frame, std::uint32_t executor, Decision& decision) {
  StreamPlan::Arrived& arrived = streams_[frame.stream].place(frame.number);
  decision.jobs.push_back(arrived.job);
  places_[arrived.job].kind = Place::Kind::kGroup;
  places_[arrived.job].executor = executor;
  arrived.job = kNoIndex;
  note_gone(frame.stream, frame.number);
}

// The stream's frames leave the plan; those that have come are served without a promise.
void LaxityPolicy::unplan(StreamPlan& stream, Instant now) {
  if (stream.state == StreamPlan::State::kDemand) return leave_demand(stream, now);
  if (!stream.is_in_plan()) return;
  ExecutorPlan& e = executors_[stream.executor];
  e.plan.remove_stream(slot_of(stream), 0, times_);
  --e.stream_count;
  is_stale_ = is_stale_ || is_planning_;
  for (StreamPlan::Arrived& arrived : stream.arrived) {
    if (arrived.job == kNoIndex) continue;
    to_gap(arrived.job, now);
    arrived.job = kNoIndex;
  }
  stream.given_up_from.reset();
  stream.state = StreamPlan::State::kAsked;
}

// The executor is lost: its streams wait for room elsewhere.
void LaxityPolicy::abandon(std::uint32_t executor, Instant now) {
  for (StreamPlan& stream : streams_) {
    const bool is_promised = stream.is_in_plan() || stream.state == StreamPlan::State::kDemand;
    if (!is_promised || stream.executor != executor) continue;
    unplan(stream, now);
    announce_loss(stream, Reason::kExecutorLost);
    ask(stream);
  }
  if (executors_[executor].rests_on_demand()) interval_ended(executor);
}

}  // namespace laxity
