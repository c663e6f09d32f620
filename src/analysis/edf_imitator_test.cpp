// DeepRT's two phases by example: where the published form is wrong, and what the repaired one says instead.
#include "analysis/edf_imitator.h"

#include <gtest/gtest.h>

#include "analysis/offer_grid.h"
#include "analysis/test_horizon.h"
#include "analysis/utilisation_filter.h"

namespace laxity {
namespace {

using Form = EdfImitator::Form;

Instant at(std::int64_t t) { return Instant::from_start(Duration(t)); }

/// One lane and one row of times per list; streams are added to windows that open at 0.
struct Example {
  WindowLoad load;
  BatchTimes times;

  Example& rows(const std::vector<std::vector<std::int64_t>>& rows) {
    load.free_at = {at(0)};
    for (const auto& row : rows) {
      std::vector<Duration> durations;
      for (const std::int64_t time : row) durations.push_back(Duration(time));
      WindowLane& lane = load.lanes.emplace_back(8);
      lane.category = times.add_category(durations);
      lane.cap = times.cap(lane.category);
      lane.is_promised = lane.is_announced = true;
    }
    return *this;
  }
  Example& stream(std::uint32_t lane, std::int64_t first, std::int64_t period, std::int64_t deadline,
                  std::optional<std::uint64_t> frames) {
    const auto id = static_cast<std::uint32_t>(load.streams.size());
    WindowStream added{id, lane, at(first), Duration(period), Duration(deadline), 0, frames};
    std::optional<Instant> last;
    if (frames) last = added.arrival(*frames - 1);
    load.lanes[lane].windows.stream_added(at(0), id, Duration(deadline), last);
    load.streams.push_back(added);
    return *this;
  }
  Example& waits(std::uint32_t lane, std::int64_t release, std::int64_t deadline, std::int64_t time) {
    load.waiting.push_back(
        {{true, at(deadline), at(release), lane, load.waiting.size() + 1}, Duration(time), at(deadline)});
    return *this;
  }
  EdfImitator::Result run(Form form, std::vector<ImitatedBatch>* trace = nullptr) const {
    EdfImitator imitator(load.lanes.size(), 16, 8, 64);
    return imitator.run(load, times, Instant::latest(), form, trace);
  }
};

// Theorem 1's simplest case: a frame waits W for its joint, and its batch has W.
TEST(EdfImitator, OneFrame) {
  Example one;
  one.rows({{5}});
  one.stream(0, 3, 100, 20, 1);  // windows (0, 10], batch 10..15, deadline 20
  std::vector<ImitatedBatch> trace;
  EXPECT_TRUE(one.run(Form::kRepaired, &trace).is_schedulable);
  ASSERT_EQ(trace.size(), 1u);
  EXPECT_EQ(trace[0].start, at(10));
  EXPECT_EQ(trace[0].finish, at(15));
  EXPECT_EQ(trace[0].key.deadline, at(20));
  Example late;
  late.rows({{11}});
  late.stream(0, 3, 100, 20, 1);
  const auto result = late.run(Form::kRepaired);
  EXPECT_FALSE(result.is_schedulable);
  EXPECT_EQ(result.late_stream, 0u);
  EXPECT_EQ(result.late_deadline, at(23));
}

TEST(EdfImitator, FrameAtAJointBelongsToTheWindowThatItCloses) {
  Example example;
  example.rows({{1, 2}});
  example.stream(0, 10, 1, 20, 2);  // frames at 10 and 11: joints 10 and 20
  std::vector<ImitatedBatch> trace;
  EXPECT_TRUE(example.run(Form::kRepaired, &trace).is_schedulable);
  ASSERT_EQ(trace.size(), 2u);
  EXPECT_EQ(trace[0].start, at(10));
  EXPECT_EQ(trace[1].start, at(20));
}

// Fix (a), the example of algorithms section 1.6: {R 0, E 5, D 20} and {R 0, E 5, D 5} are released together
// into an empty queue. The published loop takes the first of the list alone.
TEST(EdfImitator, FixA_PublishedTakesListOrderWhereBatchesAreReleasedTogether) {
  Example example;
  example.rows({{5}, {5}});
  example.stream(0, 20, 100, 40, 1);  // joint 20, W 20
  example.stream(1, 20, 100, 10, 1);  // joints every 5, so at 20; W 5
  EXPECT_FALSE(example.run(Form::kPublished).is_schedulable);
  std::vector<ImitatedBatch> trace;
  EXPECT_TRUE(example.run(Form::kRepaired, &trace).is_schedulable);
  ASSERT_EQ(trace.size(), 2u);
  EXPECT_EQ(trace[0].key.lane, 1u);
}

// Fix (b): the published loop starts at once, although a batch is running until 8.
TEST(EdfImitator, FixB_PublishedForgetsTheRunningBatch) {
  Example example;
  example.rows({{5}});
  example.load.free_at = {at(8)};
  example.waits(0, 0, 10, 5);
  EXPECT_TRUE(example.run(Form::kPublished).is_schedulable);
  EXPECT_FALSE(example.run(Form::kRepaired).is_schedulable);
}

// The cap: a window of three frames is a batch of two and one of one.
TEST(EdfImitator, BatchesOverTheCapAreSplit) {
  Example example;
  example.rows({{3, 4}});
  example.stream(0, 1, 1, 20, 3);
  std::vector<ImitatedBatch> trace;
  EXPECT_TRUE(example.run(Form::kRepaired, &trace).is_schedulable);
  ASSERT_EQ(trace.size(), 2u);
  EXPECT_EQ(trace[0].size, 2u);
  EXPECT_EQ(trace[1].size, 1u);
  EXPECT_EQ(trace[1].finish, at(17));
  trace.clear();
  EXPECT_TRUE(example.run(Form::kPublished, &trace).is_schedulable);
  ASSERT_EQ(trace.size(), 1u);  // one batch, charged as its parts
  EXPECT_EQ(trace[0].finish, at(17));
}

TEST(EdfImitator, WorkThatIsNotPromisedBlocksButIsNeverLate) {
  Example example;
  example.rows({{5}, {9}});
  example.load.lanes[1].is_promised = false;
  example.waits(1, 0, 4, 9);
  example.stream(0, 4, 100, 8, 1);                            // joint 4, deadline 8
  EXPECT_FALSE(example.run(Form::kRepaired).is_schedulable);  // 0..9 blocks it
  example.load.waiting.clear();
  example.load.lanes[0].windows = BatchWindows(8);
  example.load.streams.clear();
  example.stream(0, 4, 100, 10, 1);  // joint 5, ends exactly at its deadline
  EXPECT_TRUE(example.run(Form::kRepaired).is_schedulable);
}

TEST(EdfImitator, TwoExecutorsTakeTwoBatchesAtOnce) {
  Example example;
  example.rows({{5}, {5}});
  example.stream(0, 5, 100, 10, 1).stream(1, 5, 100, 10, 1);
  EXPECT_FALSE(example.run(Form::kRepaired).is_schedulable);
  example.load.free_at = {at(0), at(0)};
  std::vector<ImitatedBatch> trace;
  EXPECT_TRUE(example.run(Form::kRepaired, &trace).is_schedulable);
  EXPECT_EQ(trace[1].start, at(5));
}

// Frames that wait outside enter one a period; here a lane of best effort, not promised.
TEST(EdfImitator, BacklogEntersAPeriodApart) {
  Example example;
  example.rows({{1, 2, 3, 4}});
  WindowLane& lane = example.load.lanes[0];
  lane.is_promised = lane.is_announced = false;
  lane.windows = BatchWindows();
  example.load.streams.push_back({0, 0, at(4), Duration(8), Duration(40), 0, 4});  // at 4, 12, 20, 28
  std::vector<ImitatedBatch> trace;
  EXPECT_TRUE(example.run(Form::kRepaired, &trace).is_schedulable);
  ASSERT_EQ(trace.size(), 2u);  // windows (4, 24] and (24, 44]
  EXPECT_EQ(trace[0].start, at(24));
  EXPECT_EQ(trace[0].size, 3u);
  EXPECT_EQ(trace[1].size, 1u);
}

TEST(EdfImitator, MoreBatchesThanThereIsRoomForAreRefused) {
  Example example;
  example.rows({{1}});
  EdfImitator tiny(1, 4, 8, 2);
  example.stream(0, 1, 1, 20, 5);  // five batches of one at the joint 10
  EXPECT_TRUE(example.run(Form::kRepaired).is_schedulable);
  const auto result = tiny.run(example.load, example.times, Instant::latest(), Form::kRepaired);
  EXPECT_FALSE(result.is_schedulable);
  EXPECT_EQ(result.late_lane, std::nullopt);
}

// The example of algorithms section 1.6 (e): two streams in phase with T = 2W. Windows have 2, 0, 2, 0
// frames, on average one: the published filter charges E(1) a window. In truth it is E(2) every other window.
TEST(UtilisationFilter, PublishedRefusesAlignedStreamsThatFit) {
  Example example;
  example.rows({{35, 46}, {35, 46}});
  for (int i = 0; i < 2; ++i) example.stream(0, 1, 120, 120, std::nullopt);
  for (int i = 0; i < 2; ++i) example.stream(1, 61, 120, 120, std::nullopt);
  // W = 60: 35/60 + 35/60 > 1; but 46/120 + 46/120 < 1.
  EXPECT_FALSE(published_filter_passes(example.load, example.times));
  EXPECT_TRUE(repaired_filter_passes(example.load, example.times));
  const TestHorizon horizon = test_horizon(example.load, 10'000, true);
  EXPECT_FALSE(horizon.is_cut);
  EdfImitator imitator(2, 16, 8, 64);
  EXPECT_TRUE(imitator.run(example.load, example.times, horizon.end, Form::kRepaired).is_schedulable);
}

// The other way in which it is wrong: a short burst fits although its mean load does not.
TEST(UtilisationFilter, PublishedRefusesAFiniteSetThatFits) {
  Example example;
  example.rows({{11}});
  example.stream(0, 0, 10, 40, 2);  // two frames in one window of 20: 22 > 20 a window
  EXPECT_FALSE(published_filter_passes(example.load, example.times));
  EXPECT_TRUE(repaired_filter_passes(example.load, example.times));
  Example fits;
  fits.rows({{9}, {9}});
  fits.stream(0, 0, 8, 40, 3);  // a window's mean is 2.5 frames, floored: 18 / 20
  fits.stream(1, 21, 100, 80, 1);
  EXPECT_TRUE(published_filter_passes(fits.load, fits.times));
}

TEST(UtilisationFilter, MeanIsExactWherePeriodsDivideWindows) {
  Example example;
  example.rows({{9, 21}});
  for (int i = 0; i < 3; ++i) example.stream(0, 0, 30, 20, std::nullopt);  // W 10: 3 · 1/3 = 1 frame
  EXPECT_TRUE(published_filter_passes(example.load, example.times));       // 9 / 10
  Example over;
  over.rows({{11, 21}});
  for (int i = 0; i < 3; ++i) over.stream(0, 0, 30, 20, std::nullopt);
  EXPECT_FALSE(published_filter_passes(over.load, over.times));
}

TEST(UtilisationFilter, RepairedRefusesWhatCannotEndInTime) {
  Example example;
  example.rows({{10}});
  example.stream(0, 0, 10, 20, 5);  // 50 of work until 40 + 20
  EXPECT_TRUE(repaired_filter_passes(example.load, example.times));
  example.load.free_at = {at(11)};
  EXPECT_FALSE(repaired_filter_passes(example.load, example.times));
  Example endless;
  endless.rows({{10, 19}});
  endless.stream(0, 0, 10, 20, std::nullopt);  // 19 for two: 9.5 of 10
  EXPECT_TRUE(repaired_filter_passes(endless.load, endless.times));
  endless.stream(0, 0, 190, 20, std::nullopt);  // and 9.5 of 190: exactly all
  EXPECT_TRUE(repaired_filter_passes(endless.load, endless.times));
  endless.stream(0, 0, 1'000'000, 20, std::nullopt);
  EXPECT_FALSE(repaired_filter_passes(endless.load, endless.times));
}

TEST(TestHorizon, FiniteSetsToTheirEndEndlessOnesTwiceTheCommonMultiple) {
  Example finite;
  finite.rows({{1}});
  finite.stream(0, 7, 10, 20, 100);
  EXPECT_EQ(test_horizon(finite.load, 100, true).end, Instant::latest());
  EXPECT_FALSE(test_horizon(finite.load, 100, true).is_cut);
  const TestHorizon cut = test_horizon(finite.load, 40, true);
  EXPECT_TRUE(cut.is_cut);
  EXPECT_EQ(cut.end, at(7 + 400));  // the fortieth comes at 397, the next would at 407
  Example endless;
  endless.rows({{1}});
  endless.stream(0, 5, 12, 14, std::nullopt).stream(0, 9, 18, 28, std::nullopt);
  EXPECT_EQ(test_horizon(endless.load, 1000, false).end, at(9 + 2 * 36));
  EXPECT_EQ(test_horizon(endless.load, 1000, true).end, at(9 + 2 * 252));  // W = 7
  EXPECT_TRUE(test_horizon(endless.load, 10, false).is_cut);
}

TEST(OfferGrid, FindsTheLeastStepsWhereAcceptanceIsMonotone) {
  for (std::int64_t least = 1; least <= 64; ++least) {
    int tests = 0;
    const auto found = least_admitted_steps([&](std::int64_t steps) {
      ++tests;
      return steps >= least;
    });
    ASSERT_EQ(found, least);
    ASSERT_LE(tests, kOfferTestsMax);
  }
  EXPECT_EQ(least_admitted_steps([](std::int64_t) { return false; }), std::nullopt);
}

TEST(OfferGrid, TriesTheLargestOfferThatIsOfUseAndNoneBeyond) {
  for (std::int64_t steps_max = 0; steps_max <= 200; ++steps_max) {
    for (std::int64_t least = 1; least <= 200; ++least) {
      int tests = 0;
      const auto found = least_admitted_steps(
          [&](std::int64_t steps) {
            ++tests;
            EXPECT_LE(steps, steps_max);
            return steps >= least;
          },
          steps_max);
      ASSERT_LE(tests, kOfferTestsMax);
      ASSERT_EQ(found.has_value(), least <= steps_max) << least << " of " << steps_max;
      if (found && steps_max <= kOfferPeriodStepsMax) {
        ASSERT_EQ(*found, least);
      }
    }
  }
}

TEST(OfferGrid, DeadlinesEndAtFourTimesOrAtOnePeriod) {
  EXPECT_EQ(offer_deadline_steps_max(10ms, 33ms), 30);      // 40 ms
  EXPECT_EQ(offer_deadline_steps_max(400us, 33300us), 32);  // 32.4 ms: within one period
  EXPECT_EQ(offer_deadline_steps_max(200us, 500us), 0);     // the grid has nothing between
  EXPECT_EQ(offer_deadline_steps_max(24h, 33ms), kOfferStepsMax);
}

}  // namespace
}  // namespace laxity
