// The p99 of many measured points, most of which have too few samples for one of their own.
//
// The p99 of n samples rests on the n / 100 largest. A quick profile has 30 to 300 samples a point, so that
// it is the largest of them, or nearly: whatever the machine did in one moment, and another number each time.
// But what makes one run longer than another (interrupts, other processes, the clock of the core) is the
// machine's doing, hardly the network's, and strikes runs of about the same length alike. So points whose
// medians are close share their samples, each divided by its own point's median; the p99 of the shared ones,
// times the median, is the point's. Its median a point has to itself: that rests on all of its samples.
//
// Heuristic. A point whose tail is heavier than that of its neighbours gets too small a bound, and too large
// a one where it is lighter; with kPoolMin samples of its own it shares nobody's.
#pragma once

#include <cstddef>
#include <vector>

#include "base/time.h"

namespace laxity {

/// So many samples have ten above their p99.
inline constexpr std::size_t kPoolMin = 1000;
/// Points share samples while neither median is more than so many times the other.
inline constexpr std::int64_t kAlikeFactor = 4;

/// For each point its p99, at least its median, by the rule above; the nearest points first, ties to the
/// shorter one. Precondition: each point has samples, all > 0. O(points² + points · kPoolMin · log kPoolMin).
std::vector<Duration> pooled_p99(const std::vector<std::vector<Duration>>& points);

/// The smallest sample that at least `percent` of a hundred are not above. Precondition: sorted, not empty.
Duration nearest_rank(const std::vector<Duration>& sorted, std::size_t percent);

}  // namespace laxity
