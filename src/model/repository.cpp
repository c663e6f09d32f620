// Finds models on disk, opens their graphs and checks that everything said about them agrees.
#include "model/repository.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <system_error>

#include "base/check.h"
#include "core/limits.h"
#include "model/description.h"

namespace laxity {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kTextSizeMax = 16 << 20;

Result<std::string> read_text(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) return not_found(path.string() + ": cannot be read: " + error.message());
  if (size > kTextSizeMax) {
    return invalid_argument(path.string() + ": expected at most " + std::to_string(kTextSizeMax) +
                            " bytes, found " + std::to_string(size));
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return not_found(path.string() + ": cannot be read");
  return std::move(text).str();
}

/// Entries in order of name, so that ids do not depend on the file system.
std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (!entry->path().filename().string().starts_with('.')) found.push_back(entry->path());
  }
  std::ranges::sort(found);
  return found;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::vector<fs::path> graphs_in(const fs::path& folder) {
  std::vector<fs::path> graphs = entries(folder);
  std::erase_if(graphs, [](const fs::path& path) { return path.extension() != ".onnx" || !is_file(path); });
  return graphs;
}

/// `<folder>/<n>/model.onnx` with the largest n, the layout that other servers use.
std::optional<fs::path> versioned_graph(const fs::path& folder) {
  std::optional<fs::path> newest;
  std::uint64_t newest_version = 0;
  for (const fs::path& entry : entries(folder)) {
    const std::string name = entry.filename().string();
    std::uint64_t version = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), version);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    if (!is_file(entry / "model.onnx") || (newest && version <= newest_version)) continue;
    newest = entry / "model.onnx";
    newest_version = version;
  }
  return newest;
}

/// Where the name of a tensor stands among others.
std::optional<std::size_t> find(const std::vector<TensorSpec>& tensors, const std::string& name) {
  const auto found = std::ranges::find(tensors, name, &TensorSpec::name);
  if (found == tensors.end()) return std::nullopt;
  return static_cast<std::size_t>(found - tensors.begin());
}

bool agree(const TensorSpec& a, const TensorSpec& b) { return a.type == b.type && a.shape == b.shape; }

std::string names_of(const std::vector<TensorSpec>& tensors) {
  std::string names;
  for (const TensorSpec& tensor : tensors) names += (names.empty() ? "'" : ", '") + tensor.name + "'";
  return names.empty() ? "none" : names;
}

std::string quoted(const TensorSpec& tensor) { return "'" + tensor.name + "' as " + text_of(tensor); }

/// Builds one LoadedModel. Every message begins with the file that is wrong.
class ModelLoader {
 public:
  ModelLoader(Engine& engine, fs::path folder, ModelDescription description)
      : engine_(engine), folder_(std::move(folder)), description_(std::move(description)) {
    model_.name = description_.name;
    model_.mandatory_count = description_.mandatory_count;
    model_.preprocess = description_.preprocess;
    model_.postprocess.kind = description_.postprocess;
    model_.postprocess.top = description_.top;
  }

  /// Graphs relative to the folder; messages name the folder's files and, for what it says, model.toml.
  Result<LoadedModel> load() {
    for (const VariantDescription& variant : description_.variants) {
      if (Status status = open_graphs(variant); !status) return status.error();
    }
    settle_interface();
    for (LoadedVariant& variant : model_.variants) {
      if (Status status = wire(variant); !status) return status.error();
    }
    for (const auto check : {&ModelLoader::check_preprocess, &ModelLoader::check_postprocess,
                             &ModelLoader::read_labels, &ModelLoader::read_temperatures}) {
      if (Status status = (this->*check)(); !status) return status.error();
    }
    return std::move(model_);
  }

 private:
  std::string described_in() const { return (folder_ / "model.toml").string(); }

  Status open_graphs(const VariantDescription& described) {
    LoadedVariant variant;
    variant.name = described.name;
    for (const std::string& file : described.stages) {
      StageFile stage;
      stage.path = (folder_ / file).string();
      if (!is_file(stage.path)) {
        return not_found(stage.path + ": expected an ONNX file, found none" +
                         (described.where.empty() ? "" : " (named in " + described.where + ")"));
      }
      Result<StageSpec> spec = engine_.inspect(stage.path);
      if (!spec) return spec.error();
      stage.spec = std::move(*spec);
      std::error_code ignored;
      variant.size_bytes += fs::file_size(stage.path, ignored);
      variant.stages.push_back(std::move(stage));
    }
    model_.variants.push_back(std::move(variant));
    return Unit{};
  }

