// What each policy does under the production scheduler, as schedules: "start in us:jobs by order of release".
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "policy/registry.h"
#include "sched/tiny_driver.h"

namespace laxity {
namespace {

using tiny::at;
using tiny::TinyDriver;
using tiny::toy_job;
using tiny::toy_system;
using tiny::ToyModel;

struct Row {
  const char* what;
  const char* policy;
  PolicyOptions options;
  std::vector<ToyModel> models;
  std::vector<Job> jobs;
  const char* schedule;
};

ToyModel model(Duration first, Duration next = 1ms, std::uint32_t cap = 8) { return {{first}, next, cap}; }
Job frame(std::uint32_t model, Duration release, Duration deadline) {
  return toy_job(model, release, deadline);
}
Job soft(std::uint32_t model, Duration release, Duration deadline) {
  return toy_job(model, release, deadline, JobKind::kSoft);
}
Job best_effort(std::uint32_t model, Duration release, std::uint32_t priority = 0) {
  Job job = toy_job(model, release, std::nullopt);
  job.priority = priority;
  return job;
}

void PrintTo(const Row& row, std::ostream* out) { *out << row.policy << ": " << row.what; }

class Schedules : public testing::TestWithParam<Row> {};

TEST_P(Schedules, AreAsStated) {
  const Row& row = GetParam();
  TinyDriver driver(toy_system(row.models), std::move(make_policy(row.policy, row.options)).value());
  for (const Job& job : row.jobs) driver.release(job);
  driver.run();
  EXPECT_EQ(driver.schedule(), row.schedule) << row.policy << ": " << row.what;
  EXPECT_EQ(driver.settled.size(), driver.released.size());
}

const PolicyOptions kOneAtATime = {{"batch_size_max", 1}};

// One row a situation: as a table.
// clang-format off
INSTANTIATE_TEST_SUITE_P(Fifo, Schedules, testing::Values(
    Row{"order of release, whatever the deadlines", "fifo", {}, {model(5ms)},
        {frame(0, 0ms, 90ms), frame(0, 1ms, 50ms), frame(0, 2ms, 12ms)}, "0:0 5000:1 10000:2"},
    Row{"stages run back to back, the oldest job first", "fifo", {}, {{{2ms, 2ms}}},
        {frame(0, 0ms, 90ms), frame(0, 0ms, 90ms)}, "0:0 2000:0 4000:1 6000:1"}));

INSTANTIATE_TEST_SUITE_P(Edf, Schedules, testing::Values(
    Row{"earliest deadline first", "edf", kOneAtATime, {model(5ms)},
        {frame(0, 0ms, 90ms), frame(0, 1ms, 50ms), frame(0, 2ms, 12ms)}, "0:0 5000:2 10000:1"},
    Row{"equal deadlines by release, then id", "edf", kOneAtATime, {model(5ms)},
        {frame(0, 0ms, 90ms), frame(0, 2ms, 50ms), frame(0, 1ms, 50ms), frame(0, 1ms, 50ms)},
        "0:0 5000:1 10000:2 15000:3"},
    Row{"best effort last, by priority, then release", "edf", kOneAtATime, {model(5ms)},
        {frame(0, 0ms, 90ms), best_effort(0, 1ms, 2), best_effort(0, 2ms, 1), best_effort(0, 3ms, 1),
         frame(0, 4ms, 90ms)},
        "0:0 5000:4 10000:2 15000:3 20000:1"},
    Row{"hopeless firm jobs take no time", "edf", kOneAtATime, {model(5ms)},
        {frame(0, 0ms, 90ms), frame(0, 1ms, 9ms), frame(0, 2ms, 60ms)}, "0:0 5000:2"},
    Row{"late soft jobs go behind those that still can, before best effort", "edf", kOneAtATime, {model(5ms)},
        {frame(0, 0ms, 90ms), soft(0, 1ms, 9ms), best_effort(0, 1ms), frame(0, 2ms, 60ms)},
        "0:0 5000:3 10000:1 15000:2"},
    Row{"one job a batch if asked", "edf", kOneAtATime, {model(5ms)},
        {frame(0, 0ms, 90ms), frame(0, 1ms, 90ms), frame(0, 1ms, 90ms)}, "0:0 5000:1 10000:2"},
    Row{"nor where sharing saves nothing", "edf", {}, {model(5ms, 5ms)},
        {frame(0, 0ms, 90ms), frame(0, 1ms, 90ms), frame(0, 1ms, 90ms)}, "0:0 5000:1 10000:2"},
    Row{"a batch grows in order of deadline", "edf", {{"batch_size_max", 3}}, {model(5ms)},
        {frame(0, 0ms, 90ms), frame(0, 1ms, 80ms), frame(0, 1ms, 70ms), frame(0, 1ms, 60ms),
         frame(0, 1ms, 50ms)},
        "0:0 5000:4+3+2 12000:1"},
    Row{"while its most urgent job still meets its deadline", "edf", {{"batch_size_max", 8}}, {model(5ms)},
        {frame(0, 0ms, 90ms), frame(0, 1ms, 11ms), frame(0, 1ms, 60ms), frame(0, 1ms, 60ms)},
         "0:0 5000:1+2 11000:3"},
    Row{"and does not make another category's job late", "edf",
        {{"batch_size_max", 8}}, {model(5ms), model(5ms)},
        {frame(0, 0ms, 90ms), frame(0, 1ms, 15ms), frame(0, 1ms, 60ms), frame(0, 1ms, 60ms),
         frame(1, 1ms, 16ms)},
        "0:0 5000:1+2 11000:4 16000:3"},
    Row{"unless that one is lost already", "edf", {{"batch_size_max", 8}}, {model(5ms), model(5ms)},
        {frame(0, 0ms, 90ms), frame(0, 1ms, 12ms), frame(0, 1ms, 60ms), frame(0, 1ms, 60ms),
         frame(1, 1ms, 14ms)},
        "0:0 5000:1+2+3"},
    Row{"an optional stage that cannot finish in time is not begun", "edf", kOneAtATime, {{{2ms, 4ms}}},
        {frame(0, 0ms, 5ms), frame(0, 0ms, 30ms)}, "0:0 2000:1 4000:1"},
    Row{"the network's cap holds", "edf", {{"batch_size_max", 8}}, {model(5ms, 1ms, 2)},
        {frame(0, 0ms, 90ms), frame(0, 1ms, 80ms), frame(0, 1ms, 80ms), frame(0, 1ms, 80ms)},
         "0:0 5000:1+2 11000:3"}));

INSTANTIATE_TEST_SUITE_P(Batch, Schedules, testing::Values(
    Row{"starts when full", "batch", {{"batch_size", 2}}, {model(5ms)},
        {frame(0, 0ms, 90ms), frame(0, 3ms, 90ms), frame(0, 4ms, 90ms), frame(0, 20ms, 90ms)},
         "3000:0+1 20000:2+3"},
    Row{"the last ones wait for the flush", "batch", {{"batch_size", 2}, {"flush_us", 50'000}}, {model(5ms)},
        {frame(0, 1ms, 9ms)}, "51000:0"},
    Row{"a cap below the size is the size", "batch", {{"batch_size", 4}}, {model(5ms, 1ms, 2)},
        {frame(0, 0ms, 90ms), frame(0, 0ms, 90ms)}, "0:0+1"},
    Row{"time limit", "batch-delay", {{"batch_size", 3}, {"delay_us", 4000}}, {model(5ms)},
        {frame(0, 0ms, 90ms), frame(0, 1ms, 90ms), frame(0, 20ms, 90ms), frame(0, 20ms, 90ms),
         frame(0, 20ms, 90ms)},
        "4000:0+1 20000:2+3+4"},
    Row{"later stages do not wait again", "batch-delay",
        {{"batch_size", 4}, {"delay_us", 4000}}, {{{5ms, 5ms}}},
        {frame(0, 0ms, 90ms)}, "4000:0 9000:0"},
    Row{"the full batch with the oldest job first", "batch", {{"batch_size", 2}}, {model(5ms), model(5ms)},
        {frame(0, 0ms, 90ms), frame(0, 0ms, 90ms), frame(1, 1ms, 90ms), frame(0, 2ms, 90ms),
         frame(0, 3ms, 90ms),
         frame(1, 4ms, 90ms)},
        "0:0+1 6000:2+5 12000:3+4"}));

const PolicyOptions kNever = {{"early_batching", 0}};
const PolicyOptions kAlways = {{"early_batching", 2}};

INSTANTIATE_TEST_SUITE_P(DeepRt, Schedules, testing::Values(
    Row{"frames of a window run as one batch at the joint", "deeprt", kNever, {model(5ms)},
        {frame(0, 0ms, 40ms), frame(0, 8ms, 48ms), frame(0, 19ms, 59ms), frame(0, 21ms, 61ms)},
        "20000:0+1+2 40000:3"},
    Row{"a frame that arrives at the joint belongs to the window that it closes", "deeprt",
        kNever, {model(5ms)},
        {frame(0, 0ms, 40ms), frame(0, 20ms, 60ms), frame(0, 20ms, 60ms)}, "20000:0+1+2"},
    Row{"split at the cap", "deeprt", kNever, {model(5ms, 1ms, 2)},
        {frame(0, 0ms, 40ms), frame(0, 1ms, 41ms), frame(0, 2ms, 42ms)}, "20000:0+1 26000:2"},
    Row{"batches by window deadline", "deeprt", kNever, {model(5ms), model(5ms)},
        {frame(0, 0ms, 80ms), frame(1, 30ms, 50ms)}, "40000:1 45000:0"},
    Row{"a tighter frame cuts the open window", "deeprt", kNever, {model(5ms)},
        {frame(0, 0ms, 80ms), frame(0, 10ms, 30ms)}, "20000:0+1"},
    Row{"an idle executor takes frames early when no joint is near", "deeprt", {}, {model(5ms)},
        {frame(0, 0ms, 40ms), frame(0, 1ms, 41ms)}, "0:0 5000:1"},
    Row{"and waits when one is", "deeprt", {}, {model(5ms)},
        {frame(0, 0ms, 40ms), frame(0, 16ms, 56ms)}, "0:0 20000:1"},
    Row{"as published it never waits", "deeprt", kAlways, {model(5ms)},
        {frame(0, 0ms, 40ms), frame(0, 16ms, 56ms)}, "0:0 16000:1"},
    Row{"stages back to back, before a batch that has not begun", "deeprt", kNever, {{{5ms, 5ms}}, {{2ms}}},
        {frame(0, 0ms, 40ms), frame(0, 1ms, 41ms), frame(1, 11ms, 31ms)}, "20000:0+1 25000:0+1 30000:2"},
    Row{"best effort waits for its large window, alone", "deeprt",
        {{"early_batching", 0}, {"best_effort_window_us", 100'000}}, {model(5ms)},
        {best_effort(0, 0ms), best_effort(0, 0ms), frame(0, 0ms, 40ms)}, "20000:2 100000:0 105000:1"},
    Row{"best effort starts early like any other", "deeprt", {}, {model(5ms)}, {best_effort(0, 3ms)},
         "3000:0"},
    Row{"late frames still run", "deeprt", kNever, {model(30ms)}, {frame(0, 0ms, 20ms), frame(0, 1ms, 21ms)},
        "10000:0+1"}));
// clang-format on

TEST(DeepRt, CancelledFrameLeavesItsWindowAndItsBatch) {
  TinyDriver driver(toy_system({model(5ms), model(30ms)}), std::move(make_policy("deeprt", kNever)).value());
  driver.release(frame(1, 0ms, 20ms));   // occupies the executor from 10 ms to 40 ms
  driver.release(frame(0, 0ms, 100ms));  // cancelled in its window
  driver.release(frame(0, 1ms, 40ms));   // window closes at 20 ms; cancelled in its batch
  driver.release(frame(0, 2ms, 41ms));
  driver.cancel(at(5ms), 1);
  driver.cancel(at(30ms), 2);
  driver.run();
  EXPECT_EQ(driver.schedule(), "10000:0 40000:3");
  EXPECT_EQ(driver.scheduler.job_count(), 0u);
}

TEST(DeepRt, BatchOfALostExecutorGoesFirstOnTheNext) {
  TinyDriver driver(toy_system({model(5ms), model(20ms)}, 2),
                    std::move(make_policy("deeprt", kNever)).value());
  driver.release(frame(1, 0ms, 20ms));
  driver.release(frame(0, 0ms, 24ms));
  driver.release(frame(0, 0ms, 24ms));
  driver.post(at(14ms), ExecutorLost{ExecutorId{1}});
  driver.run();
  EXPECT_EQ(driver.schedule(), "10000:0 12000:1+2 30000:1+2");
  EXPECT_EQ(driver.scheduler.job_count(), 0u);
}

}  // namespace
}  // namespace laxity
