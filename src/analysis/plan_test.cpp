// Plans on paper-sized examples: latest starts by hand, and the named counter-examples that plans must
// survive.
#include "analysis/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "analysis/plan_generator.h"
#include "analysis/plan_search.h"

namespace laxity {
namespace {

Instant at(std::int64_t ms) { return Instant::from_start(std::chrono::milliseconds(ms)); }
std::vector<Duration> ms_list(std::initializer_list<int> values) {
  std::vector<Duration> times;
  for (const int value : values) times.push_back(std::chrono::milliseconds(value));
  return times;
}
PlanFrame frame(std::uint32_t stream, CategoryIndex g, std::int64_t arrival_ms, std::int64_t deadline_ms) {
  return {stream, 0, g, at(arrival_ms), at(deadline_ms)};
}

struct Made {
  bool generated = false;
  Plan plan{64};
};
Made make(const BatchTimes& times, std::vector<PlanFrame> frames, PlanMethod method = PlanMethod::kGated) {
  std::sort(frames.begin(), frames.end(), arrives_before);
  Made made;
  PlanGenerator generator(64, 8);
  made.generated = generator.generate(times, at(0), frames, method, made.plan);
  made.plan.settle(times);
  return made;
}

TEST(Plan, EmptyPlanIsValidAtAnyTime) {
  Plan plan(4);
  plan.settle(BatchTimes());
  EXPECT_TRUE(plan.empty());
  EXPECT_TRUE(plan.is_valid(at(1'000'000)));
}

TEST(Plan, LatestStartsRunBackward) {
  BatchTimes times;
  const auto g = times.add_category(ms_list({4, 5, 6}));
  Plan plan(8);
  plan.append(g, std::vector{frame(0, g, 0, 6)});
  plan.append(g, std::vector{frame(1, g, 3, 9), frame(2, g, 4, 10)});
  plan.settle(times);
  EXPECT_EQ(plan.batch(1).latest_start, at(4));  // min(9, inf) - 5
  EXPECT_EQ(plan.batch(0).latest_start, at(0));  // min(6, 4) - 4
  EXPECT_TRUE(plan.is_valid(at(0)));
  EXPECT_FALSE(plan.is_valid(at(0) + 1ns));
  EXPECT_EQ(plan.first_violation(at(1)), 0u);
}

TEST(Plan, FrameThatArrivesAfterItsLatestStartIsTheEvidence) {
  BatchTimes times;
  const auto g = times.add_category(ms_list({4}));
  Plan plan(8);
  plan.append(g, std::vector{frame(0, g, 0, 20)});
  plan.append(g, std::vector{frame(1, g, 7, 10)});
  plan.settle(times);
  EXPECT_EQ(plan.first_violation(at(0)), 1u);
}

TEST(Plan, RemovingAFrameOnlyRaisesLatestStarts) {
  BatchTimes times;
  const auto g = times.add_category(ms_list({4, 6}));
  Plan plan(8);
  plan.append(g, std::vector{frame(0, g, 0, 20), frame(1, g, 0, 9)});
  plan.append(g, std::vector{frame(2, g, 0, 12)});
  plan.settle(times);
  EXPECT_EQ(plan.batch(0).latest_start, at(2));
  EXPECT_TRUE(plan.remove(1, 0, times));
  EXPECT_EQ(plan.batch(0).latest_start, at(4));
  EXPECT_TRUE(plan.remove(2, 0, times));
  EXPECT_EQ(plan.batch_count(), 1u);
  EXPECT_EQ(plan.batch(0).latest_start, at(16));
  EXPECT_FALSE(plan.remove(2, 0, times));
  EXPECT_EQ(plan.frame_count(), 1u);
}

TEST(Plan, LeavingStreamTakesItsFramesWithIt) {
  BatchTimes times;
  const auto g = times.add_category(ms_list({4, 6}));
  Plan plan(8);
  plan.append(g, std::vector{frame(0, g, 0, 20), frame(1, g, 0, 19)});
  plan.append(g, std::vector{frame(1, g, 0, 30)});
  plan.settle(times);
  EXPECT_EQ(plan.remove_stream(1, 0, times), 2u);
  EXPECT_EQ(plan.batch_count(), 1u);
  EXPECT_EQ(plan.batch(0).latest_start, at(16));
}

TEST(Plan, HashTellsOrdersApart) {
  BatchTimes times;
  const auto g = times.add_category(ms_list({4}));
  Plan a(8), b(8);
  a.append(g, std::vector{frame(0, g, 0, 20)});
  a.append(g, std::vector{frame(1, g, 0, 20)});
  b.append(g, std::vector{frame(1, g, 0, 20)});
  b.append(g, std::vector{frame(0, g, 0, 20)});
  EXPECT_NE(a.hash(), b.hash());
}

// The cases below are those of docs/analysis/plans.md, "Regression tests", by number.

TEST(PlanCases, Case4_IdlingIsNeeded) {
  BatchTimes times;
  const auto a = times.add_category(ms_list({5, 6, 7, 8}));
  const auto b = times.add_category(ms_list({1}));
  const Made made = make(times, {frame(0, a, 0, 20), frame(1, a, 0, 20), frame(2, a, 0, 20),
                                 frame(3, a, 0, 20), frame(4, b, 1, 5)});
  ASSERT_TRUE(made.generated);
  ASSERT_TRUE(made.plan.is_valid(at(0)));
  ASSERT_EQ(made.plan.batch_count(), 2u);
  EXPECT_EQ(made.plan.batch(0).category, b);
  EXPECT_EQ(made.plan.batch(1).count, 4u);
}

TEST(PlanCases, Case5_LatestStartForbidsTheEarlyBatchThatWouldMiss) {
  BatchTimes times;
  const auto g = times.add_category(ms_list({4, 5, 6}));
  const Made made = make(times, {frame(0, g, 0, 6), frame(1, g, 3, 9), frame(2, g, 4, 10)});
  ASSERT_TRUE(made.generated);
  ASSERT_TRUE(made.plan.is_valid(at(0)));
  // The first batch ends at 3 instead of 4. Running frame 1 alone then would need 3 + E(1) <= L of the pair.
  EXPECT_EQ(made.plan.batch(1).latest_start, at(4));
  EXPECT_GT(at(3) + 4ms, made.plan.batch(1).latest_start);
}

TEST(PlanCases, Case6_GatedOrderHoldsWhenTheFirstBatchEndsEarly) {
  BatchTimes times;
  const auto a = times.add_category(ms_list({4, 5, 6}));
  const auto b = times.add_category(ms_list({3, 6, 9}));
  const Made made =
      make(times, {frame(0, a, 0, 4), frame(1, a, 4, 8), frame(2, b, 0, 12), frame(3, b, 4, 16)});
  ASSERT_TRUE(made.generated);
  ASSERT_TRUE(made.plan.is_valid(at(0)));
  std::vector<Instant> latest;
  for (std::size_t j = 0; j < made.plan.batch_count(); ++j) latest.push_back(made.plan.batch(j).latest_start);
  EXPECT_EQ(latest, (std::vector{at(0), at(4), at(9), at(13)}));
}

TEST(PlanCases, Case7_PlansUseTheLatestArrivalNotTheNominalOne) {
  BatchTimes times;
  const auto a = times.add_category(ms_list({2}));
  const auto b = times.add_category(ms_list({2}));
  // A: r = 0, J = 3, D = 10; B: r = 2, D = 4.
  const Made made = make(times, {frame(0, a, 3, 10), frame(1, b, 2, 6)});
  ASSERT_TRUE(made.generated);
  ASSERT_TRUE(made.plan.is_valid(at(0)));
  EXPECT_EQ(made.plan.batch(0).category, b);
}

TEST(PlanSearch, FindsAPlanThatTheGateMisses) {
  // Weight-bound: batching is nearly free, so that waiting for company is the only way.
  BatchTimes times;
  const auto a = times.add_category(ms_list({10, 10, 10}));
  std::vector<PlanFrame> frames = {frame(0, a, 0, 30), frame(1, a, 9, 22), frame(2, a, 12, 40)};
  std::sort(frames.begin(), frames.end(), arrives_before);
  Plan plan(16);
  PlanSearch search(16, 2);
  ASSERT_TRUE(search.search(times, at(0), frames, PlanSearch::kNodeBudget, plan));
  plan.settle(times);
  EXPECT_TRUE(plan.is_valid(at(0)));
  EXPECT_EQ(plan.frame_count(), 3u);
}

TEST(PlanSearch, GivesUpWithinItsBudgetAndLeavesThePlanAlone) {
  BatchTimes times;
  const auto a = times.add_category(ms_list({10}));
  std::vector<PlanFrame> frames = {frame(0, a, 0, 12), frame(1, a, 0, 12)};
  std::sort(frames.begin(), frames.end(), arrives_before);
  Plan plan(16);
  PlanSearch search(16, 2);
  EXPECT_FALSE(search.search(times, at(0), frames, PlanSearch::kNodeBudget, plan));
  EXPECT_TRUE(plan.empty());
  EXPECT_LE(search.nodes(), PlanSearch::kNodeBudget);
}

TEST(BatchTimes, MarginRoundsUp) {
  BatchTimes times;
  const auto g = times.add_category({Duration(101), Duration(1'000'000'001)});
  const BatchTimes scaled = times.with_margin(50'000);
  EXPECT_EQ(scaled(g, 1), Duration(107));  // 106.05 up
  EXPECT_EQ(scaled(g, 2), Duration(1'050'000'002));
}

TEST(BatchTimes, SplitsAboveTheCap) {
  BatchTimes times;
  const auto g = times.add_category(ms_list({4, 5}));
  EXPECT_EQ(times.split(g, 0), 0ms);
  EXPECT_EQ(times.split(g, 5), 14ms);
}

}  // namespace
}  // namespace laxity
