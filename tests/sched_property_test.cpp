// Properties of the production scheduler with its production policies, over thousands of small random loads,
// with every invariant audited after each event. A failure names its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/rng.h"
#include "policy/registry.h"
#include "sched/tiny_driver.h"
#include "tests/oracle/edf_oracle.h"
#include "tests/oracle/windows_oracle.h"

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

// ----------------------------------------------------------------------------------------------------
// Theorem 1

struct WindowLoad {
  std::vector<ToyModel> models;
  std::vector<Job> jobs;  // in order of release
};

// Tight and loose frames mixed, so that windows shrink while open, and bursts with pauses, so that they grow
// again.
WindowLoad window_load(Rng& rng) {
  WindowLoad load;
  const std::int64_t model_count = rng.uniform(1, 3);
  std::vector<std::vector<std::int64_t>> deadlines;
  for (std::int64_t m = 0; m < model_count; ++m) {
    ToyModel model{{Duration(rng.uniform(1, 6))},
                   Duration(rng.uniform(0, 2)),
                   static_cast<std::uint32_t>(rng.uniform(1, 6))};
    if (rng.chance(1, 3)) model.first.push_back(Duration(rng.uniform(1, 3)));
    load.models.push_back(model);
    deadlines.emplace_back();
    for (std::int64_t k = rng.uniform(1, 4); k > 0; --k) deadlines.back().push_back(rng.uniform(6, 90));
  }
  std::int64_t now = 0;
  for (std::int64_t n = rng.uniform(1, 25); n > 0; --n) {
    now += rng.chance(1, 8) ? rng.uniform(50, 600) : rng.uniform(0, 12);
    const std::int64_t m = rng.uniform(0, model_count - 1);
    const auto& choices = deadlines[static_cast<std::size_t>(m)];
    const std::int64_t deadline = choices[static_cast<std::size_t>(rng.uniform(0, std::ssize(choices) - 1))];
    load.jobs.push_back(toy_job(static_cast<std::uint32_t>(m), Duration(now), Duration(now + deadline)));
  }
  return load;
}

