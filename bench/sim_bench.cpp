// A million jobs through the simulator on one core; asked: under 5 s for each policy. Processor time stands
// beside the time that passed, for machines that are busy with something else.
//
//   sim_bench [JOBS [SEED]]
//
// Three networks on two executors at 90 % of capacity, half of the jobs from cameras with jitter, half from
// Poisson clients; every second task has a tight deadline.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "sim/scenario.h"
#include "sim/simulator.h"

namespace {

using laxity::Duration;
using Clock = std::chrono::steady_clock;

std::string scenario_text(double duration_s) {
  std::string text =
      "name = \"a million jobs\"\nduration_s = " + std::to_string(duration_s) + "\nexecutors = 2\n";
  const char* names[] = {"small", "middle", "large"};
  const double factors[] = {0.2, 0.5, 1.1};
  for (int m = 0; m < 3; ++m) {
    const auto times = [&](double scale) {
      std::string list;
      for (const double per_batch : {1.0, 1.5, 2.5, 4.5}) {
        list += (list.empty() ? "" : ", ") + std::to_string(factors[m] * per_batch * scale);
      }
      return "[" + list + "]\n";
    };
    text += "[[model]]\nname = \"" + std::string(names[m]) +
            "\"\nbatch_sizes = [1, 2, 4, 8]\n[[model.stage]]\np50_ms = " + times(1) +
            "p99_ms = " + times(1.1) + "max_ms = " + times(1.5);
  }
  // Mean of the three alone is 0.6 ms: 3,000 a second keep two executors 90 % busy without any batching.
  for (int m = 0; m < 3; ++m) {
    const std::string model = "model = \"" + std::string(names[m]) + "\"\n";
    text += "[[task]]\nname = \"camera\"\ncount = 17\n" + model +
            "arrival = \"periodic\"\nperiod_ms = 34\njitter_ms = 5\ndeadline_ms = 20\n";
    text += "[[task]]\nname = \"client\"\ncount = 5\n" + model +
            "arrival = \"poisson\"\nrate_per_s = 100\ndeadline_ms = 100\n";
  }
  return text;
}

}  // namespace

int main(int argument_count, char** arguments) {
  const double jobs = argument_count > 1 ? std::atof(arguments[1]) : 1e6;
  const std::uint64_t seed = argument_count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1;
  const auto scenario = laxity::parse_toml_scenario(scenario_text(jobs / 3000), "sim_bench", "");
  if (!scenario) {
    std::fprintf(stderr, "%s\n", scenario.error().message.c_str());
    return 2;
  }
  std::printf("%-12s %10s %10s %10s %9s %9s %9s   seed %llu; asked: 1,000,000 jobs in 5 s\n", "policy",
              "jobs", "calls", "batches", "seconds", "cpu s", "on time",
              static_cast<unsigned long long>(seed));
  for (const char* policy : {"fifo", "edf", "deeprt", "batch", "batch-delay"}) {
    const auto begin = Clock::now();
    const std::clock_t cpu_begin = std::clock();
    const auto output = laxity::simulate(*scenario, *scenario->system, policy, {}, seed, {});
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const double cpu_seconds = static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC;
    if (!output) {
      std::fprintf(stderr, "%s\n", output.error().message.c_str());
      return 2;
    }
    const laxity::RunTotals totals = laxity::totals(output->result);
    std::printf("%-12s %10llu %10llu %10llu %9.2f %9.2f %8.1f%%\n", policy,
                static_cast<unsigned long long>(totals.jobs),
                static_cast<unsigned long long>(output->counters.events),
                static_cast<unsigned long long>(output->counters.batches), seconds, cpu_seconds,
                100 * static_cast<double>(totals.outcomes[0]) / static_cast<double>(totals.jobs));
  }
  return 0;
}
