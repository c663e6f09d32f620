#include "profile/tail_estimate.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace laxity {
namespace {

__extension__ using Wide = __int128;

constexpr int kRatioBits = 20;  // of a sample by its median: a millionth

/// True when `a` is nearer to `own` than `b` is, as a ratio; a <= own <= b. Ties: a.
bool lower_is_nearer(Duration a, Duration own, Duration b) {
  return static_cast<Wide>(own.count()) * own.count() <= static_cast<Wide>(a.count()) * b.count();
}

void add_ratios(const std::vector<Duration>& samples, Duration median, std::vector<std::int64_t>& ratios) {
  for (const Duration sample : samples) {
    ratios.push_back(
        static_cast<std::int64_t>((static_cast<Wide>(sample.count()) << kRatioBits) / median.count()));
  }
}

}  // namespace

Duration nearest_rank(const std::vector<Duration>& sorted, std::size_t percent) {
  LAXITY_CHECK(!sorted.empty());
  const std::size_t rank = (sorted.size() * percent + 99) / 100;  // rounds up: against ourselves
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

std::vector<Duration> pooled_p99(const std::vector<std::vector<Duration>>& points) {
  std::vector<Duration> medians;
  for (std::vector<Duration> samples : points) {
    std::sort(samples.begin(), samples.end());
    medians.push_back(nearest_rank(samples, 50));
  }
  std::vector<std::size_t> order(points.size());  // by median
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return medians[a] < medians[b]; });

  std::vector<Duration> bounds(points.size());
  std::vector<std::int64_t> ratios;
  for (std::size_t place = 0; place < order.size(); ++place) {
    const Duration own = medians[order[place]];
    ratios.clear();
    add_ratios(points[order[place]], own, ratios);
    std::size_t lower = place, upper = place + 1;  // the next neighbours: lower - 1 and upper
    while (ratios.size() < kPoolMin) {
      const bool has_lower = lower > 0 && medians[order[lower - 1]] * kAlikeFactor >= own;
      const bool has_upper = upper < order.size() && medians[order[upper]] <= own * kAlikeFactor;
      if (!has_lower && !has_upper) break;
      const bool takes_lower =
          has_lower && (!has_upper || lower_is_nearer(medians[order[lower - 1]], own, medians[order[upper]]));
      const std::size_t taken = takes_lower ? order[--lower] : order[upper++];
      add_ratios(points[taken], medians[taken], ratios);
    }
    const std::size_t rank = (ratios.size() * 99 + 99) / 100;
    const auto nth = ratios.begin() + static_cast<std::ptrdiff_t>(rank - 1);
    std::nth_element(ratios.begin(), nth, ratios.end());
    const Wide time = (static_cast<Wide>(*nth + 1) * own.count() + (Wide{1} << kRatioBits) - 1) >> kRatioBits;
    bounds[order[place]] = std::max(own, Duration(static_cast<std::int64_t>(time)));
  }
  return bounds;
}

}  // namespace laxity
