// E_g(n): how long a batch of n frames of category g takes at most; the one table that every analysis plans
// with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/time.h"

namespace laxity {

/// Index of a category inside one analysis: dense, from 0.
using CategoryIndex = std::uint32_t;

/// Bounds on execution, all mandatory stages back to back, dispatch and segments on the same executor
/// included. Non-decreasing in n (its running maximum is taken), so fewer frames never take longer.
class BatchTimes {
 public:
  /// `times[n - 1]` is the bound for n frames; its length is the cap. Precondition: not empty, all > 0.
  CategoryIndex add_category(std::vector<Duration> times) {
    LAXITY_CHECK(!times.empty() && times.front() > Duration::zero());
    for (std::size_t i = 1; i < times.size(); ++i) times[i] = std::max(times[i], times[i - 1]);
    rows_.push_back(std::move(times));
    return static_cast<CategoryIndex>(rows_.size() - 1);
  }

  std::size_t category_count() const noexcept { return rows_.size(); }
  std::uint32_t cap(CategoryIndex g) const { return static_cast<std::uint32_t>(rows_[g].size()); }

  /// E_g(n), 1 <= n <= cap.
  Duration operator()(CategoryIndex g, std::uint32_t n) const {
    LAXITY_CHECK(n >= 1 && n <= rows_[g].size());
    return rows_[g][n - 1];
  }

  /// Time of n frames, n >= 0, split into full batches and a rest when n exceeds the cap.
  Duration split(CategoryIndex g, std::uint32_t n) const {
    const std::uint32_t full = n / cap(g);
    const std::uint32_t rest = n % cap(g);
    return full * rows_[g].back() + (rest == 0 ? Duration::zero() : rows_[g][rest - 1]);
  }

  /// The same table with every time multiplied by (1 + margin_ppm / 10^6), rounded up.
  BatchTimes with_margin(std::int64_t margin_ppm) const {
    BatchTimes scaled = *this;
    for (auto& row : scaled.rows_) {
      for (Duration& time : row) {
        // Split so that the product cannot overflow for times up to years.
        const std::int64_t extra = time.count() / 1'000'000 * margin_ppm +
                                   (time.count() % 1'000'000 * margin_ppm + 999'999) / 1'000'000;
        time += Duration(extra);
      }
    }
    return scaled;
  }

 private:
  std::vector<std::vector<Duration>> rows_;
};

}  // namespace laxity
