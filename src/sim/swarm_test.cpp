#include "sim/swarm.h"

#include <gtest/gtest.h>

namespace laxity {
namespace {

TEST(Swarm, EveryInvariantHoldsForManySeeds) {
  const SwarmReport report = run_swarm(1, 300, nullptr);
  ASSERT_FALSE(report.failure) << "seed " << report.failure->seed << ": " << report.failure->message;
  EXPECT_EQ(report.seeds_run, 300u);
  EXPECT_GT(report.jobs, 10'000u);
}

// The swarm is worth something only if it goes where the corners are.
TEST(Swarm, ReachesEveryPolicyOutcomeAndFault) {
  std::vector<std::string> policies_seen;
  std::vector<bool> outcomes(kOutcomeCount, false);
  std::vector<bool> faults(5, false);
  bool has_batches = false;
  bool has_stages = false;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const SwarmCase made = swarm_case(seed);
    policies_seen.push_back(made.policy);
    for (const Fault& fault : made.scenario.faults) faults[static_cast<std::size_t>(fault.kind)] = true;
    SimulationOptions options = made.options;
    options.audit = false;
    const auto output =
        simulate(made.scenario, *made.scenario.system, made.policy, made.policy_options, seed, options);
    ASSERT_TRUE(output) << output.error().message;
    for (const JobRecord& record : output->result.jobs) {
      outcomes[static_cast<std::size_t>(record.outcome)] = true;
      has_batches = has_batches || record.batch_size > 1;
      has_stages = has_stages || record.exit_count > 1;
    }
  }
  for (const PolicyInfo& info : policies()) {
    EXPECT_NE(std::count(policies_seen.begin(), policies_seen.end(), info.name), 0) << info.name;
  }
  for (int i = 0; i < kOutcomeCount; ++i) {
    const auto outcome = static_cast<Outcome>(i);
    if (outcome == Outcome::kFailed) continue;  // engines do not fail in the simulator
    EXPECT_TRUE(outcomes[static_cast<std::size_t>(i)]) << name(outcome);
  }
  for (std::size_t i = 0; i < faults.size(); ++i) EXPECT_TRUE(faults[i]) << name(static_cast<FaultKind>(i));
  EXPECT_TRUE(has_batches);
  EXPECT_TRUE(has_stages);
}

// Canary: the claim about edf (what it starts is on time while times stay within the table) must be one
// that can break. Here it does, because times leave the table.
TEST(Swarm, Canary_TimesOverTheTableBreakEdfsClaim) {
  std::uint64_t started_in_vain = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SwarmCase made = swarm_case(seed);
    made.scenario.faults = {{Instant{}, FaultKind::kOverrun, 3'000'000, 1'000'000, 0, {}}};
    made.options.audit = false;
    const auto output = simulate(made.scenario, *made.scenario.system, "edf", {}, seed, made.options);
    ASSERT_TRUE(output) << output.error().message;
    for (const JobRecord& record : output->result.jobs) {
      started_in_vain += record.outcome == Outcome::kDropped && record.batch_size > 0;
    }
  }
  EXPECT_GT(started_in_vain, 100u);
}

TEST(Swarm, OneSeedIsOneCase) {
  const SwarmCase a = swarm_case(42);
  const SwarmCase b = swarm_case(42);
  EXPECT_EQ(a.policy, b.policy);
  EXPECT_EQ(a.scenario.duration, b.scenario.duration);
  EXPECT_EQ(a.scenario.tasks.size(), b.scenario.tasks.size());
}

}  // namespace
}  // namespace laxity
