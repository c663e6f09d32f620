#include "sim/execution_time.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace laxity {
namespace {

SystemModel system_of(const std::vector<std::pair<std::uint32_t, ExecutionTime>>& points) {
  SystemModel system;
  Model model;
  model.name = "m";
  model.variants.push_back({"full", {}});
  system.catalog.add_model(std::move(model), {1}, 16);
  for (const auto& [size, time] : points) system.table.set(CategoryId{0}, size, time);
  system.executors.push_back({"cpu0", ExecutorKind::kCpu, true, true});
  return system;
}

std::vector<Duration> sorted_draws(ExecutionTimes& times, std::uint32_t size, Duration idle = 0ns) {
  std::vector<Duration> draws;
  for (int i = 0; i < 100'000; ++i) draws.push_back(times.batch(CategoryId{0}, size, 0, idle));
  std::sort(draws.begin(), draws.end());
  return draws;
}

double us(Duration d) { return static_cast<double>(d.count()) / 1e3; }

TEST(ExecutionTimes, QuantilesAreThoseOfTheProfile) {
  const SystemModel system = system_of({{1, {200us, 230us, 400us, 230us, 500}}});
  ExecutionTimes times(system, {}, 1);
  const auto draws = sorted_draws(times, 1);
  EXPECT_NEAR(us(draws[50'000]), 200, 1);
  EXPECT_NEAR(us(draws[99'000]), 230, 3);
  EXPECT_GE(draws.front(), 194us);
  EXPECT_LE(draws.back(), 400us);
  EXPECT_GT(draws.back(), 390us);
  EXPECT_LT(draws[99'500], 255us);  // the extreme stays rare
}

TEST(ExecutionTimes, SizesBetweenMeasuredOnesAreInterpolated) {
  const SystemModel system =
      system_of({{1, {100us, 100us, 100us, 100us, 1}}, {5, {300us, 300us, 300us, 300us, 1}}});
  ExecutionTimes times(system, {}, 1);
  EXPECT_EQ(times.batch(CategoryId{0}, 1, 0, 0ns), 100us);
  EXPECT_EQ(times.batch(CategoryId{0}, 3, 0, 0ns), 200us);
  EXPECT_EQ(times.batch(CategoryId{0}, 5, 0, 0ns), 300us);
  EXPECT_EQ(system.table.planned(CategoryId{0}, 3), 300us);  // planning rounds up
}

TEST(ExecutionTimes, PlannedModeIsWhatTheSchedulerPlansWith) {
  SystemModel system = system_of({{1, {100us, 120us, 500us, 120us, 1}}});
  system.table.overheads.dispatch = 7us;
  system.table.set_segment(ModelId{0}, SegmentKind::kPreprocess, {30us, 40us, 50us, 40us, 1});
  ExecutionTimes times(system, {.mode = ExecutionMode::kPlanned}, 1);
  EXPECT_EQ(times.batch(CategoryId{0}, 1, 1, 0ns), 120us + 7us + 40us);
  EXPECT_EQ(times.batch(CategoryId{0}, 1, 1, 0ns), system.planned(CategoryId{0}, 1, 1));
}

TEST(ExecutionTimes, TypicalModeIsTheMedian) {
  SystemModel system = system_of({{2, {100us, 120us, 500us, 120us, 1}}});
  system.table.set_segment(ModelId{0}, SegmentKind::kPostprocess, {3us, 4us, 5us, 4us, 1});
  ExecutionTimes times(system, {.mode = ExecutionMode::kTypical}, 1);
  EXPECT_EQ(times.batch(CategoryId{0}, 2, 0, 0ns), 106us);
}

TEST(ExecutionTimes, UniformModeNeverExceedsTheTable) {
  const SystemModel system = system_of({{1, {100us, 120us, 500us, 120us, 1}}});
  ExecutionTimes times(system, {.mode = ExecutionMode::kUniform}, 1);
  const auto draws = sorted_draws(times, 1);
  EXPECT_GT(draws.front(), 0ns);
  EXPECT_LE(draws.back(), 120us);
  EXPECT_NEAR(us(draws[50'000]), 60, 2);
}

TEST(ExecutionTimes, OverheadsAndSegmentsAreAdded) {
  SystemModel system = system_of({{4, {100us, 100us, 100us, 100us, 1}}});
  system.table.overheads.dispatch = 7us;
  system.table.set_segment(ModelId{0}, SegmentKind::kPreprocess, {10us, 10us, 10us, 10us, 1});
  system.table.set_segment(ModelId{0}, SegmentKind::kPostprocess, {1us, 1us, 1us, 1us, 1});
  ExecutionTimes times(system, {}, 1);
  EXPECT_EQ(times.batch(CategoryId{0}, 4, 2, 0ns), 100us + 7us + 2 * 10us + 4 * 1us);
  EXPECT_EQ(times.segment(ModelId{0}, SegmentKind::kPreprocess), 17us);
}

TEST(ExecutionTimes, AfterIdleIsSlowerWhenAsked) {
  const SystemModel system = system_of({{1, {100us, 100us, 100us, 150us, 1}}});
  ExecutionTimes times(system, {.slows_after_idle = true, .idle_gap = 1ms}, 1);
  EXPECT_EQ(times.batch(CategoryId{0}, 1, 0, 999us), 100us);
  EXPECT_EQ(times.batch(CategoryId{0}, 1, 0, 1ms), 150us);
}

TEST(ExecutionTimes, EqualSeedsDrawEqually) {
  const SystemModel system = system_of({{1, {200us, 230us, 400us, 230us, 500}}});
  ExecutionTimes a(system, {}, 9);
  ExecutionTimes b(system, {}, 9);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(a.batch(CategoryId{0}, 1, 0, 0ns), b.batch(CategoryId{0}, 1, 0, 0ns));
}

}  // namespace
}  // namespace laxity
