// One network served alone beyond what the machine can do: Poisson requests with a 50 ms deadline at 0.8,
// 1.0, 1.2 and 1.5 times the rate of the engine alone, which is measured before and after each of them in
// the same run.
//
//   overload_bench [--laxity build/release/bin/laxity] [--model tests/data/models/medium] [--seconds 20]
//                  [--seed 1] [--policy edf]
#include <signal.h>

#include <algorithm>
#include <cstdio>

#include "bench/measure.h"
#include "bench/raw_engine.h"
#include "bench/server_process.h"
#include "load/load_runner.h"

namespace laxity::bench {
namespace {

constexpr int kClientCore = 0;
constexpr int kExecutorCore = 1;

struct Step {
  double load;   // of the raw rate
  double asked;  // answered in time / min(offered, raw rate)
};
constexpr Step kSteps[] = {{0.8, 0.95}, {1.0, 0.85}, {1.2, 0.80}, {1.5, 0.80}};

/// Runs per second of the engine alone, one job at a time.
double raw_rate(RawModel& raw, double seconds) {
  pin_this_thread(kExecutorCore);
  for (int i = 0; i < 10; ++i) raw.run(1);
  const std::int64_t begin = now_ns();
  std::int64_t now = begin;
  std::size_t runs = 0;
  for (; now < begin + static_cast<std::int64_t>(seconds * 1e9); now = now_ns(), ++runs) raw.run(1);
  return static_cast<double>(runs) * 1e9 / static_cast<double>(now - begin);
}

int run(int argc, char** argv) {
  const Flags flags(
      argc, argv,
      {{"--laxity", format("=%s the program under test", default_binary(argv[0]).c_str())},
       {"--model", "=" LAXITY_SOURCE_DIR "/tests/data/models/medium folder of a network of about 6 ms"},
       {"--seconds", "=20 of each load"},
       {"--seed", "=1"},
       {"--deadline-ms", "=50"},
       {"--policy", "=edf"}});
  print_machine(argc, argv);
  const std::string path = flags.text("--model");
  const std::string model = path.substr(path.rfind('/') + 1);
  Result<ModelFolder> folder = ModelFolder::make({path});
  Result<RawModel> raw = folder ? RawModel::load(folder->path(), model, 1) : Result<RawModel>(folder.error());
  if (!raw) {
    std::fprintf(stderr, "overload_bench: %s\n", raw.error().message.c_str());
    return 3;
  }
  const Result<ServerProcess> server =
      ServerProcess::start({flags.text("--laxity"), folder->path(), flags.text("--policy"), ""});
  if (!server) {
    std::fprintf(stderr, "overload_bench: %s\n", server.error().message.c_str());
    return 3;
  }
  const auto measure_raw = [&] {
    ::kill(server->pid(), SIGSTOP);
    const double rate = raw_rate(*raw, 2);
    ::kill(server->pid(), SIGCONT);
    return rate;
  };
  LoadOptions options;
  options.core = kClientCore;
  std::printf("# model %s, %s, policy %s, seed %s, deadline %s ms, %s s each\n", model.c_str(),
              std::string(raw->engine_version()).c_str(), flags.text("--policy").c_str(),
              flags.text("--seed").c_str(), flags.text("--deadline-ms").c_str(),
              flags.text("--seconds").c_str());
  double before = measure_raw();
  for (const Step& step : kSteps) {
    const double offered = step.load * before;
    const Scenario scenario =
        parse_toml_scenario("name = \"overload\"\nseed = " + flags.text("--seed") + "\nduration_s = " +
                                flags.text("--seconds") + "\n[[task]]\nname = \"poisson\"\nmodel = \"" +
                                model + "\"\narrival = \"poisson\"\nrate_per_s = " + std::to_string(offered) +
                                "\ndeadline_ms = " + flags.text("--deadline-ms") + "\n",
                            "overload_bench", "")
            .value();
    const Result<LoadReport> report = run_load(scenario, server->url(), options);
    if (!report) {
      std::fprintf(stderr, "overload_bench: %s\n", report.error().message.c_str());
      return 3;
    }
    const double after = measure_raw();
    const double rate = (before + after) / 2;
    const RunTotals sums = totals(report->run);
    const double sent =
        static_cast<double>(sums.jobs) / (static_cast<double>(scenario.duration.count()) / 1e9);
    const double reached = sums.goodput_per_s / std::min(sent, rate);
    std::printf(
        "%.1f x: engine alone %.1f /s before, %.1f after; offered %.1f /s; on time %llu of %llu, late %llu,"
        " dropped %llu, rejected %llu, failed %llu; response p50 %.1f ms p99 %.1f ms; batch mean %.2f;"
        " send lag p99 %.2f ms\n",
        step.load, before, after, sent,
        static_cast<unsigned long long>(sums.outcomes[static_cast<int>(Outcome::kOnTime)]),
        static_cast<unsigned long long>(sums.jobs),
        static_cast<unsigned long long>(sums.outcomes[static_cast<int>(Outcome::kLate)]),
        static_cast<unsigned long long>(sums.outcomes[static_cast<int>(Outcome::kDropped)]),
        static_cast<unsigned long long>(sums.outcomes[static_cast<int>(Outcome::kRejected)]),
        static_cast<unsigned long long>(sums.outcomes[static_cast<int>(Outcome::kFailed)]),
        sums.response_ms_p50, sums.response_ms_p99, sums.batch_size_mean, sums.send_lag_ms_p99);
    for (const std::string& warning : report->warnings) std::printf("  %s\n", warning.c_str());
    print_asked(format("answered in time at %.1f x, of min(offered, raw rate)", step.load),
                format(">= %.2f", step.asked), format("%.3f", reached), reached >= step.asked);
    before = after;
  }
  return 0;
}

}  // namespace
}  // namespace laxity::bench

int main(int argc, char** argv) { return laxity::bench::run(argc, argv); }
