#include "analysis/plan_maker.h"

#include <algorithm>

namespace laxity {

PlanMaker::PlanMaker(std::size_t frames_max, std::size_t categories_max)
    : generator_(frames_max, categories_max), search_(frames_max, categories_max) {
  frames_.reserve(frames_max);
}

bool PlanMaker::make(const BatchTimes& times, const BatchTimes& planning_times, Instant start,
                     std::uint64_t search_nodes, Plan& plan) {
  evidence_ = {};
  std::sort(frames_.begin(), frames_.end(), arrives_before);
  const auto accepted = [&] {
    plan.settle(times);
    return plan.is_valid(start);
  };
  // Cheapest first; rollout and deferral pay where batching is nearly free.
  constexpr PlanMethod kMethods[] = {PlanMethod::kGated, PlanMethod::kRollout, PlanMethod::kDefer50};
  for (const PlanMethod method : kMethods) {
    plan.clear();
    if (generator_.generate(planning_times, start, frames_, method, plan) && accepted()) return true;
    if (!evidence_.frame) evidence_.frame = generator_.failed();
  }
  plan.clear();
  if (search_nodes == 0) return false;
  return search_.search(planning_times, start, frames_, search_nodes, plan) && accepted();
}

bool PlanMaker::extend(const BatchTimes& times, Instant start, Plan& plan) {
  std::sort(frames_.begin(), frames_.end(), arrives_before);
  Instant end = start;  // when the plan's own batches are done at the latest
  for (std::size_t j = 0; j < plan.batch_count(); ++j) {
    const PlanBatch& batch = plan.batch(j);
    end = std::max(end, batch.arrival) + times(batch.category, batch.count);
  }
  if (!generator_.generate(times, end, frames_, PlanMethod::kGated, plan)) return false;
  plan.settle(times);
  return plan.is_valid(start);
}

}  // namespace laxity
