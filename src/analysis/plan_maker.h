// One question to the planner and its answer: is there a valid plan for these frames, and which?
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/batch_times.h"
#include "analysis/plan.h"
#include "analysis/plan_generator.h"
#include "analysis/plan_search.h"
#include "analysis/stream_frames.h"

namespace laxity {

/// Why no plan was found.
struct PlanEvidence {
  std::optional<PlanFrame> frame;  ///< The first frame that could not be served in time.
};

/// Tries the generators in turn, each result tested by Plan::is_valid with the true tables. Sized once; does
/// not allocate afterwards. Owned by one thread.
class PlanMaker {
 public:
  PlanMaker(std::size_t frames_max, std::size_t categories_max);

  /// Frames to be served; fill, then call make(). Any order.
  std::vector<PlanFrame>& frames() noexcept { return frames_; }

  /// Writes into `plan` (cleared first) a plan for frames() that is valid when the processor is free at
  /// `start`. Generators plan with `planning_times` (a margin makes room for what is not known yet), validity
  /// is tested with `times`. Search is tried last, with `search_nodes` (0: never). False: none found;
  /// `evidence()` says where.
  bool make(const BatchTimes& times, const BatchTimes& planning_times, Instant start,
            std::uint64_t search_nodes, Plan& plan);

  /// Keeps the order of `plan` and appends batches for frames() behind it. True if the whole is valid at
  /// `start`.
  bool extend(const BatchTimes& times, Instant start, Plan& plan);

  const PlanEvidence& evidence() const noexcept { return evidence_; }

 private:
  PlanGenerator generator_;
  PlanSearch search_;
  std::vector<PlanFrame> frames_;
  PlanEvidence evidence_;
};

}  // namespace laxity
