// The imitator against an oracle that moves through time tick by tick and shares nothing with it.
#include "analysis/single_frame_edf.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"

namespace laxity {
namespace {

Instant at(std::int64_t t) { return Instant::from_start(Duration(t)); }

struct Set {
  std::vector<Instant> free_at;
  std::vector<EdfWaiting> waiting;
  std::vector<EdfStream> streams;
  Instant now;
};

std::optional<EdfMiss> imitate(const Set& set, std::uint64_t frames_max = 100'000) {
  SingleFrameEdf imitator(set.waiting.size(), set.streams.size(), set.free_at.size());
  return imitator.first_miss(set.free_at, set.waiting, set.streams, set.now, at(1'000'000), frames_max);
}

/// True: no frame of the (finite) set is late on one processor. At each tick the processor finishes, then
/// chooses among what was released earlier; one that is idle takes the first of what is released now.
bool oracle_is_on_time(const Set& set) {
  struct Frame {
    std::int64_t release, deadline, execution;
    std::uint64_t order, number;
    bool is_done = false;
  };
  std::vector<Frame> frames;
  for (const EdfWaiting& w : set.waiting) {
    frames.push_back(
        {w.release.since_start().count(), w.deadline.since_start().count(), w.execution.count(), w.order, 0});
  }
  const std::int64_t now = set.now.since_start().count();
  for (const EdfStream& s : set.streams) {
    for (std::uint64_t k = s.next; k < *s.end; ++k) {
      const std::int64_t r =
          std::max(now, (s.first + static_cast<std::int64_t>(k) * s.period).since_start().count());
      frames.push_back({r, r + s.deadline.count(), s.execution.count(), s.order, k});
    }
  }
  std::int64_t busy_until = set.free_at[0].since_start().count();
  std::size_t left = frames.size();
  for (std::int64_t t = 0; left > 0; ++t) {
    if (t < busy_until) continue;
    Frame* chosen = nullptr;
    for (Frame& f : frames) {  // by deadline, release, order, among those released before t
      if (f.is_done || f.release >= t) continue;
      if (!chosen || std::tuple(f.deadline, f.release, f.order, f.number) <
                         std::tuple(chosen->deadline, chosen->release, chosen->order, chosen->number)) {
        chosen = &f;
      }
    }
    if (!chosen) {  // idle: the first that comes now, if any
      for (Frame& f : frames) {
        if (f.is_done || f.release != t) continue;
        if (!chosen || std::tuple(f.order, f.number) < std::tuple(chosen->order, chosen->number)) chosen = &f;
      }
    }
    if (!chosen) continue;
    busy_until = t + chosen->execution;
    if (busy_until > chosen->deadline) return false;
    chosen->is_done = true;
    --left;
  }
  return true;
}

Set random_set(Rng& rng) {
  Set set;
  set.now = at(rng.uniform(0, 10));
  set.free_at = {set.now + Duration(rng.uniform(0, 5))};
  const bool is_busy = set.free_at[0] > set.now;
  for (std::int64_t n = is_busy ? rng.uniform(0, 3) : 0; n > 0; --n) {
    const Instant release = at(rng.uniform(0, set.now.since_start().count()));
    if (release == set.now) continue;
    set.waiting.push_back(
        {release, release + Duration(rng.uniform(1, 40)), Duration(rng.uniform(1, 6)), set.waiting.size()});
  }
  for (std::int64_t n = rng.uniform(1, 4); n > 0; --n) {
    EdfStream stream;
    stream.first = at(rng.uniform(0, 20));
    stream.period = Duration(rng.uniform(2, 20));
    stream.deadline = Duration(rng.uniform(3, 40));
    stream.execution = Duration(rng.uniform(1, 6));
    stream.next = static_cast<std::uint64_t>(rng.uniform(0, 2));
    stream.end = stream.next + static_cast<std::uint64_t>(rng.uniform(0, 8));
    stream.order = 1000 + set.streams.size();
    set.streams.push_back(stream);
  }
  return set;
}

TEST(SingleFrameEdf, SaysWhatTickByTickExecutionShows) {
  std::size_t on_time = 0, late = 0;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    Rng rng(seed);
    const Set set = random_set(rng);
    const bool expected = oracle_is_on_time(set);
    ASSERT_EQ(!imitate(set).has_value(), expected) << "seed " << seed;
    ++(expected ? on_time : late);
  }
  EXPECT_GT(on_time, 4'000u);
  EXPECT_GT(late, 4'000u);
}

TEST(SingleFrameEdf, NothingToDoIsOnTime) {
  EXPECT_FALSE(imitate({{at(0)}, {}, {}, at(0)}));
  EXPECT_FALSE(imitate({{at(9)}, {}, {{at(0), 5ns, 1ns, 1ns, 3, 3, 1}}, at(0)}));
}

TEST(SingleFrameEdf, ExactlyAtTheDeadlineIsOnTimeAndATickLaterIsTheEvidence) {
  Set set{{at(2)}, {}, {{at(0), 10ns, 6ns, 4ns, 0, 2, 1}}, at(0)};
  EXPECT_FALSE(imitate(set));
  set.free_at[0] = at(3);
  const auto miss = imitate(set);
  ASSERT_TRUE(miss);
  EXPECT_FALSE(miss->is_waiting);
  EXPECT_EQ(miss->index, 0u);
  EXPECT_EQ(miss->number, 0u);
  EXPECT_EQ(miss->deadline, at(6));
}

TEST(SingleFrameEdf, AFrameThatWaitsCanBeTheLateOne) {
  const auto miss = imitate({{at(5)}, {{at(1), at(8), 4ns, 7}}, {}, at(5)});
  ASSERT_TRUE(miss);
  EXPECT_TRUE(miss->is_waiting);
  EXPECT_EQ(miss->deadline, at(8));
}

TEST(SingleFrameEdf, AMissingFrameCountsAsComingNow) {
  // Frame 0 was due at 0 and has not come by 7: it is due 10 after it comes.
  Set set{{at(7)}, {}, {{at(0), 100ns, 10ns, 10ns, 0, 1, 1}}, at(7)};
  EXPECT_FALSE(imitate(set));
  set.free_at[0] = at(8);
  EXPECT_TRUE(imitate(set));
}

TEST(SingleFrameEdf, EndlessStreamsAreFollowedToTheHorizonAndTheBound) {
  // Two frames a period fit for ever; a third stream that starts late breaks it at 1000.
  const Set set{
      {at(0)}, {}, {{at(0), 10ns, 10ns, 5ns, 0, {}, 1}, {at(1000), 10ns, 10ns, 6ns, 0, {}, 2}}, at(0)};
  SingleFrameEdf imitator(0, 2, 1);
  EXPECT_FALSE(imitator.first_miss(set.free_at, {}, set.streams, at(0), at(1000), 100'000));
  EXPECT_EQ(imitator.frame_count(), 100u);
  EXPECT_TRUE(imitator.first_miss(set.free_at, {}, set.streams, at(0), at(2000), 100'000));
  EXPECT_FALSE(imitator.first_miss(set.free_at, {}, set.streams, at(0), at(2000), 50));
}

TEST(SingleFrameEdf, TwoProcessorsServeTwoFramesAtOnce) {
  const std::vector<EdfStream> streams = {{at(0), 20ns, 10ns, 10ns, 0, 3, 1},
                                          {at(0), 20ns, 10ns, 10ns, 0, 3, 2}};
  EXPECT_TRUE(imitate({{at(0)}, {}, streams, at(0)}));
  EXPECT_FALSE(imitate({{at(0), at(0)}, {}, streams, at(0)}));
}

// Why the promise is called nominal: an execution shorter than the table makes another frame late.
TEST(SingleFrameEdf, IsNotSustainable) {
  // B comes at 3, while A runs, and goes first when A ends at 4. With A a tick shorter, C takes the processor
  // at 3, an instant before B is seen, and blocks it.
  Set set{{at(0)},
          {},
          {{at(0), 100ns, 20ns, 4ns, 0, 1, 1},
           {at(1), 100ns, 40ns, 5ns, 0, 1, 2},
           {at(3), 100ns, 4ns, 1ns, 0, 1, 3}},
          at(0)};
  EXPECT_FALSE(imitate(set));  // A 0-4, B 4-5, C 5-10
  set.streams[0].execution = 3ns;
  const auto miss = imitate(set);  // A 0-3, C 3-8, B 8-9 > 7
  ASSERT_TRUE(miss);
  EXPECT_EQ(miss->index, 2u);
}

}  // namespace
}  // namespace laxity
