// DeepRT's windows, one rule at a time; tests/sched_property_test.cpp has them against an oracle.
#include "analysis/batch_windows.h"

#include <gtest/gtest.h>

#include "analysis/window_batches.h"

namespace laxity {
namespace {

Instant at(Duration since_start) { return Instant::from_start(since_start); }

TEST(BatchWindows, FirstFrameOpensAWindowOfHalfItsDeadline) {
  BatchWindows windows;
  EXPECT_EQ(windows.joint(), std::nullopt);
  windows.frame_arrived(at(10ms), 40ms);
  EXPECT_EQ(windows.joint(), at(30ms));
  EXPECT_EQ(windows.batch_deadline(), at(50ms));
  windows.close();
  EXPECT_EQ(windows.joint(), at(50ms));
}

TEST(BatchWindows, TighterFrameCutsTheOpenWindow) {
  BatchWindows windows;
  windows.frame_arrived(at(0ms), 100ms);
  windows.frame_arrived(at(10ms), 20ms);
  EXPECT_EQ(windows.joint(), at(20ms));
  EXPECT_EQ(windows.batch_deadline(), at(30ms));
}

TEST(BatchWindows, TighterFrameNeverMovesTheJointBack) {
  BatchWindows windows;
  windows.frame_arrived(at(0ms), 100ms);
  windows.frame_arrived(at(45ms), 20ms);
  EXPECT_EQ(windows.joint(), at(50ms));
  EXPECT_EQ(windows.length(), 10ms);
}

TEST(BatchWindows, LooserFrameChangesNothing) {
  BatchWindows windows;
  windows.frame_arrived(at(0ms), 20ms);
  windows.frame_arrived(at(1ms), 100ms);
  EXPECT_EQ(windows.joint(), at(10ms));
  windows.close();
  EXPECT_EQ(windows.joint(), at(20ms));
}

// The tight task ends with the tenth window without a frame of it; the window that opens there is the wide
// one.
TEST(BatchWindows, GrowsAtTheJointWhereTheTightestTaskEnds) {
  BatchWindows windows;
  windows.frame_arrived(at(0ms), 20ms);
  for (int joint = 1; joint <= 10; ++joint) {
    windows.frame_arrived(*windows.joint(), 100ms);
    EXPECT_EQ(windows.joint(), at(joint * 10ms));
    windows.close();
  }
  windows.frame_arrived(*windows.joint(), 100ms);
  EXPECT_EQ(windows.joint(), at(110ms));
  EXPECT_EQ(windows.length(), 10ms);  // the eleventh: the tenth without a tight frame
  windows.close();
  EXPECT_EQ(windows.length(), 50ms);
  EXPECT_EQ(windows.joint(), at(160ms));
}

TEST(BatchWindows, NoWindowIsOpenAfterTenIdleOnes) {
  BatchWindows windows;
  windows.frame_arrived(at(0ms), 20ms);
  int closed = 0;
  for (; windows.joint(); ++closed) windows.close();
  EXPECT_EQ(closed, 11);
  windows.frame_arrived(at(500ms), 30ms);
  EXPECT_EQ(windows.joint(), at(515ms));
}

TEST(BatchWindows, FullTableStaysOnTheSafeSide) {
  BatchWindows windows;
  for (int i = 0; i < 40; ++i) {
    const Duration deadline = (100 - i) * 1ms;
    windows.frame_arrived(at(0ms), deadline);
    ASSERT_LE(windows.length(), deadline / 2);
  }
  for (int i = 0; i < 40; ++i) {
    const Duration deadline = (61 + i) * 1ms;
    windows.frame_arrived(at(0ms), deadline);
    ASSERT_LE(windows.length(), deadline / 2);
  }
}

TEST(BatchWindows, DeadlineInThePastStillMovesTimeOn) {
  BatchWindows windows;
  windows.frame_arrived(at(5ms), -3ms);
  EXPECT_EQ(windows.joint(), at(5ms + 1ns));
}

TEST(BatchWindows, StreamKeepsWindowsFollowingEachOtherWithoutFrames) {
  BatchWindows windows(4);
  windows.stream_added(at(0ms), 1, 20ms, std::nullopt);
  windows.skip_to(at(995ms));
  EXPECT_EQ(windows.joint(), at(1000ms));
  windows.skip_to(at(1000ms));  // a joint at that instant is still to close
  EXPECT_EQ(windows.joint(), at(1000ms));
}

TEST(BatchWindows, StreamEndsAtTheFirstJointAtOrAfterItsLastArrival) {
  BatchWindows windows(4);
  windows.stream_added(at(0ms), 1, 20ms, at(30ms));
  windows.skip_to(at(30ms));
  EXPECT_EQ(windows.joint(), at(30ms));
  windows.close();
  EXPECT_EQ(windows.joint(), std::nullopt);
  EXPECT_EQ(windows.stream_count(), 0u);
}

TEST(BatchWindows, WindowsGrowAtTheJointWhereTheTightestStreamEnds) {
  BatchWindows windows(4);
  windows.stream_added(at(0ms), 1, 20ms, at(15ms));
  windows.stream_added(at(0ms), 2, 100ms, std::nullopt);
  EXPECT_EQ(windows.length(), 10ms);
  windows.skip_to(at(21ms));
  EXPECT_EQ(windows.length(), 50ms);
  EXPECT_EQ(windows.joint(), at(70ms));  // the joint at 20 ms is the first at or after 15 ms
}

TEST(BatchWindows, RemovedStreamLetsWindowsGrowOnlyAtTheNextJoint) {
  BatchWindows windows(4);
  windows.stream_added(at(0ms), 1, 20ms, std::nullopt);
  windows.stream_added(at(0ms), 2, 100ms, std::nullopt);
  EXPECT_TRUE(windows.is_set_by(1));
  EXPECT_FALSE(windows.is_set_by(2));
  windows.stream_removed(1);
  EXPECT_EQ(windows.joint(), at(10ms));
  EXPECT_EQ(windows.length(), 10ms);
  windows.close();
  EXPECT_EQ(windows.joint(), at(60ms));
}

// What the verdict of a test that took a while needs: the windows as if the stream had joined when asked.
TEST(BatchWindows, JoiningLaterAsOfThenGivesTheWindowsOfThen) {
  for (const Duration deadline : {8ms, 20ms, 60ms, 200ms}) {
    for (const Duration delay : {0ms, 1ms, 3ms, 10ms, 30ms, 90ms}) {
      BatchWindows then(4), now(4);
      then.stream_added(at(0ms), 1, 100ms, std::nullopt);
      now = then;
      const auto joint_then = then.joint();
      then.stream_added(at(5ms), 2, deadline, std::nullopt);
      then.skip_to(at(5ms + delay));
      now.skip_to(at(5ms + delay));
      if (!now.stream_added_since(at(5ms), joint_then, at(5ms + delay), 2, deadline, std::nullopt)) {
        EXPECT_GT(delay, deadline / 2);  // only where a joint of the cut windows has passed
        EXPECT_FALSE(now.has_stream(2));
        continue;
      }
      EXPECT_EQ(now.joint(), then.joint());
      EXPECT_EQ(now.length(), then.length());
    }
  }
}

TEST(WindowBatches, FullOnesFirstThenTheRestAllWithOneDeadline) {
  BatchWindows windows;
  windows.frame_arrived(at(0ms), 20ms);
  std::vector<std::size_t> sizes;
  std::uint64_t sequence = 7;
  WindowBatchKey last;
  form_batches(windows, 3, 5, 2, sequence, [&](const WindowBatchKey& key, std::size_t size) {
    EXPECT_EQ(key.release, at(10ms));
    EXPECT_EQ(key.deadline, at(20ms));
    EXPECT_LT(last.sequence, key.sequence);
    last = key;
    sizes.push_back(size);
  });
  EXPECT_EQ(sizes, (std::vector<std::size_t>{2, 2, 1}));
  EXPECT_EQ(sequence, 10u);
}

TEST(WindowBatches, BegunFirstThenDeadlineThenReleaseThenLaneThenSequence) {
  const WindowBatchKey base{true, at(20ms), at(10ms), 3, 5};
  EXPECT_LT((WindowBatchKey{false, at(90ms), at(90ms), 9, 9}), base);
  EXPECT_LT((WindowBatchKey{true, at(19ms), at(90ms), 9, 9}), base);
  EXPECT_LT((WindowBatchKey{true, at(20ms), at(9ms), 9, 9}), base);
  EXPECT_LT((WindowBatchKey{true, at(20ms), at(10ms), 2, 9}), base);
  EXPECT_LT((WindowBatchKey{true, at(20ms), at(10ms), 3, 4}), base);
}

}  // namespace
}  // namespace laxity
