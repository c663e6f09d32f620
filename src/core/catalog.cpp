#include "core/catalog.h"

#include <utility>

#include "base/check.h"

namespace laxity {

ModelId Catalog::add_model(Model model, const std::vector<std::uint32_t>& stage_counts,
                           std::uint32_t batch_size_max) {
  LAXITY_CHECK(!model.variants.empty() && model.variants.size() == stage_counts.size());
  const auto id = static_cast<ModelId>(models.size());
  for (std::uint32_t variant = 0; variant < model.variants.size(); ++variant) {
    LAXITY_CHECK(stage_counts[variant] > 0);
    model.variants[variant].stages.clear();
    for (std::uint32_t stage = 0; stage < stage_counts[variant]; ++stage) {
      model.variants[variant].stages.push_back(static_cast<CategoryId>(categories.size()));
      categories.push_back({id, variant, stage, batch_size_max});
    }
  }
  models.push_back(std::move(model));
  return id;
}

std::optional<ModelId> Catalog::find_model(std::string_view name) const {
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (models[i].name == name) return static_cast<ModelId>(i);
  }
  return std::nullopt;
}

std::string Catalog::category_name(CategoryId id) const {
  const Category& c = category(id);
  const Model& m = model(c.model);
  return m.name + "/" + m.variants[c.variant].name + "/" + std::to_string(c.stage);
}

std::optional<CategoryId> Catalog::find_category(std::string_view name) const {
  for (std::size_t i = 0; i < categories.size(); ++i) {
    if (category_name(static_cast<CategoryId>(i)) == name) return static_cast<CategoryId>(i);
  }
  return std::nullopt;
}

}  // namespace laxity
