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
using tiny::ToyModel;

std::unique_ptr<Policy> policy(std::string_view name, const PolicyOptions& options = {}) {
  return std::move(make_policy(name, options)).value();
}

/// Outcome and time of the nth job.
void expect_outcome(const TinyDriver& driver, std::size_t nth, Outcome outcome, Duration when,
                    Reason reason = Reason::kNone) {
  const auto* one = driver.outcome_of(nth);
  ASSERT_NE(one, nullptr) << "job " << nth;
  EXPECT_STREQ(name(one->command.outcome), name(outcome)) << "job " << nth;
  EXPECT_STREQ(name(one->command.reason), name(reason)) << "job " << nth;
  EXPECT_EQ(one->at.since_start().count(), when.count()) << "job " << nth;
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
}

}  // namespace
}  // namespace laxity
