// Resident memory of the server while it serves cameras of both shipped networks for a long time: under the
// limit, and flat.
//
//   memory_bench [--laxity build/release/bin/laxity] [--models models] [--minutes 10] [--rate 120]
#include <algorithm>
#include <cstdio>

#include "bench/measure.h"
#include "bench/server_process.h"
#include "load/load_runner.h"

namespace laxity::bench {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;
constexpr double kLimitMiB = 300e6 / kMiB;  // 300 MB
constexpr double kPieceSeconds = 15;
constexpr double kGrowthMaxMiB =
    5;  // of the last quarter over the second: what a leak of a byte a request would pass

std::string scenario_text(double rate, std::uint64_t seed) {
  std::string text = format("name = \"memory\"\nseed = %llu\nduration_s = %.0f\n",
                            static_cast<unsigned long long>(seed), kPieceSeconds);
  for (const char* model : {"cifar10", "gtsrb"}) {
    text += format(
        "[[task]]\nname = \"%s\"\nmodel = \"%s\"\narrival = \"poisson\"\nrate_per_s = %f\n"
        "deadline_ms = 100\ninput = \"%s-test\"\n",
        model, model, rate / 2, model);
  }
  return text;
}

int run(int argc, char** argv) {
  const Flags flags(argc, argv,
                    {{"--laxity", format("=%s the program under test", default_binary(argv[0]).c_str())},
                     {"--models", "=" LAXITY_SOURCE_DIR "/models repository of both networks"},
                     {"--minutes", "=10"},
                     {"--rate", "=120 pictures a second, both networks together"}});
  print_machine(argc, argv);
  const Result<ServerProcess> server =
      ServerProcess::start({flags.text("--laxity"), flags.text("--models"), "edf", ""});
  if (!server) {
    std::fprintf(stderr, "memory_bench: %s\n", server.error().message.c_str());
    return 3;
  }
  LoadOptions options;
  options.samples_folder = flags.text("--models") + "/samples";
  const double rate = flags.number("--rate");
  const double wanted = flags.number("--minutes") * 60;
  std::vector<double> resident;
  std::size_t jobs = 0;
  const std::int64_t begin = now_ns();
  for (std::uint64_t piece = 0; static_cast<double>(now_ns() - begin) / 1e9 < wanted; ++piece) {
    const Scenario scenario = parse_toml_scenario(scenario_text(rate, piece + 1), "memory_bench", "").value();
    const Result<LoadReport> report = run_load(scenario, server->url(), options);
    if (!report) {
      std::fprintf(stderr, "memory_bench: %s\n", report.error().message.c_str());
      return 3;
    }
    jobs += report->run.jobs.size();
    resident.push_back(static_cast<double>(server->resident_bytes()) / kMiB);
    std::printf("%5.0f s  %zu jobs  %.1f MiB resident\n", static_cast<double>(now_ns() - begin) / 1e9, jobs,
                resident.back());
    std::fflush(stdout);
  }
  if (resident.size() < 4) {
    std::fprintf(stderr, "memory_bench: expected at least one minute, found %s\n",
                 flags.text("--minutes").c_str());
    return 2;
  }
  // The first quarter fills pools and caches; after it nothing should grow.
  const double early = resident[resident.size() / 4];
  const double late = resident.back();
  const double most = *std::max_element(resident.begin(), resident.end());
  print_asked("resident memory of the server", "< 300 MB", format("%.0f MB", most * kMiB / 1e6),
              most < kLimitMiB);
  print_asked(format("growth from a quarter of the run to its end (%.0f s)", wanted), "flat",
              format("%+.1f MiB", late - early), late - early < kGrowthMaxMiB);
  return 0;
}

}  // namespace
}  // namespace laxity::bench

int main(int argc, char** argv) { return laxity::bench::run(argc, argv); }
