// The models that can be asked for, as the scheduler sees them: names and structure, no files and no tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"

namespace laxity {

/// One scaling level of a model. Stage k's jobs belong to category `stages[k]`.
struct Variant {
  std::string name;
  std::vector<CategoryId> stages;  ///< Never empty.
};

struct Model {
  std::string name;
  std::vector<Variant> variants;  ///< Cheapest first; never empty.
  std::uint32_t mandatory_count =
      1;                        ///< m: stages that must finish by the deadline; the others raise accuracy.
  bool has_preprocess = false;  ///< Accepts encoded pictures and has a CPU segment.
};

/// Only jobs of one category can share a batch.
struct Category {
  ModelId model{};
  std::uint32_t variant = 0;
  std::uint32_t stage = 0;
  std::uint32_t batch_size_max = 1;  ///< 1 when the graph fixes its batch dimension.
};

struct Catalog {
  std::vector<Model> models;
  std::vector<Category> categories;

  const Model& model(ModelId id) const { return models.at(index(id)); }
  const Category& category(CategoryId id) const { return categories.at(index(id)); }
  std::uint32_t stage_count(ModelId id, std::uint32_t variant) const {
    return static_cast<std::uint32_t>(model(id).variants.at(variant).stages.size());
  }

  /// Adds a model whose variants have the given stage counts and gives each stage a category.
  ModelId add_model(Model model, const std::vector<std::uint32_t>& stage_counts,
                    std::uint32_t batch_size_max);

  std::optional<ModelId> find_model(std::string_view name) const;
  /// "cifar10/full/0": the key used in profiles and traces.
  std::string category_name(CategoryId id) const;
  std::optional<CategoryId> find_category(std::string_view name) const;
};

}  // namespace laxity