  /// What was not described is what the best variant's graphs say.
  void settle_interface() {
    const std::vector<StageFile>& stages = model_.variants.back().stages;
    model_.inputs = description_.inputs.empty() ? stages.front().spec.inputs : description_.inputs;
    model_.outputs = description_.outputs.empty() ? stages.back().spec.outputs : description_.outputs;
  }

  Status wire(LoadedVariant& variant) {
    for (std::size_t k = 0; k < variant.stages.size(); ++k) {
      StageFile& stage = variant.stages[k];
      if (stage.spec.has_batch_dimension != variant.stages.front().spec.has_batch_dimension) {
        return invalid_argument(stage.path + ": expected a batch dimension " +
                                (stage.spec.has_batch_dimension ? "in no stage" : "in every stage") +
                                ", as in " + variant.stages.front().path);
      }
      Status status = k == 0 ? wire_first(stage) : wire_next(variant.stages[k - 1], stage);
      if (!status) return status;
      if (status = wire_exit(stage); !status) return status;
    }
    return Unit{};
  }

  Status wire_first(StageFile& stage) const {
    if (stage.spec.inputs.empty() || stage.spec.outputs.empty()) {
      return invalid_argument(stage.path + ": expected a graph with inputs and outputs, found " +
                              std::to_string(stage.spec.inputs.size()) + " and " +
                              std::to_string(stage.spec.outputs.size()));
    }
    for (const TensorSpec& input : stage.spec.inputs) {
      const std::optional<std::size_t> source = find(model_.inputs, input.name);
      if (!source) {
        return invalid_argument(stage.path + ": takes an input '" + input.name +
                                "'; the model's inputs are " + names_of(model_.inputs));
      }
      if (!agree(input, model_.inputs[*source])) {
        return invalid_argument(stage.path + ": expected " + quoted(model_.inputs[*source]) +
                                " as the model's input says, found " + text_of(input));
      }
      stage.input_sources.push_back(*source);
    }
    for (const TensorSpec& input : model_.inputs) {
      if (find(stage.spec.inputs, input.name)) continue;
      return invalid_argument(stage.path + ": expected an input " + quoted(input) + ", found " +
                              names_of(stage.spec.inputs));
    }
    return Unit{};
  }

  /// By name; where no name matches, the outputs before that are no exit, in their order.
  Status wire_next(const StageFile& previous, StageFile& stage) const {
    std::vector<std::size_t> features;
    for (std::size_t i = 0; i < previous.spec.outputs.size(); ++i) {
      if (!find(model_.outputs, previous.spec.outputs[i].name)) features.push_back(i);
    }
    const bool any_name_matches = std::ranges::any_of(stage.spec.inputs, [&](const TensorSpec& input) {
      return find(previous.spec.outputs, input.name).has_value();
    });
    const bool by_order = !any_name_matches && features.size() == stage.spec.inputs.size();
    for (std::size_t i = 0; i < stage.spec.inputs.size(); ++i) {
      const TensorSpec& input = stage.spec.inputs[i];
      const auto source = by_order ? std::optional(features[i]) : find(previous.spec.outputs, input.name);
      if (!source) {
        return invalid_argument(stage.path + ": takes an input '" + input.name + "'; the stage before, " +
                                previous.path + ", gives " + names_of(previous.spec.outputs));
      }
      const TensorSpec& given = previous.spec.outputs[*source];
      if (!agree(input, given)) {
        return invalid_argument(stage.path + ": the stages do not chain: it expects " + quoted(input) +
                                ", the stage before, " + previous.path + ", gives " + quoted(given));
      }
      stage.input_sources.push_back(*source);
    }
    return Unit{};
  }

  Status wire_exit(StageFile& stage) const {
    for (const TensorSpec& output : model_.outputs) {
      const std::optional<std::size_t> source = find(stage.spec.outputs, output.name);
      if (!source) {
        return invalid_argument(stage.path + ": expected an output " + quoted(output) +
                                " at every exit, found " + names_of(stage.spec.outputs));
      }
      if (!agree(output, stage.spec.outputs[*source])) {
        return invalid_argument(stage.path + ": expected an output " + quoted(output) + ", found " +
                                text_of(stage.spec.outputs[*source]));
      }
      stage.exit_outputs.push_back(*source);
    }
    return Unit{};
  }

