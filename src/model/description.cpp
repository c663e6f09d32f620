#include "model/description.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/nearest.h"
#include "base/toml_reader.h"

namespace laxity {
namespace {

constexpr std::int64_t kPictureSideMax = 16384;
constexpr std::int64_t kDimensionMax = 1 << 24;
constexpr std::size_t kRankMax = 8;
constexpr std::size_t kStageCountMax = 16;
constexpr std::size_t kVariantCountMax = 64;
constexpr std::size_t kNameLengthMax = 128;
constexpr std::size_t kLabelsSizeMax = 1 << 20;

/// The enumerator that `key` names, `fallback` without the key; complains and lists the words otherwise.
template <typename Value, std::size_t kCount>
Value choice(TomlTable& table, const char* key,
             const std::array<std::pair<std::string_view, Value>, kCount>& words, Value fallback) {
  const std::optional<std::string> found = table.string(key);
  if (!found) return fallback;
  std::string expected;
  for (const auto& [word, value] : words) {
    if (*found == word) return value;
    expected += (expected.empty() ? "'" : ", '") + std::string(word) + "'";
  }
  table.complain(key, "expected one of " + expected + ", found '" + *found + "'");
  return fallback;
}

void check_name(TomlTable& table, const std::string& name) {
  if (Status status = check_model_name(name); !status) table.complain("name", status.error().message);
}

std::vector<float> channel_numbers(TomlTable& table, const char* key, std::size_t channel_count,
                                   float fallback, bool must_be_positive) {
  const std::vector<double> found = table.numbers(key);
  if (found.empty()) return std::vector<float>(channel_count, fallback);
  if (found.size() != 1 && found.size() != channel_count) {
    table.complain(key, "expected 1 or " + std::to_string(channel_count) + " numbers, found " +
                            std::to_string(found.size()));
    return {};
  }
  std::vector<float> numbers;
  for (std::size_t c = 0; c < channel_count; ++c) {
    const double number = found[found.size() == 1 ? 0 : c];
    // As floats they must stay what they were: a deviation of 1e-60 would divide by zero.
    const auto narrow = static_cast<float>(number);
    if (!std::isfinite(narrow) || (must_be_positive && !(narrow > 0))) {
      table.complain(key, must_be_positive ? "expected numbers above 0" : "expected finite numbers");
      return {};
    }
    numbers.push_back(narrow);
  }
  return numbers;
}

std::optional<PreprocessSpec> read_preprocess(TomlTable& table) {
  using Spec = PreprocessSpec;
  constexpr std::array<std::pair<std::string_view, Spec::Colour>, 3> kColours = {
      {{"RGB", Spec::Colour::kRgb}, {"BGR", Spec::Colour::kBgr}, {"GRAY", Spec::Colour::kGray}}};
  constexpr std::array<std::pair<std::string_view, Spec::Layout>, 2> kLayouts = {
      {{"CHW", Spec::Layout::kChw}, {"HWC", Spec::Layout::kHwc}}};
  constexpr std::array<std::pair<std::string_view, Spec::Resize>, 2> kResizes = {
      {{"bilinear", Spec::Resize::kBilinear}, {"nearest", Spec::Resize::kNearest}}};
  Spec spec;
  const bool decodes = table.boolean("decode").value_or(true);
  const std::vector<std::int64_t> size = table.integers("size", 1, kPictureSideMax);
  if (size.size() == 2) {
    spec.height = static_cast<std::uint32_t>(size[0]);
    spec.width = static_cast<std::uint32_t>(size[1]);
  } else {
    table.complain("size", "expected [height, width], found " + std::to_string(size.size()) + " numbers");
  }
  spec.resize = choice(table, "resize", kResizes, Spec::Resize::kBilinear);
  spec.colour = choice(table, "colour", kColours, Spec::Colour::kRgb);
  spec.layout = choice(table, "layout", kLayouts, Spec::Layout::kChw);
  spec.scale = static_cast<float>(table.number("scale", -1e6, 1e6).value_or(1.0 / 255));
  const std::size_t channel_count = spec.colour == Spec::Colour::kGray ? 1 : 3;
  spec.mean = channel_numbers(table, "mean", channel_count, 0.0F, false);
  spec.deviation = channel_numbers(table, "std", channel_count, 1.0F, true);
  if (!decodes) return std::nullopt;
  return spec;
}

TensorSpec read_tensor(TomlTable& table) {
  TensorSpec tensor;
  if (const auto name = table.string("name"); name && !name->empty()) {
    tensor.name = *name;
  } else {
    table.complain("name", "expected the tensor's name in the graph, found none");
  }
  if (const auto type = table.string("datatype")) {
    const Result<DataType> parsed = parse_data_type(*type);
    if (!parsed) {
      table.complain("datatype", parsed.error().message);
    } else if (*parsed == DataType::kBytes) {
      table.complain("datatype", "expected numbers or booleans, found BYTES, which graphs cannot take");
    } else {
      tensor.type = *parsed;
    }
  } else {
    table.complain("datatype", "expected a datatype such as FP32, found none");
  }
  if (!table.has("shape")) {
    table.complain("shape", "expected the shape without the batch dimension, found none");
  }
  tensor.shape = table.integers("shape", 1, kDimensionMax);
  if (tensor.shape.size() > kRankMax) {
    table.complain("shape", "expected at most " + std::to_string(kRankMax) + " dimensions, found " +
                                std::to_string(tensor.shape.size()));
  }
  return tensor;
}

std::vector<TensorSpec> read_tensors(TomlTable& root, const char* key) {
  std::vector<TensorSpec> tensors;
  for (TomlTable* table : root.tables(key)) {
    tensors.push_back(read_tensor(*table));
    const auto same = [&](const TensorSpec& other) { return other.name == tensors.back().name; };
    if (std::count_if(tensors.begin(), tensors.end(), same) > 1) {
      table->complain("name", "expected names that differ, found '" + tensors.back().name + "' twice");
    }
  }
  return tensors;
}

/// A model's files lie in its folder: a repository can be copied, and a stranger's one cannot point
/// elsewhere.
bool stays_inside(const std::string& path) {
  const std::filesystem::path relative(path);
  if (path.empty() || path.find('\0') != std::string::npos || relative.is_absolute()) return false;
  return std::ranges::none_of(relative, [](const auto& part) { return part == ".."; });
}

VariantDescription read_variant(TomlTable& table) {
  VariantDescription variant;
  variant.name = table.string("name").value_or("full");
  check_name(table, variant.name);
  variant.stages = table.strings("stages");
  variant.where = table.where("stages");
  if (variant.stages.empty() || variant.stages.size() > kStageCountMax) {
    table.complain("stages", "expected 1 to " + std::to_string(kStageCountMax) + " files, found " +
                                 std::to_string(variant.stages.size()));
  }
  for (const std::string& stage : variant.stages) {
    if (!stays_inside(stage)) {
      table.complain("stages", "expected a path inside the model's folder, found '" + stage + "'");
    }
  }
  return variant;
}

}  // namespace

Status check_model_name(std::string_view name) {
  constexpr std::string_view kForbidden = "/\\\"?#%";
  const bool is_good = !name.empty() && name.size() <= kNameLengthMax && name.front() != '.' &&
                       std::ranges::all_of(name, [&](char c) {
                         const auto byte = static_cast<unsigned char>(c);
                         return byte > ' ' && byte != 0x7f && kForbidden.find(c) == std::string_view::npos;
                       });
  if (is_good) return Unit{};
  return invalid_argument("expected a name of 1 to " + std::to_string(kNameLengthMax) +
                          " characters without spaces, quotes, / \\ ? # % and no dot in front, found '" +
                          std::string(name) + "'");
}

std::string text_of(const TensorSpec& tensor) {
  std::string text = name(tensor.type);
  text += " [";
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(tensor.shape[i]);
  }
  return text + "]";
}

