#include "sim/arrivals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace laxity {
namespace {

TaskSpec periodic(Duration period, Duration jitter = 0ns, Duration phase = 0ns) {
  TaskSpec task;
  task.name = "t";
  task.model = "m";
  task.period = period;
  task.jitter = jitter;
  task.phase = phase;
  task.deadline = DeadlineRange{20ms, 20ms};
  return task;
}

Scenario scenario_of(std::vector<TaskSpec> tasks, Duration duration = 1s) {
  Scenario scenario;
  scenario.duration = duration;
  scenario.tasks = std::move(tasks);
  return scenario;
}

TEST(Arrivals, PeriodicStaysInsideItsJitter) {
  const auto jobs = open_loop_jobs(scenario_of({periodic(10ms, 4ms, 3ms)}, 10s), 1);
  ASSERT_EQ(jobs.size(), 1000u);
  Duration least = 4ms;
  Duration most = 0ms;
  for (const PlannedJob& job : jobs) {
    const Duration offset = job.intended - Instant::from_start(3ms + job.frame * 10ms);
    ASSERT_GE(offset, 0ns);
    ASSERT_LE(offset, 4ms);
    least = std::min(least, offset);
    most = std::max(most, offset);
  }
  EXPECT_LT(least, 100us);
  EXPECT_GT(most, 3900us);
}

TEST(Arrivals, PeriodicWithoutJitterIsExactAndEndsBeforeTheDuration) {
  const auto jobs = open_loop_jobs(scenario_of({periodic(250ms)}), 1);
  ASSERT_EQ(jobs.size(), 4u);  // 0, 250, 500, 750 ms; 1 s is outside
  EXPECT_EQ(jobs[3].intended, Instant::from_start(750ms));
  EXPECT_EQ(jobs[3].relative_deadline, 20ms);
}

TEST(Arrivals, JobsAreSortedOverAllTasks) {
  const auto jobs = open_loop_jobs(scenario_of({periodic(7ms, 20ms), periodic(5ms, 9ms)}), 1);
  for (std::size_t i = 1; i < jobs.size(); ++i) EXPECT_LE(jobs[i - 1].intended, jobs[i].intended);
}

TEST(Arrivals, EqualSeedsGiveEqualJobsAndOthersDoNot) {
  const Scenario scenario = scenario_of({periodic(7ms, 2ms)});
  EXPECT_EQ(open_loop_jobs(scenario, 5), open_loop_jobs(scenario, 5));
  EXPECT_NE(open_loop_jobs(scenario, 5), open_loop_jobs(scenario, 6));
}

TEST(Arrivals, OneTaskDoesNotShiftAnother) {
  const auto alone = open_loop_jobs(scenario_of({periodic(7ms, 2ms)}), 1);
  auto both = open_loop_jobs(scenario_of({periodic(7ms, 2ms), periodic(3ms, 1ms)}), 1);
  std::erase_if(both, [](const PlannedJob& job) { return job.task != 0; });
  EXPECT_EQ(alone, both);
}

TEST(Arrivals, DeadlinesInARangeDoNotShiftReleases) {
  TaskSpec ranged = periodic(7ms, 2ms);
  ranged.deadline = DeadlineRange{20ms, 80ms};
  const auto fixed = open_loop_jobs(scenario_of({periodic(7ms, 2ms)}), 1);
  const auto drawn = open_loop_jobs(scenario_of({ranged}), 1);
  ASSERT_EQ(fixed.size(), drawn.size());
  std::set<Duration> deadlines;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    EXPECT_EQ(fixed[i].intended, drawn[i].intended);
    EXPECT_GE(*drawn[i].relative_deadline, 20ms);
    EXPECT_LE(*drawn[i].relative_deadline, 80ms);
    deadlines.insert(*drawn[i].relative_deadline);
  }
  EXPECT_GT(deadlines.size(), 100u);
}

TEST(Arrivals, FramesBoundTheirTask) {
  TaskSpec task = periodic(1ms);
  task.frames = 3;
  EXPECT_EQ(open_loop_jobs(scenario_of({task}), 1).size(), 3u);
}

TEST(Arrivals, StartShiftsATask) {
  TaskSpec task = periodic(100ms);
  task.start = 500ms;
  const auto jobs = open_loop_jobs(scenario_of({task}), 1);
  ASSERT_EQ(jobs.size(), 5u);
  EXPECT_EQ(jobs[0].intended, Instant::from_start(500ms));
}

