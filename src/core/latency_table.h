// Execution times of batches and segments, as measured; what admission and policies plan with.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "core/ids.h"

namespace laxity {

/// One measured point: a batch of one size, of one category.
struct ExecutionTime {
  Duration p50{};
  Duration p99{};
  Duration max{};
  Duration after_idle_p99{};  ///< First run after the executor slept; >= p99 on most machines.
  std::uint64_t samples = 0;
};

/// What of a measured point is planned with.
enum class PlanningBound : std::uint8_t { kP99, kMax };
const char* name(PlanningBound bound) noexcept;  // "p99", "max"

enum class SegmentKind : std::uint8_t { kPreprocess, kPostprocess };
const char* name(SegmentKind kind) noexcept;

/// Costs of the server's own machinery, measured on the machine at hand; explicit terms, never a hidden
/// buffer.
struct Overheads {
  Duration dispatch{};   ///< Decision and hand-over, per batch.
  Duration wake_p99{};   ///< From posting to a sleeping executor until it runs.
  Duration reply_p99{};  ///< From SettleJob until the last byte of the answer has left.
};

/// E[category][batch size]. Points that were not measured are read from the next larger measured size (costs
/// round up); nothing is extrapolated beyond the largest. Values are made non-decreasing in the batch size.
/// Immutable while a scheduler uses it, except through TablesChanged.
class LatencyTable {
 public:
  /// Declares a point. Precondition: batch_size >= 1 and time.p99 > 0. The later of two for the same point
  /// wins.
  void set(CategoryId category, std::uint32_t batch_size, const ExecutionTime& time);
  void set_segment(ModelId model, SegmentKind kind, const ExecutionTime& time);

  /// Plans with the p99, as is the default, or with the largest time that was measured.
  void plan_with(PlanningBound bound);
  PlanningBound planning_bound() const noexcept { return bound_; }

  /// Planned bound (p99, or see plan_with) of a batch. None: nothing measured at this size or above. O(1).
  std::optional<Duration> planned(CategoryId category, std::uint32_t batch_size) const noexcept;
  /// Median, by the same rule. O(1).
  std::optional<Duration> typical(CategoryId category, std::uint32_t batch_size) const noexcept;
  /// Exactly what was measured, or none.
  std::optional<ExecutionTime> measured(CategoryId category, std::uint32_t batch_size) const noexcept;
  /// Largest measured batch size; 0 when nothing was measured.
  std::uint32_t batch_size_max(CategoryId category) const noexcept;
  /// Zero duration when the model has no such segment.
  ExecutionTime segment(ModelId model, SegmentKind kind) const noexcept;

  Overheads overheads;

 private:
  struct Row {
    std::vector<std::optional<ExecutionTime>> points;  // index: batch size - 1
    std::vector<Duration> planned;                     // filled up and made non-decreasing
    std::vector<Duration> typical;
  };
  void fill(Row& row) const;

  PlanningBound bound_ = PlanningBound::kP99;
  std::vector<Row> rows_;  // index: category
  struct SegmentRow {
    ExecutionTime preprocess, postprocess;
  };
  std::vector<SegmentRow> segments_;  // index: model
};

}  // namespace laxity
