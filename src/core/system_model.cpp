#include "core/system_model.h"

#include <algorithm>

namespace laxity {

const char* name(ExecutorKind kind) noexcept {
  switch (kind) {
    case ExecutorKind::kCpu:
      return "cpu";
    case ExecutorKind::kCuda:
      return "cuda";
    case ExecutorKind::kEmulated:
      return "emulated";
  }
  return "unknown";
}

bool SystemModel::preprocesses_inline() const noexcept {
  for (const Executor& executor : executors) {
    if (executor.runs_segments && !executor.runs_batches) return false;
  }
  return true;
}

std::uint32_t SystemModel::batch_size_max(CategoryId category) const noexcept {
  const std::uint32_t measured = table.batch_size_max(category);
  if (measured == 0) return 1;
  return std::min({measured, catalog.categories[index(category)].batch_size_max,
                   static_cast<std::uint32_t>(std::min(limits.batch_size_max, kBatchSizeMax))});
}

Duration SystemModel::planned(CategoryId category, std::uint32_t batch_size,
                              std::uint32_t encoded_count) const noexcept {
  const auto execution = table.planned(category, batch_size);
  if (!execution) return Duration::zero();
  const ModelId model = catalog.categories[index(category)].model;
  return *execution + table.overheads.dispatch +
         encoded_count * table.segment(model, SegmentKind::kPreprocess).p99 +
         batch_size * table.segment(model, SegmentKind::kPostprocess).p99;
}

}  // namespace laxity
