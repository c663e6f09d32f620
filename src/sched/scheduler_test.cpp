// Behaviour of the scheduler, one situation a test, under the two simplest policies.
#include "sched/scheduler.h"

#include <gtest/gtest.h>

#include "policy/registry.h"
#include "sched/tiny_driver.h"

namespace laxity {
namespace {

using tiny::at;
using tiny::TinyDriver;
using tiny::toy_job;
using tiny::toy_system;

std::unique_ptr<Policy> policy(std::string_view name, const PolicyOptions& options = {}) {
  return std::move(make_policy(name, options)).value();
}

void expect_outcome(const TinyDriver& driver, std::size_t nth, Outcome outcome, Duration when,
                    Reason reason = Reason::kNone) {
  const auto* one = driver.outcome_of(nth);
  ASSERT_NE(one, nullptr) << "job " << nth;
  EXPECT_STREQ(name(one->command.outcome), name(outcome)) << "job " << nth;
  EXPECT_STREQ(name(one->command.reason), name(reason)) << "job " << nth;
  EXPECT_EQ(one->at.since_start().count(), when.count()) << "job " << nth;
}

void expect_idle(const TinyDriver& driver) {
  EXPECT_EQ(driver.scheduler.job_count(), 0u);
  EXPECT_EQ(driver.settled.size(), driver.released.size());
}

TEST(Scheduler, DropsAHopelessJobOneNanosecondAfterItsLatestStart) {
  TinyDriver driver(toy_system({{{6ms}}, {{4ms}}}), policy("edf"));
  driver.release(toy_job(0, 0ms, 8ms));
  driver.release(toy_job(1, 1ms, 9ms));
  driver.run();
  expect_outcome(driver, 0, Outcome::kOnTime, 6ms);
  expect_outcome(driver, 1, Outcome::kDropped, 5ms + 1ns, Reason::kDroppedHopeless);
}

TEST(Scheduler, FinishingExactlyAtTheDeadlineIsOnTime) {
  TinyDriver driver(toy_system({{{6ms}}}), policy("edf"));
  driver.release(toy_job(0, 0ms, 6ms));
  driver.run();
  expect_outcome(driver, 0, Outcome::kOnTime, 6ms);
  EXPECT_EQ(driver.settled[0].command.slack, Duration::zero());
}

TEST(Scheduler, FifoAnswersLateAndInOrderOfRelease) {
  TinyDriver driver(toy_system({{{6ms}}}), policy("fifo"));
  driver.release(toy_job(0, 0ms, 20ms));
  driver.release(toy_job(0, 1ms, 30ms));
  driver.release(toy_job(0, 2ms, 5ms));
  driver.run();
  expect_outcome(driver, 0, Outcome::kOnTime, 6ms);
  expect_outcome(driver, 1, Outcome::kOnTime, 12ms);
  expect_outcome(driver, 2, Outcome::kLate, 18ms, Reason::kRanPastDeadline);
  EXPECT_EQ(driver.settled[2].command.queue_time, 10ms);
  EXPECT_EQ(driver.settled[2].command.execution_time, 6ms);
  EXPECT_EQ(driver.settled[2].command.slack, -13ms);
}

TEST(Scheduler, UnmeasuredWorkIsGivenUpAtItsDeadlineLessTheReply) {
  SystemModel system = toy_system({{{6ms}}, {{1ms}}});
  LatencyTable without;
  without.set(CategoryId{0}, 1, {6ms, 6ms, 6ms, 6ms, 1});
  without.overheads.reply_p99 = 100us;
  system.table = without;
  TinyDriver driver(system, policy("edf"));
  driver.release(toy_job(0, 0ms, 10ms));
  driver.release(toy_job(1, 1ms, 3ms));
  driver.run();
  expect_outcome(driver, 1, Outcome::kDropped, 3ms - 100us, Reason::kRanPastDeadline);
}

TEST(Scheduler, RunningPastTheDeadlineIsAnsweredThenForgotten) {
  TinyDriver driver(toy_system({{{6ms}}}), policy("edf"));
  driver.execution_time = [](const StartBatch&) { return 9ms; };
  driver.honours_terminate = false;
  driver.release(toy_job(0, 0ms, 8ms));
  driver.run();
  expect_outcome(driver, 0, Outcome::kDropped, 8ms, Reason::kRanPastDeadline);
  EXPECT_FALSE(driver.settled[0].command.is_last);
  EXPECT_EQ(driver.count<TerminateBatch>(), 1u);
  EXPECT_EQ(driver.count<ForgetJob>(), 1u);
  EXPECT_EQ(driver.now, at(9ms));
  expect_idle(driver);
}

TEST(Scheduler, StagedJobIsAnsweredAtItsDeadlineWithItsDeepestExit) {
  TinyDriver driver(toy_system({{{2ms, 2ms, 2ms}}}), policy("edf"));
  driver.execution_time = [](const StartBatch& start) { return index(start.category) == 2 ? 20ms : 2ms; };
  driver.release(toy_job(0, 0ms, 7ms));
  driver.run();
  expect_outcome(driver, 0, Outcome::kOnTime, 7ms);
  EXPECT_EQ(driver.settled[0].command.exit_count, 2u);
  EXPECT_EQ(driver.settled[0].command.confidence, 60000);
  expect_idle(driver);
}

TEST(Scheduler, MandatoryStagesUnfinishedAtTheDeadlineAreAMiss) {
  tiny::ToyModel model{{2ms, 2ms, 2ms}};
  model.mandatory_count = 2;
  TinyDriver driver(toy_system({model}), policy("edf"));
  driver.execution_time = [](const StartBatch& start) { return index(start.category) == 1 ? 20ms : 2ms; };
  driver.release(toy_job(0, 0ms, 7ms));
  driver.run();
  expect_outcome(driver, 0, Outcome::kDropped, 7ms, Reason::kRanPastDeadline);
  EXPECT_EQ(driver.settled[0].command.exit_count, 0u);
}

TEST(Scheduler, SoftJobRunsOnAndComesOutLate) {
  TinyDriver driver(toy_system({{{6ms}}}), policy("edf"));
  driver.release(toy_job(0, 0ms, 4ms, JobKind::kSoft));
  driver.run();
  expect_outcome(driver, 0, Outcome::kLate, 6ms, Reason::kRanPastDeadline);
  EXPECT_EQ(driver.settled[0].command.exit_count, 1u);
}

TEST(Scheduler, BestEffortIsOnTimeWhenever) {
  TinyDriver driver(toy_system({{{6ms}}}), policy("edf"));
  driver.release(toy_job(0, 0ms, std::nullopt));
  driver.run();
  expect_outcome(driver, 0, Outcome::kOnTime, 6ms);
  EXPECT_EQ(driver.settled[0].command.slack, std::nullopt);
}

TEST(Scheduler, CancelsWaitingRunningAndNothing) {
  TinyDriver driver(toy_system({{{6ms}}}), policy("edf"));
  driver.release(toy_job(0, 0ms, 90ms));
  driver.release(toy_job(0, 0ms, 90ms));
  driver.release(toy_job(0, 0ms, 90ms));
  driver.cancel(at(1ms), 1);
  driver.cancel(at(2ms), 0);
  driver.cancel(at(3ms), 0);  // settled: ignored
  driver.run();
  expect_outcome(driver, 1, Outcome::kCancelled, 1ms, Reason::kClientGone);
  expect_outcome(driver, 0, Outcome::kCancelled, 2ms, Reason::kClientGone);
  EXPECT_EQ(driver.count<TerminateBatch>(), 1u);
  expect_outcome(driver, 2, Outcome::kOnTime, 8ms);  // starts when the terminated batch has ended, at 2 ms
  expect_idle(driver);
}

TEST(Scheduler, BatchIsTerminatedOnlyWhenNobodyWaitsForIt) {
  TinyDriver driver(toy_system({{{6ms}}}), policy("batch", {{"batch_size", 2}}));
  driver.honours_terminate = false;
  driver.release(toy_job(0, 0ms, 90ms));
  driver.release(toy_job(0, 0ms, 90ms));
  driver.cancel(at(1ms), 0);
  driver.cancel(at(7ms), 1);
  driver.run();
  EXPECT_EQ(driver.count<TerminateBatch>(), 0u);
  expect_outcome(driver, 1, Outcome::kOnTime, 6ms);
  expect_idle(driver);

  TinyDriver both(toy_system({{{6ms}}}), policy("batch", {{"batch_size", 2}}));
  both.honours_terminate = false;
  both.release(toy_job(0, 0ms, 90ms));
  both.release(toy_job(0, 0ms, 90ms));
  both.cancel(at(1ms), 0);
  both.cancel(at(2ms), 1);
  both.run();
  EXPECT_EQ(both.count<TerminateBatch>(), 1u);
  EXPECT_EQ(both.count<ForgetJob>(), 2u);
  expect_idle(both);
}

TEST(Scheduler, FailedBatchFailsItsJobsAndNoOther) {
  TinyDriver driver(toy_system({{{6ms}}}), policy("edf"));
  driver.batch_status = [](const StartBatch& start) {
    return start.batch == BatchId{1} ? BatchStatus::kFailed : BatchStatus::kSucceeded;
  };
  driver.release(toy_job(0, 0ms, 90ms));
  driver.release(toy_job(0, 0ms, 90ms));
  driver.run();
  expect_outcome(driver, 0, Outcome::kFailed, 6ms, Reason::kEngineFailed);
  expect_outcome(driver, 1, Outcome::kOnTime, 12ms);
}

/// A scheduler fed by hand.
struct ByHand {
  explicit ByHand(const SystemModel& system, std::unique_ptr<Policy> chosen)
      : scheduler(system, std::move(chosen), {.audit = true}), commands(system.limits) {}
  template <typename T>
  const T* feed(Duration when, const Event& event) {
    commands.clear();
    scheduler.handle(at(when), event, commands);
    for (const Command& command : commands) {
      if (const T* one = std::get_if<T>(&command)) return one;
    }
    return nullptr;
  }
  Scheduler scheduler;
  CommandBuffer commands;
};

JobReleased released(Job job, std::uint64_t sequence, std::size_t slot) {
  job.id = make_job_id(sequence, slot);
  return {job};
}

TEST(Scheduler, UndecodablePictureFailsAloneInItsBatch) {
  ByHand hand(toy_system({{{6ms}}}), policy("batch", {{"batch_size", 2}}));
  hand.feed<StartBatch>(0ms, released(toy_job(0, 0ms, 90ms), 1, 0));
  const auto* start = hand.feed<StartBatch>(0ms, released(toy_job(0, 0ms, 90ms), 2, 1));
  ASSERT_NE(start, nullptr);
  BatchFinished finished{start->batch, start->executor, BatchStatus::kSucceeded, 6ms, {}, 0b01};
  finished.confidences.push_back(0);
  finished.confidences.push_back(9);
  hand.feed<SettleJob>(6ms, finished);
  ASSERT_EQ(hand.commands.size(), 2u);
  EXPECT_EQ(std::get<SettleJob>(hand.commands[0]).reason, Reason::kPreprocessFailed);
  EXPECT_EQ(std::get<SettleJob>(hand.commands[1]).outcome, Outcome::kOnTime);
  EXPECT_EQ(std::get<SettleJob>(hand.commands[1]).confidence, 9);
}

TEST(Scheduler, JobBeyondTheTableIsRejected) {
  ByHand hand(toy_system({{{6ms}}}), policy("fifo"));
  const auto* settle = hand.feed<SettleJob>(0ms, released(toy_job(0, 0ms, 90ms), 1, 64));
  ASSERT_NE(settle, nullptr);
  EXPECT_EQ(settle->outcome, Outcome::kRejected);
  EXPECT_EQ(settle->reason, Reason::kQueueFull);
}

TEST(Scheduler, TakenSlotIsABug) {
  ByHand hand(toy_system({{{6ms}}}), policy("fifo"));
  hand.feed<StartBatch>(0ms, released(toy_job(0, 0ms, 90ms), 1, 0));
  EXPECT_DEATH(hand.feed<StartBatch>(0ms, released(toy_job(0, 0ms, 90ms), 2, 0)), "check failed");
}

TEST(Scheduler, TimeGoingBackIsABug) {
  ByHand hand(toy_system({{{6ms}}}), policy("fifo"));
  hand.feed<SetTimer>(5ms, TimerFired{});
  EXPECT_DEATH(hand.feed<SetTimer>(4ms, TimerFired{}), "check failed");
}

TEST(Scheduler, FinishOfAnUnknownBatchIsABug) {
  ByHand hand(toy_system({{{6ms}}}), policy("fifo"));
  EXPECT_DEATH(
      hand.feed<SetTimer>(4ms, BatchFinished{BatchId{7}, ExecutorId{0}, BatchStatus::kFailed, {}, {}, 0}),
      "check failed");
}

TEST(Scheduler, TimerIsSetOnlyWhenItMoves) {
  ByHand hand(toy_system({{{6ms}}}), policy("edf"));
  const auto* timer = hand.feed<SetTimer>(0ms, released(toy_job(0, 0ms, 20ms), 1, 0));
  ASSERT_NE(timer, nullptr);
  EXPECT_EQ(timer->at, at(20ms));
  EXPECT_EQ(hand.feed<SetTimer>(1ms, released(toy_job(0, 1ms, 40ms), 2, 1)), nullptr);
  timer = hand.feed<SetTimer>(2ms, released(toy_job(0, 2ms, 10ms), 3, 2));
  ASSERT_NE(timer, nullptr);
  EXPECT_EQ(timer->at, at(4ms + 1ns));  // when the tight one turns hopeless
}

TEST(Scheduler, LostExecutorGivesItsJobsToAnother) {
  TinyDriver driver(toy_system({{{6ms}}}, 2), policy("edf"));
  driver.release(toy_job(0, 0ms, 90ms));
  driver.post(at(2ms), ExecutorLost{ExecutorId{0}});
  driver.run();  // the finish that the lost executor still reports at 6 ms is ignored
  EXPECT_EQ(driver.schedule(), "0:0 2000:0");
  expect_outcome(driver, 0, Outcome::kOnTime, 8ms);
  EXPECT_EQ(driver.batches[1].command.executor, ExecutorId{1});
  expect_idle(driver);
}

TEST(Scheduler, LosingTheLastExecutorDropsAndRejectsUntilItIsBack) {
  TinyDriver driver(toy_system({{{6ms}}}), policy("edf"));
  driver.release(toy_job(0, 0ms, 90ms));
  driver.release(toy_job(0, 0ms, 90ms));
  driver.post(at(2ms), ExecutorLost{ExecutorId{0}});
  driver.release(toy_job(0, 3ms, 90ms));
  driver.post(at(10ms), ExecutorBack{ExecutorId{0}});
  driver.release(toy_job(0, 11ms, 90ms));
  driver.run();
  expect_outcome(driver, 0, Outcome::kDropped, 2ms, Reason::kExecutorLost);
  expect_outcome(driver, 1, Outcome::kDropped, 2ms, Reason::kExecutorLost);
  expect_outcome(driver, 2, Outcome::kRejected, 3ms, Reason::kExecutorLost);
  expect_outcome(driver, 3, Outcome::kOnTime, 17ms);
  expect_idle(driver);
}

SystemModel with_segment_executor() {
  tiny::ToyModel model{{6ms}};
  model.preprocess = 1ms;
  SystemModel system = toy_system({model});
  system.executors.push_back({"decode", ExecutorKind::kCpu, false, true});
  return system;
}

Job encoded(Duration release, Duration deadline) {
  Job job = toy_job(0, release, deadline);
  job.needs_preprocess = true;
  return job;
}

TEST(Scheduler, SegmentsRunOnTheirOwnExecutorInOrderOfDeadline) {
  TinyDriver driver(with_segment_executor(), policy("edf", {{"batch_size_max", 1}}));
  driver.release(encoded(0ms, 90ms));
  driver.release(encoded(0ms, 80ms));
  driver.release(encoded(0ms, 20ms));
  driver.run();
  EXPECT_EQ(driver.count<StartSegment>(), 3u);
  EXPECT_EQ(driver.schedule(), "1000:0 7000:2 13000:1");
  EXPECT_EQ(driver.outcome_of(0)->command.execution_time, 7ms);
  EXPECT_EQ(driver.outcome_of(2)->command.queue_time, 6ms);
}

TEST(Scheduler, SegmentsOfBlindPoliciesRunInOrderOfRelease) {
  TinyDriver driver(with_segment_executor(), policy("fifo"));
  driver.release(encoded(0ms, 90ms));
  driver.release(encoded(0ms, 80ms));
  driver.release(encoded(0ms, 20ms));
  driver.run();
  EXPECT_EQ(driver.schedule(), "1000:0 7000:1 13000:2");
}

TEST(Scheduler, CancelledInItsSegmentIsForgottenWhenThatEnds) {
  TinyDriver driver(with_segment_executor(), policy("edf"));
  driver.release(encoded(0ms, 90ms));
  driver.release(encoded(0ms, 91ms));
  driver.cancel(at(500us), 0);
  driver.cancel(at(600us), 1);
  driver.run();
  EXPECT_FALSE(driver.outcome_of(0)->command.is_last);
  EXPECT_TRUE(driver.outcome_of(1)->command.is_last);
  EXPECT_EQ(driver.forgotten, 1u);
  EXPECT_EQ(driver.batches.size(), 0u);
  expect_idle(driver);
}

TEST(Scheduler, FailedSegmentFailsTheJob) {
  ByHand hand(with_segment_executor(), policy("edf"));
  const auto* start = hand.feed<StartSegment>(0ms, released(encoded(0ms, 90ms), 1, 0));
  ASSERT_NE(start, nullptr);
  const auto* settle = hand.feed<SettleJob>(1ms, SegmentFinished{start->job, start->executor, false});
  ASSERT_NE(settle, nullptr);
  EXPECT_EQ(settle->reason, Reason::kPreprocessFailed);
}

TEST(Scheduler, LosingTheOnlySegmentExecutorDropsWhatItWouldDecode) {
  TinyDriver driver(with_segment_executor(), policy("edf"));
  driver.release(encoded(0ms, 90ms));
  driver.release(encoded(0ms, 90ms));
  driver.release(toy_job(0, 0ms, 90ms));
  driver.post(at(500us), ExecutorLost{ExecutorId{1}});
  driver.release(encoded(1ms, 90ms));
  driver.run();
  expect_outcome(driver, 0, Outcome::kDropped, 500us, Reason::kExecutorLost);
  expect_outcome(driver, 1, Outcome::kDropped, 500us, Reason::kExecutorLost);
  expect_outcome(driver, 2, Outcome::kOnTime, 6ms);
  expect_outcome(driver, 3, Outcome::kRejected, 1ms, Reason::kExecutorLost);
}

TEST(Scheduler, DecodesInsideTheBatchWhenNoExecutorIsSetApart) {
  tiny::ToyModel model{{6ms}};
  model.preprocess = 1ms;
  TinyDriver driver(toy_system({model}), policy("edf"));
  driver.release(encoded(0ms, 90ms));
  driver.run();
  EXPECT_EQ(driver.batches[0].command.planned, 7ms);
  EXPECT_EQ(driver.count<StartSegment>(), 0u);
}

TEST(Scheduler, ShutdownFinishesWhatHasAChance) {
  TinyDriver driver(toy_system({{{6ms}}}), policy("edf"));
  driver.release(toy_job(0, 0ms, 50ms));
  driver.release(toy_job(0, 0ms, 60ms));
  driver.release(toy_job(0, 0ms, std::nullopt));
  driver.release(toy_job(0, 0ms, 5ms, JobKind::kSoft));
  driver.post(at(1ms), ShutdownStarted{});
  driver.release(toy_job(0, 2ms, 90ms));
  driver.run();
  expect_outcome(driver, 0, Outcome::kOnTime, 6ms);
  expect_outcome(driver, 1, Outcome::kOnTime, 12ms);
  expect_outcome(driver, 2, Outcome::kRejected, 1ms, Reason::kShuttingDown);
  expect_outcome(driver, 3, Outcome::kRejected, 1ms, Reason::kShuttingDown);
  expect_outcome(driver, 4, Outcome::kRejected, 2ms, Reason::kShuttingDown);
  expect_idle(driver);
}

TEST(Scheduler, ShutdownDoesNotWaitForAFullBatch) {
  TinyDriver driver(toy_system({{{6ms}}}), policy("batch", {{"batch_size", 8}}));
  driver.release(toy_job(0, 0ms, 50ms));
  driver.post(at(1ms), ShutdownStarted{});
  driver.run();
  expect_outcome(driver, 0, Outcome::kOnTime, 7ms);
}

TEST(Scheduler, StreamsAreAcceptedWithoutAPromiseByPoliciesWithoutAdmission) {
  ByHand hand(toy_system({{{6ms}}}), policy("edf"));
  const Task task = tiny::toy_task(4, 0, 10ms, 10ms);
  const auto* answer = hand.feed<AnswerTask>(0ms, TaskSubmitted{task});
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(answer->task, TaskId{4});
  EXPECT_TRUE(answer->admitted);
  EXPECT_EQ(answer->response_time_bound, std::nullopt);
}

TEST(Scheduler, StreamsThatWaitForAPlanAreAnsweredAtShutdown) {
  ByHand hand(toy_system({{{6ms}}}), policy("laxity"));
  const Task task = tiny::toy_task(4, 0, 10ms, 10ms);
  ASSERT_NE(hand.feed<ComputePlan>(0ms, TaskSubmitted{task}), nullptr);
  const auto* answer = hand.feed<AnswerTask>(1ms, ShutdownStarted{});
  ASSERT_NE(answer, nullptr);
  EXPECT_FALSE(answer->admitted);
  EXPECT_EQ(answer->reason, Reason::kShuttingDown);
  EXPECT_EQ(hand.scheduler.books().stream(task.id), nullptr);
  hand.scheduler.compute_plan(PlanId{1});
  EXPECT_EQ(hand.feed<AnswerTask>(2ms, PlanReady{PlanId{1}, 0}), nullptr);  // for nobody
}

// Eleven batches over the table: the bound is what they took, and the policy plans with it.
TEST(Scheduler, BoundsFollowWhatIsMeasured) {
  TinyDriver driver(toy_system({{{4ms}}}), policy("edf"));
  driver.execution_time = [](const StartBatch&) { return Duration(6ms); };
  for (int i = 0; i < 11; ++i) driver.release(toy_job(0, i * 20ms, i * 20ms + 15ms));
  driver.run();
  EXPECT_EQ(driver.scheduler.counters().bounds_changed, 1u);
  EXPECT_EQ(driver.scheduler.books().system().table.planned(CategoryId{0}, 1), 6ms);
  driver.release(toy_job(0, 300ms, 305ms));  // hopeless now
  driver.run();
  EXPECT_EQ(driver.outcome_of(11)->command.outcome, Outcome::kDropped);
}

TEST(Scheduler, NewTableMovesTheInstantOfHopelessness) {
  ByHand hand(toy_system({{{6ms}}}), policy("edf"));
  hand.feed<SetTimer>(0ms, released(toy_job(0, 0ms, 50ms), 1, 0));
  const auto* timer = hand.feed<SetTimer>(0ms, released(toy_job(0, 0ms, 20ms), 2, 1));
  ASSERT_NE(timer, nullptr);
  EXPECT_EQ(timer->at, at(14ms + 1ns));
  LatencyTable slower;
  slower.set(CategoryId{0}, 1, {9ms, 9ms, 9ms, 9ms, 1});
  hand.scheduler.replace_table(slower);
  timer = hand.feed<SetTimer>(1ms, TablesChanged{});
  ASSERT_NE(timer, nullptr);
  EXPECT_EQ(timer->at, at(11ms + 1ns));
}

TEST(Scheduler, CountersAddUp) {
  TinyDriver driver(toy_system({{{6ms}}}), policy("batch", {{"batch_size", 2}}));
  for (int i = 0; i < 4; ++i) driver.release(toy_job(0, 0ms, 90ms));
  driver.run();
  const SchedulerCounters& counters = driver.scheduler.counters();
  EXPECT_EQ(counters.released, 4u);
  EXPECT_EQ(counters.settled[static_cast<int>(Outcome::kOnTime)], 4u);
  EXPECT_EQ(counters.batches, 2u);
  EXPECT_EQ(counters.batch_jobs, 4u);
}

}  // namespace
}  // namespace laxity
