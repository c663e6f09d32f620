#include <algorithm>
#include <cmath>
#include <map>

#include "experiments/deeprt/study.h"

namespace laxity::study {
namespace {

const Contender kAsRun = {"with early batching", "deeprt", {}, false};
// What the imitator assumes: no early batching, every batch takes the table's time.
const Contender kAsPredicted = {"without", "deeprt", {{"early_batching", 0}}, false};

using FrameKey = std::pair<std::size_t, Duration>;  // request, release

std::map<FrameKey, Duration> latencies(const std::vector<std::size_t>& chosen,
                                       const SimulationOutput& output) {
  std::map<FrameKey, Duration> found;
  for (const JobRecord& job : output.result.jobs) {
    if (job.response_time) found[{chosen[job.task], job.intended.since_start()}] = *job.response_time;
  }
  return found;
}

struct Means {
  Duration period, deadline;
};
constexpr Means kTraces[] = {{100ms, 300ms}, {200ms, 200ms}, {300ms, 100ms}};
constexpr std::size_t kTenths = 10;  // of a video

struct Errors {
  std::vector<double> ms;  // predicted minus measured
  double absolute_sums[kTenths] = {};
  std::uint64_t counts[kTenths] = {};

  void add(double error_ms, std::size_t tenth) {
    ms.push_back(error_ms);
    absolute_sums[tenth] += std::abs(error_ms);
    ++counts[tenth];
  }
  double at(double share) const {
    return ms.empty() ? 0.0 : ms[static_cast<std::size_t>(share * static_cast<double>(ms.size() - 1))];
  }
};

void add_errors(const RequestTrace& trace, const Contender& contender, std::uint64_t seed, Errors& errors) {
  const std::vector<std::size_t> all = all_of(trace);
  const SimulationOutput measured_run = run(trace, all, contender, {.seed = seed});
  const auto measured = latencies(all, measured_run);
  const std::vector<std::size_t> accepted = admitted(all, measured_run);
  for (std::size_t last = 0; last < accepted.size(); ++last) {
    const std::vector<std::size_t> so_far(accepted.begin(),
                                          accepted.begin() + static_cast<std::ptrdiff_t>(last + 1));
    const auto predicted =
        latencies(so_far, run(trace, so_far, kAsPredicted, {.mode = ExecutionMode::kPlanned, .seed = seed}));
    const Request& request = trace.requests[accepted[last]];
    for (std::uint64_t k = 0; k < request.frames; ++k) {
      const FrameKey key{accepted[last], request.arrival + static_cast<std::int64_t>(k) * request.period};
      const auto p = predicted.find(key);
      const auto m = measured.find(key);
      if (p == predicted.end() || m == measured.end()) continue;
      errors.add(static_cast<double>((p->second - m->second).count()) / 1e6, k * kTenths / request.frames);
    }
  }
}

Json errors_of(const Scale& scale, const Contender& contender, const Means& means) {
  Errors errors;
  for (std::uint64_t seed = 1; seed <= scale.seeds; ++seed) {
    const Setting setting{.name = "imitator", .mean_period = means.period, .mean_deadline = means.deadline};
    add_errors(make_trace(setting, seed, scale.shapes, scale.frames_per_video), contender, seed, errors);
  }
  std::sort(errors.ms.begin(), errors.ms.end());
  Json by_tenth = Json::array();
  for (std::size_t i = 0; i < kTenths; ++i) {
    const auto count = static_cast<double>(errors.counts[i]);
    by_tenth.push_back(count == 0 ? 0 : errors.absolute_sums[i] / count);
  }
  std::vector<double> quantiles;
  for (int i = 0; i <= 100; ++i) quantiles.push_back(errors.at(i / 100.0));
  return {{"run", contender.label},
          {"mean_period_ms", means.period.count() / 1'000'000},
          {"mean_deadline_ms", means.deadline.count() / 1'000'000},
          {"frames", errors.ms.size()},
          {"p01_ms", errors.at(0.01)},
          {"p50_ms", errors.at(0.5)},
          {"p99_ms", errors.at(0.99)},
          {"min_ms", errors.at(0)},
          {"max_ms", errors.at(1)},
          {"absolute_by_tenth_ms", by_tenth},
          {"quantiles_ms", quantiles}};
}

}  // namespace

// A frame's predicted latency is what the imitator saw when its request was admitted: the requests admitted
// so far and this one, table times, frames on time. Measured: all of them together, sampled times, and early
// batching, which the imitator does not know of; then once more without that.
Json imitator_errors(const Scale& scale) {
  Json traces = Json::array();
  for (const Contender& contender : {kAsRun, kAsPredicted}) {
    for (const Means& means : kTraces) traces.push_back(errors_of(scale, contender, means));
  }
  return traces;
}

}  // namespace laxity::study
