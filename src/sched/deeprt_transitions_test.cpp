// DeepRT through the production scheduler: streams that join and leave, verdicts and their loss, work without
// deadlines, and overruns.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "policy/registry.h"
#include "sched/tiny_driver.h"

namespace laxity {
namespace {

using tiny::at;
using tiny::TinyDriver;
using tiny::toy_frame;
using tiny::toy_job;
using tiny::toy_system;
using tiny::toy_task;
using tiny::ToyModel;

/// Wraps the driver: streams by name of their number, frames released as their contract says.
class Streams {
 public:
  explicit Streams(SystemModel system, PolicyOptions options = {})
      : driver(std::move(system), std::move(make_policy("deeprt", with_defaults(options))).value()) {
    driver.plan_delay = 0ns;
  }

  struct Contract {
    std::uint32_t model = 0;
    Duration asks{};
    Duration first{};
    Duration period{};
    Duration deadline{};
    std::uint64_t sent = 0;  // frames
    bool is_endless = false;
    std::uint32_t variant = 0;
    Guarantee guarantee = Guarantee::kNone;
  };
  std::size_t ask(const Contract& contract) {
    Task task = toy_task(count_, contract.model, contract.period, contract.deadline);
    task.lowest_variant = contract.variant;
    task.first_release = at(contract.first);
    task.guarantee = contract.guarantee;
    if (!contract.is_endless) task.frame_count = contract.sent;
    driver.post(at(contract.asks), TaskSubmitted{task});
    for (std::uint64_t k = 0; k < contract.sent; ++k) {
      driver.release(toy_frame(task, k, contract.first + static_cast<std::int64_t>(k) * contract.period));
    }
    return count_++;
  }
  void leave(std::size_t stream, Duration when) {
    driver.post(at(when), TaskRemoved{static_cast<TaskId>(stream)});
  }
  std::vector<AnswerTask> answers(std::size_t stream) const {
    std::vector<AnswerTask> found;
    for (const auto& [when, command] : driver.log) {
      const auto* answer = std::get_if<AnswerTask>(&command);
      if (answer != nullptr && index(answer->task) == stream) found.push_back(*answer);
    }
    return found;
  }
  std::size_t late_count() const {
    return static_cast<std::size_t>(
        std::count_if(driver.settled.begin(), driver.settled.end(),
                      [](const tiny::Settled& one) { return one.command.outcome == Outcome::kLate; }));
  }
  std::size_t largest_batch(CategoryId category, Duration from) const {
    std::size_t largest = 0;
    for (const tiny::Batch& batch : driver.batches) {
      if (batch.command.category == category && batch.start >= at(from)) {
        largest = std::max(largest, batch.command.jobs.size());
      }
    }
    return largest;
  }

 private:
  static PolicyOptions with_defaults(PolicyOptions options) {
    options.emplace("early_batching", 0);
    return options;
  }
  std::size_t count_ = 0;

