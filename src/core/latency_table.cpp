#include "core/latency_table.h"

#include <algorithm>

#include "base/check.h"

namespace laxity {

const char* name(SegmentKind kind) noexcept {
  return kind == SegmentKind::kPreprocess ? "preprocess" : "postprocess";
}

const char* name(PlanningBound bound) noexcept { return bound == PlanningBound::kMax ? "max" : "p99"; }

void LatencyTable::set(CategoryId category, std::uint32_t batch_size, const ExecutionTime& time) {
  LAXITY_CHECK(batch_size >= 1 && time.p99 > Duration::zero());
  if (index(category) >= rows_.size()) rows_.resize(index(category) + 1);
  Row& row = rows_[index(category)];
  if (row.points.size() < batch_size) row.points.resize(batch_size);
  row.points[batch_size - 1] = time;
  fill(row);
}

void LatencyTable::plan_with(PlanningBound bound) {
  bound_ = bound;
  for (Row& row : rows_) fill(row);
}

void LatencyTable::fill(Row& row) const {
  // Sizes that were not measured take the next larger one's time; then the running maximum.
  row.planned.assign(row.points.size(), Duration::zero());
  row.typical.assign(row.points.size(), Duration::zero());
  ExecutionTime above{};
  for (std::size_t i = row.points.size(); i-- > 0;) {
    if (row.points[i]) above = *row.points[i];
    row.planned[i] = bound_ == PlanningBound::kMax ? std::max(above.max, above.p99) : above.p99;
    row.typical[i] = above.p50;
  }
  for (std::size_t i = 1; i < row.points.size(); ++i) {
    row.planned[i] = std::max(row.planned[i], row.planned[i - 1]);
    row.typical[i] = std::max(row.typical[i], row.typical[i - 1]);
  }
}

void LatencyTable::set_segment(ModelId model, SegmentKind kind, const ExecutionTime& time) {
  if (index(model) >= segments_.size()) segments_.resize(index(model) + 1);
  SegmentRow& row = segments_[index(model)];
  (kind == SegmentKind::kPreprocess ? row.preprocess : row.postprocess) = time;
}

std::optional<Duration> LatencyTable::planned(CategoryId category, std::uint32_t batch_size) const noexcept {
  if (batch_size == 0 || batch_size > batch_size_max(category)) return std::nullopt;
  return rows_[index(category)].planned[batch_size - 1];
}

std::optional<Duration> LatencyTable::typical(CategoryId category, std::uint32_t batch_size) const noexcept {
  if (batch_size == 0 || batch_size > batch_size_max(category)) return std::nullopt;
  return rows_[index(category)].typical[batch_size - 1];
}

std::optional<ExecutionTime> LatencyTable::measured(CategoryId category,
                                                    std::uint32_t batch_size) const noexcept {
  if (batch_size == 0 || batch_size > batch_size_max(category)) return std::nullopt;
  return rows_[index(category)].points[batch_size - 1];
}

std::uint32_t LatencyTable::batch_size_max(CategoryId category) const noexcept {
  if (index(category) >= rows_.size()) return 0;
  return static_cast<std::uint32_t>(rows_[index(category)].points.size());
}

ExecutionTime LatencyTable::segment(ModelId model, SegmentKind kind) const noexcept {
  if (index(model) >= segments_.size()) return {};
  const SegmentRow& row = segments_[index(model)];
  return kind == SegmentKind::kPreprocess ? row.preprocess : row.postprocess;
}

}  // namespace laxity
