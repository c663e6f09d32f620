#include <algorithm>

#include "analysis/plan_generator.h"
#include "analysis/plan_maker.h"
#include "experiments/deeprt/exact_optimum.h"
#include "experiments/deeprt/stream_sets.h"
#include "experiments/deeprt/study.h"

namespace laxity::study {
namespace {

constexpr std::size_t kStreamsMax = 16;

struct Kind {
  std::string name;
  Duration mean_period;
  Duration horizon;
  SystemModel (*system)(Rng& rng);
};

SystemModel rtx2080(Rng& rng) {
  std::vector<CategorySpec> drawn;
  while (drawn.size() < 3) {
    const CategorySpec spec{static_cast<std::size_t>(rng.uniform(0, kTableCount - 1)), Shape{}};
    if (std::find(drawn.begin(), drawn.end(), spec) == drawn.end()) drawn.push_back(spec);
  }
  return device(drawn, 1, 1);
}
SystemModel cpu(Rng&) { return linear_device(3, 4, 3, 8); }
SystemModel weight_bound(Rng&) { return linear_device(4, 10, 0.3, 8); }

const Kind kKinds[] = {
    {"RTX 2080, 3 networks, 40 ms", 40ms, 40ms, &rtx2080},
    {"processor: E = 4 + 3n ms, 3 networks, 40 ms", 40ms, 40ms, &cpu},
    {"weight-bound: E = 10 + 0.3n ms, 4 networks, 60 ms", 60ms, 40ms, &weight_bound},
};

}  // namespace

// Streams until the first refusal, with all frames of a short horizon. Sets that reach the bound on frames
// before the optimum refuses are left out, for every method alike.
Json small_optima(const Scale& scale) {
  Json table = Json::array();
  PlanGenerator generator(kExactFramesMax, 4);
  PlanMaker maker(kExactFramesMax, 4);
  Plan plan(kExactFramesMax);
  for (const Kind& kind : kKinds) {
    std::uint64_t optimum = 0, gated = 0, generators = 0, search = 0, sets = 0, left_out = 0,
                  search_equal = 0;
    for (std::uint64_t seed = 1; seed <= scale.optimum_seeds; ++seed) {
      Rng rng = Rng(seed).split(1000 + table.size());
      const SystemModel system = kind.system(rng);
      const BatchTimes times = planning_times(system);
      const Workload workload{.name = kind.name, .mean_period = kind.mean_period};
      std::vector<CandidateStream> streams;
      for (std::size_t i = 0; i < kStreamsMax; ++i) {
        streams.push_back(draw_stream(rng, workload, times));
      }
      bool is_cut = false;
      const auto frames_until = [&](std::size_t n) {
        std::vector<PlanFrame> frames = frames_of(streams, n, kind.horizon);
        std::sort(frames.begin(), frames.end(), arrives_before);
        return frames;
      };
      const std::size_t best = until_first_refusal(kStreamsMax, [&](std::size_t n) {
        const std::vector<PlanFrame> frames = frames_until(n);
        is_cut = frames.size() > kExactFramesMax;
        return !is_cut && any_schedule_exists(times, frames);
      });
      if (is_cut || best == kStreamsMax) {
        ++left_out;
        continue;
      }
      const auto by_maker = [&](std::uint64_t nodes) {
        return until_first_refusal(best, [&](std::size_t n) {
          maker.frames() = frames_until(n);
          return maker.make(times, times, Instant(), nodes, plan);
        });
      };
      ++sets;
      optimum += best;
      gated += until_first_refusal(best, [&](std::size_t n) {
        plan.clear();
        if (!generator.generate(times, Instant(), frames_until(n), PlanMethod::kGated, plan)) return false;
        plan.settle(times);
        return plan.is_valid(Instant());
      });
      generators += by_maker(0);
      const std::size_t found = by_maker(PlanSearch::kNodeBudget);
      search += found;
      search_equal += found == best ? 1 : 0;
    }
    table.push_back({{"sets_of", kind.name},
                     {"sets", sets},
                     {"left_out", left_out},
                     {"optimum", optimum},
                     {"gated", gated},
                     {"generators", generators},
                     {"search", search},
                     {"search_equals_optimum", search_equal}});
  }
  return table;
}

}  // namespace laxity::study
