// Which frames run next: windows, jobs, their order, and who cannot be kept.
#include "policy/demand_dispatch.h"

#include <gtest/gtest.h>

namespace laxity {
namespace {

Instant at(Duration since_start) { return Instant::from_start(since_start); }

/// Group 0 batches up to two frames in windows of 10 ms with joints at 3, 13, …; its jobs are due 8 ms after
/// their joint. Group 1 does not batch.
struct Fixture {
  Fixture() {
    batched.category = times.add_category({4ms, 6ms});
    batched.window = 10ms;
    batched.job_deadline = 8ms;
    batched.phase = at(3ms);
    single.category = times.add_category({2ms});
    dispatch.attach(16, 1);
  }
  void add(JobIndex job, std::uint32_t group, Duration from, Duration deadline, bool is_over = false) {
    const DemandGroupEntry& entry = group == 0 ? batched : single;
    dispatch.add({job, make_job_id(job, job), group, at(from), at(deadline)}, 0, entry, times, at(from),
                 is_over);
  }
  /// The next batch as its jobs, in order, and its deadline.
  std::vector<JobIndex> take(Duration* deadline = nullptr) {
    DemandDispatch::Jobs jobs;
    CategoryIndex category = 0;
    const Instant due = dispatch.take_batch(0, times, category, jobs);
    if (deadline != nullptr) *deadline = due.since_start();
    return {jobs.begin(), jobs.end()};
  }
  using Batch = std::vector<JobIndex>;

  BatchTimes times;
  DemandGroupEntry batched, single;
  DemandDispatch dispatch;
};

TEST(DemandDispatch, FramesWaitForTheJointOfTheirWindow) {
  Fixture f;
  f.add(0, 0, 4ms, 30ms);
  f.add(1, 0, 9ms, 30ms);
  f.add(2, 0, 14ms, 40ms);
  EXPECT_EQ(f.dispatch.next_release(0), at(13ms));
  EXPECT_FALSE(f.dispatch.release_due(0, at(12ms), true).has_value());
  EXPECT_FALSE(f.dispatch.has_pending(0));
  EXPECT_EQ(f.dispatch.release_due(0, at(15ms), false), at(13ms));
  Duration deadline{};
  EXPECT_EQ(f.take(&deadline), (Fixture::Batch{0, 1}));
  EXPECT_EQ(deadline, 21ms);
  EXPECT_FALSE(f.dispatch.has_pending(0));
  EXPECT_EQ(f.dispatch.next_release(0), at(23ms));
}

// A frame that comes at a joint belongs to the window that it closes, so a job is complete only when the
// instant is over; one that comes after that belongs to the next.
TEST(DemandDispatch, AJointIsWhenItsInstantIsOver) {
  Fixture f;
  f.add(0, 0, 5ms, 30ms);
  EXPECT_FALSE(f.dispatch.release_due(0, at(13ms), false).has_value());
  f.add(1, 0, 13ms, 40ms);
  EXPECT_TRUE(f.dispatch.release_due(0, at(13ms), true).has_value());
  EXPECT_EQ(f.take(), (Fixture::Batch{0, 1}));
  f.add(2, 0, 13ms, 40ms, true);
  EXPECT_EQ(f.dispatch.next_release(0), at(23ms));
}

TEST(DemandDispatch, AJobOfMoreFramesThanABatchTakesIsSeveralBatches) {
  Fixture f;
  for (JobIndex job = 0; job < 3; ++job) f.add(job, 0, 5ms, 30ms);
  f.dispatch.release_due(0, at(13ms), true);
  Duration first{}, second{};
  EXPECT_EQ(f.take(&first), (Fixture::Batch{0, 1}));
  EXPECT_EQ(f.take(&second), (Fixture::Batch{2}));
  EXPECT_EQ(first, second);
}

TEST(DemandDispatch, EarliestDeadlineFirst) {
  Fixture f;
  f.add(0, 0, 5ms, 30ms);   // joint 13, due 21
  f.add(1, 1, 13ms, 20ms);  // due 20
  f.add(2, 1, 13ms, 21ms);  // due 21, as the job of the group before
  f.add(3, 1, 14ms, 15ms);  // not released at 13
  f.dispatch.release_due(0, at(13ms), true);
  EXPECT_EQ(f.take(), (Fixture::Batch{1}));
  EXPECT_EQ(f.take(), (Fixture::Batch{0}));
  EXPECT_EQ(f.take(), (Fixture::Batch{2}));
  EXPECT_FALSE(f.dispatch.has_pending(0));
}

TEST(DemandDispatch, WhoCannotBeKeptIsFoundReleasedOrNot) {
  Fixture f;
  f.add(0, 0, 4ms, 30ms);   // due 21: by itself it must start by 17
  f.add(1, 1, 13ms, 16ms);  // by 14
  f.dispatch.release_due(0, at(13ms), false);
  EXPECT_EQ(f.dispatch.hopeless_after(0), at(14ms));
  EXPECT_FALSE(f.dispatch.take_hopeless(0, at(14ms)).has_value());
  EXPECT_EQ(f.dispatch.take_hopeless(0, at(15ms)), JobIndex{1});
  EXPECT_EQ(f.dispatch.take_hopeless(0, at(18ms)), JobIndex{0});  // it still waits for its joint to be seen
  EXPECT_FALSE(f.dispatch.hopeless_after(0).has_value());
  EXPECT_FALSE(f.dispatch.next_release(0).has_value());
}

TEST(DemandDispatch, NewTimesMoveTheLastStart) {
  Fixture f;
  f.add(0, 0, 4ms, 30ms);
  f.add(1, 1, 5ms, 12ms);
  BatchTimes slower;
  slower.add_category({9ms, 9ms});
  slower.add_category({3ms});
  f.dispatch.times_changed(slower);
  EXPECT_EQ(f.dispatch.hopeless_after(0), at(9ms));
  f.dispatch.erase(1);
  EXPECT_EQ(f.dispatch.hopeless_after(0), at(12ms));
}

TEST(DemandGroupEntry, JointsLieOnAGridInBothDirections) {
  DemandGroupEntry group;
  group.window = 10ms;
  group.phase = at(23ms);
  EXPECT_EQ(group.joint_from(at(3ms)), at(3ms));
  EXPECT_EQ(group.joint_from(at(4ms)), at(13ms));
  EXPECT_EQ(group.joint_from(at(23ms)), at(23ms));
  EXPECT_EQ(group.joint_from(at(23ms) + 1ns), at(33ms));
}

}  // namespace
}  // namespace laxity
