#include "cli/assembly.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/emulated_engine.h"
#include "profile/measure.h"
#include "profile/profile.h"
#include "profile/profile_file.h"

namespace laxity {
namespace {

constexpr std::size_t kPicturesMax = 64;  // enough to average over, few enough to read at once

void make_executors(const ServeConfig& config, Assembly& assembly) {
  for (const ExecutorConfig& entry : config.executors) {
    for (std::uint32_t i = 0; i < entry.slots; ++i) {
      Executor executor;
      executor.name = entry.slots == 1 ? entry.name : entry.name + "." + std::to_string(i);
      executor.kind = entry.kind;
      executor.runs_batches = !entry.segments_only;
      executor.runs_segments = entry.segments_only || entry.kind == ExecutorKind::kCpu;
      assembly.system.executors.push_back(std::move(executor));
      assembly.executor_cores.push_back(entry.cores);
    }
  }
}

std::vector<std::string> graph_files(const Repository& repository) {
  std::vector<std::string> files;
  for (const LoadedModel& model : repository.models()) {
    for (const LoadedVariant& variant : model.variants) {
      for (const StageFile& stage : variant.stages) files.push_back(stage.path);
    }
  }
  return files;
}

std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

/// The sample pictures beside the models, `samples/<model>-test/`: decoding is timed on real ones where there
/// are any.
std::map<std::string, std::vector<std::vector<std::byte>>> sample_pictures(const std::string& models_folder,
                                                                           const Repository& repository) {
  std::map<std::string, std::vector<std::vector<std::byte>>> pictures;
  for (const LoadedModel& model : repository.models()) {
    if (!model.preprocess) continue;
    std::error_code failure;
    const std::filesystem::path folder =
        std::filesystem::path(models_folder) / "samples" / (model.name + "-test");
    for (const auto& entry : std::filesystem::directory_iterator(folder, failure)) {
      const std::string ending = entry.path().extension().string();
      if (ending != ".png" && ending != ".jpg" && ending != ".jpeg") continue;
      if (pictures[model.name].size() == kPicturesMax) break;
      pictures[model.name].push_back(read_bytes(entry.path()));
    }
  }
  return pictures;
}

/// The CPU engine for every executor but the emulated ones, which take their times from their own tables.
Status make_engines(const ServeConfig& config, Assembly& assembly) {
  std::size_t executor = 0;
  for (const ExecutorConfig& entry : config.executors) {
    Engine* engine = assembly.engines.front().get();
    if (entry.kind == ExecutorKind::kCuda) {
      return failed_precondition("executor '" + entry.name +
                                 "': kind cuda needs an ONNX Runtime with a CUDA provider; " +
                                 std::string(engine->version()) + " was loaded with the CPU provider only");
    }
    if (entry.kind == ExecutorKind::kEmulated) {
      auto profile = read_profile(entry.table);
      if (!profile) return profile.error();
      EmulatedOptions options;
      options.device = std::filesystem::path(entry.table).stem().string();
      options.catalog = assembly.system.catalog;
      auto table = to_table(*profile, options.catalog);
      if (!table) return Error{table.error().code, entry.table + ": " + table.error().message};
      options.table = std::move(*table);
      options.slowdown = to_slowdown(*profile, options.catalog);
      options.slot_count = entry.slots;
      for (std::size_t i = 0; i < options.catalog.categories.size(); ++i) {
        const StageFile& stage = assembly.repository.stage(static_cast<CategoryId>(i));
        options.stages.push_back({stage.path, static_cast<CategoryId>(i), stage.spec});
      }
      assembly.system.table = options.table;  // what is planned with is what the device takes
      assembly.engines.push_back(make_emulated_engine(std::move(options)));
      engine = assembly.engines.back().get();
      assembly.machine.engine = engine->version();
      assembly.machine.emulated = true;
    }
    for (std::uint32_t i = 0; i < entry.slots; ++i, ++executor) assembly.executor_engines.push_back(engine);
  }
  return Unit{};
}

std::optional<int> first_core(const ServeConfig& config) {
  for (const ExecutorConfig& executor : config.executors) {
    if (!executor.segments_only && !executor.cores.empty()) return executor.cores.front();
  }
  return std::nullopt;
}

/// Execution times for the executors that run for real.
Status find_table(const ServeConfig& config, bool may_measure, const Progress& progress, Assembly& assembly) {
  const bool is_auto = config.profile == "auto";
  assembly.profile_path =
      is_auto ? default_profile_path(assembly.machine, graph_files(assembly.repository)) : config.profile;
  auto profile = read_profile(assembly.profile_path);
  const bool is_missing = !profile && profile.error().code == ErrorCode::kNotFound;
  if (is_auto && may_measure && (is_missing || !check_machine(*profile, assembly.machine))) {
    profile = measure_profile(config, assembly, true, {}, progress);
    if (!profile) return profile.error();
    // A table that cannot be kept is still good for this run.
    if (Status kept = write_profile(*profile, assembly.profile_path); !kept)
      assembly.profile_path = "(not kept)";
  }
  if (!profile) {
    if (!is_auto || !is_missing) return profile.error();
    return failed_precondition(
        "no profile of these networks on this machine yet: make one with `laxity profile`");
  }
  if (Status fits = check_machine(*profile, assembly.machine); !fits) {
    return Error{fits.error().code, assembly.profile_path + ": " + fits.error().message};
  }
  auto table = to_table(*profile, assembly.system.catalog);
  if (!table) return Error{table.error().code, assembly.profile_path + ": " + table.error().message};
  assembly.system.table = std::move(*table);
  assembly.wake_typical = profile->wake_p50;
  return Unit{};
}

}  // namespace

Result<ServeConfig> config_from_flags(const std::string& config, const std::string& models,
                                      const std::string& profile) {
  const std::uint32_t cores = this_machine().cores;
  auto read = config.empty() ? Result<ServeConfig>(default_config(cores)) : read_config(config, cores);
  if (!read) return read.error();
  if (!models.empty()) read->models = models;
  if (!profile.empty()) read->profile = profile;
  return read;
}

Result<Assembly> load_models(const ServeConfig& config) {
  Assembly assembly;
  auto engine = make_ort_engine();
  if (!engine) return engine.error();
  assembly.engines.push_back(std::move(*engine));
  auto repository = Repository::load(config.models, *assembly.engines.front(),
                                     static_cast<std::uint32_t>(config.limits.batch_size_max));
  if (!repository) return repository.error();
  assembly.repository = std::move(*repository);
  assembly.system.catalog = assembly.repository.catalog();
  assembly.system.limits = config.limits;
  assembly.machine = this_machine();
  assembly.machine.engine = assembly.engines.front()->version();
  make_executors(config, assembly);
  return assembly;
}

Result<Assembly> assemble(const ServeConfig& config, bool may_measure, const Progress& progress) {
  auto assembly = load_models(config);
  if (!assembly) return assembly.error();
  bool all_emulated = true;
  for (const Executor& executor : assembly->system.executors) {
    all_emulated = all_emulated && (executor.kind == ExecutorKind::kEmulated || !executor.runs_batches);
  }
  if (!all_emulated) {
    if (Status found = find_table(config, may_measure, progress, *assembly); !found) return found.error();
  }
  if (Status made = make_engines(config, *assembly); !made) return made.error();
  assembly->system.table.plan_with(config.planning_bound);
  return assembly;
}

Result<std::optional<SystemModel>> system_of_table(const std::string& profile, const std::string& models,
                                                   const ServeConfig& config) {
  if (profile.empty() || !models.empty()) return std::optional<SystemModel>();
  const auto table = read_profile(profile);
  if (!table) return table.error();
  if (!table->machine.emulated) return std::optional<SystemModel>();
  auto system = emulated_system(*table, std::filesystem::path(profile).stem().string());
  if (!system) return Error{system.error().code, profile + ": " + system.error().message};
  system->limits = config.limits;
  system->table.plan_with(config.planning_bound);
  return std::optional(std::move(*system));
}

Result<Profile> measure_profile(const ServeConfig& config, Assembly& assembly, bool quick,
                                const std::vector<std::string>& models, const Progress& progress) {
  MeasureOptions options;
  options.batch_size_max = static_cast<std::uint32_t>(config.limits.batch_size_max);
  options.quick = quick;
  options.models = models;
  options.core = first_core(config);
  if (config.threads.network_core >= 0) options.network_core = config.threads.network_core;
  options.pictures = sample_pictures(config.models, assembly.repository);
  return measure(assembly.repository, *assembly.engines.front(), assembly.machine, options, progress);
}

std::string own_profile_path(const Assembly& assembly) {
  return default_profile_path(assembly.machine, graph_files(assembly.repository));
}

}  // namespace laxity
