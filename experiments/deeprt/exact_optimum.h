// Is there any schedule at all? For sets so small that all of them can be tried.
#pragma once

#include <cstddef>
#include <vector>

#include "analysis/batch_times.h"
#include "analysis/plan.h"

namespace laxity::study {

inline constexpr std::size_t kExactFramesMax = 18;

/// True if some order of batches serves every frame by its deadline on one processor that is free at 0,
/// frames coming at `arrival`. Exact: all subsets of each category are tried as next batch, after every
/// served set, at the earliest instant at which that set can be done; being free earlier is never worse,
/// since one may wait. Shares nothing with src/analysis but the table. O(3^n) for n frames, n <=
/// kExactFramesMax.
bool any_schedule_exists(const BatchTimes& times, const std::vector<PlanFrame>& frames);

}  // namespace laxity::study
