// laxity load: replays a scenario against a server and measures from the intended send time.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "load/load_runner.h"
#include "sim/scenario.h"

namespace laxity {
namespace {

struct LoadFlags {
  std::string scenario, url = "http://127.0.0.1:8000", protocol = "http", samples;
  std::optional<std::uint64_t> seed;
  std::optional<double> duration_s;
  std::optional<int> core;
  bool json = false;
};

int run_load_command(const LoadFlags& flags) {
  auto any = load_scenario(flags.scenario);
  if (!any) return report(any.error());
  auto* scenario = std::get_if<Scenario>(&*any);
  if (scenario == nullptr) {
    return report(
        invalid_argument(flags.scenario + ": a scenario with expected decisions; load plays TOML scenarios"));
  }
  if (flags.seed) scenario->seed = *flags.seed;
  if (flags.duration_s) scenario->duration = Duration(static_cast<std::int64_t>(*flags.duration_s * 1e9));
  LoadOptions options;
  options.core = flags.core;
  if (!flags.samples.empty()) options.samples_folder = flags.samples;
  auto played = run_load(*scenario, flags.url, options);
  if (!played) return report(played.error());
  for (const std::string& warning : played->warnings) std::fprintf(stderr, "laxity: %s\n", warning.c_str());
  ResultDocument document;
  document.command = "load";
  document.machine = this_machine();
  document.machine.engine = played->engine;
  document.machine.emulated = played->is_emulated;
  document.runs.push_back(std::move(played->run));
  std::printf("%s\n", (flags.json ? to_json(document) : to_table(document)).c_str());
  return to_int(ExitStatus::kDone);
}

}  // namespace

void add_load_command(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand(
      "load",
      "Play a scenario against a server, open loop, and measure from the intended send time\n\n"
      "  $ laxity load scenarios/eight_cameras.toml --url http://127.0.0.1:8000\n");
  const auto flags = std::make_shared<LoadFlags>();
  command->add_option("scenario", flags->scenario, "Scenario file (docs/scenarios.md)")->required();
  command->add_option("--url", flags->url, "The server");
  command->add_option("--protocol", flags->protocol, "http")->check(CLI::IsMember({"http"}));
  command->add_option("--samples", flags->samples, "Folder of sample sets; default models/samples");
  command->add_option("--seed", flags->seed, "Instead of the scenario's");
  command->add_option("--duration-s", flags->duration_s, "Instead of the scenario's")
      ->check(CLI::Range(0.01, 86400.0));
  command->add_option("--core", flags->core, "Core of the client's thread")->check(CLI::Range(0, 4095));
  command->add_flag("--json", flags->json, "One JSON object on standard output");
  command->callback([flags, &status] { status = run_load_command(*flags); });
}

}  // namespace laxity
