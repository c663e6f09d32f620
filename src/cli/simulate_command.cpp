// laxity simulate: scenarios in virtual time, swarms of seeds, text scenarios with expected decisions.
#include <cstdio>
#include <fstream>
#include <memory>

#include "cli/assembly.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/trace_file.h"
#include "live/steady_clock.h"
#include "sim/oracle.h"
#include "sim/scenario.h"
#include "sim/simulator.h"
#include "sim/swarm.h"
#include "sim/text_scenario.h"

namespace laxity {
namespace {

std::uint64_t monotonic_ns() {
  static const SteadyClock clock;
  return static_cast<std::uint64_t>(clock.now().since_start().count());
}

ProgressBar* swarm_bar = nullptr;
std::uint64_t swarm_total = 0;

int run_swarm_command(const SimulateFlags& flags) {
  ProgressBar bar;
  swarm_bar = &bar;
  swarm_total = flags.seeds;
  const SwarmReport report = run_swarm(flags.seed.value_or(1), flags.seeds, [](std::uint64_t done) {
    swarm_bar->update(done, swarm_total, "random systems, workloads and faults");
  });
  swarm_bar = nullptr;
  if (flags.json) {
    std::printf("{\"seeds\": %llu, \"jobs\": %llu, \"events\": %llu, \"failed_seed\": %s}\n",
                static_cast<unsigned long long>(report.seeds_run),
                static_cast<unsigned long long>(report.jobs), static_cast<unsigned long long>(report.events),
                report.failure ? std::to_string(report.failure->seed).c_str() : "null");
  } else if (!report.failure) {
    std::printf("%llu seeds, %llu jobs, %llu events: every invariant held\n",
                static_cast<unsigned long long>(report.seeds_run),
                static_cast<unsigned long long>(report.jobs), static_cast<unsigned long long>(report.events));
  }
  if (!report.failure) return to_int(ExitStatus::kDone);
  std::fprintf(stderr, "laxity: seed %llu: %s\nreproduce: laxity simulate --seeds 1 --seed %llu\n",
               static_cast<unsigned long long>(report.failure->seed), report.failure->message.c_str(),
               static_cast<unsigned long long>(report.failure->seed));
  return to_int(ExitStatus::kNo);
}

/// Runs a text scenario; with `update` rewrites its file, else prints how it differs. Returns whether it
/// agreed.
Result<bool> run_text(const std::string& path, const TextScenario& scenario, bool update) {
  auto found = run_text_scenario(scenario);
  if (!found) return found.error();
  const std::string differs = difference(scenario, *found);
  if (differs.empty()) {
    std::printf("%s: as expected\n", path.c_str());
    return true;
  }
  if (!update) {
    std::printf("%s: differs (expected -, found +)\n%s", path.c_str(), differs.c_str());
    return false;
  }
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << updated(scenario, *found);
  if (!file.flush()) return failed_precondition(path + ": cannot be written");
  std::printf("%s: updated\n", path.c_str());
  return true;
}

/// Confidences and truth of the models that have an oracle table beside them.
struct Oracles {
  std::vector<std::unique_ptr<OracleTable>> tables;
  std::vector<const OracleTable*> by_model;
};
Result<Oracles> read_oracles(const std::string& models_folder, const Catalog& catalog) {
  Oracles oracles;
  for (const Model& model : catalog.models) {
    const std::string path = models_folder + "/" + model.name + "/oracle.csv.xz";
    oracles.by_model.push_back(nullptr);
    if (!std::ifstream(path)) continue;
    auto table = read_oracle(path);
    if (!table) return table.error();
    oracles.tables.push_back(std::make_unique<OracleTable>(std::move(*table)));
    oracles.by_model.back() = oracles.tables.back().get();
  }
  return oracles;
}

Status simulate_all(const SimulateFlags& flags, ResultDocument& document) {
  auto config = config_from_flags(flags.config, flags.models, flags.profile);
  if (!config) return config.error();
  std::optional<Assembly> assembly;  // only when a scenario does not bring its own system
  auto emulated = system_of_table(flags.profile, flags.models, *config);
  if (!emulated) return emulated.error();
  const std::vector<std::string> names =
      flags.policies.empty() ? std::vector{config->policy} : flags.policies;

  for (const std::string& path : flags.scenarios) {
    auto any = load_scenario(path);
    if (!any) return any.error();
    const auto* scenario = std::get_if<Scenario>(&*any);
    if (scenario == nullptr) {
      return invalid_argument(path + ": a scenario with expected decisions; run it with --check or --update");
    }
    const bool is_emulated = !scenario->system && emulated->has_value();
    if (is_emulated) {
      document.machine.engine = "emulated " + (*emulated)->executors.front().name;
      document.machine.emulated = true;
    } else if (!scenario->system && !assembly) {
      ProgressBar bar;
      auto made = assemble(*config, true,
                           [&bar](auto done, auto total, auto label) { bar.update(done, total, label); });
      if (!made) return made.error();
      assembly.emplace(std::move(*made));
      document.machine = assembly->machine;
    }
    const SystemModel& system = scenario->system ? *scenario->system
                                : is_emulated    ? **emulated
                                                 : assembly->system;
    Oracles oracles;
    if (!scenario->system && !is_emulated) {
      auto read = read_oracles(config->models, system.catalog);
      if (!read) return read.error();
      oracles = std::move(*read);
    }
    for (const std::string& policy : names) {
      const std::uint64_t seed = flags.seed.value_or(scenario->seed);
      const PolicyOptions options = policy == config->policy ? config->policy_options : PolicyOptions{};
      SimulationOptions simulation;
      simulation.oracles = oracles.by_model;
      if (assembly) {
        simulation.wake = assembly->wake_typical;
        simulation.reply = assembly->wake_typical;
      }
      simulation.clock_ns = flags.measure ? &monotonic_ns : nullptr;
      auto trace = open_trace(flags.trace, "sim", system, policy, options, document.machine,
                              config->trace_size_max_mb);
      if (!trace) return trace.error();
      simulation.trace = trace->sink();
      auto output = simulate(*scenario, system, policy, options, seed, simulation);
      if (!output) return output.error();
      if (Status closed = trace->close(); !closed) return closed;
      document.runs.push_back(std::move(output->result));
    }
  }
  return Unit{};
}

}  // namespace

int run_simulate(const SimulateFlags& flags) {
  if (flags.seeds > 0) return run_swarm_command(flags);
  if (flags.scenarios.empty()) {
    return report(
        invalid_argument("simulate: expected a scenario file (see scenarios/), or --seeds N for a swarm"));
  }
  if (flags.check || flags.update) {
    bool agreed = true;
    for (const std::string& path : flags.scenarios) {
      auto any = load_scenario(path);
      if (!any) return report(any.error());
      const auto* text = std::get_if<TextScenario>(&*any);
      if (text == nullptr) {
        return report(
            invalid_argument(path + ": expected a scenario with expected decisions (a line `---`)"));
      }
      auto agrees = run_text(path, *text, flags.update);
      if (!agrees) return report(agrees.error());
      agreed = agreed && *agrees;
    }
    return to_int(agreed ? ExitStatus::kDone : ExitStatus::kNo);
  }
  if (!flags.trace.empty() && (flags.scenarios.size() > 1 || flags.policies.size() > 1)) {
    return report(invalid_argument("simulate: --trace records one run; give one scenario and one policy"));
  }
  ResultDocument document;
  document.command = "simulate";
  document.machine = this_machine();
  document.machine.engine = "simulated";
  if (Status status = simulate_all(flags, document); !status) return report(status.error());
  std::printf("%s\n", (flags.json ? to_json(document) : to_table(document)).c_str());
  return to_int(ExitStatus::kDone);
}

}  // namespace laxity
