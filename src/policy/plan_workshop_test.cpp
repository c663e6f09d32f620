// Questions to the planner as the policy asks them: what is offered to a stream that is refused holds, and is
// of use.
#include "policy/plan_workshop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "analysis/offer_grid.h"
#include "analysis/stream_share.h"
#include "base/rng.h"

namespace laxity {
namespace {

constexpr std::size_t kFramesMax = 4096;
constexpr std::uint64_t kNodes = 2000;

BatchTimes random_times(Rng& rng) {
  BatchTimes times;
  for (int g = 0; g < 2; ++g) {
    const Duration once = rng.uniform(500, 4000) * 1us, each = rng.uniform(100, 4000) * 1us;
    std::vector<Duration> row;
    for (int n = 1; n <= 4; ++n) row.push_back(once + n * each);
    times.add_category(row);
  }
  return times;
}

PlannedStream random_stream(Rng& rng, std::uint32_t id) {
  PlannedStream stream;
  stream.id = id;
  stream.category = static_cast<CategoryIndex>(rng.uniform(0, 1));
  stream.phase.period = rng.uniform(10, 60) * 1ms;
  stream.phase.first = Instant::from_start(rng.uniform(0, 20) * 1ms);
  stream.deadline = rng.uniform(5, 80) * 1ms;
  if (rng.chance(1, 2)) stream.end = static_cast<std::uint64_t>(rng.uniform(1, 60));
  return stream;
}

/// One executor, and who was admitted to it so far.
class Planner {
 public:
  explicit Planner(const BatchTimes& times) : work_(kFramesMax, 64, 1, 2) {
    work_.times = times;
    work_.padded_times = times.with_margin(50'000);
    work_.question = PlanWorkshop::Question::kAdmit;
    work_.horizon = Instant::from_start(2s);
    work_.horizon_min = Instant::from_start(1s);
    work_.snapshots[0].is_usable = true;
  }
  bool asks(const PlannedStream& stream) {
    work_.candidate = stream;
    work_.compute(kNodes);
    return work_.found();
  }
  void admit() {
    work_.snapshots[0].plan = work_.plan();
    work_.snapshots[0].streams = work_.planned();
  }
  const PlanWorkshop& answer() const { return work_; }

 private:
  PlanWorkshop work_;
};

TEST(PlanWorkshop, WhatIsOfferedIsOfUseAndIsAdmitted) {
  int refused = 0, deadlines = 0, periods = 0, without = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Rng rng(seed);
    const BatchTimes times = random_times(rng);
    Planner planner(times);
    for (std::uint32_t id = 0; id < 12; ++id) {
      const PlannedStream asked = random_stream(rng, id);
      if (planner.asks(asked)) {
        planner.admit();
        continue;
      }
      ++refused;
      const auto deadline = planner.answer().deadline_offer();
      const auto period = planner.answer().period_offer();
      without += !deadline && !period;
      if (deadline) {
        ++deadlines;
        EXPECT_GT(*deadline, asked.deadline);
        EXPECT_LE(*deadline, std::max(4 * asked.deadline, asked.phase.period)) << "seed " << seed;
        PlannedStream taken = asked;
        taken.deadline = *deadline;
        EXPECT_TRUE(planner.asks(taken)) << "seed " << seed;
      }
      if (period) {
        ++periods;
        EXPECT_GT(*period, asked.phase.period);
        EXPECT_LE(*period, 4 * asked.phase.period) << "seed " << seed;
        PlannedStream taken = asked;
        taken.phase.period = *period;
        EXPECT_TRUE(planner.asks(taken)) << "seed " << seed;
      }
    }
  }
  std::printf("%d refused: %d deadlines and %d periods offered, nothing to %d\n", refused, deadlines, periods,
              without);
  EXPECT_GT(deadlines, 50);
  EXPECT_GT(periods, 100);
  EXPECT_GT(without, 10);
}

// A plan to a horizon can serve an overload that has just begun, if deadlines are long enough. That is no
// offer.
TEST(PlanWorkshop, NoDeadlineIsOfferedWhereTheProcessorIsTooSlowForEver) {
  int over = 0, under = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Rng rng(seed);
    const BatchTimes times = random_times(rng);
    Planner planner(times);
    std::int64_t share = 0;  // of 2^32
    for (std::uint32_t id = 0; id < 8; ++id) {
      PlannedStream asked = random_stream(rng, id);
      asked.end.reset();
      asked.deadline = rng.uniform(300, 900) * 1ms;  // four times it reaches over the horizon
      const std::int64_t added = least_share(times, asked.category, asked.phase.period);
      if (planner.asks(asked)) {
        planner.admit();
        share += added;
        EXPECT_LT(share, std::int64_t{1} << 32) << "seed " << seed;
        continue;
      }
      const bool is_over = share + added >= std::int64_t{1} << 32;
      ++(is_over ? over : under);
      if (is_over) {
        EXPECT_FALSE(planner.answer().deadline_offer()) << "seed " << seed;
      }
    }
  }
  EXPECT_GT(over, 50);
  EXPECT_GT(under, 0);
}

}  // namespace
}  // namespace laxity
