#include "live/strand.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "policy/registry.h"
#include "tests/live_fixture.h"

namespace laxity {
namespace {

class ManualClock final : public Clock {
 public:
  Instant now() const noexcept override { return Instant::from_start(at); }
  Duration at{};
};

struct Recording final : TraceSink {
  void record(Instant now, const Event& event, const CommandBuffer&) noexcept override {
    calls.emplace_back(now.since_start(), event);
  }
  std::vector<std::pair<Duration, Event>> calls;
};

struct Collecting final : StrandClient {
  void before_event(const Event&) override {}
  void carry_out(const Command& command, StrandHolder& holder) override {
    commands.push_back(command);
    if (gives_own_work && std::holds_alternative<StartBatch>(command)) holder.has_own_work = true;
  }
  void drained() override { ++drained_count; }
  std::vector<Command> commands;
  int drained_count = 0;
  bool gives_own_work = false;
};

class StrandTest : public ::testing::Test {
 protected:
  StrandTest()
      : toy(testing::toy_system({{"a"}}, 1, 100us, 1)),
        scheduler(toy.system, make_policy("edf", {}).value(), {true}),
        strand(scheduler, clock, toy.system.limits, 64, 4, &trace, client) {}

  JobReleased released(std::uint64_t n, std::optional<Duration> deadline = std::nullopt) const {
    Job job;
    job.id = make_job_id(n, n);
    job.release = clock.now();
    if (deadline) {
      job.kind = JobKind::kFirm;
      job.absolute_deadline = Instant::from_start(*deadline);
    }
    return {job};
  }
  static BatchFinished finished(std::uint64_t batch) {
    BatchFinished event;
    event.batch = static_cast<BatchId>(batch);
    event.confidences.push_back(1);
    return event;
  }
  void drain() {
    StrandHolder holder;
    strand.drain(holder);
  }
  template <typename T>
  bool is(std::size_t call) const {
    return std::holds_alternative<T>(trace.calls.at(call).second);
  }
  Duration at(std::size_t call) const { return trace.calls.at(call).first; }

  ManualClock clock;
  Recording trace;
  Collecting client;
  testing::ToySystem toy;
  Scheduler scheduler;
  Strand strand;
};

TEST_F(StrandTest, FinishesComeBeforeWhatElseWaits) {
  ASSERT_TRUE(strand.push_external(released(1)));
  drain();
  ASSERT_TRUE(strand.push_external(released(2)));
  strand.push_internal(finished(1));
  clock.at = 10ns;
  drain();
  ASSERT_EQ(trace.calls.size(), 3U);
  EXPECT_TRUE(is<BatchFinished>(1));
  EXPECT_TRUE(is<JobReleased>(2));
}

TEST_F(StrandTest, ShutdownComesAfterWhatWasPostedBeforeIt) {
  ASSERT_TRUE(strand.push_external(released(1, 1s)));
  clock.at = 10ns;
  strand.shut_down();
  ASSERT_EQ(trace.calls.size(), 2U);
  EXPECT_TRUE(is<JobReleased>(0));
  EXPECT_TRUE(is<ShutdownStarted>(1));
  EXPECT_EQ(scheduler.job_count(), 1U);  // accepted, and it still has a chance
}

TEST_F(StrandTest, EventThatComesTooLateForItsRank_IsStampedLater) {
  clock.at = 5ns;
  ASSERT_TRUE(strand.push_external(released(1)));
  drain();
  strand.push_internal(finished(1));
  drain();
  ASSERT_TRUE(strand.push_external(released(2)));
  drain();
  EXPECT_EQ(at(0), 5ns);
  EXPECT_EQ(at(1), 6ns);  // a finish at 5 ns would have come before the release
  EXPECT_EQ(at(2), 6ns);  // the clock still says 5 ns; time does not go back
}

TEST_F(StrandTest, DueTimer_ComesBeforeALaterEvent) {
  ASSERT_TRUE(strand.push_external(released(1)));
  ASSERT_TRUE(strand.push_external(released(2, 1ms)));
  drain();
  ASSERT_TRUE(strand.timer().has_value());
  clock.at = 2ms;
  strand.push_internal(finished(1));
  drain();
  ASSERT_GE(trace.calls.size(), 4U);
  EXPECT_TRUE(is<TimerFired>(2));
  EXPECT_TRUE(is<BatchFinished>(3));
  EXPECT_GT(at(3), at(2));
}

TEST_F(StrandTest, TimerOfThisInstant_ComesAfterItsEvents) {
  ASSERT_TRUE(strand.push_external(released(1)));
  ASSERT_TRUE(strand.push_external(released(2, 1ms)));
  drain();
  clock.at = strand.timer()->since_start();
  strand.push_internal(finished(1));
  ASSERT_TRUE(strand.push_external(released(3)));
  drain();
  ASSERT_EQ(trace.calls.size(), 5U);
  EXPECT_TRUE(is<BatchFinished>(2));
  EXPECT_TRUE(is<JobReleased>(3));
  EXPECT_TRUE(is<TimerFired>(4));
  EXPECT_EQ(at(2), at(4));
}

TEST_F(StrandTest, NoteOfATimerThatWasReplaced_IsIgnored) {
  ASSERT_TRUE(strand.push_external(released(1)));
  drain();
  strand.push_internal(TimerFired{});
  drain();
  EXPECT_EQ(trace.calls.size(), 1U);
}

TEST_F(StrandTest, FullQueue_RefusesAndCounts) {
  for (std::uint64_t n = 0; n < 64; ++n) ASSERT_TRUE(strand.push_external(JobCancelled{make_job_id(n, n)}));
  EXPECT_FALSE(strand.push_external(JobCancelled{JobId{1}}));
  EXPECT_EQ(strand.refused(), 1U);
  strand.push_internal(TimerFired{});  // what is under way still fits
  drain();
  EXPECT_EQ(trace.calls.size(), 64U);
  EXPECT_TRUE(strand.push_external(JobCancelled{JobId{1}}));
}

TEST_F(StrandTest, ExecutorWithItsOwnNextBatch_LeavesALongQueueToTheTimerThread) {
  client.gives_own_work = true;
  ASSERT_TRUE(strand.push_external(released(1)));
  for (std::uint64_t n = 2; n < 60; ++n) ASSERT_TRUE(strand.push_external(JobCancelled{make_job_id(n, n)}));
  drain();
  EXPECT_LT(trace.calls.size(), 59U);
  EXPECT_EQ(strand.timer_bell().take() & Strand::kBellDrain, Strand::kBellDrain);
  drain();
  EXPECT_EQ(trace.calls.size(), 59U);
}

TEST_F(StrandTest, RunInside_DrainsWhatCameMeanwhile) {
  strand.run_inside([&](Scheduler&) {
    ASSERT_TRUE(strand.push_external(released(1)));
    drain();  // another poster: the strand is held
    EXPECT_TRUE(trace.calls.empty());
    strand.deliver(TablesChanged{});
  });
  ASSERT_EQ(trace.calls.size(), 2U);
  EXPECT_TRUE(is<TablesChanged>(0));
  EXPECT_TRUE(is<JobReleased>(1));
}

// An idle executor that watches the timer. Real time and real threads: what is tested is that each wait ends
// for the right reason, however the threads are interleaved.
class TimerWatchTest : public ::testing::Test {
 protected:
  static constexpr Doorbell::Bits kBellWork = 1;

