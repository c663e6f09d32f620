#include <algorithm>
#include <map>

#include "experiments/deeprt/study.h"

namespace laxity::study {
namespace {

const Contender kAsRun = {"DeepRT", "deeprt", {}, false};
// What the imitator assumes: no early batching, every batch takes the table's time.
const Contender kAsPredicted = {"DeepRT", "deeprt", {{"early_batching", 0}}, false};

using FrameKey = std::pair<std::size_t, Duration>;  // request, release

std::map<FrameKey, Duration> latencies(const std::vector<std::size_t>& chosen,
                                       const SimulationOutput& output) {
  std::map<FrameKey, Duration> found;
  for (const JobRecord& job : output.result.jobs) {
    if (job.response_time) found[{chosen[job.task], job.intended.since_start()}] = *job.response_time;
  }
  return found;
}

}  // namespace

// A frame's predicted latency is what the imitator saw when its request was admitted: the requests admitted
// so far and this one, table times, frames on time. Measured: all of them together, sampled times, early
// batching.
Json imitator_errors(const Scale& scale) {
  struct Means {
    Duration period, deadline;
  };
  constexpr Means kTraces[] = {{100ms, 300ms}, {200ms, 200ms}, {300ms, 100ms}};
  constexpr std::size_t kTenths = 10;
  Json traces = Json::array();
  for (const Means& means : kTraces) {
    std::vector<double> errors;
    double absolute_sums[kTenths] = {};
    std::uint64_t counts[kTenths] = {};
    for (std::uint64_t seed = 1; seed <= scale.seeds; ++seed) {
      const Setting setting{"", false, means.period, means.deadline};
      const RequestTrace trace = make_trace(setting, seed, scale.shapes, scale.frames_per_video);
      const std::vector<std::size_t> all = all_of(trace);
      const SimulationOutput measured_run = run(trace, all, kAsRun, {.seed = seed});
      const auto measured = latencies(all, measured_run);
      const std::vector<std::size_t> accepted = admitted(all, measured_run);
      for (std::size_t last = 0; last < accepted.size(); ++last) {
        const std::vector<std::size_t> so_far(accepted.begin(),
                                              accepted.begin() + static_cast<std::ptrdiff_t>(last + 1));
        const auto predicted = latencies(
            so_far, run(trace, so_far, kAsPredicted, {.mode = ExecutionMode::kPlanned, .seed = seed}));
        const Request& request = trace.requests[accepted[last]];
        for (std::uint64_t k = 0; k < request.frames; ++k) {
          const FrameKey key{accepted[last], request.arrival + static_cast<std::int64_t>(k) * request.period};
          const auto p = predicted.find(key);
          const auto m = measured.find(key);
          if (p == predicted.end() || m == measured.end()) continue;
          const double error_ms = static_cast<double>((p->second - m->second).count()) / 1e6;
          errors.push_back(error_ms);
          const std::size_t tenth = k * kTenths / request.frames;
          absolute_sums[tenth] += std::abs(error_ms);
          ++counts[tenth];
        }
      }
    }
    std::sort(errors.begin(), errors.end());
    const auto at = [&](double share) {
      return errors.empty()
                 ? 0.0
                 : errors[static_cast<std::size_t>(share * static_cast<double>(errors.size() - 1))];
    };
    Json by_tenth = Json::array();
    for (std::size_t i = 0; i < kTenths; ++i) {
      by_tenth.push_back(counts[i] == 0 ? 0 : absolute_sums[i] / static_cast<double>(counts[i]));
    }
    std::vector<double> quantiles;
    for (int i = 0; i <= 100; ++i) quantiles.push_back(at(i / 100.0));
    traces.push_back({{"mean_period_ms", means.period.count() / 1'000'000},
                      {"mean_deadline_ms", means.deadline.count() / 1'000'000},
                      {"frames", errors.size()},
                      {"p01_ms", at(0.01)},
                      {"p50_ms", at(0.5)},
                      {"p99_ms", at(0.99)},
                      {"min_ms", at(0)},
                      {"max_ms", at(1)},
                      {"absolute_by_tenth_ms", by_tenth},
                      {"quantiles_ms", quantiles}});
  }
  return traces;
}

}  // namespace laxity::study
