#include "sim/simulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace laxity {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

/// One network of one stage, 2 ms whatever the batch, on `executors` executors.
std::string system_text(int executors = 1, const char* more = "") {
  return "executors = " + std::to_string(executors) +
         "\n[[model]]\nname = \"m\"\nbatch_sizes = [1, 4]\n[[model.stage]]\np50_ms = [2, 2]\n" + more;
}

Scenario scenario_of(const std::string& tasks, const std::string& system = system_text(),
                     const std::string& duration = "0.1") {
  return parse_toml_scenario("name = \"s\"\nduration_s = " + duration + "\n" + system + tasks, "s.toml", "")
      .value();
}

SimulationOutput run(const Scenario& scenario, std::string_view policy = "fifo",
                     const SimulationOptions& options = {}, std::uint64_t seed = 1) {
  return simulate(scenario, *scenario.system, policy, {}, seed, options).value();
}

std::uint64_t count(const SimulationOutput& output, Outcome outcome) {
  return totals(output.result).outcomes[static_cast<std::size_t>(outcome)];
}

constexpr const char* kEvery10Ms = "[[task]]\nmodel = \"m\"\nperiod_ms = 10\ndeadline_ms = 5\n";

TEST(Simulator, AnUnloadedExecutorAnswersEachJobInItsOwnTime) {
  const SimulationOutput output = run(scenario_of(kEvery10Ms));
  ASSERT_EQ(output.result.jobs.size(), 10u);
  EXPECT_THAT(output.result.jobs, Each(Field(&JobRecord::response_time, std::optional<Duration>(2ms))));
  EXPECT_THAT(output.result.jobs, Each(Field(&JobRecord::lateness, std::optional<Duration>(-3ms))));
  EXPECT_EQ(count(output, Outcome::kOnTime), 10u);
  EXPECT_EQ(output.result.busy_time, 20ms);
  EXPECT_TRUE(output.result.is_simulated);
  EXPECT_EQ(output.end, Instant::from_start(92ms));
}

TEST(Simulator, IngressReplyAndWakeAreExplicitTerms) {
  SimulationOptions options;
  options.ingress = 100us;
  options.reply = 30us;
  options.wake = 7us;
  const SimulationOutput output = run(scenario_of(kEvery10Ms), "fifo", options);
  EXPECT_THAT(output.result.jobs,
              Each(Field(&JobRecord::response_time, std::optional<Duration>(2ms + 137us))));
}

TEST(Simulator, TheClientJudgesByWhenItHears) {
  SimulationOptions options;
  options.reply = 3ms + 1ns;  // one nanosecond too late for a deadline of 5 ms
  const SimulationOutput output = run(scenario_of(kEvery10Ms), "fifo", options);
  EXPECT_EQ(count(output, Outcome::kLate), 10u);
  EXPECT_THAT(output.result.jobs, Each(Field(&JobRecord::server_on_time, std::optional<bool>(true))));
}

TEST(Simulator, EqualSeedsGiveEqualBytes) {
  const Scenario scenario = scenario_of(
      "[[task]]\nmodel = \"m\"\narrival = \"poisson\"\nrate_per_s = 600\ndeadline_ms = { uniform = [5, 20] "
      "}\n"
      "[[task]]\nmodel = \"m\"\narrival = \"closed-loop\"\nclients = 3\nthink_ms = 1\n");
  const auto bytes = [&](std::uint64_t seed) {
    return to_json({"simulate", {}, {run(scenario, "edf", {}, seed).result}});
  };
  EXPECT_EQ(bytes(7), bytes(7));
  EXPECT_NE(bytes(7), bytes(8));
  EXPECT_EQ(run(scenario, "edf", {}, 7).commands_hash, run(scenario, "edf", {}, 7).commands_hash);
  EXPECT_NE(run(scenario, "edf", {}, 7).commands_hash, run(scenario, "edf", {}, 8).commands_hash);
}

TEST(Simulator, AClosedLoopKeepsItsClientsBusy) {
  // Two clients, one executor of 2 ms, no think time: the executor never rests.
  const SimulationOutput output =
      run(scenario_of("[[task]]\nmodel = \"m\"\narrival = \"closed-loop\"\nclients = 2\n"));
  EXPECT_NEAR(static_cast<double>(output.result.jobs.size()), 50, 2);
  EXPECT_EQ(count(output, Outcome::kOnTime), output.result.jobs.size());
}

