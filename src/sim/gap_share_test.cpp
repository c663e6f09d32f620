// Optional stages and best-effort work share what promises leave, by the option best_effort_percent of the
// policy `laxity`.
#include <gtest/gtest.h>

#include "sim/simulator.h"

namespace laxity {
namespace {

struct Shares {
  std::uint64_t promised = 0, late = 0;
  double optional = 0, best_effort = 0;  // seconds
};

constexpr Duration kStage = 1ms;

/// One stream of four stages of which the first is promised: 10 ms apart, so 9 of 10 are left, of which its
/// optional stages can use three. `clients` have a best-effort job of one stage out at any time.
Shares run(std::int64_t percent, std::uint32_t clients, Duration period = 10ms) {
  Scenario scenario;
  scenario.duration = 10s;
  SystemModel& system = scenario.system.emplace();
  const auto add = [&](const char* name, std::uint32_t stages) {
    Model model;
    model.name = name;
    model.variants.push_back({"full", {}});
    const ModelId id = system.catalog.add_model(std::move(model), {stages}, 1);
    for (const CategoryId category : system.catalog.model(id).variants[0].stages) {
      system.table.set(category, 1, {kStage, kStage, kStage, kStage, 1});
    }
  };
  add("staged", 4);
  add("plain", 1);
  system.executors.push_back({"cpu0", ExecutorKind::kCpu, true, true});
  TaskSpec stream;
  stream.name = "stream";
  stream.model = "staged";
  stream.period = period;
  stream.deadline = DeadlineRange{4 * period, 4 * period};
  stream.asks_stream = true;
  scenario.tasks.push_back(stream);
  if (clients > 0) {
    TaskSpec flood;
    flood.name = "flood";
    flood.model = "plain";
    flood.arrival = Arrival::kClosedLoop;
    flood.clients = clients;
    flood.kind = JobKind::kBestEffort;
    scenario.tasks.push_back(flood);
  }
  const auto output = simulate(scenario, system, "laxity", {{"best_effort_percent", percent}}, 1);
  EXPECT_TRUE(output) << output.error().message;
  Shares shares;
  for (const JobRecord& record : output->result.jobs) {
    const double seconds = std::chrono::duration<double>(kStage).count();
    if (record.task == 1) {
      shares.best_effort += seconds * record.exit_count;
      continue;
    }
    ++shares.promised;
    shares.late += record.outcome != Outcome::kOnTime;
    if (record.exit_count > 1) shares.optional += seconds * (record.exit_count - 1);
  }
  return shares;
}

TEST(GapShare, FloodOfBestEffort_GetsItsPercentage) {
  // A period of 4 ms: the optional stages alone could fill all that the promise leaves.
  for (const std::int64_t percent : {25, 50, 75}) {
    const Shares shares = run(percent, 4, 4ms);
    EXPECT_EQ(shares.late, 0u) << percent;
    const double best_effort = shares.best_effort / (shares.best_effort + shares.optional);
    EXPECT_NEAR(best_effort, static_cast<double>(percent) / 100, 0.1);
  }
}

TEST(GapShare, AllOrNothing) {
  EXPECT_LT(run(100, 4, 4ms).optional, 0.1);
  EXPECT_LT(run(0, 4, 4ms).best_effort, 1.0);  // what no optional stage has a use for
  EXPECT_EQ(run(0, 4, 4ms).late, 0u);
}

// Neither waits for the other: what one has no use for, the other gets, and nothing is saved up for later.
TEST(GapShare, WhatOneHasNoUseFor_TheOtherGets) {
  EXPECT_NEAR(run(90, 0).optional, 3.0, 0.1);
  const Shares shares = run(50, 4);
  EXPECT_NEAR(shares.optional, 3.0, 0.3);  // three of nine, less than half of them
  EXPECT_NEAR(shares.best_effort, 6.0, 0.5);
}

}  // namespace
}  // namespace laxity
