// Requests per second of a small network through HTTP at concurrency 16, against what the engine alone does
// on the executor's core, measured in turns in one run.
//
//   throughput_bench [--laxity build/release/bin/laxity] [--model tests/data/models/small] [--seconds 3]
//                    [--rounds 3]
//
// The server runs as it does without a configuration on two cores: network on core 0, executor on core 1.
// The client shares core 0 with the network, because the executor's core belongs to the engine.
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
constexpr int kConcurrency = 16;

/// Jobs per second of the engine alone in batches of `batch_size`.
double raw_rate(RawModel& raw, std::size_t batch_size, double seconds) {
  for (int i = 0; i < 20; ++i) raw.run(batch_size);
  const std::int64_t begin = now_ns();
  const auto end = begin + static_cast<std::int64_t>(seconds * 1e9);
  std::size_t jobs = 0;
  std::int64_t now = begin;
  for (; now < end; now = now_ns()) {
    raw.run(batch_size);
    jobs += batch_size;
  }
  return static_cast<double>(jobs) * 1e9 / static_cast<double>(now - begin);
}

int run(int argc, char** argv) {
  const Flags flags(argc, argv,
                    {{"--laxity", format("=%s the program under test", default_binary(argv[0]).c_str())},
                     {"--model", "=" LAXITY_SOURCE_DIR "/tests/data/models/small folder of a network"},
                     {"--seconds", "=3 of each part of a round"},
                     {"--rounds", "=3"}});
  print_machine(argc, argv);
  const std::string path = flags.text("--model");
  const std::string model = path.substr(path.rfind('/') + 1);
  Result<ModelFolder> folder = ModelFolder::make({path});
  Result<RawModel> raw =
      folder ? RawModel::load(folder->path(), model, kConcurrency) : Result<RawModel>(folder.error());
  if (!raw) {
    std::fprintf(stderr, "throughput_bench: %s\n", raw.error().message.c_str());
    return 3;
  }
  const Result<ServerProcess> server =
      ServerProcess::start({flags.text("--laxity"), folder->path(), "edf", ""});
  if (!server) {
    std::fprintf(stderr, "throughput_bench: %s\n", server.error().message.c_str());
    return 3;
  }
  const double seconds = flags.number("--seconds");
  const Scenario scenario =
      parse_toml_scenario("name = \"throughput\"\nseed = 1\nduration_s = " + std::to_string(seconds) +
                              "\n[[task]]\nname = \"client\"\nmodel = \"" + model +
                              "\"\narrival = \"closed-loop\"\nclients = " + std::to_string(kConcurrency) +
                              "\nthink_ms = 0\ndeadline_ms = 1000\n",
                          "throughput_bench", "")
          .value();
  LoadOptions options;
  options.core = kClientCore;

  std::vector<double> single, best, served, batch;
  for (int round = 0; round < static_cast<int>(flags.number("--rounds")); ++round) {
    ::kill(server->pid(), SIGSTOP);
    pin_this_thread(kExecutorCore);
    single.push_back(raw_rate(*raw, 1, seconds / 2));
    double best_rate = single.back();
    for (const std::size_t size : {4U, 16U})
      best_rate = std::max(best_rate, raw_rate(*raw, size, seconds / 4));
    best.push_back(best_rate);
    ::kill(server->pid(), SIGCONT);
    const Result<LoadReport> report = run_load(scenario, server->url(), options);
    if (!report) {
      std::fprintf(stderr, "throughput_bench: %s\n", report.error().message.c_str());
      return 3;
    }
    const RunTotals sums = totals(report->run);
    served.push_back(sums.goodput_per_s);
    batch.push_back(sums.batch_size_mean);
    std::printf(
        "round %d: engine alone %.0f /s in batches of 1, %.0f /s in the best of 1, 4, 16; through HTTP %.0f "
        "/s,"
        " batch mean %.1f, response p50 %.2f ms p99 %.2f ms\n",
        round + 1, single.back(), best.back(), served.back(), batch.back(), sums.response_ms_p50,
        sums.response_ms_p99);
    std::fflush(stdout);
    for (const std::string& warning : report->warnings) std::printf("  %s\n", warning.c_str());
  }
  const double rate = median(served);
  print_asked("HTTP at concurrency 16, of the engine alone, batch 1", ">= 70 %",
              format("%.0f %%", 100 * rate / median(single)), rate >= 0.7 * median(single));
  print_asked("HTTP at concurrency 16, of the engine's best batch", ">= 70 %",
              format("%.0f %%", 100 * rate / median(best)), rate >= 0.7 * median(best));
  return 0;
}

}  // namespace
}  // namespace laxity::bench

int main(int argc, char** argv) { return laxity::bench::run(argc, argv); }
