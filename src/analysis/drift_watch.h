// Do the measured execution times still fit the table?
//
// A table's p99 is exceeded by one batch in a hundred. Of a block of 256 batches at most ten may, which a
// table that is right breaks in fewer than one block of ten thousand; the eleventh says that the table is
// wrong. The bound is then raised to what was seen, and lowered again, never below what was profiled, when a
// whole block stays well under it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "core/catalog.h"
#include "core/latency_table.h"

namespace laxity {

class DriftWatch {
 public:
  static constexpr std::uint32_t kBlock = 256;
  static constexpr std::uint32_t kExceededMax = 10;

  /// `profiled` is what tables never go below. Allocates; observe() does not.
  explicit DriftWatch(const LatencyTable& profiled, const Catalog& catalog);

  /// A batch of `batch_size` took `excess` longer than planned (negative: shorter) while `table` was in use.
  /// Returns the bound that the table should have for `point(…)` from now on, if another. O(1), once a block
  /// O(kBlock).
  std::optional<Duration> observe(const LatencyTable& table, CategoryId category, std::uint32_t batch_size,
                                  Duration excess);

  /// The measured batch size that plans for `batch_size` are read from. None: nothing was measured.
  static std::optional<std::uint32_t> point(const LatencyTable& table, CategoryId category,
                                            std::uint32_t batch_size);

 private:
  struct Point {
    Duration profiled{};
    std::uint32_t count = 0;
    std::uint32_t exceeded = 0;
    std::vector<Duration> excesses;  // kBlock of them; empty: not measured
  };
  std::vector<std::vector<Point>> points_;  // [category][batch size - 1]
};

}  // namespace laxity
