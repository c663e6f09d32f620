// The model repository on disk, validated at load: which networks there are, what they take and give.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/catalog.h"
#include "engine/engine.h"

namespace laxity {

/// The CPU part before inference (contracts section 4): decode, resize, normalise one picture.
struct PreprocessSpec {
  std::uint32_t height = 0, width = 0;
  enum class Colour : std::uint8_t { kRgb, kBgr, kGray } colour = Colour::kRgb;
  enum class Layout : std::uint8_t { kChw, kHwc } layout = Layout::kChw;
  enum class Resize : std::uint8_t { kBilinear, kNearest } resize = Resize::kBilinear;
  float scale = 1.0F / 255;            ///< out = (pixel * scale - mean[c]) / deviation[c]
  std::vector<float> mean, deviation;  ///< One per channel.
};

struct PostprocessSpec {
  enum class Kind : std::uint8_t { kNone, kSoftmax } kind = Kind::kNone;
  std::uint32_t top = 1;   ///< Length of `class`; `probabilities` has the output's shape.
  std::size_t output = 0;  ///< Index of the model output that holds the logits.
  std::vector<float>
      temperature;  ///< Per exit, from utility.json; empty: 1. Divides logits before the softmax.
};

/// One graph and how it is wired to its neighbours.
struct StageFile {
  std::string path;
  StageSpec spec;
  /// For each input of this stage: index of the previous stage's output that feeds it (stage 0: index of
  /// the model input).
  std::vector<std::size_t> input_sources;
  /// For each model output: index of this stage's output that is its value at this exit.
  std::vector<std::size_t> exit_outputs;
};

struct LoadedVariant {
  std::string name;
  std::vector<StageFile> stages;
  std::uint64_t size_bytes = 0;  ///< Of its files.
};

struct LoadedModel {
  ModelId id{};
  std::string name;
  std::vector<TensorSpec> inputs;   ///< What a client sends, without the batch dimension.
  std::vector<TensorSpec> outputs;  ///< At every exit, without the batch dimension; before post-processing.
  std::vector<LoadedVariant> variants;
  std::optional<PreprocessSpec> preprocess;  ///< Then inputs[0] may come as encoded pictures (BYTES [n]).
  PostprocessSpec postprocess;
  std::vector<std::string> labels;
  std::uint32_t mandatory_count = 1;
};

class Repository {
 public:
  /// Reads every model under `folder`: `<model>/model.toml`, `<model>/1/model.onnx`, a bare `<model>.onnx`.
  /// Errors: kNotFound (no folder, no model in it), kInvalidArgument (a model.toml or graph that is
  /// wrong, stages that do not chain, a bad labels file): the message names file, expected and found.
  static Result<Repository> load(const std::string& folder, Engine& engine, std::uint32_t batch_size_max);

  const Catalog& catalog() const noexcept { return catalog_; }
  const std::vector<LoadedModel>& models() const noexcept { return models_; }
  const LoadedModel& model(ModelId id) const { return models_.at(index(id)); }
  const StageFile& stage(CategoryId id) const;

 private:
  Catalog catalog_;
  std::vector<LoadedModel> models_;
};

}  // namespace laxity
