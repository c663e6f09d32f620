#include "analysis/phase_tracker.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace laxity {
namespace {

constexpr Duration kPeriod = 33ms;

/// What is told after one block of frames that come at r + `offset(i)`.
template <typename Offset>
std::optional<PhaseTracker::Move> block(PhaseTracker& tracker, Duration jitter, Offset offset) {
  std::optional<PhaseTracker::Move> move;
  for (std::uint32_t i = 0; i < PhaseTracker::kBlock; ++i) {
    EXPECT_FALSE(move) << "told before the block was whole";
    move = tracker.observe(offset(i), jitter, kPeriod);
  }
  return move;
}

TEST(PhaseTracker, LeavesStreamsAloneThatKeepTheirContract) {
  Rng rng(1);
  for (const Duration jitter : {Duration(0), Duration(1us), Duration(500us), Duration(4ms), Duration(40ms)}) {
    PhaseTracker tracker;
    for (int i = 0; i < 500; ++i) {
      const auto move =
          block(tracker, jitter, [&](std::uint32_t) { return Duration(rng.uniform(0, jitter.count())); });
      EXPECT_FALSE(move) << jitter.count();
    }
  }
}

TEST(PhaseTracker, OneDelayedFrameSaysNothing) {
  PhaseTracker tracker;
  const auto move =
      block(tracker, 4ms, [](std::uint32_t i) { return i == 7 ? Duration(900ms) : Duration(1ms); });
  EXPECT_FALSE(move);
}

TEST(PhaseTracker, FollowsAStreamThatIsLate) {
  PhaseTracker tracker;
  const auto move = block(tracker, 4ms, [](std::uint32_t i) { return Duration(6ms) + i * 10us; });
  ASSERT_TRUE(move);
  EXPECT_EQ(move->by, 5500us);  // the earliest now comes J / 8 after r
  EXPECT_EQ(move->per_frame, 0ns);
}

TEST(PhaseTracker, FollowsBeforeTheFirstFrameIsLate) {
  PhaseTracker tracker;
  EXPECT_TRUE(block(tracker, 4ms, [](std::uint32_t) { return Duration(3500us); }));
}

TEST(PhaseTracker, FollowsAStreamWithoutJitter) {
  PhaseTracker tracker;
  const auto move = block(tracker, 0ns, [](std::uint32_t) { return Duration(2ms); });
  ASSERT_TRUE(move);
  EXPECT_EQ(move->by, 2ms);
}

TEST(PhaseTracker, TellsHowFastTheClockDrifts) {
  PhaseTracker tracker;
  const auto offset_in = [](int b) { return [b](std::uint32_t i) { return (b * 32 + int(i)) * 10us; }; };
  std::optional<PhaseTracker::Move> move;
  int blocks = 0;
  while (!move && blocks < 100) move = block(tracker, 4ms, offset_in(blocks++));
  ASSERT_TRUE(move);
  EXPECT_EQ(move->per_frame, 10us);
}

TEST(PhaseTracker, FollowsAFasterClockButNotAFasterStream) {
  PhaseTracker tracker;  // comes 10 % too early each time
  const auto move = block(tracker, 1ms, [](std::uint32_t i) { return -Duration(3300us) * (int(i) + 1); });
  ASSERT_TRUE(move);
  EXPECT_EQ(move->by, -kPeriod * 32 / 500);  // 0.2 % of the time that has passed
}

// A stream whose every interval counts: no frame is nearer to the one before than the shortest period, and
// the offset is made up for in time.
TEST(PhaseTracker, AMoveThatIsSpreadNeverShortensAnInterval) {
  const Duration contract = 20ms, least = PhaseTracker::least_period(contract);
  EXPECT_EQ(least, 20ms - 40us);
  for (const Duration by :
       {Duration(-5ms), Duration(-1ms), Duration(-41us), Duration(-40us), Duration(-1us), Duration(3ms)}) {
    for (const Duration period : {least, contract, Duration(21ms)}) {
      const PhaseTracker::Move move = PhaseTracker::spread({by, 0ns}, contract, period);
      EXPECT_GE(period + move.by, least);         // the first interval
      EXPECT_GE(period + move.per_frame, least);  // and each after it
      EXPECT_TRUE(move.by == by || period + move.by == least);
      if (move.by == by) {
        EXPECT_EQ(move.per_frame, 0ns);
      }
    }
  }
  // 1 ms early at the contract's period: 40 us at once, the rest over 256 frames.
  const PhaseTracker::Move move = PhaseTracker::spread({-1ms, 0ns}, contract, contract);
  EXPECT_EQ(move.by, -40us);
  EXPECT_EQ(move.per_frame, Duration(-960us) / PhaseTracker::kSpread);
}

}  // namespace
}  // namespace laxity
