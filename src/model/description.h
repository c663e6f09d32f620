// What a model.toml, labels.txt and utility.json say, before any graph has been opened.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/repository.h"

namespace laxity {

struct VariantDescription {
  std::string name;
  std::vector<std::string> stages;  ///< Paths relative to the model's folder; never empty.
  std::string where;                ///< "models/cifar10/model.toml:20", for complaints about them.
};

struct ModelDescription {
  std::string name;
  std::optional<PreprocessSpec> preprocess;
  PostprocessSpec::Kind postprocess = PostprocessSpec::Kind::kNone;
  std::uint32_t top = 1;
  std::string postprocess_output;  ///< Name of the output that holds the logits; empty: the first.
  std::uint32_t mandatory_count = 1;
  std::vector<TensorSpec> inputs;            ///< Empty: as the graph says.
  std::vector<TensorSpec> outputs;           ///< Empty: as the last graph says.
  std::vector<VariantDescription> variants;  ///< Empty: one stage, the only .onnx file of the folder.
};

/// `origin` is the file's name in messages; `default_name` is used when the file gives none.
/// Errors: kInvalidArgument with file and line: not TOML, an unknown key (names the nearest), a wrong type, a
/// value outside its range, a path that leaves the folder.
Result<ModelDescription> parse_model_toml(std::string_view text, std::string_view origin,
                                          std::string_view default_name);

/// One label a line; the empty line at the end is none. Errors: kInvalidArgument: an empty label, over 1 MiB.
Result<std::vector<std::string>> parse_labels(std::string_view text, std::string_view origin);

/// Temperatures per exit out of utility.json; everything else in it is for those who choose depth.
/// Errors: kInvalidArgument: not JSON, another schema, exits missing or out of order, a temperature that is
/// not positive.
Result<std::vector<float>> parse_temperatures(std::string_view text, std::string_view origin);

/// Success, or what a name may be: names become parts of URLs, of keys ("model/variant/stage") and of tables.
Status check_model_name(std::string_view name);

/// "FP32 [3, 32, 32]".
std::string text_of(const TensorSpec& tensor);

}  // namespace laxity
