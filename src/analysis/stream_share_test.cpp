#include "analysis/stream_share.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace laxity {
namespace {

constexpr std::int64_t kWhole = std::int64_t{1} << 32;

PlannedStream stream(Duration first, Duration period, std::optional<std::uint64_t> end = std::nullopt) {
  PlannedStream s;
  s.phase.first = Instant::from_start(first);
  s.phase.period = period;
  s.deadline = period;
  s.end = end;
  return s;
}

TEST(StreamShare, IsThatOfTheBestBatch) {
  BatchTimes times;
  times.add_category({4ms, 6ms, 12ms});  // 4, 3 and 4 ms a frame
  EXPECT_EQ(least_share(times, 0, 12ms), kWhole / 4);
}

TEST(StreamShare, FarOverTheWholeDoesNotOverflow) {
  BatchTimes times;
  times.add_category({Duration::max() / 2});
  EXPECT_GT(least_share(times, 0, 1ns), kWhole);
}

TEST(StreamShare, OverlapsCount_NotStreamsThatCameAndWent) {
  BatchTimes times;
  times.add_category({6ms});
  const PlannedStream early = stream(0ms, 10ms, 10), late = stream(1s, 10ms, 10), endless = stream(0ms, 10ms);
  EXPECT_TRUE(fits_in_the_long_run(times, {early, late}, Instant{}));
  EXPECT_FALSE(fits_in_the_long_run(times, {early, early}, Instant{}));
  EXPECT_FALSE(fits_in_the_long_run(times, {endless, late}, Instant{}));
  EXPECT_TRUE(fits_in_the_long_run(times, {endless, early}, Instant::from_start(2s)));
}

TEST(StreamShare, LastFrameBeyondAllTime) {
  BatchTimes times;
  times.add_category({6ms});
  const PlannedStream slow = stream(0ms, 24h, std::uint64_t{1} << 32), busy = stream(0ms, 10ms);
  EXPECT_TRUE(fits_in_the_long_run(times, {slow, busy}, Instant::from_start(1h)));
  EXPECT_FALSE(fits_in_the_long_run(times, {slow, busy, busy}, Instant::from_start(1h)));
}

// A finite stream is alive from its first r until its last one, and a period from there on.
TEST(StreamShare, EndsOnePeriodAfterItsLastFrame) {
  BatchTimes times;
  times.add_category({6ms});
  const PlannedStream one = stream(0ms, 10ms, 3), other = stream(0ms, 10ms);
  EXPECT_FALSE(fits_in_the_long_run(times, {one, other}, Instant::from_start(29ms)));
  EXPECT_TRUE(fits_in_the_long_run(times, {one, other}, Instant::from_start(30ms)));
}

TEST(StreamShare, ExactlyAllOfTheTimeFits) {
  BatchTimes times;
  times.add_category({5ms, 8ms});
  EXPECT_TRUE(fits_in_the_long_run(times, {stream(0ms, 8ms), stream(3ms, 8ms)}, Instant{}));
  EXPECT_FALSE(fits_in_the_long_run(times, {stream(0ms, 8ms), stream(3ms, 8ms), stream(0ms, 1s)}, Instant{}));
}

// Necessary: a set that is served for long, whatever the batches, is never said not to fit.
TEST(StreamShare, NeverSaysNoToWhatIsServed) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    Rng rng(seed);
    BatchTimes times;
    std::vector<Duration> row;
    Duration time(rng.uniform(1, 20));
    for (std::int64_t k = 0, cap = rng.uniform(1, 4); k < cap; ++k) {
      row.push_back(time);
      time += Duration(rng.uniform(0, 10));
    }
    times.add_category(row);
    std::vector<PlannedStream> streams;
    for (std::int64_t i = 0, count = rng.uniform(1, 4); i < count; ++i) {
      streams.push_back(stream(Duration(rng.uniform(0, 50)), Duration(rng.uniform(3, 60))));
    }
    // The best that any server could do: full batches, as soon as frames are there, for 20,000 ticks. What
    // is left over must grow if the long run has no room.
    if (fits_in_the_long_run(times, streams, Instant::from_start(50ns))) continue;
    const auto backlog_at = [&](std::int64_t until) {
      std::int64_t frames = 0;
      for (const PlannedStream& s : streams) {
        for (std::uint64_t k = 0; s.release(k) < Instant::from_start(Duration(until)); ++k) ++frames;
      }
      std::int64_t best = 0;  // most frames within `until`, over one batch size throughout
      for (std::uint32_t k = 1; k <= times.cap(0); ++k) {
        best = std::max(best, until / times(0, k).count() * k + k);
      }
      return frames - best;
    };
    EXPECT_GT(backlog_at(2'000'000), backlog_at(1'000)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace laxity