TEST(Simulator, AFullQueueRejectsOnArrival) {
  Scenario scenario = scenario_of("[[task]]\nmodel = \"m\"\nperiod_ms = 1\ndeadline_ms = 500\n");
  scenario.system->limits.queue_length_max = 4;
  const SimulationOutput output = run(scenario);
  EXPECT_GT(count(output, Outcome::kRejected), 30u);
  for (const JobRecord& job : output.result.jobs) {
    EXPECT_EQ(job.reason, job.outcome == Outcome::kRejected ? Reason::kQueueFull : Reason::kNone);
  }
}

TEST(Simulator, OverloadMakesFifoLateAndEdfDrop) {
  const Scenario scenario =
      scenario_of("[[task]]\nmodel = \"m\"\nperiod_ms = 1\ndeadline_ms = 10\n", system_text(), "1");
  const SimulationOutput fifo = run(scenario, "fifo");
  const SimulationOutput edf = run(scenario, "edf");
  EXPECT_LT(count(fifo, Outcome::kOnTime), 20u);
  EXPECT_GT(count(edf, Outcome::kOnTime), 480u);  // of 500 that the executor can do
  EXPECT_EQ(count(edf, Outcome::kLate), 0u);
}

TEST(Simulator, ADelayMakesSoManyBatchesLongerByTheSame) {
  const SimulationOutput output = run(scenario_of(
      std::string(kEvery10Ms) + "[[fault]]\nat_s = 0.025\nkind = \"delay\"\njobs = 2\nduration_s = 0.004\n"));
  std::vector<Duration> responses;
  for (const JobRecord& job : output.result.jobs) responses.push_back(*job.response_time);
  const Duration usual = responses[0];
  for (std::size_t i = 0; i < responses.size(); ++i) {
    EXPECT_EQ(responses[i], usual + (i == 3 || i == 4 ? Duration(4ms) : Duration(0ms))) << i;
  }
}

TEST(Simulator, AnOverrunMakesItsJobsSlower) {
  const SimulationOutput output = run(scenario_of(
      std::string(kEvery10Ms) + "[[fault]]\nat_s = 0.025\nkind = \"overrun\"\nfactor = 3\njobs = 2\n"));
  std::vector<int> ms;
  for (const JobRecord& job : output.result.jobs) ms.push_back(static_cast<int>(*job.response_time / 1ms));
  EXPECT_THAT(ms, ElementsAre(2, 2, 2, 6, 6, 2, 2, 2, 2, 2));
}

TEST(Simulator, AStallDelaysWhatRunsAndWhatStarts) {
  const SimulationOutput output =
      run(scenario_of(std::string(kEvery10Ms) + "[[fault]]\nat_s = 0.021\nkind = \"stall\"\nduration_s = "
                                                "0.004\n[[fault]]\nat_s = 0.049\nkind = \"stall\"\n"
                                                "duration_s = 0.003\n"));
  std::vector<int> ms;
  for (const JobRecord& job : output.result.jobs) ms.push_back(static_cast<int>(*job.response_time / 1ms));
  EXPECT_THAT(ms, ElementsAre(2, 2, 6, 2, 2, 4, 2, 2, 2, 2));
}

TEST(Simulator, ALostExecutorGivesItsJobsBack) {
  const Scenario scenario = scenario_of(
      std::string(kEvery10Ms) + "[[fault]]\nat_s = 0.021\nkind = \"executor-lost\"\nexecutor = 0\n",
      system_text(2));
  const SimulationOutput output = run(scenario);
  EXPECT_EQ(count(output, Outcome::kOnTime), 10u);
  EXPECT_EQ(*output.result.jobs[2].response_time,
            3ms);  // 1 ms lost with the executor, then 2 ms on the other
}

TEST(Simulator, TheLastExecutorLostForGoodFailsWhatIsLeft) {
  const SimulationOutput output =
      run(scenario_of(std::string(kEvery10Ms) + "[[fault]]\nat_s = 0.045\nkind = \"executor-lost\"\n"));
  EXPECT_EQ(count(output, Outcome::kOnTime), 5u);
  EXPECT_EQ(output.result.jobs.size(), 10u);
  for (std::size_t i = 5; i < 10; ++i) EXPECT_EQ(output.result.jobs[i].reason, Reason::kExecutorLost);
}

TEST(Simulator, AnExecutorComesBack) {
  const SimulationOutput output = run(scenario_of(
      std::string(kEvery10Ms) + "[[fault]]\nat_s = 0.045\nkind = \"executor-lost\"\nduration_s = 0.02\n"));
  EXPECT_EQ(count(output, Outcome::kOnTime), 8u);  // frames at 50 and 60 ms found nobody
}