Result<ModelDescription> parse_model_toml(std::string_view text, std::string_view origin,
                                          std::string_view default_name) {
  Result<TomlTable> parsed = TomlTable::parse(text, origin);
  if (!parsed) return parsed.error();
  TomlTable& root = *parsed;
  ModelDescription model;
  model.name = root.string("name").value_or(std::string(default_name));
  check_name(root, model.name);
  if (TomlTable* preprocess = root.table("preprocess")) model.preprocess = read_preprocess(*preprocess);
  if (TomlTable* postprocess = root.table("postprocess")) {
    constexpr std::array<std::pair<std::string_view, PostprocessSpec::Kind>, 2> kKinds = {
        {{"none", PostprocessSpec::Kind::kNone}, {"softmax", PostprocessSpec::Kind::kSoftmax}}};
    model.postprocess = choice(*postprocess, "kind", kKinds, PostprocessSpec::Kind::kNone);
    model.top = static_cast<std::uint32_t>(postprocess->integer("top", 1, 1000).value_or(1));
    model.postprocess_output = postprocess->string("output").value_or("");
  }
  model.mandatory_count = static_cast<std::uint32_t>(
      root.integer("mandatory", 1, static_cast<std::int64_t>(kStageCountMax)).value_or(1));
  model.inputs = read_tensors(root, "input");
  model.outputs = read_tensors(root, "output");
  for (TomlTable* table : root.tables("variant")) {
    model.variants.push_back(read_variant(*table));
    const VariantDescription& variant = model.variants.back();
    const auto same = [&](const VariantDescription& other) { return other.name == variant.name; };
    if (std::count_if(model.variants.begin(), model.variants.end(), same) > 1) {
      table->complain("name", "expected names that differ, found '" + variant.name + "' twice");
    }
    if (model.mandatory_count > variant.stages.size() && !variant.stages.empty()) {
      root.complain("mandatory", "expected at most the " + std::to_string(variant.stages.size()) +
                                     " stages of variant '" + variant.name + "', found " +
                                     std::to_string(model.mandatory_count));
    }
  }
  if (model.variants.size() > kVariantCountMax) {
    root.complain("variant", "expected at most " + std::to_string(kVariantCountMax) + " variants, found " +
                                 std::to_string(model.variants.size()));
  }
  if (model.variants.empty() && model.mandatory_count > 1) {
    root.complain("mandatory",
                  "expected 1 for a network of one stage, found " + std::to_string(model.mandatory_count));
  }
  if (Status status = root.finish(); !status) return status.error();
  return model;
}

