#include <algorithm>

#include "experiments/deeprt/study.h"

namespace laxity::study {
namespace {

constexpr std::uint32_t kDelayedJobs = 5;
constexpr std::uint64_t kFrames = 100;

/// Period = deadline for everybody; as many as DeepRT admits.
RequestTrace uniform_trace(Rng& rng, bool is_tx2, Duration period) {
  RequestTrace trace;
  trace.categories = draw_categories(rng, is_tx2, 4);
  for (int i = 0; i < 25; ++i) {
    Request request;
    request.arrival = Duration(rng.uniform(0, period.count() - 1));
    request.category = static_cast<std::size_t>(rng.uniform(0, 3));
    request.period = request.deadline = period;
    request.frames = kFrames;
    trace.requests.push_back(request);
  }
  std::stable_sort(trace.requests.begin(), trace.requests.end(),
                   [](const Request& a, const Request& b) { return a.arrival < b.arrival; });
  return trace;
}

}  // namespace

Json overruns(const Scale& scale) {
  Json machines = Json::array();
  for (const bool is_tx2 : {false, true}) {
    const Duration period = is_tx2 ? 600ms : 200ms;
    Json rows = Json::array();
    for (const Duration delay :
         {Duration(0ms), Duration(100ms), Duration(200ms), Duration(500ms), Duration(1000ms)}) {
      Json row = {{"delay_ms", delay.count() / 1'000'000}};
      for (const Contender& contender :
           {Contender{"with adaptation", "deeprt", {}, false},
            Contender{"without adaptation", "deeprt", {}, false}, Contender{"laxity", "laxity", {}, false}}) {
        std::vector<double> missed;
        for (std::uint64_t seed = 1; seed <= scale.seeds; ++seed) {
          Rng rng = Rng(seed).split(is_tx2 ? 7 : 6);
          const RequestTrace trace = uniform_trace(rng, is_tx2, period);
          RunSpec spec{
              .time_factor = is_tx2 ? kTx2OverRtx : 1, .mode = ExecutionMode::kTypical, .seed = seed};
          if (delay > Duration::zero()) {
            Fault fault;
            fault.at = Instant::from_start(static_cast<std::int64_t>(kFrames) / 4 * period +
                                           Duration(rng.uniform(0, period.count())));
            fault.kind = FaultKind::kDelay;
            fault.jobs = kDelayedJobs;
            fault.duration = delay;
            spec.faults.push_back(fault);
          }
          const std::vector<std::size_t> all = all_of(trace);
          const std::vector<std::size_t> chosen = admitted(
              all, run(trace, all, {"", "deeprt", {}, false},
                       {.time_factor = spec.time_factor, .mode = ExecutionMode::kTypical, .seed = seed}));
          missed.push_back(
              static_cast<double>(summarise(trace, chosen, run(trace, chosen, contender, spec)).missed));
        }
        row[contender.label] = missed;
      }
      rows.push_back(row);
    }
    machines.push_back(
        {{"machine", is_tx2 ? "TX2" : "desktop"}, {"period_ms", period.count() / 1'000'000}, {"rows", rows}});
  }
  return machines;
}

}  // namespace laxity::study
