// The policy `laxity` keeps what it promises: random sets of streams that join and leave, with floods of
// other work beside them, through the production scheduler.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "sim/swarm.h"

namespace laxity {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* wanted = std::getenv(name);
  return wanted == nullptr ? otherwise : std::strtoull(wanted, nullptr, 10);
}

/// LAXITY_PROMISE_SEEDS=100000 looks longer, LAXITY_PROMISE_FIRST_SEED=N elsewhere.
std::uint64_t seed_count() { return from_environment("LAXITY_PROMISE_SEEDS", 2000); }

TEST(Promises, NoPromisedFrameIsMissed) {
  std::uint64_t promised = 0, by_demand = 0, by_both = 0;
  const std::uint64_t first_seed = from_environment("LAXITY_PROMISE_FIRST_SEED", 1);
  for (std::uint64_t seed = first_seed; seed < first_seed + seed_count(); ++seed) {
    const SwarmCase made = promise_case(seed);
    const auto output =
        simulate(made.scenario, *made.scenario.system, made.policy, made.policy_options, seed, made.options);
    ASSERT_TRUE(output) << output.error().message;
    const std::string broken = broken_promise(made, *output);
    ASSERT_TRUE(broken.empty()) << "seed " << seed << ": " << broken;
    std::uint64_t demands = 0, plans = 0;
    for (const Promise& promise : output->promises) {
      demands += promise.guarantee == Guarantee::kDemand;
      plans += promise.guarantee == Guarantee::kPlan || promise.guarantee == Guarantee::kPlanRolling;
    }
    promised += demands + plans;
    by_demand += demands;
    by_both += demands > 0 && plans > 0;
  }
  EXPECT_GT(promised, seed_count());
  EXPECT_GT(by_demand, seed_count() / 2);
  EXPECT_GT(by_both, seed_count() / 20);
  std::printf("%llu streams promised, %llu of them by the demand test; %llu cases with both kinds\n",
              static_cast<unsigned long long>(promised), static_cast<unsigned long long>(by_demand),
              static_cast<unsigned long long>(by_both));
}

// Streams that never end are promised as far as a plan that rolls on reaches. It may run out: that is told
// before a frame is missed. LAXITY_ENDLESS_SETS=500 and LAXITY_ENDLESS_SECONDS=80 look longer.
TEST(Promises, EndlessStreamsMissNothingUnannounced) {
  const std::uint64_t sets = from_environment("LAXITY_ENDLESS_SETS", 12);
  const auto duration = Duration(std::chrono::seconds(from_environment("LAXITY_ENDLESS_SECONDS", 10)));
  std::uint64_t promised = 0, losses = 0, sets_with_loss = 0, frames = 0;
  double share_sum = 0, share_max = 0;  // of the bound that a response took: how tight it is
  for (std::uint64_t seed = 1; seed <= sets; ++seed) {
    SwarmCase made = endless_case(seed, duration);
    made.options.audit = false;  // the other tests look at every event; this one looks far
    const auto output =
        simulate(made.scenario, *made.scenario.system, made.policy, made.policy_options, seed, made.options);
    ASSERT_TRUE(output) << output.error().message;
    const std::string broken = broken_promise(made, *output);
    ASSERT_TRUE(broken.empty()) << "seed " << seed << ": " << broken;
    std::uint64_t lost = 0;
    for (const Promise& promise : output->promises) {
      promised += promise.guarantee == Guarantee::kPlanRolling;
      lost += promise.losses;
    }
    losses += lost;
    sets_with_loss += lost > 0;
    for (const JobRecord& record : output->result.jobs) {
      const Duration jitter = made.scenario.tasks[record.task].jitter;
      const Instant arrival = record.intended + made.options.ingress;
      if (!record.response_time || !output->promises[record.task].covers(arrival - jitter, arrival)) continue;
      // A response counts from r where a frame comes early, which none does here: from its arrival.
      const Duration response = *record.response_time - made.options.ingress - made.options.reply;
      const double share = static_cast<double>(response.count()) /
                           static_cast<double>(made.scenario.tasks[record.task].deadline->maximum.count());
      EXPECT_LE(share, 1.0) << "seed " << seed;
      ++frames;
      share_sum += share;
      share_max = std::max(share_max, share);
    }
  }
  EXPECT_GT(promised, sets);
  std::printf(
      "%llu endless streams in %llu sets, %llu promised frames: promises lost %llu times, in %llu sets; "
      "a response took %.2f of its bound in the mean and %.4f at most\n",
      static_cast<unsigned long long>(promised), static_cast<unsigned long long>(sets),
      static_cast<unsigned long long>(frames), static_cast<unsigned long long>(losses),
      static_cast<unsigned long long>(sets_with_loss),
      frames > 0 ? share_sum / static_cast<double>(frames) : 0.0, share_max);
}

// Long lives fill a plan. What then is planned of those who come later must not shrink to nothing: a plan
// that proves nothing would admit anybody.
TEST(Promises, PlanFullOfLongLives_AdmitsNoMoreThanTheExecutorCanBear) {
  Scenario scenario;
  scenario.duration = 12s;
  Model model;
  model.name = "m";
  model.variants.push_back({"full", {}});
  SystemModel& system = scenario.system.emplace();
  const ModelId id = system.catalog.add_model(std::move(model), {1}, 1);
  system.table.set(system.catalog.model(id).variants[0].stages[0], 1, {5ms, 5ms, 5ms, 5ms, 1});
  system.executors.push_back({"cpu0", ExecutorKind::kCpu, true, true});
  system.limits.plan_frames_max = 2000;
  for (int i = 0; i < 20; ++i) {
    TaskSpec stream;
    stream.name = "s" + std::to_string(i);
    stream.model = "m";
    stream.period = 33ms;
    stream.jitter = 3ms;
    stream.phase = 2s + i * 1600us;  // they ask long before they send
    stream.deadline = DeadlineRange{30ms, 30ms};
    stream.frames = 300;
    stream.asks_stream = true;
    scenario.tasks.push_back(stream);
  }
  const auto output = simulate(scenario, system, "laxity", {}, 1);
  ASSERT_TRUE(output) << output.error().message;
  std::uint32_t admitted = 0, losses = 0;
  for (const Promise& promise : output->promises) {
    admitted += promise.guarantee != Guarantee::kNone;
    losses += promise.losses;
  }
  EXPECT_GE(admitted, 4u);
  EXPECT_LE(admitted, 6u);  // 33 / 5
  EXPECT_EQ(losses, 0u);
  for (const JobRecord& record : output->result.jobs) {
    if (output->promises[record.task].guarantee != Guarantee::kNone) {
      EXPECT_EQ(record.outcome, Outcome::kOnTime);
    }
  }
}

// Canary: when executions leave the table, promises break, and the check says so.
TEST(Promises, Canary_ExecutionsOverTheTableBreakPromises) {
  std::uint64_t broken = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SwarmCase made = promise_case(seed);
    SystemModel slower = *made.scenario.system;
    made.options.execution.mode = ExecutionMode::kPlanned;
    made.options.audit = false;
    Scenario scenario = made.scenario;
    scenario.faults = {{Instant{}, FaultKind::kOverrun, 2'500'000, 1'000'000, 0, {}}};
    const auto output = simulate(scenario, slower, made.policy, made.policy_options, seed, made.options);
    ASSERT_TRUE(output) << output.error().message;
    broken += !broken_promise(made, *output).empty();
  }
  EXPECT_GT(broken, 30u);
}

}  // namespace
}  // namespace laxity
