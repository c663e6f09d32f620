#include "policy/mandatory_times.h"

#include <algorithm>

#include "core/limits.h"

namespace laxity {

std::vector<Duration> mandatory_times(const SystemModel& system, ModelId id, std::uint32_t variant) {
  const Model& model = system.catalog.model(id);
  const std::vector<CategoryId>& stages = model.variants.at(variant).stages;
  const std::size_t stage_count = std::min<std::size_t>(model.mandatory_count, stages.size());
  auto cap = static_cast<std::uint32_t>(kBatchSizeMax);
  for (std::size_t k = 0; k < stage_count; ++k) cap = std::min(cap, system.batch_size_max(stages[k]));
  std::vector<Duration> times;
  for (std::uint32_t n = 1; n <= cap; ++n) {
    Duration total = system.table.overheads.wake_p99;
    for (std::size_t k = 0; k < stage_count; ++k) {
      const bool decodes = k == 0 && model.has_preprocess && system.preprocesses_inline();
      total += system.planned(stages[k], n, decodes ? n : 0);
    }
    times.push_back(std::max(total, Duration(1)));
  }
  return times;
}

}  // namespace laxity