  TimerWatchTest()
      : toy(testing::toy_system({{"a"}}, 1, 100us, 1)),
        scheduler(toy.system, make_policy("edf", {}).value(), {true}),
        strand(scheduler, clock, toy.system.limits, 64, 4, nullptr, client) {}

  /// The executor is kept busy with job 0; this one waits, and is hopeless soon: that is a timer.
  void arm_timer(std::uint64_t n, Duration deadline) {
    Job job;
    job.id = make_job_id(n, n);
    job.release = clock.now();
    if (n > 0) {
      job.kind = JobKind::kFirm;
      job.absolute_deadline = clock.now() + deadline;
    }
    ASSERT_TRUE(strand.push_external(JobReleased{job}));
    drain();
  }
  void drain() {
    StrandHolder holder;
    strand.drain(holder);
  }
  std::size_t settled_count() const {
    return static_cast<std::size_t>(
        std::count_if(client.commands.begin(), client.commands.end(),
                      [](const Command& c) { return std::holds_alternative<SettleJob>(c); }));
  }

  SteadyClock clock;
  Collecting client;
  testing::ToySystem toy;
  Scheduler scheduler;
  Strand strand;
  Doorbell bell;
};

TEST_F(TimerWatchTest, DueTimer_EndsTheWaitAndIsFired) {
  for (const Duration spin : {Duration::zero(), Duration(50us), Duration::max()}) {
    arm_timer(0, {});
    const std::size_t before = settled_count();
    arm_timer(1, 2ms);
    ASSERT_TRUE(strand.timer().has_value());
    EXPECT_EQ(strand.wait_watching_timer(bell, clock, spin), 0U);
    drain();
    EXPECT_EQ(settled_count(), before + 1);  // dropped as hopeless
    BatchFinished finished;
    finished.batch = std::get<StartBatch>(client.commands.front()).batch;
    finished.confidences.push_back(1);
    strand.push_internal(finished);
    drain();
    client.commands.clear();
  }
}

TEST_F(TimerWatchTest, Ring_EndsTheWait) {
  bell.ring(kBellWork);
  EXPECT_EQ(strand.wait_watching_timer(bell, clock, 50us), kBellWork);
  bell.ring(Strand::kBellWatch | kBellWork);
  EXPECT_EQ(strand.wait_watching_timer(bell, clock, Duration::max()), kBellWork);
}

TEST_F(TimerWatchTest, TimerArmedMeanwhile_IsSeen) {
  arm_timer(0, {});
  Doorbell::Bits bits = kBellWork;
  std::thread watcher([&] { bits = strand.wait_watching_timer(bell, clock, 50us); });
  arm_timer(1, 1h);  // the watcher may sleep until then …
  arm_timer(2, 3ms);
  watcher.join();
  EXPECT_EQ(bits, 0U);
}

TEST_F(TimerWatchTest, OneWatches_OthersWaitForTheirBells) {
  arm_timer(0, {});
  Doorbell other_bell;
  std::atomic<int> due{0}, rung{0};
  const auto wait = [&](Doorbell& at) {
    if (strand.wait_watching_timer(at, clock, 50us) == 0) {
      ++due;
    } else {
      ++rung;
    }
  };
  std::thread first([&] { wait(bell); }), second([&] { wait(other_bell); });
  arm_timer(1, 3ms);
  // Whoever watches comes back by itself; the other needs to be rung.
  while (due.load() == 0) std::this_thread::yield();
  bell.ring(kBellWork);
  other_bell.ring(kBellWork);
  first.join();
  second.join();
  EXPECT_EQ(due.load() + rung.load(), 2);
  EXPECT_EQ(due.load(), 1);
}

}  // namespace
}  // namespace laxity
