#include "analysis/drift_watch.h"

#include <algorithm>

namespace laxity {
namespace {

constexpr std::int64_t kLowerShare = 20;  // a bound is lowered when it is too high by 1 / 20 or more

/// 99th percentile of the first `count` (they are reordered).
Duration p99(std::vector<Duration>& values, std::uint32_t count) {
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>((count - 1) * 99 / 100);
  std::nth_element(values.begin(), nth, values.begin() + count);
  return *nth;
}

}  // namespace

DriftWatch::DriftWatch(const LatencyTable& profiled, const Catalog& catalog) {
  points_.resize(catalog.categories.size());
  for (std::size_t c = 0; c < points_.size(); ++c) {
    const auto category = static_cast<CategoryId>(c);
    points_[c].resize(profiled.batch_size_max(category));
    for (std::uint32_t n = 1; n <= points_[c].size(); ++n) {
      if (!profiled.measured(category, n)) continue;
      points_[c][n - 1].profiled = *profiled.planned(category, n);
      points_[c][n - 1].excesses.resize(kBlock);
    }
  }
}

std::optional<std::uint32_t> DriftWatch::point(const LatencyTable& table, CategoryId category,
                                               std::uint32_t batch_size) {
  for (std::uint32_t n = batch_size; n >= 1 && n <= table.batch_size_max(category); ++n) {
    if (table.measured(category, n)) return n;
  }
  return std::nullopt;
}

std::optional<Duration> DriftWatch::observe(const LatencyTable& table, CategoryId category,
                                            std::uint32_t batch_size, Duration excess) {
  const auto size = point(table, category, batch_size);
  if (!size || index(category) >= points_.size() || *size > points_[index(category)].size()) {
    return std::nullopt;
  }
  Point& at = points_[index(category)][*size - 1];
  if (at.excesses.empty()) return std::nullopt;
  at.excesses[at.count++] = excess;
  if (excess > Duration::zero()) ++at.exceeded;
  const bool is_above = at.exceeded > kExceededMax;
  if (!is_above && at.count < kBlock) return std::nullopt;
  const Duration off = p99(at.excesses, at.count);
  at.count = at.exceeded = 0;
  const Duration bound = *table.planned(category, *size);
  if (is_above) return bound + off;
  if (bound <= at.profiled || off >= -bound / kLowerShare) return std::nullopt;
  return std::max(at.profiled, bound + off);
}

}  // namespace laxity