TEST(Simulator, DriftGrowsToItsFactor) {
  const SimulationOutput output = run(scenario_of(
      std::string(kEvery10Ms) + "[[fault]]\nat_s = 0\nkind = \"drift\"\nfactor = 2\nduration_s = 0.05\n"));
  std::vector<int> us;
  for (const JobRecord& job : output.result.jobs) us.push_back(static_cast<int>(*job.response_time / 1us));
  EXPECT_THAT(us, ElementsAre(2000, 2400, 2800, 3200, 3600, 4000, 4000, 4000, 4000, 4000));
}

TEST(Simulator, AGoneClientCancelsTheOldestJobs) {
  const SimulationOutput output =
      run(scenario_of("[[task]]\nmodel = \"m\"\nperiod_ms = 1\ndeadline_ms = 500\n"
                      "[[fault]]\nat_s = 0.0205\nkind = \"client-gone\"\njobs = 3\n"));
  EXPECT_EQ(count(output, Outcome::kCancelled), 3u);
  EXPECT_EQ(output.result.jobs[10].outcome, Outcome::kCancelled);  // it was running
  EXPECT_EQ(output.result.jobs[11].outcome, Outcome::kCancelled);
  EXPECT_EQ(output.result.jobs[12].outcome, Outcome::kCancelled);
  EXPECT_EQ(output.result.jobs[13].outcome, Outcome::kOnTime);
}

TEST(Simulator, StreamsAreAskedForFirst) {
  const SimulationOutput output =
      run(scenario_of(std::string(kEvery10Ms) + "admission = \"stream\"\n" + kEvery10Ms));
  EXPECT_EQ(output.result.tasks_asked, 1u);
  EXPECT_EQ(output.result.tasks_admitted, 1u);
  ASSERT_EQ(output.result.verdicts.size(), 2u);
  EXPECT_EQ(output.result.verdicts[0].answer, TaskAnswer::kAdmitted);
  EXPECT_EQ(output.result.verdicts[1].answer, TaskAnswer::kNotAsked);
}

/// Two streams of which laxity can promise one: frames of 2 ms at the same time, due 3 ms later.
std::string two_streams(const char* on_refusal) {
  const std::string stream =
      "[[task]]\nmodel = \"m\"\nframes = 10\nperiod_ms = 10\nphase_ms = 0\ndeadline_ms = 3\n"
      "admission = \"stream\"\n";
  return stream + stream + "on_refusal = \"" + on_refusal + "\"\n";
}
constexpr const char* kOneAtATime = "[[model]]\nname = \"m\"\n[[model.stage]]\np50_ms = [2]\n";

TEST(Simulator, FramesOfARefusedStreamAreNotSent) {
  const SimulationOutput output = run(scenario_of(two_streams("skip"), kOneAtATime), "laxity");
  EXPECT_EQ(output.result.verdicts[1].answer, TaskAnswer::kRefused);
  EXPECT_EQ(output.result.verdicts[1].refusal, Reason::kAdmissionPlan);
  EXPECT_EQ(output.result.verdicts[1].deadline_offer, 4ms);
  EXPECT_EQ(count(output, Outcome::kRejected), 10u);
  EXPECT_EQ(totals(output.result).promised, 10u);
  EXPECT_EQ(totals(output.result).kept, 10u);
}

TEST(Simulator, TheOfferedDeadlineIsTakenAndPromised) {
  const SimulationOutput output = run(scenario_of(two_streams("take-offer"), kOneAtATime), "laxity");
  EXPECT_EQ(output.result.tasks_admitted, 2u);
  EXPECT_TRUE(output.result.verdicts[1].took_offer);
  EXPECT_EQ(output.result.verdicts[1].response_time_bound, 4ms);
  EXPECT_EQ(count(output, Outcome::kOnTime), 20u);
  EXPECT_EQ(totals(output.result).promised, 20u);
  EXPECT_EQ(totals(output.result).kept, 20u);
}

// 10 s of work come in 13 s: within the deadlines that are tried, none makes room, but a lower rate does.
TEST(Simulator, TheOfferedPeriodIsTakenWhereNoDeadlineIs) {
  const auto stream = [](const char* period_ms) {
    return std::string(
               "[[task]]\nmodel = \"m\"\nframes = 9999\nphase_ms = 0\ndeadline_ms = 4\nadmission = "
               "\"stream\"\n") +
           "on_refusal = \"take-offer\"\nperiod_ms = " + period_ms + "\n";
  };
  const SimulationOutput output = run(scenario_of(stream("4") + stream("2.5"), kOneAtATime, "10"), "laxity");
  const TaskVerdict& slower = output.result.verdicts[1];
  ASSERT_EQ(slower.answer, TaskAnswer::kAdmitted);
  EXPECT_TRUE(slower.took_offer);
  EXPECT_FALSE(slower.deadline_offer.has_value());
  ASSERT_TRUE(slower.period_offer.has_value());
  EXPECT_GE(*slower.period_offer, 4ms);
  const auto frames = static_cast<std::uint64_t>((10s + *slower.period_offer - 1ns) / *slower.period_offer);
  EXPECT_EQ(totals(output.result).jobs, 2500 + frames);
  EXPECT_EQ(totals(output.result).promised, totals(output.result).jobs);
  EXPECT_EQ(totals(output.result).kept, totals(output.result).promised);
}

