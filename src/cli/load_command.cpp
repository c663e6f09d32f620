// laxity load: replays a scenario against a server and measures from the intended send time.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "load/load_runner.h"
#include "sim/scenario.h"

namespace laxity {

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
  if (flags.connections) options.connections_max = *flags.connections;
  if (flags.margin_ms) options.stream_margin = Duration(static_cast<std::int64_t>(*flags.margin_ms * 1e6));
  options.stops_asking_when_refused = flags.until_refused;
  if (flags.on_refusal == "skip") options.on_refusal = OnRefusal::kSkip;
  if (flags.on_refusal == "take-offer") options.on_refusal = OnRefusal::kTakeOffer;
  if (flags.on_refusal == "best-effort") options.on_refusal = OnRefusal::kBestEffort;
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

}  // namespace laxity