 public:
  TinyDriver driver;
};

// ------------------------------------------------------------------------------------------------ windows

TEST(DeepRtStreams, ATighterStreamCutsTheOpenWindow) {
  Streams streams(toy_system({{{2ms}, 1ms, 8}}));
  streams.ask({.asks = 0ms, .first = 0ms, .period = 50ms, .deadline = 100ms, .sent = 2});   // joint 50
  streams.ask({.asks = 10ms, .first = 12ms, .period = 20ms, .deadline = 20ms, .sent = 1});  // joint 20
  streams.driver.run();
  // Frames by order of release: 0 at 0, 1 at 12, 2 at 50. The tight stream ends at the joint at 20, and the
  // window that opens there is 50 long again.
  EXPECT_EQ(streams.driver.schedule(), "20000:0+1 70000:2");
  EXPECT_EQ(streams.late_count(), 0u);
}

SystemModel camera_and_guard() {
  SystemModel system = toy_system({{{1500us}, 500us, 8}, {{1ms}}});
  system.limits.queue_length_max = 64;
  return system;
}

/// Camera: a frame every 10 ms, due in 100. A visitor with D = 20 ms keeps its windows at 10 ms, and leaves.
void camera_with_visitor(Streams& streams) {
  streams.ask({.first = 5ms, .period = 10ms, .deadline = 100ms, .sent = 30});
  const std::size_t visitor =
      streams.ask({.first = 5ms, .period = 100ms, .deadline = 20ms, .sent = 1, .is_endless = true});
  streams.leave(visitor, 35ms);
}

TEST(DeepRtStreams, WindowsGrowWhenTheTightestLeavesAndATestWithoutItPasses) {
  Streams streams(camera_and_guard());
  camera_with_visitor(streams);
  streams.driver.run();
  EXPECT_EQ(streams.late_count(), 0u);
  EXPECT_EQ(streams.largest_batch(CategoryId{0}, 0ms), 5u);  // a window of 50 ms
  for (const tiny::Batch& batch : streams.driver.batches) {
    // They grow at the joint at 40 ms, not before.
    EXPECT_LE(batch.command.jobs.size(), batch.start <= at(40ms) ? 2u : 5u);
  }
}

// The guard bears a blocking of 3 ms. A batch of five camera frames takes 3.5 ms and would start 0.2 ms
// before the guard's joint.
TEST(DeepRtStreams, WindowsStayShortWhereLongerOnesWouldMakeOthersLate) {
  Streams streams(camera_and_guard());
  camera_with_visitor(streams);
  streams.ask({.model = 1, .asks = 2200us, .first = 2300us, .period = 4ms, .deadline = 8ms, .sent = 75});
  streams.driver.run();
  EXPECT_TRUE(streams.answers(2).front().admitted);
  EXPECT_EQ(streams.late_count(), 0u);
  EXPECT_LE(streams.largest_batch(CategoryId{0}, 0ms), 2u);
  // Without admission nobody holds the windows short, and the guard misses.
  Streams anyway(camera_and_guard(), {{"admission", 0}});
  camera_with_visitor(anyway);
  anyway.ask({.model = 1, .asks = 2200us, .first = 2300us, .period = 4ms, .deadline = 8ms, .sent = 75});
  anyway.driver.run();
  EXPECT_EQ(anyway.largest_batch(CategoryId{0}, 0ms), 5u);
  EXPECT_GT(anyway.late_count(), 0u);
}

// ------------------------------------------------------------------------------------------------ verdicts

TEST(DeepRtStreams, ARefusalSaysWhichTestWhoseFrameAndWhen) {
  Streams streams(toy_system({{{6ms}}}));
  streams.ask({.first = 0ms, .period = 20ms, .deadline = 20ms, .sent = 5});
  const std::size_t tight = streams.ask({.first = 0ms, .period = 100ms, .deadline = 10ms, .sent = 1});
  streams.driver.run();
  const AnswerTask admitted = streams.answers(0).at(0), refused = streams.answers(tight).at(0);
  EXPECT_TRUE(admitted.admitted);
  EXPECT_EQ(admitted.guarantee, Guarantee::kNominal);
  EXPECT_EQ(admitted.response_time_bound, 20ms);
  EXPECT_FALSE(refused.admitted);
  EXPECT_EQ(refused.reason, Reason::kAdmissionPhase2);
  EXPECT_EQ(refused.failing_task, static_cast<TaskId>(tight));
  EXPECT_EQ(refused.failing_at, at(10ms));
  ASSERT_TRUE(refused.deadline_offer);
  EXPECT_GT(*refused.deadline_offer, 10ms);
  EXPECT_EQ(streams.late_count(), 0u);
}

TEST(DeepRtStreams, PhaseOneRefusesEndlessStreamsThatCanNeverFit) {
  Streams streams(toy_system({{{6ms}, 0ms, 1}}));
  streams.ask({.first = 0ms, .period = 5ms, .deadline = 50ms, .is_endless = true});
  streams.driver.run();
  const AnswerTask refused = streams.answers(0).at(0);
  EXPECT_EQ(refused.reason, Reason::kAdmissionPhase1);
  ASSERT_TRUE(refused.period_offer);
  EXPECT_GE(*refused.period_offer, 6ms);
  EXPECT_EQ(*refused.period_offer % 250us, 0ns);  // 5 % steps
}

TEST(DeepRtStreams, AGuaranteeThatItCannotGiveIsRefused) {
  Streams streams(toy_system({{{1ms}}}));
  const auto with = [](Guarantee guarantee) {
    return Streams::Contract{.period = 10ms, .deadline = 10ms, .sent = 1, .guarantee = guarantee};
  };
  streams.ask(with(Guarantee::kDemand));
  streams.ask(with(Guarantee::kPlan));
  streams.ask(with(Guarantee::kPlanRolling));
  streams.ask(with(Guarantee::kNominal));
  streams.driver.run();
  EXPECT_EQ(streams.answers(0).at(0).reason, Reason::kAdmissionDemand);
  EXPECT_EQ(streams.answers(1).at(0).reason, Reason::kAdmissionPlan);
  EXPECT_EQ(streams.answers(2).at(0).reason, Reason::kAdmissionPlan);
  EXPECT_TRUE(streams.answers(3).at(0).admitted);
}

// Every counter-offer is taken up in a second run, and admitted.
TEST(DeepRtStreams, CounterOffersAreAdmittedWhenTakenUp) {
  std::size_t deadlines = 0, periods = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Rng rng(seed);
    std::vector<ToyModel> models;
    for (int g = 0; g < 2; ++g) models.push_back({{rng.uniform(2, 9) * 1ms}, rng.uniform(0, 3) * 1ms, 4});
    std::vector<Streams::Contract> contracts;
    for (int i = 0; i < 4; ++i) {
      contracts.push_back({.model = static_cast<std::uint32_t>(rng.uniform(0, 1)),
                           .first = rng.uniform(0, 20) * 1ms,
                           .period = rng.uniform(8, 60) * 1ms,
                           .deadline = rng.uniform(10, 90) * 1ms,
                           .sent = static_cast<std::uint64_t>(rng.uniform(2, 8))});
    }
    const auto verdict = [&](const Streams::Contract& last) {
      Streams streams(toy_system(models));
      for (std::size_t i = 0; i + 1 < contracts.size(); ++i) streams.ask(contracts[i]);
      const std::size_t id = streams.ask(last);
      streams.driver.run();
      EXPECT_EQ(streams.late_count(), 0u);
      return streams.answers(id).at(0);
    };
    const AnswerTask refused = verdict(contracts.back());
    if (refused.admitted) continue;
    if (refused.deadline_offer) {
      Streams::Contract taken = contracts.back();
      taken.deadline = *refused.deadline_offer;
      EXPECT_TRUE(verdict(taken).admitted) << "seed " << seed;
      ++deadlines;
    }
    if (refused.period_offer) {
      Streams::Contract taken = contracts.back();
      taken.period = *refused.period_offer;
      EXPECT_TRUE(verdict(taken).admitted) << "seed " << seed;
      ++periods;
    }
  }
  EXPECT_GT(deadlines, 30u);
  EXPECT_GT(periods, 10u);
}

TEST(DeepRtStreams, NewTablesAreTestedAndLossAndReturnAreTold) {
  SystemModel system = toy_system({{{4ms}}});
  const LatencyTable fast = system.table;
  LatencyTable slow = fast;
  for (std::uint32_t n = 1; n <= 8; ++n) slow.set(CategoryId{0}, n, {40ms, 40ms, 40ms, 40ms, 1});
  Streams streams(system);
  streams.ask({.first = 0ms, .period = 20ms, .deadline = 20ms, .sent = 10});
  streams.driver.on_event = [&](Instant now, const Event& event) {
    if (std::holds_alternative<TablesChanged>(event)) {
      streams.driver.scheduler.replace_table(now < at(80ms) ? slow : fast);
    }
  };
  streams.driver.execution_time = [](const StartBatch&) { return 4ms; };
  streams.driver.post(at(55ms), TablesChanged{});
  streams.driver.post(at(95ms), TablesChanged{});
  streams.driver.run();
  const std::vector<AnswerTask> told = streams.answers(0);
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[0].guarantee, Guarantee::kNominal);
  EXPECT_TRUE(told[1].admitted);
  EXPECT_EQ(told[1].guarantee, Guarantee::kNone);
  EXPECT_NE(told[1].reason, Reason::kNone);
  EXPECT_EQ(told[2].guarantee, Guarantee::kNominal);
}

