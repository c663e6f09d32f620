// laxity admit: may these streams be promised? Asked off line, of the production scheduler and policy.
#include <cstdio>
#include <fstream>
#include <optional>

#include "cli/admission.h"
#include "cli/admission_report.h"
#include "cli/assembly.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "sim/scenario.h"

namespace laxity {
namespace {

Status write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  return file.flush() ? Status(Unit{}) : failed_precondition(path + ": cannot be written");
}

/// Whether every stream was promised.
Result<bool> admit(const AdmitFlags& flags) {
  auto any = load_scenario(flags.scenario);
  if (!any) return any.error();
  const auto* scenario = std::get_if<Scenario>(&*any);
  if (scenario == nullptr) {
    return invalid_argument(flags.scenario +
                            ": a scenario with expected decisions; admit takes TOML scenarios");
  }
  auto config = config_from_flags(flags.config, flags.models, flags.profile);
  if (!config) return config.error();
  MachineInfo machine = this_machine();
  machine.engine = "simulated";
  std::optional<Assembly> assembly;
  auto emulated = system_of_table(flags.profile, flags.models, *config);
  if (!emulated) return emulated.error();
  const bool brings_times = scenario->system && flags.profile.empty() && flags.models.empty();
  if (*emulated) {
    machine.engine = "emulated " + (*emulated)->executors.front().name;
    machine.emulated = true;
  } else if (!brings_times) {
    ProgressBar bar;
    auto made = assemble(*config, true,
                         [&bar](auto done, auto total, auto label) { bar.update(done, total, label); });
    if (!made) return made.error();
    assembly.emplace(std::move(*made));
    machine = assembly->machine;
  }
  const SystemModel& system = *emulated ? **emulated : assembly ? assembly->system : *scenario->system;
  const PolicyOptions options = flags.policy == config->policy ? config->policy_options : PolicyOptions{};
  const auto admission = ask_for_admission(*scenario, system, flags.policy, options);
  if (!admission) return Error{admission.error().code, flags.scenario + ": " + admission.error().message};

  const AdmissionCase shown{*scenario, system, flags.policy, *admission};
  if (!flags.svg.empty()) {
    const auto picture = admission_picture(shown);
    if (!picture) return picture.error();
    if (Status written = write_file(flags.svg, *picture); !written) return written.error();
  }
  std::printf("%s",
              flags.json ? (admission_json(shown, machine) + "\n").c_str() : admission_table(shown).c_str());
  return admission->all_promised();
}

}  // namespace

int run_admit(const AdmitFlags& flags) {
  const auto promised = admit(flags);
  if (!promised) return report(promised.error());
  return to_int(*promised ? ExitStatus::kDone : ExitStatus::kNo);
}

}  // namespace laxity
