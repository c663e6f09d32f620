#include <algorithm>

#include "experiments/deeprt/study.h"

namespace laxity::study {
namespace {

constexpr std::uint32_t kDelayedJobs = 5;  // batches, one after the other
constexpr std::uint64_t kFrames = 100;
constexpr std::size_t kFew = 4;

// Times are the medians, so that nothing overruns but what is meant to.
constexpr ExecutionMode kTimes = ExecutionMode::kTypical;

// With adaptation, a network that has overrun takes its frames one shape smaller until the time is paid back:
// the smaller shapes are variants of the network.
const Contender kAdapts = {"with adaptation", "deeprt", {{"adaptation", 2}}, false};
const Contender kDoesNot = {"without", "deeprt", {{"adaptation", 0}}, false};
const Contender kContenders[] = {
    kAdapts, kDoesNot, {"SEDF", "sedf", {}, false}, {"laxity", "laxity", {}, false}};

/// Missed frames of one trace: the requests that DeepRT admits, at most `requests_max` of them; delays in the
/// middle.
double missed(const Setting& setting, std::uint64_t seed, const Scale& scale, std::size_t requests_max,
              Duration delay, const Contender& contender) {
  const RequestTrace trace = make_trace(setting, seed, scale.shapes, kFrames);
  RunSpec spec{.time_factor = time_factor(setting),
               .mode = kTimes,
               .seed = seed,
               .smaller_shapes = shapes_of(setting)};
  const std::vector<std::size_t> all = all_of(trace);
  std::vector<std::size_t> chosen = admitted(all, run(trace, all, kDoesNot, spec));
  if (chosen.empty()) return 0;
  chosen.resize(std::min(requests_max, chosen.size()));
  if (delay > Duration::zero()) {
    const Duration first = trace.requests[chosen.front()].arrival;
    const Duration last = trace.requests[chosen.back()].arrival;
    Fault fault;
    fault.at = Instant::from_start(first + (last - first) / 2);
    fault.kind = FaultKind::kDelay;
    fault.jobs = kDelayedJobs;
    fault.duration = delay;
    spec.faults.push_back(fault);
  }
  return static_cast<double>(summarise(trace, chosen, run(trace, chosen, contender, spec)).missed);
}

}  // namespace

Json overruns(const Scale& scale) {
  constexpr Duration kDelays[] = {0ms, 100ms, 200ms, 500ms, 1000ms};
  struct Group {
    const char* name;
    std::size_t requests_max;
    bool is_tx2;
  };
  constexpr Group kGroups[] = {{"four requests", kFew, false},
                               {"four requests", kFew, true},
                               {"all that DeepRT admits", SIZE_MAX, false},
                               {"all that DeepRT admits", SIZE_MAX, true}};
  Json groups = Json::array();
  for (const Group& group : kGroups) {
    const Duration period = group.is_tx2 ? 600ms : 200ms;
    const Setting setting{.name = "overruns",
                          .is_tx2 = group.is_tx2,
                          .mean_period = period,
                          .mean_deadline = period,
                          .is_constant = true};
    Json rows = Json::array();
    for (const Duration delay : kDelays) {
      Json row = {{"delay_ms", delay.count() / 1'000'000}};
      for (const Contender& contender : kContenders) {
        std::vector<double> found;
        for (std::uint64_t seed = 1; seed <= scale.seeds; ++seed) {
          found.push_back(missed(setting, seed, scale, group.requests_max, delay, contender));
        }
        row[contender.label] = found;
      }
      rows.push_back(row);
    }
    groups.push_back({{"requests", group.name},
                      {"machine", group.is_tx2 ? "TX2" : "desktop"},
                      {"period_ms", period.count() / 1'000'000},
                      {"rows", rows}});
  }
  return groups;
}

}  // namespace laxity::study
