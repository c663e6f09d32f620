// What the load client can do: requests per second from one core against a server that does nothing, and how
// late it sends.
//
//   load_bench [--seconds 5] [--rate 10000]
#include <cstdio>
#include <memory>
#include <thread>

#include "bench/measure.h"
#include "load/load_runner.h"
#include "load/null_server.h"

namespace laxity::bench {
namespace {

constexpr int kServerCore = 1;
constexpr int kClientCore = 0;

Scenario scenario_of(const std::string& task, double seconds) {
  return parse_toml_scenario("name = \"load bench\"\nseed = 1\nduration_s = " + std::to_string(seconds) +
                                 "\n[[task]]\nname = \"small\"\nmodel = \"m\"\ndeadline_ms = 1000\n" + task,
                             "load_bench", "")
      .value();
}

struct Measured {
  double rate = 0;    // on time per second
  double cpu_us = 0;  // of the client's thread, per request
  double lag_us_p50 = 0, lag_us_p99 = 0, response_us_p50 = 0;
  std::size_t jobs = 0, on_time = 0;
};

Measured measure(const NullServer& server, const Scenario& scenario) {
  LoadOptions options;
  options.core = kClientCore;
  const std::int64_t cpu = thread_cpu_ns();
  const LoadReport report = run_load(scenario, server.url(), options).value();
  Measured measured;
  measured.jobs = report.run.jobs.size();
  std::vector<double> lags, responses;
  for (const JobRecord& job : report.run.jobs) {
    measured.on_time += job.outcome == Outcome::kOnTime;
    if (job.send_lag) lags.push_back(static_cast<double>(job.send_lag->count()) / 1e3);
    if (job.response_time) responses.push_back(static_cast<double>(job.response_time->count()) / 1e3);
  }
  measured.cpu_us = static_cast<double>(thread_cpu_ns() - cpu) / 1e3 / static_cast<double>(measured.jobs);
  measured.rate =
      static_cast<double>(measured.on_time) / (static_cast<double>(scenario.duration.count()) / 1e9);
  measured.lag_us_p50 = median(lags);
  measured.lag_us_p99 = percentile(lags, 99);
  measured.response_us_p50 = median(responses);
  return measured;
}

int run(int argc, char** argv) {
  const Flags flags(argc, argv,
                    {{"--seconds", "=5 of each part"}, {"--rate", "=10000 requests/s of the open loop"}});
  print_machine(argc, argv);
  const double seconds = flags.number("--seconds");
  const double rate = flags.number("--rate");
  std::unique_ptr<NullServer> server;
  std::thread([&server] {
    pin_this_thread(kServerCore);  // the server's own thread inherits this
    server = std::make_unique<NullServer>(
        [](std::string_view head, std::string_view) { return reply_like_a_server(head, 0); });
  }).join();

  const Measured closed =
      measure(*server, scenario_of("arrival = \"closed-loop\"\nclients = 32\nthink_ms = 0\n", seconds));
  std::printf(
      "closed loop, 32 clients: %.0f requests/s, %.1f us of the client's core each, response p50 %.0f us\n",
      closed.rate, closed.cpu_us, closed.response_us_p50);
  const Measured open = measure(
      *server, scenario_of("arrival = \"poisson\"\nrate_per_s = " + std::to_string(rate) + "\n", seconds));
  std::printf(
      "open loop, Poisson %.0f/s: %zu of %zu on time, %.1f us of the client's core each, send lag p50 %.0f "
      "us,"
      " p99 %.0f us, response p50 %.0f us\n",
      rate, open.on_time, open.jobs, open.cpu_us, open.lag_us_p50, open.lag_us_p99, open.response_us_p50);
  print_asked("small requests/s from one core, null server", ">= 10000", format("%.0f /s", closed.rate),
              closed.rate >= 10'000);
  print_asked("send lag p99 at that open-loop rate", "<= 1 ms", format("%.3f ms", open.lag_us_p99 / 1e3),
              open.lag_us_p99 <= 1000 && open.on_time == open.jobs);
  return 0;
}

}  // namespace
}  // namespace laxity::bench

int main(int argc, char** argv) { return laxity::bench::run(argc, argv); }