Result<std::vector<std::string>> parse_labels(std::string_view text, std::string_view origin) {
  if (text.size() > kLabelsSizeMax) {
    return invalid_argument(std::string(origin) + ": expected at most " + std::to_string(kLabelsSizeMax) +
                            " bytes of labels, found " + std::to_string(text.size()));
  }
  std::vector<std::string> labels;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view label = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (label.ends_with('\r')) label.remove_suffix(1);
    if (label.empty()) {
      return invalid_argument(std::string(origin) + ":" + std::to_string(labels.size() + 1) +
                              ": expected a label on each line, found an empty one");
    }
    labels.emplace_back(label);
  }
  return labels;
}

Result<std::vector<float>> parse_temperatures(std::string_view text, std::string_view origin) {
  using Json = nlohmann::json;
  const auto complain = [&](const std::string& words) {
    return invalid_argument(std::string(origin) + ": " + words);
  };
  const Json root = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded()) return complain("expected JSON, found something else");
  if (!root.is_object() || !root.contains("schema") || root["schema"] != "laxity.utility/1") {
    return complain("expected schema 'laxity.utility/1', found another or none");
  }
  if (!root.contains("exits") || !root["exits"].is_array())
    return complain("expected an array 'exits', found none");
  std::vector<float> temperatures;
  for (const Json& entry : root["exits"]) {
    const std::string place = "exits[" + std::to_string(temperatures.size()) + "]";
    if (!entry.is_object() || !entry.contains("exit") || entry["exit"] != temperatures.size()) {
      return complain(place + ": expected \"exit\": " + std::to_string(temperatures.size()));
    }
    const Json temperature = entry.value("temperature", Json(1.0));
    const float number = temperature.is_number() ? temperature.get<float>() : 0.0F;
    if (!std::isfinite(number) || !(number > 0)) {
      return complain(place + ": expected a temperature above 0, found " +
                      temperature.dump(-1, ' ', true, Json::error_handler_t::replace));
    }
    temperatures.push_back(number);
  }
  return temperatures;
}

}  // namespace laxity
