// The policy `laxity`: promises that an overrun broke, and their return.
//
// A batch that runs longer than its table takes time that the plan had given to others. What the plan cannot
// keep any more is given up (`shed`), or reaches its deadline while the batch still runs. Either way frames
// leave the plan, and their streams are told once, with the first of them. What is left is a plan like any
// other. So a promise that was lost in this way holds again for every frame to come as soon as the last one
// that was given up has been released and the processor is free by the latest start of what is left; no new
// plan is needed for that. Other losses (an extension that was not found, tables that have changed, a lost
// executor) end when a new plan is adopted.
#include <algorithm>
#include <utility>

#include "policy/laxity_policy.h"

namespace laxity {

// The frame leaves the plan, or has left it. Precondition: the stream is in a plan.
void LaxityPolicy::note_given_up(StreamPlan& stream, Instant release) {
  stream.given_up_until = std::max(stream.given_up_until, release);
  stream.given_up_from = std::min(stream.given_up_from.value_or(release), release);
  executors_[stream.executor].has_given_up = true;
}

// No news for a stream that has lost nothing that was still promised. O(streams) if any has, else O(1).
void LaxityPolicy::announce_given_up(std::uint32_t executor) {
  if (!std::exchange(executors_[executor].has_given_up, false)) return;
  for (StreamPlan& stream : streams_) {
    const bool is_demand = stream.state == StreamPlan::State::kDemand;
    const bool is_here = (stream.is_in_plan() || is_demand) && stream.executor == executor;
    if (!is_here || !stream.given_up_from) continue;
    if (is_demand) {  // returns when its executor's busy interval has ended
      announce_loss(stream, Reason::kAdmissionDemand, stream.given_up_from);
      stream.given_up_from.reset();
      continue;
    }
    const bool passes = !stream.loss_is_announced || stream.returns_by_itself;
    announce_loss(stream, Reason::kAdmissionPlan, stream.given_up_from);
    stream.given_up_from.reset();
    stream.returns_by_itself = passes;
    if (passes) await_return(stream);
  }
}

void LaxityPolicy::await_return(const StreamPlan& stream) {
  std::optional<Instant>& at = executors_[stream.executor].return_at;
  at = std::min(at.value_or(Instant::latest()), stream.given_up_until + 1ns);
}

// A plan buffer that is small for its streams may end before the next plan is there. Frames from there on are
// not promised until it is. O(streams), once for each horizon.
void LaxityPolicy::announce_end_of_plan(std::uint32_t executor, Instant now) {
  ExecutorPlan& e = executors_[executor];
  if (now < e.horizon || e.end_is_announced) return;
  e.end_is_announced = true;
  for (StreamPlan& stream : streams_) {
    if (!stream.is_in_plan() || stream.executor != executor || is_for_life(stream)) continue;
    announce_loss(stream, Reason::kAdmissionPlan, e.horizon);
  }
}

// O(batches + streams), when one is due; else O(1).
void LaxityPolicy::return_promises(std::uint32_t executor, Instant now) {
  ExecutorPlan& e = executors_[executor];
  if (!e.return_at || now < *e.return_at) return;
  const std::optional<Instant> free = free_at(executor, now);
  if (!free || !e.plan.is_valid(*free)) return;  // again after the next event
  e.return_at.reset();
  for (StreamPlan& stream : streams_) {
    if (!stream.is_in_plan() || stream.executor != executor) continue;
    if (!stream.loss_is_announced || !stream.returns_by_itself) continue;
    if (now <= stream.given_up_until) {
      await_return(stream);
      continue;
    }
    stream.loss_is_announced = false;
    announce(verdict(stream));
  }
}

}  // namespace laxity