TEST(Arrivals, SporadicNeverComesSoonerThanItsMinimum) {
  TaskSpec task = periodic(2ms);
  task.arrival = Arrival::kSporadic;
  task.rate_per_s = 250;  // mean 4 ms
  const auto jobs = open_loop_jobs(scenario_of({task}, 20s), 1);
  EXPECT_NEAR(static_cast<double>(jobs.size()), 5000, 150);
  for (std::size_t i = 1; i < jobs.size(); ++i) ASSERT_GE(jobs[i].intended - jobs[i - 1].intended, 2ms);
}

struct Gaps {
  double mean_s = 0, cv = 0;
};
Gaps gaps_of(const std::vector<PlannedJob>& jobs) {
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 1; i < jobs.size(); ++i) {
    const double gap = static_cast<double>((jobs[i].intended - jobs[i - 1].intended).count()) / 1e9;
    sum += gap;
    squares += gap * gap;
  }
  const auto count = static_cast<double>(jobs.size() - 1);
  const double mean = sum / count;
  return {mean, std::sqrt(squares / count - mean * mean) / mean};
}

TEST(Arrivals, PoissonHasItsRateAndCoefficientOne) {
  TaskSpec task;
  task.arrival = Arrival::kPoisson;
  task.rate_per_s = 500;
  const Gaps gaps = gaps_of(open_loop_jobs(scenario_of({task}, 100s), 1));
  EXPECT_NEAR(gaps.mean_s, 0.002, 0.00005);
  EXPECT_NEAR(gaps.cv, 1, 0.02);
}

TEST(Arrivals, GammaHasItsRateAndCoefficient) {
  for (const double cv : {0.3, 2.0, 4.0}) {
    TaskSpec task;
    task.arrival = Arrival::kGamma;
    task.rate_per_s = 500;
    task.cv = cv;
    const Gaps gaps = gaps_of(open_loop_jobs(scenario_of({task}, 200s), 1));
    EXPECT_NEAR(gaps.mean_s, 0.002, 0.0001) << cv;
    EXPECT_NEAR(gaps.cv / cv, 1, 0.05) << cv;
  }
}

TEST(Arrivals, TraceTimesAreTakenAsTheyStand) {
  TaskSpec task;
  task.arrival = Arrival::kTrace;
  task.times = {0ms, 5ms, 5ms, 2s};
  const auto jobs = open_loop_jobs(scenario_of({task}), 1);
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs[2].intended, Instant::from_start(5ms));
}

TaskSpec closed_loop(std::uint32_t clients, Duration think) {
  TaskSpec task;
  task.arrival = Arrival::kClosedLoop;
  task.clients = clients;
  task.think = think;
  return task;
}

TEST(ClosedLoop, EachClientSendsAfterItHeard) {
  const Scenario scenario = scenario_of({periodic(10ms), closed_loop(2, 5ms)}, 100ms);
  EXPECT_EQ(open_loop_jobs(scenario, 1).size(), 10u);  // the closed loop is not among them
  ClosedLoop loop(scenario, 1);
  ASSERT_EQ(loop.client_count(), 2u);
  const auto first = loop.first_jobs();
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].task, 1u);
  const auto next = loop.next_job(1, Instant::from_start(20ms));
  ASSERT_TRUE(next);
  EXPECT_EQ(next->intended, Instant::from_start(25ms));
  EXPECT_EQ(next->frame, 1u);
  EXPECT_EQ(next->client, 1u);
  EXPECT_EQ(loop.next_job(1, Instant::from_start(95ms)), std::nullopt);  // 100 ms is outside
}

TEST(ClosedLoop, WhatAClientDrawsDoesNotDependOnTheOthers) {
  const Scenario scenario = scenario_of({closed_loop(2, 1ms)});
  ClosedLoop a(scenario, 1);
  ClosedLoop b(scenario, 1);
  EXPECT_EQ(a.first_jobs(), b.first_jobs());
  a.next_job(0, Instant::from_start(1ms));
  a.next_job(0, Instant::from_start(2ms));
  EXPECT_EQ(a.next_job(1, Instant::from_start(3ms))->input, b.next_job(1, Instant::from_start(9ms))->input);
}

TEST(ClosedLoop, FramesBoundAllClientsTogether) {
  TaskSpec task = closed_loop(2, 1ms);
  task.frames = 3;
  const Scenario scenario = scenario_of({task});
  ClosedLoop loop(scenario, 1);
  EXPECT_EQ(loop.first_jobs().size(), 2u);
  EXPECT_TRUE(loop.next_job(0, Instant::from_start(1ms)));
  EXPECT_FALSE(loop.next_job(1, Instant::from_start(1ms)));
}

}  // namespace
}  // namespace laxity
