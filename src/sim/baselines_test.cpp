// The baselines of DeepRT's evaluation, through the production scheduler: what SEDF admits, and what networks
// that run beside each other do to each other.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "sim/simulator.h"

namespace laxity {
namespace {

struct Case {
  Scenario scenario;
  SystemModel system;
};

/// A few networks on one executor, and finite streams that ask one after the other, in small integer times so
/// that ties are frequent.
Case random_case(std::uint64_t seed) {
  Rng rng(seed);
  Case made;
  made.system.executors.push_back({"gpu", ExecutorKind::kEmulated, true, true});
  const std::int64_t model_count = rng.uniform(1, 3);
  for (std::int64_t m = 0; m < model_count; ++m) {
    Model model;
    model.name = "m" + std::to_string(m);
    model.variants.push_back({"full", {}});
    const auto stages = static_cast<std::uint32_t>(rng.uniform(1, 2));
    const ModelId id = made.system.catalog.add_model(std::move(model), {stages}, 4);
    for (const CategoryId category : made.system.catalog.model(id).variants[0].stages) {
      const Duration t = Duration(rng.uniform(1, 4)) * 1'000'000;
      made.system.table.set(category, 1, {t, t, t, t, 1});
    }
  }
  made.scenario.name = "sedf";
  made.scenario.duration = 1s;
  const std::int64_t stream_count = rng.uniform(1, 5);
  for (std::int64_t i = 0; i < stream_count; ++i) {
    TaskSpec task;
    task.name = "s" + std::to_string(i);
    task.model = "m" + std::to_string(rng.uniform(0, model_count - 1));
    task.period = Duration(rng.uniform(5, 25)) * 1'000'000;
    const Duration deadline = Duration(rng.uniform(4, 40)) * 1'000'000;
    task.deadline = DeadlineRange{deadline, deadline};
    task.kind = JobKind::kSoft;
    task.frames = static_cast<std::uint64_t>(rng.uniform(1, 12));
    task.start = Duration(rng.uniform(0, 60)) * 1'000'000;
    task.asks_stream = true;
    made.scenario.tasks.push_back(task);
  }
  return made;
}

SimulationOutput run(const Case& made) {
  SimulationOptions options;
  options.audit = true;
  options.execution.mode = ExecutionMode::kPlanned;
  return simulate(made.scenario, made.system, "sedf", {}, 1, options).value();
}

bool is_anyone_late(const SimulationOutput& output) {
  return std::any_of(output.result.jobs.begin(), output.result.jobs.end(), [](const JobRecord& job) {
    return job.outcome != Outcome::kOnTime && job.outcome != Outcome::kRejected;
  });
}

TEST(Sedf, AdmitsExactlyWhatRunsInTimeWhenTimesEqualTheTable) {
  std::size_t refusals = 0, admissions = 0;
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case made = random_case(seed);
    const SimulationOutput output = run(made);
    ASSERT_FALSE(is_anyone_late(output));  // whatever was admitted

    // The other way: with the first that was refused, somebody is late. Later streams had not asked yet.
    Case forced = made;
    forced.scenario.tasks.clear();
    const TaskSpec* refused = nullptr;
    std::vector<std::size_t> order(made.scenario.tasks.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return made.scenario.tasks[a].start < made.scenario.tasks[b].start;
    });
    for (const std::size_t i : order) {
      if (refused != nullptr) break;
      admissions += output.result.verdicts[i].answer == TaskAnswer::kAdmitted ? 1 : 0;
      if (output.result.verdicts[i].answer == TaskAnswer::kRefused) refused = &made.scenario.tasks[i];
    }
    if (refused == nullptr) continue;
    ++refusals;
    for (std::size_t i = 0; i < made.scenario.tasks.size(); ++i) {  // in the file's order: ties are by task
      const TaskSpec& task = made.scenario.tasks[i];
      const bool was_admitted = output.result.verdicts[i].answer == TaskAnswer::kAdmitted;
      const bool asked_before =
          task.start < refused->start || (task.start == refused->start && &task < refused);
      if (&task != refused && !(was_admitted && asked_before)) continue;
      forced.scenario.tasks.push_back(task);
      forced.scenario.tasks.back().asks_stream = false;
    }
    EXPECT_TRUE(is_anyone_late(run(forced)));
  }
  EXPECT_GT(refusals, 300u);
  EXPECT_GT(admissions, 1'000u);
}

TEST(Concurrency, NetworksOnOneDeviceShareItBySlowdownAndOneOfEachRunsAtATime) {
  Case made;
  for (int i = 0; i < 3; ++i) {
    made.system.executors.push_back({"slot" + std::to_string(i), ExecutorKind::kEmulated, true, true});
    Model model;
    model.name = "m" + std::to_string(i);
    model.variants.push_back({"full", {}});
    const ModelId id = made.system.catalog.add_model(std::move(model), {1}, 1);
    made.system.table.set(made.system.catalog.model(id).variants[0].stages[0], 1,
                          {10ms, 10ms, 10ms, 10ms, 1});
    TaskSpec task;
    task.name = "t" + std::to_string(i);
    task.model = "m" + std::to_string(i);
    task.period = 1s;
    task.deadline = DeadlineRange{500ms, 500ms};
    task.frames = 1;
    made.scenario.tasks.push_back(task);
  }
  made.scenario.duration = 2s;
  SlowdownTable slowdown;
  for (std::uint32_t a = 0; a < 3; ++a) {
    for (std::uint32_t b = 0; b < 3; ++b) {
      slowdown.set(static_cast<CategoryId>(a), static_cast<CategoryId>(b), 2 * kFactorOne);
    }
  }
  SimulationOptions options;
  options.audit = true;
  options.execution.mode = ExecutionMode::kPlanned;
  options.slowdown = &slowdown;
  const auto output =
      simulate(made.scenario, made.system, "batch", {{"batch_size", 1}, {"instances_max", 1}}, 1, options);
  ASSERT_TRUE(output) << output.error().message;
  // Three equal pieces at a third of the speed each.
  for (const JobRecord& job : output->result.jobs) EXPECT_EQ(job.response_time, Duration(30ms));
  // The same jobs of one network queue for its one instance, and are not slowed.
  for (TaskSpec& task : made.scenario.tasks) task.model = "m0";
  const auto queued =
      simulate(made.scenario, made.system, "batch", {{"batch_size", 1}, {"instances_max", 1}}, 1, options);
  ASSERT_TRUE(queued) << queued.error().message;
  std::vector<Duration> responses;
  for (const JobRecord& job : queued->result.jobs) responses.push_back(*job.response_time);
  EXPECT_EQ(responses, (std::vector<Duration>{10ms, 20ms, 30ms}));
}

TEST(Concurrency, AStallAndALostExecutorChangeTheOthersPace) {
  // Two pieces of 10 ms at half speed: alone they would end at 20 ms.
  const auto finishes = [](FaultKind kind) {
    Case made;
    SlowdownTable slowdown;
    for (int i = 0; i < 2; ++i) {
      made.system.executors.push_back({"slot" + std::to_string(i), ExecutorKind::kEmulated, true, true});
      Model model;
      model.name = "m" + std::to_string(i);
      model.variants.push_back({"full", {}});
      const ModelId id = made.system.catalog.add_model(std::move(model), {1}, 1);
      made.system.table.set(made.system.catalog.model(id).variants[0].stages[0], 1,
                            {10ms, 10ms, 10ms, 10ms, 1});
      slowdown.set(static_cast<CategoryId>(i), static_cast<CategoryId>(1 - i), 2 * kFactorOne);
      TaskSpec task;
      task.name = "t" + std::to_string(i);
      task.model = "m" + std::to_string(i);
      task.period = 1s;
      task.frames = 1;
      task.deadline = DeadlineRange{500ms, 500ms};
      made.scenario.tasks.push_back(task);
    }
    made.scenario.duration = 1s;
    Fault fault;
    fault.at = Instant::from_start(10ms);  // both are half done
    fault.kind = kind;
    fault.executor = 0;
    fault.duration = 5ms;
    made.scenario.faults.push_back(fault);
    SimulationOptions options;
    options.audit = true;
    options.execution.mode = ExecutionMode::kPlanned;
    options.slowdown = &slowdown;
    const auto output =
        simulate(made.scenario, made.system, "batch", {{"batch_size", 1}}, 1, options).value();
    std::vector<Duration> ends;
    for (const JobRecord& job : output.result.jobs) ends.push_back(*job.response_time);
    return ends;
  };
  // Executor 0 has 5 ms more to do: the other ends at 20 ms, then the rest of 5 ms runs alone.
  EXPECT_EQ(finishes(FaultKind::kStall), (std::vector<Duration>{25ms, 20ms}));
  // Executor 0 is lost: the other runs its 5 ms alone; the lost piece starts anew there at 15 ms.
  EXPECT_EQ(finishes(FaultKind::kExecutorLost), (std::vector<Duration>{25ms, 15ms}));
}

}  // namespace
}  // namespace laxity