  Status check_preprocess() {
    if (!model_.preprocess) return Unit{};
    const PreprocessSpec& spec = *model_.preprocess;
    const std::int64_t channels = spec.colour == PreprocessSpec::Colour::kGray ? 1 : 3;
    TensorSpec made{"", DataType::kFp32, {channels, spec.height, spec.width}};
    if (spec.layout == PreprocessSpec::Layout::kHwc) made.shape = {spec.height, spec.width, channels};
    if (model_.inputs.empty() || !agree(made, model_.inputs.front())) {
      return invalid_argument(described_in() + ": [preprocess] makes " + text_of(made) +
                              ", the first input takes " +
                              (model_.inputs.empty() ? "nothing" : quoted(model_.inputs.front())));
    }
    return Unit{};
  }

  Status check_postprocess() {
    PostprocessSpec& spec = model_.postprocess;
    if (!description_.postprocess_output.empty()) {
      const auto found = find(model_.outputs, description_.postprocess_output);
      if (!found) {
        return invalid_argument(described_in() + ": [postprocess] reads output '" +
                                description_.postprocess_output + "'; the outputs are " +
                                names_of(model_.outputs));
      }
      spec.output = *found;
    }
    if (spec.kind == PostprocessSpec::Kind::kNone) return Unit{};
    if (model_.outputs.empty() || model_.outputs[spec.output].type != DataType::kFp32) {
      return invalid_argument(described_in() + ": softmax expects an FP32 output, found " +
                              (model_.outputs.empty() ? "none" : quoted(model_.outputs[spec.output])));
    }
    if (spec.top > class_count()) {
      return invalid_argument(described_in() + ": expected top from 1 to the " +
                              std::to_string(class_count()) + " classes, found " + std::to_string(spec.top));
    }
    return Unit{};
  }

  std::size_t class_count() const {
    const TensorSpec& output = model_.outputs[model_.postprocess.output];
    return output.size_per_job() / element_size(output.type);
  }

  Status read_labels() {
    const fs::path path = folder_ / "labels.txt";
    if (!is_file(path)) return Unit{};
    Result<std::string> text = read_text(path);
    if (!text) return text.error();
    Result<std::vector<std::string>> labels = parse_labels(*text, path.string());
    if (!labels) return labels.error();
    if (model_.outputs.empty() || labels->size() != class_count()) {
      return invalid_argument(path.string() + ": expected " +
                              (model_.outputs.empty()
                                   ? "no labels"
                                   : std::to_string(class_count()) +
                                         " labels, one for each element of output '" +
                                         model_.outputs[model_.postprocess.output].name + "'") +
                              ", found " + std::to_string(labels->size()));
    }
    model_.labels = std::move(*labels);
    return Unit{};
  }

  Status read_temperatures() {
    const fs::path path = folder_ / "utility.json";
    if (!is_file(path)) return Unit{};
    Result<std::string> text = read_text(path);
    if (!text) return text.error();
    Result<std::vector<float>> temperatures = parse_temperatures(*text, path.string());
    if (!temperatures) return temperatures.error();
    const std::size_t exit_count = std::ranges::max(model_.variants, {}, [](const LoadedVariant& v) {
                                     return v.stages.size();
                                   }).stages.size();
    if (temperatures->size() != exit_count) {
      return invalid_argument(path.string() + ": expected " + std::to_string(exit_count) +
                              " exits, one a stage, found " + std::to_string(temperatures->size()));
    }
    model_.postprocess.temperature = std::move(*temperatures);
    return Unit{};
  }

  Engine& engine_;
  fs::path folder_;
  ModelDescription description_;
  LoadedModel model_;
};

/// A network that no model.toml describes: one stage, everything as the graph says.
Result<LoadedModel> load_plain(Engine& engine, const std::string& name, const fs::path& folder,
                               const fs::path& graph) {
  if (Status status = check_model_name(name); !status) {
    return invalid_argument(graph.string() + ": " + status.error().message);
  }
  ModelDescription description;
  description.name = name;
  description.variants = {{"full", {graph.lexically_relative(folder).string()}, ""}};
  return ModelLoader(engine, folder, std::move(description)).load();
}