TEST(Theorem1, WhenEveryBatchMeetsItsWindowDeadlineNoFrameMisses) {
  std::size_t premise_held = 0;
  std::size_t premise_failed = 0;
  std::size_t shrinks = 0;
  for (std::uint64_t seed = 0; seed < 10'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    const WindowLoad load = window_load(rng);
    TinyDriver driver(toy_system(load.models), policy("deeprt", {{"early_batching", 0}}));
    for (const Job& job : load.jobs) driver.release(job);
    driver.run();

    // The windows by the oracle, category by category.
    std::vector<oracle::WindowedFrame> windows(load.jobs.size());
    for (std::size_t m = 0; m < load.models.size(); ++m) {
      std::vector<oracle::WindowedFrame> frames;
      std::vector<std::size_t> where;
      for (std::size_t i = 0; i < load.jobs.size(); ++i) {
        const Job& job = load.jobs[i];
        if (index(job.model) != m) continue;
        frames.push_back({job.release.since_start().count(), (*job.absolute_deadline - job.release).count()});
        where.push_back(i);
      }
      oracle::assign_windows(frames);
      for (std::size_t k = 0; k < frames.size(); ++k) windows[where[k]] = frames[k];
    }

    bool all_batches_in_time = true;
    bool all_frames_in_time = true;
    for (std::size_t i = 0; i < load.jobs.size(); ++i) {
      const auto* settled = driver.outcome_of(i);
      ASSERT_NE(settled, nullptr);
      const std::int64_t end = settled->at.since_start().count();
      all_batches_in_time &= end <= windows[i].joint + windows[i].window;
      all_frames_in_time &= settled->command.outcome == Outcome::kOnTime;
      // What the theorem rests on: the window closes, and leaves W, before the frame's own deadline.
      ASSERT_LE(windows[i].joint + windows[i].window, load.jobs[i].absolute_deadline->since_start().count());
      if (windows[i].joint - windows[i].release < 0) FAIL();
      if (2 * windows[i].window < windows[i].relative_deadline - 1) ++shrinks;
    }
    // The production windows are the oracle's: no frame starts before its joint, frames of one joint and
    // category start together up to the cap, and no batch starts while one with an earlier deadline waits.
    for (const tiny::Batch& batch : driver.batches) {
      const std::int64_t start = batch.start.since_start().count();
      const auto nth = [&](JobId id) {
        return static_cast<std::size_t>(std::find(driver.released.begin(), driver.released.end(), id) -
                                        driver.released.begin());
      };
      const oracle::WindowedFrame& first = windows[nth(batch.command.jobs[0])];
      for (const JobId id : batch.command.jobs) {
        ASSERT_EQ(windows[nth(id)].joint, first.joint);
        ASSERT_GE(start, windows[nth(id)].joint);
      }
      const Category& category = driver.scheduler.books().system().catalog.category(batch.command.category);
      if (category.stage > 0) continue;
      for (std::size_t i = 0; i < load.jobs.size(); ++i) {
        const auto starts_first = [&](const tiny::Batch& other) {
          return other.start < batch.start &&
                 std::count(other.command.jobs.begin(), other.command.jobs.end(), driver.released[i]) > 0;
        };
        const bool waits = windows[i].joint < start &&
                           std::none_of(driver.batches.begin(), driver.batches.end(), starts_first);
        if (!waits) continue;
        ASSERT_GE(windows[i].joint + windows[i].window, first.joint + first.window) << "job " << i;
      }
    }
    if (all_batches_in_time) {
      ++premise_held;
      ASSERT_TRUE(all_frames_in_time);
    } else {
      ++premise_failed;
    }
  }
  // A property that never applies, or never could fail, proves nothing.
  EXPECT_GT(premise_held, 2'000u);
  EXPECT_GT(premise_failed, 500u);
  EXPECT_GT(shrinks, 5'000u);
}

// ---------------------------------------------------------------------------------------------------- EDF
// oracle

TEST(EdfOracle, StartsAndSettlesAsTheObviousProgramDoes) {
  std::size_t dropped = 0;
  std::size_t late = 0;
  for (std::uint64_t seed = 0; seed < 5'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    std::vector<ToyModel> models;
    for (int m = 0; m < 4; ++m) models.push_back({{Duration(rng.uniform(1, 9))}});
    std::vector<oracle::EdfJob> expected;
    TinyDriver driver(toy_system(models), policy("edf", {{"batch_size_max", 1}}));
    std::int64_t now = 0;
    for (std::int64_t n = rng.uniform(1, 16); n > 0; --n) {
      now += rng.uniform(0, 6);
      const auto m = static_cast<std::uint32_t>(rng.uniform(0, 3));
      oracle::EdfJob one;
      one.release = now;
      one.execution = models[m].first[0].count();
      if (!rng.chance(1, 5)) one.deadline = now + rng.uniform(1, 40);
      one.is_firm = one.deadline && !rng.chance(1, 3);
      one.priority = rng.uniform(0, 2);
      expected.push_back(one);
      Job job = toy_job(m, Duration(now), std::nullopt);
      if (one.deadline) {
        job.absolute_deadline = at(Duration(*one.deadline));
        job.kind = one.is_firm ? JobKind::kFirm : JobKind::kSoft;
      }
      job.priority = static_cast<std::uint32_t>(one.priority);
      driver.release(job);
    }
    driver.run();
    oracle::run_edf(expected);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const auto* settled = driver.outcome_of(i);
      ASSERT_NE(settled, nullptr);
      ASSERT_EQ(settled->at.since_start().count(), expected[i].end) << "job " << i;
      const Outcome outcome = settled->command.outcome;
      ASSERT_EQ(outcome == Outcome::kDropped, expected[i].fate == oracle::Fate::kDropped) << "job " << i;
      ASSERT_EQ(outcome == Outcome::kLate, expected[i].fate == oracle::Fate::kLate) << "job " << i;
      dropped += outcome == Outcome::kDropped ? 1 : 0;
      late += outcome == Outcome::kLate ? 1 : 0;
    }
  }
  EXPECT_GT(dropped, 1'000u);
  EXPECT_GT(late, 1'000u);
}

// ----------------------------------------------------------------------------------------------------
// everything

struct Chaos {
  std::vector<std::pair<Instant, Command>> commands;
  std::map<std::string, std::size_t> reached;
};

PolicyOptions draw_options(const PolicyInfo& info, Rng& rng) {
  PolicyOptions options;
  for (const PolicyOption& option : info.options) {
    if (rng.chance(1, 2)) continue;
    // Times in a range that matters here; the rest of theirs is only "very long".
    const bool is_time = option.name.ends_with("_us");
    const std::int64_t high = is_time ? std::max<std::int64_t>(option.minimum, 50'000) : option.maximum;
    options[std::string(option.name)] = rng.uniform(option.minimum, high);
  }
  return options;
}

// Every kind of event at random: stages, segments, cancels, overruns, failures, lost executors, shutdown.
Chaos run_chaos(std::uint64_t seed, Duration shift, bool audit_canary = false) {
  Rng rng(seed);
  const PolicyInfo& info = policies()[static_cast<std::size_t>(rng.uniform(0, std::ssize(policies()) - 1))];
  std::vector<ToyModel> models;
  for (std::int64_t m = rng.uniform(1, 3); m > 0; --m) {
    ToyModel model;
    model.first.clear();
    for (std::int64_t k = rng.uniform(1, 3); k > 0; --k) model.first.push_back(rng.uniform(1, 9) * 1ms);
    model.next = rng.uniform(0, 1000) * 1us;
    model.batch_size_max = static_cast<std::uint32_t>(rng.uniform(1, 8));
    model.mandatory_count = static_cast<std::uint32_t>(rng.uniform(1, std::ssize(model.first)));
    if (rng.chance(1, 2)) model.preprocess = rng.uniform(1, 3000) * 1us;
    models.push_back(model);
  }
  const std::int64_t executor_count = rng.uniform(1, 3);
  SystemModel system = toy_system(models, static_cast<std::size_t>(executor_count));
  if (rng.chance(1, 3)) system.executors.push_back({"decode", ExecutorKind::kCpu, false, true});
  if (rng.chance(1, 2)) system.table.overheads.reply_p99 = 200us;
  system.limits.queue_length_max = static_cast<std::size_t>(rng.uniform(3, 40));
  const std::int64_t last_executor = std::ssize(system.executors) - 1;

  TinyDriver driver(system, policy(info.name, draw_options(info, rng)));
  driver.honours_terminate = rng.chance(1, 2);
  const bool overruns = rng.chance(1, 2);
  const bool fails = rng.chance(1, 4);
  Rng behaviour = rng.split(1);
  driver.execution_time = [&, overruns](const StartBatch& start) {
    const Duration time = start.planned + 1ns;
    return overruns && behaviour.chance(1, 5) ? 4 * time : time;
  };
  driver.batch_status = [&, fails](const StartBatch&) {
    return fails && behaviour.chance(1, 6) ? BatchStatus::kFailed : BatchStatus::kSucceeded;
  };

  const auto random_instant = [&] { return at(shift + rng.uniform(0, 120) * 1ms); };
  const std::int64_t job_count = rng.uniform(1, 60);
  for (std::int64_t n = 0; n < job_count; ++n) {
    const auto m = static_cast<std::uint32_t>(rng.uniform(0, std::ssize(models) - 1));
    const Duration release = random_instant().since_start();
    const JobKind kind = rng.chance(1, 4) ? JobKind::kSoft : JobKind::kFirm;
    Job job = rng.chance(1, 5) ? toy_job(m, release, std::nullopt)
                               : toy_job(m, release, release + rng.uniform(0, 60) * 1ms, kind);
    job.needs_preprocess = models[m].preprocess > Duration::zero() && rng.chance(2, 3);
    job.priority = static_cast<std::uint32_t>(rng.uniform(0, 2));
    driver.release(job);
    if (rng.chance(1, 5)) driver.cancel(random_instant(), static_cast<std::size_t>(n));
  }
  if (rng.chance(1, 3)) {
    for (std::int64_t n = rng.uniform(1, 4); n > 0; --n) {
      const auto executor = static_cast<ExecutorId>(rng.uniform(0, last_executor));
      const Instant lost = random_instant();
      driver.post(lost, ExecutorLost{executor});
      driver.post(lost + rng.uniform(1, 40) * 1ms, ExecutorBack{executor});
    }
  }
  if (rng.chance(1, 4)) driver.post(random_instant(), ShutdownStarted{});
  if (rng.chance(1, 4)) driver.post(random_instant(), TablesChanged{});
  if (audit_canary)
    driver.post(random_instant(), BatchFinished{BatchId{1}, ExecutorId{0}, BatchStatus::kFailed, {}, {}, 0});
  driver.run();

  EXPECT_EQ(driver.scheduler.job_count(), 0u) << info.name << ", seed " << seed;
  EXPECT_EQ(driver.settled.size(), driver.released.size()) << info.name << ", seed " << seed;
  Chaos chaos;
  for (const auto& [when, command] : driver.log) {
    if (const auto* settle = std::get_if<SettleJob>(&command)) {
      ++chaos.reached[name(settle->outcome)];
      ++chaos.reached[name(settle->reason)];
      if (!settle->is_last) ++chaos.reached["zombie"];
      // On time means on time, and late means late.
      const bool says_late = settle->outcome == Outcome::kLate;
      const bool says_on_time = settle->outcome == Outcome::kOnTime && settle->slack;
      EXPECT_FALSE(says_on_time && *settle->slack < Duration::zero());
      EXPECT_FALSE(says_late && *settle->slack >= Duration::zero());
    }
    if (std::holds_alternative<TerminateBatch>(command)) ++chaos.reached["terminate"];
    if (std::holds_alternative<StartSegment>(command)) ++chaos.reached["segment"];
    if (const auto* start = std::get_if<StartBatch>(&command); start && start->jobs.size() > 1)
      ++chaos.reached["shared"];
  }
  ++chaos.reached[std::string(info.name)];
  chaos.commands = std::move(driver.log);
  return chaos;
}

TEST(Swarm, InvariantsHoldUnderTenThousandSeedsAndEveryCornerIsReached) {
  std::map<std::string, std::size_t> reached;
  for (std::uint64_t seed = 0; seed < 10'000; ++seed) {
    const Chaos chaos = run_chaos(seed, 0ms);
    for (const auto& [what, count] : chaos.reached) reached[what] += count;
    if (HasFailure()) FAIL() << "seed " << seed;
  }
  for (const char* corner : {"on_time",       "late",          "dropped",          "rejected",
                             "cancelled",     "failed",        "dropped_hopeless", "ran_past_deadline",
                             "shutting_down", "executor_lost", "client_gone",      "engine_failed",
                             "zombie",        "terminate",     "segment",          "shared",
                             "fifo",          "edf",           "deeprt",           "batch",
                             "batch-delay"}) {
    EXPECT_GT(reached[corner], 100u) << corner;
  }
}

TEST(Swarm, SameSeedSameCommands) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    ASSERT_TRUE(run_chaos(seed, 0ms).commands == run_chaos(seed, 0ms).commands) << "seed " << seed;
  }
}

// Nothing below a driver knows what time it is: everything an hour later, and the same decisions an hour
// later.
TEST(Swarm, DecisionsDoNotDependOnTheClock) {
  constexpr Duration kShift = 3600s + 7ns;
  for (std::uint64_t seed = 0; seed < 1'000; ++seed) {
    const Chaos early = run_chaos(seed, 0ms);
    const Chaos late = run_chaos(seed, kShift);
    ASSERT_EQ(early.commands.size(), late.commands.size()) << "seed " << seed;
    for (std::size_t i = 0; i < early.commands.size(); ++i) {
      const auto& [when, command] = early.commands[i];
      Command shifted = command;
      if (auto* timer = std::get_if<SetTimer>(&shifted)) timer->at = timer->at + kShift;
      ASSERT_EQ(when + kShift, late.commands[i].first) << "seed " << seed;
      ASSERT_TRUE(shifted == late.commands[i].second) << "seed " << seed << ", command " << i;
    }
  }
}

// The harness itself can fail: an event that no honest driver sends is caught.
TEST(Swarm, CanaryIsCaught) {
  EXPECT_DEATH(
      {
        for (std::uint64_t seed = 0; seed < 50; ++seed) run_chaos(seed, 0ms, true);
      },
      "check failed");
}

}  // namespace
}  // namespace laxity