// A frame fixes the phase of a stream that did not say it, and the stream is tested at the real one.
TEST(DeepRtStreams, FrameZeroFixesThePhaseAndTheStreamIsTestedAgain) {
  TinyDriver driver(toy_system({{{2ms}}}), std::move(make_policy("deeprt", {{"early_batching", 0}})).value());
  driver.plan_delay = 0ns;
  Task task = toy_task(0, 0, 20ms, 20ms);
  task.frame_count = 3;
  driver.post(at(0ms), TaskSubmitted{task});
  for (std::uint32_t k = 0; k < 3; ++k) driver.release(toy_frame(task, k, 7ms + k * 20ms));
  driver.run();
  std::vector<bool> provisional;
  for (const auto& [when, command] : driver.log) {
    if (const auto* answer = std::get_if<AnswerTask>(&command)) {
      EXPECT_TRUE(answer->admitted);
      provisional.push_back(answer->is_provisional);
    }
  }
  EXPECT_EQ(provisional, (std::vector<bool>{true, false}));
  for (const tiny::Settled& one : driver.settled) EXPECT_EQ(one.command.outcome, Outcome::kOnTime);
}

// --------------------------------------------------------------------------------- work without a deadline

TEST(DeepRtBestEffort, EntersItsWindowAPeriodApartHoweverFastItComes) {
  Streams streams(toy_system({{{1ms}}}),
                  {{"best_effort_window_us", 100'000}, {"best_effort_period_us", 30'000}});
  for (int i = 0; i < 6; ++i) streams.driver.release(toy_job(0, i * 1ms, std::nullopt));
  streams.driver.run();
  // They enter at 0, 30, 60, 90, 120, 150: four before the joint at 100, two before that at 200.
  EXPECT_EQ(streams.driver.schedule(), "100000:0 101000:1 102000:2 103000:3 200000:4 201000:5");
}

