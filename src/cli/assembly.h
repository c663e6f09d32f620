// Puts a system together from a configuration: repository, engines, executors and execution times.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/config.h"
#include "core/system_model.h"
#include "engine/engine.h"
#include "model/repository.h"
#include "profile/profile.h"
#include "trace/results.h"

namespace laxity {

/// Told how far a measurement is: (done, total, what is under way).
using Progress = std::function<void(std::uint64_t, std::uint64_t, std::string_view)>;

struct Assembly {
  Repository repository;
  SystemModel system;                            ///< Catalog, table, executors, limits.
  std::vector<std::unique_ptr<Engine>> engines;  ///< Owned here; element 0 is the CPU engine.
  std::vector<Engine*> executor_engines;         ///< By executor.
  std::vector<std::vector<int>> executor_cores;  ///< By executor.
  MachineInfo machine;
  std::string profile_path;  ///< Where the execution times came from.
  Duration wake_typical{};   ///< Median cost of waking an executor\'s core.
};

/// The file `config`, or what is used without one; `models` and `profile` win over it unless empty.
/// Errors: as read_config.
Result<ServeConfig> config_from_flags(const std::string& config, const std::string& models,
                                      const std::string& profile);

/// The repository, the CPU engine and the executors, without execution times. Errors: as Repository::load,
/// make_ort_engine.
Result<Assembly> load_models(const ServeConfig& config);

/// Loads the repository and finds the execution times: the profile that the configuration names, or this
/// machine's own from the user's cache folder. When there is none and `may_measure`, a quick one is made and
/// kept there. Errors: as Repository::load and the profile reader; kFailedPrecondition: no profile and not
/// allowed to measure.
Result<Assembly> assemble(const ServeConfig& config, bool may_measure, const Progress& progress);

/// What a table for an emulated device brings by itself, networks included, when `profile` names one and
/// `models` no folder; the first two are flags. None: the networks come from a repository.
/// Errors: as read_profile, emulated_system.
Result<std::optional<SystemModel>> system_of_table(const std::string& profile, const std::string& models,
                                                   const ServeConfig& config);

/// Measures the networks of `assembly` on the first executor's core. `models`: only these; empty: all.
/// Errors: as measure().
Result<Profile> measure_profile(const ServeConfig& config, Assembly& assembly, bool quick,
                                const std::vector<std::string>& models, const Progress& progress);

/// Where "auto" keeps and looks for this machine's profile of these networks.
std::string own_profile_path(const Assembly& assembly);

}  // namespace laxity
