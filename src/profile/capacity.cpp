#include "profile/capacity.h"

#include <algorithm>
#include <optional>

namespace laxity {
namespace {

/// Median time of a batch through all stages; none when a stage was not measured at this size.
std::optional<Duration> typical_time(const SystemModel& system, const Variant& variant, ModelId model,
                                     std::uint32_t n, bool encoded) {
  Duration total{};
  for (const CategoryId stage : variant.stages) {
    const auto time = system.table.typical(stage, n);
    if (!time) return std::nullopt;
    total += *time + system.table.overheads.dispatch +
             n * system.table.segment(model, SegmentKind::kPostprocess).p50;
  }
  if (encoded) total += n * system.table.segment(model, SegmentKind::kPreprocess).p50;
  return total;
}

}  // namespace

double capacity_per_s(const SystemModel& system, ModelId model, Duration deadline, bool encoded) {
  const Variant& variant = system.catalog.model(model).variants.back();
  std::uint32_t cap = static_cast<std::uint32_t>(kBatchSizeMax);
  for (const CategoryId stage : variant.stages) cap = std::min(cap, system.batch_size_max(stage));
  double best = 0;
  for (std::uint32_t n = 1; n <= cap; ++n) {
    const auto time = typical_time(system, variant, model, n, encoded);
    if (!time || *time > deadline || *time <= Duration::zero()) continue;
    best = std::max(best, n / std::chrono::duration<double>(*time).count());
  }
  const auto executors = std::count_if(system.executors.begin(), system.executors.end(),
                                       [](const Executor& e) { return e.runs_batches; });
  return best * static_cast<double>(executors);
}

}  // namespace laxity