TEST(DeepRtBestEffort, NeverSharesABatchWithFramesThatHaveADeadlineAndComesAfterThem) {
  Streams streams(
      toy_system({{{5ms}}}),
      {{"best_effort_window_us", 20'000}, {"best_effort_period_us", 1}, {"best_effort_batch_size_max", 8}});
  streams.driver.release(toy_job(0, 1ms, std::nullopt));
  streams.driver.release(toy_job(0, 1ms, std::nullopt));
  streams.driver.release(toy_job(0, 1ms, 41ms));  // its joint is that of best effort: 21
  streams.ask({.asks = 1ms, .first = 1ms, .period = 40ms, .deadline = 40ms, .sent = 1});
  streams.driver.run();
  std::vector<std::size_t> sizes;
  for (const tiny::Batch& batch : streams.driver.batches) sizes.push_back(batch.command.jobs.size());
  // The stream's frame, the other one, and two of best effort: the same category, three batches.
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1, 1, 2}));
}

TEST(DeepRtBestEffort, AnIdleExecutorDrainsTheBacklogWhereNoJointWaits) {
  Streams streams(toy_system({{{1ms}}}), {{"early_batching", 1}, {"best_effort_period_us", 1'000'000}});
  for (int i = 0; i < 5; ++i) streams.driver.release(toy_job(0, 0ms, std::nullopt));
  streams.driver.run();
  EXPECT_EQ(streams.driver.schedule(), "0:0 1000:1 2000:2 3000:3 4000:4");
}

