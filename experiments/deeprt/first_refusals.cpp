#include <algorithm>

#include "analysis/demand.h"
#include "analysis/plan_generator.h"
#include "experiments/deeprt/stream_sets.h"
#include "experiments/deeprt/study.h"

namespace laxity::study {
namespace {

constexpr std::size_t kStreamsMax = 100;
constexpr std::size_t kPlanFramesMax = 16384;

enum class Machine : std::uint8_t { kRtx2080, kWeightBound, kComputeBound, kCheap };

struct Row {
  Workload workload;
  Machine machine = Machine::kRtx2080;
};

std::vector<Row> rows() {
  std::vector<Row> made;
  for (const Duration mean : {Duration(50ms), Duration(150ms), Duration(250ms)}) {
    made.push_back({{.name = "RTX 2080, 4 categories, " + std::to_string(mean.count() / 1'000'000) + " ms",
                     .mean_period = mean}});
  }
  for (const double share : {0.5, 2.0, 3.0}) {
    made.push_back({{.name = std::string("150 ms, D = ") + (share == 0.5 ? "T/2"
                                                            : share == 2 ? "2T"
                                                                         : "3T"),
                     .deadline_over_period = share}});
  }
  made.push_back({{.name = "E = 10 + 0.3n ms, 4 categories, 150 ms"}, Machine::kWeightBound});
  made.push_back({{.name = "E = 0.5 + 8n ms, 2 categories, 150 ms"}, Machine::kComputeBound});
  made.push_back({{.name = "16 cheap categories, E = 1.5 + 0.5n ms, 150 ms"}, Machine::kCheap});
  for (const double share : {1.0, 2.0}) {
    made.push_back({{.name = std::string("cameras 15/25/30 fps, D = ") + (share == 1 ? "T" : "2T"),
                     .periods = Periods::kCameras,
                     .deadline_over_period = share}});
  }
  return made;
}

SystemModel system_of(Machine machine, Rng& rng) {
  switch (machine) {
    case Machine::kWeightBound:
      return linear_device(4, 10, 0.3, kBatchCap);
    case Machine::kComputeBound:
      return linear_device(2, 0.5, 8, kBatchCap);
    case Machine::kCheap:
      return linear_device(16, 1.5, 0.5, kBatchCap);
    case Machine::kRtx2080:
      break;
  }
  std::vector<CategorySpec> drawn;  // four of the table's networks, at the table's shape
  while (drawn.size() < 4) {
    const CategorySpec spec{static_cast<std::size_t>(rng.uniform(0, kTableCount - 1)), Shape{}};
    if (std::find(drawn.begin(), drawn.end(), spec) == drawn.end()) drawn.push_back(spec);
  }
  return device(drawn, 1, 1);
}

/// No schedule can serve more: each frame takes at least its share of the cheapest batch, and all is done by
/// the last deadline.
bool fits_bound(const BatchTimes& times, const std::vector<CandidateStream>& streams, std::size_t count,
                Duration horizon) {
  double needed_ns = 0;
  Duration last{};
  for (const PlanFrame& frame : frames_of(streams, count, horizon)) {
    double least = 1e18;
    for (std::uint32_t n = 1; n <= times.cap(frame.category); ++n) {
      least = std::min(least, static_cast<double>(times(frame.category, n).count()) / n);
    }
    needed_ns += least;
    const Duration due = frame.deadline.since_start() + streams[frame.stream].jitter;
    last = std::max(last, due);
  }
  return needed_ns <= static_cast<double>(last.count());
}

bool fits_gated(const BatchTimes& times, const std::vector<CandidateStream>& streams, std::size_t count,
                Duration horizon, PlanGenerator& generator, Plan& plan) {
  std::vector<PlanFrame> frames = frames_of(streams, count, horizon);
  if (frames.size() > kPlanFramesMax) return false;
  std::sort(frames.begin(), frames.end(), arrives_before);
  plan.clear();
  if (!generator.generate(times, Instant(), frames, PlanMethod::kGated, plan)) return false;
  plan.settle(times);
  return plan.is_valid(Instant());
}

bool fits_demand(const BatchTimes& times, const std::vector<CandidateStream>& streams, std::size_t count) {
  std::vector<DemandGroup> groups;
  for (CategoryIndex g = 0; g < times.category_count(); ++g) {
    DemandGroup group;
    group.category = g;
    for (std::size_t i = 0; i < count; ++i) {
      const CandidateStream& s = streams[i];
      if (s.category == g) group.streams.push_back({s.period, s.jitter, s.deadline});
    }
    if (!group.streams.empty()) groups.push_back(std::move(group));
  }
  return static_cast<bool>(choose_windows(times, groups, Duration::zero()));
}

}  // namespace

Json first_refusals(const Scale& scale) {
  const auto horizon = std::chrono::milliseconds(static_cast<std::int64_t>(scale.horizon_s * 1000));
  PlanGenerator generator(kPlanFramesMax, 16);
  Plan plan(kPlanFramesMax);
  Json table = Json::array();
  for (const Row& row : rows()) {
    std::vector<double> deeprt, published, by_frames, sedf, demand, gated, generators, search, bound;
    std::uint64_t laxity_misses = 0;
    for (std::uint64_t seed = 1; seed <= scale.seeds; ++seed) {
      Rng rng = Rng(seed).split(table.size());
      const SystemModel system = system_of(row.machine, rng);
      const BatchTimes times = planning_times(system);
      std::vector<CandidateStream> streams;
      for (std::size_t i = 0; i < kStreamsMax; ++i) {
        streams.push_back(draw_stream(rng, row.workload, times));
      }
      const std::size_t by_gate = until_first_refusal(kStreamsMax, [&](std::size_t n) {
        return fits_gated(times, streams, n, horizon, generator, plan);
      });
      gated.push_back(static_cast<double>(by_gate));
      const auto by_policy = [&](std::string_view policy, const PolicyOptions& options,
                                 std::uint64_t* misses = nullptr) {
        return static_cast<double>(
            admitted_by_policy(system, streams, policy, options, horizon, seed, by_gate, misses));
      };
      deeprt.push_back(by_policy("deeprt", {}));
      published.push_back(by_policy("deeprt", {{"admission", 1}}));
      by_frames.push_back(by_policy("deeprt", {{"admission", 3}}));
      sedf.push_back(by_policy("sedf", {}));
      generators.push_back(by_policy("laxity", {{"search_nodes", 0}}));
      search.push_back(by_policy("laxity", {}, &laxity_misses));
      demand.push_back(static_cast<double>(
          until_first_refusal(kStreamsMax, [&](std::size_t n) { return fits_demand(times, streams, n); })));
      bound.push_back(static_cast<double>(until_first_refusal(
          kStreamsMax, [&](std::size_t n) { return fits_bound(times, streams, n, horizon); })));
    }
    table.push_back({{"workload", row.workload.name},
                     {"deeprt", deeprt},
                     {"published", published},
                     {"by_frames", by_frames},
                     {"sedf", sedf},
                     {"demand", demand},
                     {"gated", gated},
                     {"generators", generators},
                     {"search", search},
                     {"bound", bound},
                     {"laxity_misses", laxity_misses}});
  }
  return table;
}

}  // namespace laxity::study
