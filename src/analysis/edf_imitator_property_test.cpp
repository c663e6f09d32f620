// DeepRT's two phases against each other, from random states in the middle of a run.
#include <gtest/gtest.h>

#include "analysis/edf_imitator.h"
#include "analysis/test_horizon.h"
#include "analysis/utilisation_filter.h"
#include "base/rng.h"

namespace laxity {
namespace {

using Form = EdfImitator::Form;

Instant at(std::int64_t t) { return Instant::from_start(Duration(t)); }

struct Case {
  WindowLoad load;
  BatchTimes times;
};

/// Streams that joined at different times, batches that wait and run, frames in open windows.
Case random_case(Rng& rng, bool finite) {
  Case made;
  made.load.now = at(100);
  for (std::int64_t e = rng.uniform(1, 2); e > 0; --e) {
    made.load.free_at.push_back(made.load.now + Duration(rng.chance(1, 2) ? 0 : rng.uniform(0, 12)));
  }
  const std::int64_t lane_count = rng.uniform(1, 3);
  for (std::uint32_t i = 0; i < lane_count; ++i) {
    std::vector<Duration> row = {Duration(rng.uniform(1, 9))};
    const std::int64_t step = rng.uniform(0, 4);
    for (std::int64_t n = rng.uniform(0, 3); n > 0; --n) row.push_back(row.back() + Duration(step));
    WindowLane& lane = made.load.lanes.emplace_back(8);
    lane.category = made.times.add_category(row);
    lane.cap = made.times.cap(lane.category);
    lane.is_promised = lane.is_announced = true;
    for (std::int64_t n = rng.uniform(0, 3); n > 0; --n) {
      const auto id = static_cast<std::uint32_t>(made.load.streams.size());
      WindowStream stream{id,
                          i,
                          at(rng.uniform(0, 120)),
                          Duration(rng.uniform(4, 40)),
                          Duration(rng.uniform(6, 90)),
                          0,
                          std::nullopt};
      if (finite || rng.chance(1, 2)) stream.end = static_cast<std::uint64_t>(rng.uniform(1, 12));
      while (stream.arrival(stream.next) < made.load.now) ++stream.next;
      if (stream.frames_left() == 0) continue;
      std::optional<Instant> last;
      if (stream.end) last = stream.arrival(*stream.end - 1);
      const Instant joined = at(rng.uniform(60, 100));
      lane.windows.skip_to(joined);
      lane.windows.stream_added(joined, id, stream.deadline, last);
      made.load.streams.push_back(stream);
    }
    lane.windows.skip_to(made.load.now);
    if (lane.windows.joint() && rng.chance(1, 2))
      lane.waiting = static_cast<std::uint32_t>(rng.uniform(1, 3));
    if (rng.chance(1, 3)) {
      const std::int64_t release = rng.uniform(80, 99);
      const Instant deadline = at(release + rng.uniform(10, 40));
      made.load.waiting.push_back(
          {{true, deadline, at(release), i, 1}, made.times(lane.category, 1), deadline});
    }
  }
  return made;
}

// Finite sets: phase 1 repaired is a necessary condition of phase 2. The published one is not.
TEST(Phases, RepairedFilterNeverRefusesWhatTheImitatorAccepts) {
  std::size_t accepted = 0, filtered = 0, published_refuses = 0;
  EdfImitator imitator(8, 32, 8, 256);
  for (std::uint64_t seed = 0; seed < 30'000; ++seed) {
    Rng rng(seed);
    const Case made = random_case(rng, true);
    const bool is_schedulable =
        imitator.run(made.load, made.times, Instant::latest(), Form::kRepaired).is_schedulable;
    const bool passes = repaired_filter_passes(made.load, made.times);
    ASSERT_TRUE(passes || !is_schedulable) << "seed " << seed;
    accepted += is_schedulable ? 1 : 0;
    filtered += passes ? 0 : 1;
    published_refuses += is_schedulable && !published_filter_passes(made.load, made.times) ? 1 : 0;
  }
  EXPECT_GT(accepted, 5'000u);
  EXPECT_GT(filtered, 500u);
  EXPECT_GT(published_refuses, 100u);
}

// Endless streams: a horizon may be too short to see that the load is above one. What the filter refuses then
// misses later.
TEST(Phases, WhatTheFilterRefusesOfEndlessStreamsMissesInTheEnd) {
  std::size_t filtered = 0, too_short = 0;
  EdfImitator imitator(8, 32, 8, 100'000);
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    Rng rng(seed);
    const Case made = random_case(rng, false);
    if (repaired_filter_passes(made.load, made.times)) continue;
    const bool is_endless = std::any_of(made.load.streams.begin(), made.load.streams.end(),
                                        [](const WindowStream& stream) { return stream.is_endless(); });
    if (!is_endless) continue;
    ++filtered;
    const auto until = [&](std::int64_t horizon) {
      return imitator.run(made.load, made.times, at(horizon), Form::kRepaired).is_schedulable;
    };
    too_short += until(150) ? 1 : 0;
    ASSERT_FALSE(until(200'000)) << "seed " << seed;
  }
  EXPECT_GT(filtered, 500u);
  EXPECT_GT(too_short, 5u);
}

// A test does not change what it starts from, so that the next starts from the same.
TEST(Phases, TestsOfTheSameStateAgree) {
  EdfImitator imitator(8, 32, 8, 256);
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    Rng rng(seed);
    const Case made = random_case(rng, true);
    std::vector<ImitatedBatch> first, second;
    const auto a = imitator.run(made.load, made.times, Instant::latest(), Form::kRepaired, &first);
    std::vector<std::uint8_t> late(made.load.lanes.size());
    const auto to_end = imitator.run_to_end(made.load, made.times, Instant::latest(), Form::kRepaired, late);
    const auto b = imitator.run(made.load, made.times, Instant::latest(), Form::kRepaired, &second);
    ASSERT_EQ(first, second);
    ASSERT_EQ(a.is_schedulable, b.is_schedulable);
    ASSERT_EQ(a.is_schedulable, to_end.is_schedulable);
    ASSERT_EQ(a.late_lane, to_end.late_lane);
    ASSERT_EQ(a.is_schedulable, std::count(late.begin(), late.end(), 1) == 0);
  }
}

}  // namespace
}  // namespace laxity
