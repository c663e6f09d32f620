#include "core/slowdown_table.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>

namespace laxity {
namespace {

constexpr CategoryId kA{0};
constexpr CategoryId kB{1};
constexpr CategoryId kC{2};

Instant at(Duration since_start) { return Instant::from_start(since_start); }

SlowdownTable pair_table() {
  SlowdownTable table;
  table.set(kA, kB, 2 * kFactorOne);
  table.set(kB, kA, kFactorOne * 3 / 2);
  return table;
}

TEST(SlowdownTable, UnmeasuredPairsDoNotDisturb) {
  const SlowdownTable table = pair_table();
  EXPECT_EQ(table.factor(kA, kB), 2 * kFactorOne);
  EXPECT_EQ(table.factor(kA, kC), kFactorOne);
  EXPECT_EQ(table.factor(kA, std::span<const CategoryId>{}), kFactorOne);
}

TEST(SlowdownTable, WhatTheyAddAddsUpAndIsCapped) {
  SlowdownTable table;
  table.set(kA, kB, 2 * kFactorOne);
  table.set(kA, kC, kFactorOne * 3 / 2);
  const std::array<CategoryId, 3> beside = {kB, kB, kC};
  EXPECT_EQ(table.factor(kA, beside), kFactorOne * 7 / 2);  // 1 + 1 + 1 + 1/2; the product would be 6
  const std::vector<CategoryId> crowd(2000, kB);
  EXPECT_EQ(table.factor(kA, crowd), kFactorMax);
}

// Figure 3 of DeepRT against its Table 1, milliseconds by eye: alone, beside one more of the same, and four
// instances at once. The sum stays within 15 %, the product of the three factors does not.
TEST(SlowdownTable, TheSumFitsTheOnePublishedMeasurementOfFour) {
  struct Row {
    double alone, beside_itself, four;
  };
  for (const Row& row : {Row{3.5, 6.4, 12.5}, Row{6.4, 11.8, 23.7}, Row{9.0, 16.8, 34.0}, Row{4.5, 8.1, 16.3},
                         Row{5.3, 9.6, 19.3}, Row{9.3, 15.2, 31.0}}) {
    SlowdownTable table;
    table.set(kA, kA, static_cast<FactorPpm>(row.beside_itself / row.alone * kFactorOne));
    const std::array<CategoryId, 3> three = {kA, kA, kA};
    const double sum = row.alone * static_cast<double>(table.factor(kA, three)) / kFactorOne;
    EXPECT_NEAR(sum / row.four, 1, 0.15);
    const double pair = row.beside_itself / row.alone;
    EXPECT_GT(row.alone * pair * pair * pair / row.four, 1.3);
  }
}

TEST(SharedProgress, AddedWorkIsSlowedLikeTheRest) {
  const SlowdownTable table = pair_table();
  SharedProgress progress(table, 2);
  progress.start(at(0ms), 0, kA, 10ms);
  progress.start(at(0ms), 1, kB, 30ms);
  progress.add_work(at(4ms), 0, 3ms);
  EXPECT_EQ(progress.finish(0), at(26ms));
}

TEST(SharedProgress, AloneTakesItsOwnTime) {
  const SlowdownTable table = pair_table();
  SharedProgress progress(table, 2);
  progress.start(at(5ms), 0, kA, 10ms);
  EXPECT_EQ(progress.finish(0), at(15ms));
}

TEST(SharedProgress, RateChangesAtEachStartAndFinish) {
  // A alone for 2 ms, beside B (rate 1/2) while B does its 3 ms of work at rate 2/3 (4.5 ms), then alone
  // again.
  const SlowdownTable table = pair_table();
  SharedProgress progress(table, 2);
  progress.start(at(0ms), 0, kA, 10ms);
  progress.start(at(2ms), 1, kB, 3ms);
  EXPECT_EQ(progress.finish(1), at(6500us));
  EXPECT_EQ(progress.finish(0), at(18ms));
  progress.remove(at(6500us), 1);
  EXPECT_EQ(progress.finish(0), at(6500us) + 5750us);
}

TEST(SharedProgress, WorkOfZeroEndsWhereItStarts) {
  const SlowdownTable table;
  SharedProgress progress(table, 1);
  progress.start(at(1ms), 0, kA, 0ns);
  EXPECT_EQ(progress.finish(0), at(1ms));
}

TEST(SharedProgress, AFreeSlotIsOffered) {
  const SlowdownTable table;
  SharedProgress progress(table, 2);
  progress.start(at(0ms), 0, kA, 1ms);
  EXPECT_EQ(progress.free_slot(), 1U);
  progress.start(at(0ms), 1, kA, 1ms);
  EXPECT_EQ(progress.free_slot(), std::nullopt);
  progress.remove(at(1ms), 0);
  EXPECT_EQ(progress.free_slot(), 0U);
}

TEST(SharedProgress, NeverEndsBeforeItsWorkAlone_Property) {
  // However often the neighbour comes and goes: at least the work alone, at most work times the factor, and
  // each visit rounds by less than 3 ns.
  EXPECT_TRUE(rc::check([] {
    const FactorPpm factor = *rc::gen::inRange<FactorPpm>(kFactorOne, 5 * kFactorOne);
    const Duration work(*rc::gen::inRange<std::int64_t>(1, 1'000'000));
    const auto gaps =
        *rc::gen::container<std::vector<std::int64_t>>(rc::gen::inRange<std::int64_t>(1, 50'000));
    SlowdownTable table;
    table.set(kA, kB, factor);
    SharedProgress progress(table, 2);
    Instant now = at(1us);
    const Instant started = now;
    progress.start(now, 0, kA, work);
    std::int64_t changes = 0;
    bool beside = false;
    for (const std::int64_t gap : gaps) {
      if (now + Duration(gap) >= progress.finish(0)) break;
      now = now + Duration(gap);
      beside ? progress.remove(now, 1) : progress.start(now, 1, kB, 1s);
      beside = !beside;
      ++changes;
    }
    const Duration taken = progress.finish(0) - started;
    RC_ASSERT(taken >= work);
    const auto bound =
        static_cast<std::int64_t>(static_cast<std::uint64_t>(work.count()) * factor / kFactorOne);
    RC_ASSERT(taken.count() <= bound + 1 + changes * static_cast<std::int64_t>(1 + factor / kFactorOne));
  }));
}

}  // namespace
}  // namespace laxity
