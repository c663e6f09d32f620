#include "policy/deeprt_adaptation.h"

#include <algorithm>

namespace laxity {

DeepRtAdaptation::DeepRtAdaptation(const SystemModel& system, Reach reach,
                                   const std::vector<CategoryId>& first_stages)
    : system_(system) {
  for (const CategoryId category : first_stages) {
    const Category& entry = system.catalog.category(category);
    const Model& model = system.catalog.model(entry.model);
    Lane lane;
    lane.model = entry.model;
    auto stage_count = static_cast<std::uint32_t>(model.variants[entry.variant].stages.size());
    lane.steps.push_back({entry.variant, stage_count});
    while (reach != Reach::kOff && stage_count > std::max(model.mandatory_count, 1u)) {
      lane.steps.push_back({entry.variant, --stage_count});
    }
    for (std::uint32_t variant = entry.variant; reach == Reach::kVariants && variant-- > 0;) {
      const auto stages = static_cast<std::uint32_t>(model.variants[variant].stages.size());
      lane.steps.push_back({variant, std::min(stages, std::max(model.mandatory_count, 1u))});
    }
    lanes_.push_back(std::move(lane));
  }
}

DeepRtAdaptation::Shape DeepRtAdaptation::shape(std::size_t index_of_lane, std::uint32_t size) const {
  const Lane& lane = lanes_[index_of_lane];
  for (std::size_t step = lane.step; step > 0; --step) {
    const Shape& shape = lane.steps[step];
    const std::vector<CategoryId>& stages = system_.catalog.model(lane.model).variants[shape.variant].stages;
    const bool fits = std::all_of(stages.begin(), stages.begin() + shape.stage_count, [&](CategoryId stage) {
      return system_.table.batch_size_max(stage) > 0 && system_.batch_size_max(stage) >= size;
    });
    if (fits) return shape;
  }
  return lane.steps.front();
}

// Without the hand-over to the executor, which is no part of what is measured there.
Duration DeepRtAdaptation::table_time(const Lane& lane, const Shape& shape, std::uint32_t size,
                                      std::uint32_t encoded_count) const {
  const std::vector<CategoryId>& stages = system_.catalog.model(lane.model).variants[shape.variant].stages;
  Duration total{};
  for (std::uint32_t k = 0; k < shape.stage_count; ++k) {
    total += system_.planned(stages[k], size, k == 0 ? encoded_count : 0) - system_.table.overheads.dispatch;
  }
  return total;
}

void DeepRtAdaptation::batch_done(std::size_t index_of_lane, const Shape& ran, std::uint32_t size,
                                  std::uint32_t encoded_count, Duration actual) {
  Lane& lane = lanes_[index_of_lane];
  if (lane.steps.size() == 1) return;
  const Duration expected = table_time(lane, ran, size, encoded_count);
  if (actual > expected) {
    lane.penalty += actual - expected;
    lane.step = std::min(lane.step + 1, lane.steps.size() - 1);
  }
  if (ran != lane.steps.front()) {
    lane.penalty -= table_time(lane, lane.steps.front(), size, encoded_count) - actual;
  }
  if (lane.penalty > Duration::zero()) return;
  lane.penalty = Duration::zero();
  lane.step = 0;
}

}  // namespace laxity