TEST(DeepRtBestEffort, CancelledInTheBacklogItLeavesNoTrace) {
  Streams streams(toy_system({{{1ms}}}), {{"best_effort_window_us", 50'000}});
  for (int i = 0; i < 3; ++i) streams.driver.release(toy_job(0, 0ms, std::nullopt));
  streams.driver.cancel(at(1ms), 1);
  streams.driver.run();
  EXPECT_EQ(streams.driver.schedule(), "50000:0 51000:2");
  EXPECT_EQ(streams.driver.scheduler.job_count(), 0u);
}

// ------------------------------------------------------------------------------------------------ overruns

/// Variants "small" of one stage (1 ms) and "large" of two (3 ms each), one mandatory.
SystemModel scalable() {
  SystemModel system;
  Model model;
  model.name = "m";
  model.variants = {{"small", {}}, {"large", {}}};
  const ModelId id = system.catalog.add_model(std::move(model), {1, 2}, 4);
  for (std::uint32_t variant = 0; variant < 2; ++variant) {
    const Duration time = variant == 0 ? 1ms : 3ms;
    for (const CategoryId stage : system.catalog.model(id).variants[variant].stages) {
      for (std::uint32_t n = 1; n <= 4; ++n) system.table.set(stage, n, {time, time, time, time, 1});
    }
  }
  system.executors.push_back({"cpu", ExecutorKind::kCpu, true, true});
  system.limits = {64, 32, 8, 64};
  return system;
}

/// A stream of "large" and one of "small", in phase; the second batch of "large" takes 5 ms too long.
void overrun(Streams& streams) {
  streams.ask({.first = 0ms, .period = 40ms, .deadline = 40ms, .sent = 6, .variant = 1});
  streams.ask({.first = 0ms, .period = 40ms, .deadline = 40ms, .sent = 6, .variant = 0});
  int large = 0;
  streams.driver.execution_time = [large](const StartBatch& start) mutable {
    const bool is_second = start.category == CategoryId{1} && ++large == 2;
    return start.planned + (is_second ? 5ms : 0ms);
  };
  streams.driver.run();
}

std::vector<std::uint32_t> exits_of(const Streams& streams, std::uint32_t variant) {
  std::vector<std::uint32_t> exits;
  for (const tiny::Settled& one : streams.driver.settled) {
    if (one.job.variant == variant) exits.push_back(one.command.exit_count);
  }
  return exits;
}

TEST(DeepRtAdapts, OptionalStagesAreLeftOutUntilTheOverrunIsPaidBack) {
  Streams streams(scalable());
  overrun(streams);
  // 5 ms over; two batches without the second stage save 3 ms each.
  EXPECT_EQ(exits_of(streams, 1), (std::vector<std::uint32_t>{2, 2, 1, 1, 2, 2}));
  EXPECT_EQ(exits_of(streams, 0), (std::vector<std::uint32_t>{1, 1, 1, 1, 1, 1}));
}

TEST(DeepRtAdapts, SwitchedOffItRunsOn) {
  Streams streams(scalable(), {{"adaptation", 0}});
  overrun(streams);
  EXPECT_EQ(exits_of(streams, 1), (std::vector<std::uint32_t>{2, 2, 2, 2, 2, 2}));
}

// Cheaper variants: two overruns, so that the second step is reached. The frames that run smaller are of the
// small variant's category, and yet share no batch with those that asked for it.
TEST(DeepRtAdapts, AFrameThatRunsSmallerSharesNoBatchWithAGenuineOne) {
  Streams streams(scalable(), {{"adaptation", 2}});
  streams.ask({.first = 0ms, .period = 40ms, .deadline = 40ms, .sent = 8, .variant = 1});
  streams.ask({.first = 0ms, .period = 40ms, .deadline = 40ms, .sent = 8, .variant = 0});
  int large = 0;
  streams.driver.execution_time = [large](const StartBatch& start) mutable {
    const bool is_first_two = start.category == CategoryId{1} && ++large <= 2;
    return start.planned + (is_first_two ? 10ms : 0ms);
  };
  streams.driver.run();
  std::size_t smaller = 0;
  for (const tiny::Batch& batch : streams.driver.batches) EXPECT_EQ(batch.command.jobs.size(), 1u);
  for (const tiny::Settled& one : streams.driver.settled) {
    if (one.command.variant) {
      EXPECT_EQ(one.job.variant, 1u);
      EXPECT_EQ(*one.command.variant, 0u);  // the answer says which variant gave it
      ++smaller;
    }
  }
  EXPECT_GE(smaller, 2u);
}

}  // namespace
}  // namespace laxity