TEST(Simulator, ARefusedStreamMaySendBestEffort) {
  const SimulationOutput output = run(scenario_of(two_streams("best-effort"), kOneAtATime), "laxity");
  EXPECT_EQ(output.result.tasks_admitted, 1u);
  EXPECT_EQ(count(output, Outcome::kRejected), 0u);
  EXPECT_EQ(totals(output.result).promised, 10u);
  EXPECT_EQ(totals(output.result).kept, 10u);
  EXPECT_EQ(count(output, Outcome::kLate), 10u);  // they come second, 4 ms after their time
}

TEST(Simulator, TruthComesFromTheOracle) {
  OracleTable table;
  table.exit_count = 1;
  table.exits = {{60000, true}, {30000, false}, {60000, true}, {60000, true}};
  SimulationOptions options;
  options.oracles = {&table};
  const SimulationOutput output = run(scenario_of(kEvery10Ms, system_text(), "10"), "fifo", options);
  const RunTotals t = totals(output.result);
  EXPECT_NEAR(t.accuracy_answered.value(), 0.75, 0.05);
  EXPECT_EQ(t.accuracy_all, t.accuracy_answered);
}

TEST(Simulator, AnOracleMakesMissesCountAsWrong) {
  OracleTable table;
  table.exit_count = 1;
  table.exits = {{60000, true}};
  SimulationOptions options;
  options.oracles = {&table};
  options.reply = 10ms;  // every answer is late
  const RunTotals t = totals(run(scenario_of(kEvery10Ms), "fifo", options).result);
  EXPECT_EQ(t.accuracy_all, 0.0);
}

TEST(Simulator, DecisionsAreTimedOnlyWhenAsked) {
  SimulationOptions options;
  EXPECT_TRUE(run(scenario_of(kEvery10Ms), "fifo", options).result.decision_ns.empty());
  options.clock_ns = [] {
    static std::uint64_t now = 0;
    return now += 250;
  };
  const SimulationOutput output = run(scenario_of(kEvery10Ms), "fifo", options);
  ASSERT_EQ(output.result.decision_ns.size(), output.counters.events);
  EXPECT_THAT(output.result.decision_ns, Each(250u));
}

TEST(Simulator, TheTraceSeesEveryCall) {
  class Counter final : public TraceSink {
   public:
    void record(Instant now, const Event&, const CommandBuffer&) noexcept override {
      is_in_order = is_in_order && now >= last;
      last = now;
      ++calls;
    }
    std::uint64_t calls = 0;
    Instant last;
    bool is_in_order = true;
  };
  Counter counter;
  SimulationOptions options;
  options.trace = &counter;
  const SimulationOutput output = run(scenario_of(kEvery10Ms), "edf", options);
  EXPECT_EQ(counter.calls, output.counters.events);
  EXPECT_TRUE(counter.is_in_order);
}

TEST(Simulator, WrongNamesAreErrorsWithTheNearest) {
  const Scenario scenario = scenario_of("[[task]]\nmodel = \"mm\"\nperiod_ms = 10\n");
  const auto output = simulate(scenario, *scenario.system, "fifo", {}, 1);
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(output.error().message, HasSubstr("did you mean 'm'?"));
  EXPECT_FALSE(simulate(scenario, *scenario.system, "fif", {}, 1));
}

TEST(Simulator, UnmeasuredModelsAndAbsentExecutorsAreErrors) {
  Scenario scenario = scenario_of(kEvery10Ms);
  SystemModel unmeasured = *scenario.system;
  unmeasured.table = {};
  EXPECT_EQ(simulate(scenario, unmeasured, "fifo", {}, 1).error().code, ErrorCode::kFailedPrecondition);
  scenario.faults.push_back({Instant{}, FaultKind::kExecutorLost, 1'000'000, 1, 1, {}});
  EXPECT_THAT(simulate(scenario, *scenario.system, "fifo", {}, 1).error().message,
              HasSubstr("expected an executor from 0 to 0, found 1"));
}

TEST(Simulator, NothingToDoEndsAtOnce) {
  const SimulationOutput output = run(scenario_of(""));
  EXPECT_TRUE(output.result.jobs.empty());
  EXPECT_EQ(output.end, Instant{});
}

}  // namespace
}  // namespace laxity
