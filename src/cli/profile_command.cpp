// laxity profile: how long the networks take on this machine.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/assembly.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "profile/capacity.h"
#include "profile/profile_file.h"

namespace laxity {
namespace {

double milliseconds(Duration d) { return static_cast<double>(d.count()) / 1e6; }

void print_table(const Profile& profile, const std::string& path) {
  std::printf("%-28s %6s %10s %10s %10s %14s %9s\n", "model/variant/stage", "batch", "p50 ms", "p99 ms",
              "max ms", "after idle ms", "samples");
  for (const ProfiledBatch& e : profile.execution) {
    const std::string what = e.model + "/" + e.variant + "/" + std::to_string(e.stage);
    std::printf("%-28s %6u %10.3f %10.3f %10.3f %14.3f %9llu\n", what.c_str(), e.batch_size,
                milliseconds(e.time.p50), milliseconds(e.time.p99), milliseconds(e.time.max),
                milliseconds(e.time.after_idle_p99), static_cast<unsigned long long>(e.time.samples));
  }
  for (const ProfiledSegment& e : profile.segments) {
    std::printf("%-28s %6s %10.3f %10.3f %10.3f %14s %9llu\n", (e.model + " " + name(e.kind)).c_str(), "",
                milliseconds(e.time.p50), milliseconds(e.time.p99), milliseconds(e.time.max), "",
                static_cast<unsigned long long>(e.time.samples));
  }
  std::printf("waking another core: p50 %.3f ms, p99 %.3f ms; an answer leaves within %.3f ms (p99)\n",
              milliseconds(profile.wake_p50), milliseconds(profile.overheads.wake_p99),
              milliseconds(profile.overheads.reply_p99));
  std::printf("kept in %s\n", path.c_str());
}

/// The profile's own JSON with the capacity at each deadline beside it.
std::string with_capacity(const Profile& profile, const SystemModel& system,
                          const std::vector<double>& deadlines_ms) {
  auto document = nlohmann::ordered_json::parse(to_json(profile));
  auto capacity = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < system.catalog.models.size(); ++i) {
    const auto id = static_cast<ModelId>(i);
    const Model& model = system.catalog.model(id);
    for (const double deadline_ms : deadlines_ms) {
      const Duration deadline(static_cast<std::int64_t>(deadline_ms * 1e6));
      capacity.push_back({{"model", model.name},
                          {"deadline_ms", deadline_ms},
                          {"rate_per_s", capacity_per_s(system, id, deadline, model.has_preprocess)}});
    }
  }
  document["capacity"] = capacity;
  return document.dump();
}

}  // namespace

int run_profile(const ProfileFlags& flags) {
  const std::uint32_t cores = this_machine().cores;
  auto config =
      flags.config.empty() ? Result<ServeConfig>(default_config(cores)) : read_config(flags.config, cores);
  if (!config) return report(config.error());
  if (!flags.models_folder.empty()) config->models = flags.models_folder;
  auto assembly = load_models(*config);
  if (!assembly) return report(assembly.error());
  auto profile = [&] {
    ProgressBar bar;
    return measure_profile(*config, *assembly, flags.quick, flags.models,
                           [&bar](auto done, auto total, auto label) { bar.update(done, total, label); });
  }();
  if (!profile) return report(profile.error());

  // Only a profile of all networks may become this machine's own.
  const bool is_whole = flags.models.empty();
  const std::string path = !flags.out.empty() ? flags.out : is_whole ? own_profile_path(*assembly) : "";
  if (!path.empty()) {
    if (Status kept = write_profile(*profile, path); !kept) return report(kept.error());
  }
  if (flags.json) {
    SystemModel system = assembly->system;
    if (auto table = to_table(*profile, system.catalog); table) system.table = std::move(*table);
    std::printf("%s\n", with_capacity(*profile, system, flags.deadlines_ms).c_str());
  } else {
    print_table(*profile, path.empty() ? "nothing (name a file with --out)" : path);
  }
  return to_int(ExitStatus::kDone);
}

}  // namespace laxity
