#include "policy/demand_dispatch.h"

#include <algorithm>

namespace laxity {

void DemandDispatch::add(const Frame& frame, std::uint32_t executor, const DemandGroupEntry& group,
                         const BatchTimes& times, Instant now, bool is_over) {
  WaitingKey key{frame.from, frame.id, false, frame.group, group.category, frame.deadline};
  if (group.window > Duration::zero()) {
    key.is_joint = true;
    key.at = group.joint_from(frame.from);
    if (key.at == now && is_over) key.at = key.at + group.window;
    key.deadline = key.at + group.job_deadline;
  }
  waiting_.push(frame.job, key, executor);
  latest_starts_.push(frame.job, {key.deadline - times(key.category, 1), key.id}, executor);
}

void DemandDispatch::erase(JobIndex job) {
  latest_starts_.erase(job);
  if (waiting_.contains(job)) {
    waiting_.erase(job);
  } else {
    pending_.erase(job);
  }
}

std::optional<Instant> DemandDispatch::release_due(std::uint32_t executor, Instant now, bool is_over) {
  std::optional<Instant> first;
  while (!waiting_.empty(executor)) {
    const WaitingKey key = waiting_.top_key(executor);
    if (key.at > now || (key.at == now && key.is_joint && !is_over)) break;
    const JobIndex job = waiting_.pop(executor);
    pending_.push(
        job,
        {key.deadline, key.group, key.is_joint ? std::optional(key.at) : std::nullopt, key.id, key.category},
        executor);
    if (!first) first = key.at;
  }
  return first;
}

Instant DemandDispatch::take_batch(std::uint32_t executor, const BatchTimes& times, CategoryIndex& category,
                                   Jobs& jobs) {
  const PendingKey first = pending_.top_key(executor);
  category = first.category;
  const std::uint32_t cap = first.joint ? times.cap(category) : 1;
  while (jobs.size() < cap && !pending_.empty(executor)) {
    const PendingKey& next = pending_.top_key(executor);
    const bool is_same_job =
        next.deadline == first.deadline && next.group == first.group && next.joint == first.joint;
    if (!jobs.empty() && !is_same_job) break;
    const JobIndex job = pending_.pop(executor);
    latest_starts_.erase(job);
    jobs.push_back(job);
  }
  return first.deadline;
}

std::optional<JobIndex> DemandDispatch::take_hopeless(std::uint32_t executor, Instant now) {
  if (latest_starts_.empty(executor) || latest_starts_.top_key(executor).at >= now) return std::nullopt;
  const JobIndex job = latest_starts_.top(executor);
  erase(job);
  return job;
}

// The keys of a heap cannot be changed in place.
void DemandDispatch::times_changed(const BatchTimes& times) {
  for (JobIndex job = 0; job < slot_count_; ++job) {
    if (!latest_starts_.contains(job)) continue;
    const std::size_t executor = latest_starts_.heap_of(job);
    const JobId id = latest_starts_.key(job).id;
    const bool is_waiting = waiting_.contains(job);
    const Instant deadline = is_waiting ? waiting_.key(job).deadline : pending_.key(job).deadline;
    const CategoryIndex category = is_waiting ? waiting_.key(job).category : pending_.key(job).category;
    latest_starts_.erase(job);
    latest_starts_.push(job, {deadline - times(category, 1), id}, executor);
  }
}

}  // namespace laxity
