// The policy `laxity` keeps what it promises: random sets of streams that join and leave, with floods of
// other work beside them, through the production scheduler.
#include <gtest/gtest.h>

#include <cstdlib>

#include "sim/swarm.h"

namespace laxity {
namespace {

/// LAXITY_PROMISE_SEEDS=100000 looks longer, LAXITY_PROMISE_FIRST_SEED=N elsewhere.
std::uint64_t seed_count() {
  const char* wanted = std::getenv("LAXITY_PROMISE_SEEDS");
  return wanted == nullptr ? 2000 : std::strtoull(wanted, nullptr, 10);
}

TEST(Promises, NoPromisedFrameIsMissed) {
  std::uint64_t promised = 0;
  const char* first = std::getenv("LAXITY_PROMISE_FIRST_SEED");
  const std::uint64_t first_seed = first == nullptr ? 1 : std::strtoull(first, nullptr, 10);
  for (std::uint64_t seed = first_seed; seed < first_seed + seed_count(); ++seed) {
    const SwarmCase made = promise_case(seed);
    const auto output =
        simulate(made.scenario, *made.scenario.system, made.policy, made.policy_options, seed, made.options);
    ASSERT_TRUE(output) << output.error().message;
    const std::string broken = broken_promise(made, *output);
    ASSERT_TRUE(broken.empty()) << "seed " << seed << ": " << broken;
    for (const Promise& promise : output->promises) promised += promise.guarantee != Guarantee::kNone;
  }
  EXPECT_GT(promised, seed_count());
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
