#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"

namespace laxity {
namespace {

void add_serve_command(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("serve",
                         "Serve the networks of a folder over HTTP (Open Inference Protocol)\n\n"
                         "  $ laxity serve --models models\n"
                         "  laxity: models cifar10, gtsrb; policy edf; onnxruntime 1.30.0; times from "
                         "~/.cache/laxity/profile-….json\n"
                         "  laxity: ready on http://127.0.0.1:8000\n");
  const auto flags = std::make_shared<ServeFlags>();
  command->add_option("--config", flags->config, "laxity.toml (docs/configuration.md)");
  command->add_option("--models", flags->models, "Model repository; any folder with an .onnx file works");
  command->add_option("--policy", flags->policy, "One of `laxity policies`");
  command->add_option("--profile", flags->profile, "Execution times; default: this machine's own");
  command->add_option("--http-port", flags->http_port, "0: any free port");
  command->add_option("--trace", flags->trace, "Record every event and decision for `laxity replay`");
  command->callback([flags, &status] { status = run_serve(*flags); });
}

void add_profile_command(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("profile",
                         "Measure how long every model, stage and batch size takes on this machine\n\n"
                         "  $ laxity profile --models models --quick\n");
  const auto flags = std::make_shared<ProfileFlags>();
  command->add_option("--models", flags->models_folder, "Model repository");
  command->add_option("--model", flags->models, "Only this model; may be given several times");
  command->add_option("--config", flags->config, "laxity.toml: executors, limits, models");
  command->add_flag("--quick", flags->quick,
                    "Batch sizes 1, 2, 4, … only; under 20 s for the shipped networks");
  command->add_option("--out", flags->out,
                      "Where to keep it; default: this machine's own, in the user's cache folder");
  command->add_option("--deadline-ms", flags->deadlines_ms,
                      "With --json: also print the capacity within this deadline");
  command->add_flag("--json", flags->json, "One JSON object on standard output");
  command->callback([flags, &status] { status = run_profile(*flags); });
}

void add_simulate_command(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand(
      "simulate",
      "Run scenarios in virtual time, from a profile, through the production scheduler\n\n"
      "  $ laxity simulate scenarios/three_models_overload.toml --policy fifo --policy edf\n");
  const auto flags = std::make_shared<SimulateFlags>();
  command->add_option("scenario", flags->scenarios, "Scenario files (docs/scenarios.md)");
  command->add_option("--policy", flags->policies, "Policy; several are run one after the other");
  command->add_option("--config", flags->config, "laxity.toml: executors, limits, models");
  command->add_option("--models", flags->models, "Model repository");
  command->add_option("--profile", flags->profile, "Execution times; default: this machine's own");
  command->add_option("--seed", flags->seed, "Instead of the scenario's");
  command->add_option("--seeds", flags->seeds, "Swarm: so many random systems, audited after every event");
  command->add_option("--trace", flags->trace, "Record the run for `laxity replay`");
  command->add_flag("--check", flags->check, "Text scenarios: compare with the expected decisions");
  command->add_flag("--update", flags->update, "Text scenarios: rewrite the expected decisions");
  command->add_flag("--measure", flags->measure, "Time each decision (the output then varies)");
  command->add_flag("--json", flags->json, "One JSON object on standard output");
  command->callback([flags, &status] { status = run_simulate(*flags); });
}

void add_admit_command(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand(
      "admit",
      "May the streams of a scenario be promised? Asked off line, one after the other, of the production\n"
      "scheduler. Exit status 0: all are promised; 1: some are refused, or the policy promises nothing\n\n"
      "  $ laxity admit scenarios/promised_cameras.toml --svg plan.svg\n");
  const auto flags = std::make_shared<AdmitFlags>();
  command->add_option("scenario", flags->scenario, "Scenario file (docs/admission.md)")->required();
  command->add_option("--policy", flags->policy, "Policy; default laxity");
  command->add_option("--config", flags->config, "laxity.toml: executors, limits, models");
  command->add_option("--models", flags->models, "Model repository, instead of the scenario's own system");
  command->add_option("--profile", flags->profile,
                      "Execution times, instead of the scenario's own system; default: this machine's own");
  command->add_option("--svg", flags->svg, "Draw the plan, or the demand curve, into this file");
  command->add_flag("--json", flags->json, "One JSON object on standard output");
  command->callback([flags, &status] { status = run_admit(*flags); });
}

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
  command
      ->add_option("--connections", flags->connections,
                   "At most so many at once; a request that finds none free waits. Default 900")
      ->check(CLI::Range(1, 60000));
  command->add_flag("--until-refused", flags->until_refused,
                    "Streams behind the first one that is refused neither ask nor send");
  command
      ->add_option("--on-refusal", flags->on_refusal,
                   "What a refused stream does, instead of what the scenario says")
      ->check(CLI::IsMember({"skip", "take-offer", "best-effort"}));
  command
      ->add_option(
          "--margin-ms", flags->margin_ms,
          "The client's own delay, added to the jitter of streams and taken off their deadline. Default 1")
      ->check(CLI::Range(0.0, 1000.0));
  command->add_option("--core", flags->core, "Core of the client's thread")->check(CLI::Range(0, 4095));
  command->add_flag("--json", flags->json, "One JSON object on standard output");
  command->callback([flags, &status] { status = run_load_command(*flags); });
}

void add_replay_command(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand(
      "replay",
      "Feed a recorded run to a fresh scheduler and compare every command\n\n"
      "  $ laxity serve --trace run.jsonl …\n"
      "  $ laxity replay run.jsonl\n"
      "  run.jsonl: live run under edf, 5120 events, 6144 commands: replayed to identical decisions\n");
  const auto path = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("trace", *path, "Trace file of serve or simulate")->required();
  command->add_flag("--json", *json, "One JSON object on standard output");
  command->callback([path, json, &status] { status = run_replay(*path, *json); });
}

void add_policies_command(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("policies", "What each policy is, which paper, which options");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "One JSON object on standard output");
  command->callback([json, &status] { status = run_policies(*json); });
}

}  // namespace

int run_command_line(int argc, char** argv, const char* version) {
  CLI::App app{
      "Laxity answers before the deadline: a real-time inference server for edge machines.\n\n"
      "  laxity serve --models models &\n"
      "  laxity load scenarios/eight_cameras.toml --url http://127.0.0.1:8000\n"};
  app.name("laxity");
  app.set_version_flag("--version", version);
  app.require_subcommand(1);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("laxity: ") + error.what() + "\nSee `laxity --help`.\n";
  });

  int status = 0;
  add_serve_command(app, status);
  add_profile_command(app, status);
  add_simulate_command(app, status);
  add_admit_command(app, status);
  add_load_command(app, status);
  add_replay_command(app, status);
  add_policies_command(app, status);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked = error.get_exit_code() == 0;  // --help, --version
    app.exit(error);
    return asked ? 0 : to_int(ExitStatus::kWrongInput);
  }
  return status;
}

}  // namespace laxity
