#include "sim/execution_time.h"

#include <algorithm>
#include <cmath>

namespace laxity {
namespace {

// The fastest run lies so far below the median: measured on processors, where only noise adds to the work
// itself.
constexpr double kBelowMedian = 0.03;
constexpr Duration kShortest = 1ns;

double count(Duration d) { return static_cast<double>(d.count()); }

}  // namespace

ExecutionTimes::ExecutionTimes(const SystemModel& system, const ExecutionOptions& options, std::uint64_t seed)
    : system_(system), options_(options), rng_(seed) {
  for (std::size_t i = 0; i < system.catalog.categories.size(); ++i) {
    const auto category = static_cast<CategoryId>(i);
    const std::uint32_t size_max = system.table.batch_size_max(category);
    std::vector<Curve>& row = curves_.emplace_back(size_max);
    std::uint32_t below = 0;  // the last measured size; none yet
    for (std::uint32_t size = 1; size <= size_max; ++size) {
      const auto measured = system.table.measured(category, size);
      if (!measured) continue;
      row[size - 1] = curve_of(*measured);
      for (std::uint32_t between_size = below + 1; between_size < size; ++between_size) {
        const double weight = below == 0 ? 1 : double(between_size - below) / double(size - below);
        row[between_size - 1] = between(row[below == 0 ? size - 1 : below - 1], row[size - 1], weight);
      }
      below = size;
    }
  }
  for (std::size_t i = 0; i < system.catalog.models.size(); ++i) {
    const auto model = static_cast<ModelId>(i);
    preprocess_.push_back(curve_of(system.table.segment(model, SegmentKind::kPreprocess)));
    postprocess_.push_back(curve_of(system.table.segment(model, SegmentKind::kPostprocess)));
  }
}

ExecutionTimes::Curve ExecutionTimes::curve_of(const ExecutionTime& time) {
  Curve curve;
  curve.p99 = count(time.p99);
  // A profile that has no median plans with one point: then that is all there is to draw.
  curve.p50 = time.p50 > Duration::zero() ? std::min(count(time.p50), curve.p99) : curve.p99;
  curve.max = std::max(count(time.max), curve.p99);
  curve.below = std::min(kBelowMedian * curve.p50, curve.p99 - curve.p50);
  if (time.after_idle_p99 > time.p99 && curve.p99 > 0)
    curve.after_idle = count(time.after_idle_p99) / curve.p99;
  return curve;
}

ExecutionTimes::Curve ExecutionTimes::between(const Curve& a, const Curve& b, double weight_of_b) {
  const auto mix = [weight_of_b](double from, double to) { return from + (to - from) * weight_of_b; };
  return {mix(a.below, b.below), mix(a.p50, b.p50), mix(a.p99, b.p99), mix(a.max, b.max),
          mix(a.after_idle, b.after_idle)};
}

double ExecutionTimes::Curve::at(double u) const noexcept {
  if (u <= 0.5) return p50 - below * (1 - 2 * u);
  if (u <= 0.99) return p50 + (p99 - p50) * (2 * u - 1) / 0.98;
  const double v = (u - 0.99) / 0.01;
  return p99 + (max - p99) * v * v * v;
}

Duration ExecutionTimes::draw(const Curve& curve, double factor) {
  if (curve.p99 <= 0) return Duration::zero();
  return Duration(std::llround(curve.at(rng_.unit()) * factor));
}

Duration ExecutionTimes::batch(CategoryId category, std::uint32_t batch_size, std::uint32_t encoded_count,
                               Duration idle) {
  const Duration planned = std::max(system_.planned(category, batch_size, encoded_count), kShortest);
  const std::size_t model = index(system_.catalog.categories[index(category)].model);
  switch (options_.mode) {
    case ExecutionMode::kPlanned:
      return planned;
    case ExecutionMode::kUniform:
      return Duration(rng_.uniform(1, planned.count()));
    case ExecutionMode::kTypical: {
      const Duration typical = system_.table.typical(category, batch_size).value_or(Duration::zero());
      return std::max(kShortest, typical + system_.table.overheads.dispatch +
                                     encoded_count * Duration(std::llround(preprocess_[model].p50)) +
                                     batch_size * Duration(std::llround(postprocess_[model].p50)));
    }
    case ExecutionMode::kSampled:
      break;
  }
  const std::vector<Curve>& row = curves_[index(category)];
  if (batch_size == 0 || batch_size > row.size()) return kShortest;
  const Curve& curve = row[batch_size - 1];
  const bool is_cold = options_.slows_after_idle && idle >= options_.idle_gap;
  Duration total = draw(curve, is_cold ? curve.after_idle : 1) + system_.table.overheads.dispatch;
  for (std::uint32_t i = 0; i < encoded_count; ++i) total += draw(preprocess_[model], 1);
  if (postprocess_[model].p99 > 0) {
    for (std::uint32_t i = 0; i < batch_size; ++i) total += draw(postprocess_[model], 1);
  }
  return std::max(total, kShortest);
}

Duration ExecutionTimes::segment(ModelId model, SegmentKind kind) {
  const Curve& curve =
      kind == SegmentKind::kPreprocess ? preprocess_[index(model)] : postprocess_[index(model)];
  const Duration dispatch = system_.table.overheads.dispatch;
  const Duration planned = Duration(std::llround(curve.p99)) + dispatch;
  switch (options_.mode) {
    case ExecutionMode::kPlanned:
      return std::max(planned, kShortest);
    case ExecutionMode::kUniform:
      return Duration(rng_.uniform(1, std::max(planned, kShortest).count()));
    case ExecutionMode::kTypical:
      return std::max(Duration(std::llround(curve.p50)) + dispatch, kShortest);
    case ExecutionMode::kSampled:
      break;
  }
  return std::max(draw(curve, 1) + dispatch, kShortest);
}

}  // namespace laxity