/// The model that a folder holds; none when there is neither a model.toml nor a graph in it.
Result<std::optional<LoadedModel>> load_folder(Engine& engine, const fs::path& folder) {
  const std::string name = fs::absolute(folder).lexically_normal().filename().string();
  const std::vector<fs::path> graphs = graphs_in(folder);
  const auto several = [&] {
    return invalid_argument(folder.string() +
                            ": expected one .onnx file or a model.toml that lists them, found " +
                            std::to_string(graphs.size()) + " .onnx files");
  };
  Result<LoadedModel> model = not_found(folder.string());
  if (const fs::path described = folder / "model.toml"; is_file(described)) {
    Result<std::string> text = read_text(described);
    if (!text) return text.error();
    Result<ModelDescription> description = parse_model_toml(*text, described.string(), name);
    if (!description) return description.error();
    if (description->variants.empty()) {
      if (graphs.size() > 1) {
        return invalid_argument(described.string() +
                                ": expected a [[variant]] with its stages, since there are " +
                                std::to_string(graphs.size()) + " .onnx files; found none");
      }
      const std::optional<fs::path> graph = graphs.size() == 1 ? graphs[0] : versioned_graph(folder);
      if (!graph)
        return not_found(folder.string() + ": expected an .onnx file beside model.toml, found none");
      description->variants = {{"full", {graph->lexically_relative(folder).string()}, ""}};
    }
    model = ModelLoader(engine, folder, std::move(*description)).load();
  } else if (const auto graph = versioned_graph(folder)) {
    model = load_plain(engine, name, folder, *graph);
  } else if (graphs.size() == 1) {
    model = load_plain(engine, name, folder, graphs[0]);
  } else if (graphs.empty()) {
    return std::optional<LoadedModel>();
  } else {
    return several();
  }
  if (!model) return model.error();
  return std::optional(std::move(*model));
}

}  // namespace

Result<Repository> Repository::load(const std::string& folder, Engine& engine, std::uint32_t batch_size_max) {
  LAXITY_CHECK(batch_size_max >= 1 && batch_size_max <= kBatchSizeMax);
  if (!is_folder(folder)) {
    return not_found(folder + ": expected a folder of models, found " +
                     (is_file(folder) ? "a file" : "nothing there"));
  }
  std::vector<LoadedModel> found;
  if (is_file(fs::path(folder) / "model.toml") || versioned_graph(folder)) {
    // The folder of one model, named where a folder of models is expected: what was meant is clear.
    Result<std::optional<LoadedModel>> model = load_folder(engine, folder);
    if (!model) return model.error();
    if (*model) found.push_back(std::move(**model));
  } else {
    for (const fs::path& entry : entries(folder)) {
      if (is_file(entry) && entry.extension() == ".onnx") {
        Result<LoadedModel> model = load_plain(engine, entry.stem().string(), folder, entry);
        if (!model) return model.error();
        found.push_back(std::move(*model));
      } else if (is_folder(entry)) {
        Result<std::optional<LoadedModel>> model = load_folder(engine, entry);
        if (!model) return model.error();
        if (*model) found.push_back(std::move(**model));
      }
    }
  }
  if (found.empty()) {
    return not_found(folder +
                     ": expected <model>.onnx, <model>/model.onnx, <model>/1/model.onnx or "
                     "<model>/model.toml, found none of them");
  }
  Repository repository;
  for (LoadedModel& model : found) {
    if (repository.catalog_.find_model(model.name)) {
      return invalid_argument(folder + ": expected names that differ, found two models named '" + model.name +
                              "'");
    }
    Model entry;
    entry.name = model.name;
    entry.mandatory_count = model.mandatory_count;
    entry.has_preprocess = model.preprocess.has_value();
    std::vector<std::uint32_t> stage_counts;
    for (const LoadedVariant& variant : model.variants) {
      entry.variants.push_back({variant.name, {}});
      stage_counts.push_back(static_cast<std::uint32_t>(variant.stages.size()));
    }
    model.id = repository.catalog_.add_model(std::move(entry), stage_counts, batch_size_max);
    for (Category& category : repository.catalog_.categories) {
      if (category.model != model.id) continue;
      const StageSpec& spec = model.variants[category.variant].stages[category.stage].spec;
      if (!spec.batch_is_free) category.batch_size_max = 1;
    }
    repository.models_.push_back(std::move(model));
  }
  return repository;
}

const StageFile& Repository::stage(CategoryId id) const {
  const Category& category = catalog_.category(id);
  return model(category.model).variants.at(category.variant).stages.at(category.stage);
}

}  // namespace laxity
