#include "trace/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace laxity {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

JobRecord answered(Duration response_time, Duration lateness, std::uint32_t batch_size = 1) {
  JobRecord job;
  job.outcome = lateness <= Duration::zero() ? Outcome::kOnTime : Outcome::kLate;
  job.response_time = response_time;
  job.lateness = lateness;
  job.exit_count = 1;
  job.batch_size = batch_size;
  return job;
}

JobRecord unanswered(Outcome outcome) {
  JobRecord job;
  job.outcome = outcome;
  return job;
}

RunResult run_of(std::vector<JobRecord> jobs) {
  RunResult run;
  run.scenario = "s";
  run.policy = "edf";
  run.seed = 7;
  run.duration = 2s;
  run.task_names = {"cam"};
  run.jobs = std::move(jobs);
  return run;
}

Json json_of(const RunResult& run) {
  ResultDocument document;
  document.command = "simulate";
  document.machine = {"cpu x", 2, "engine y", false};
  document.runs = {run};
  return Json::parse(to_json(document));
}

TEST(Results, WholeDocumentByHand) {
  RunResult run = run_of({answered(2ms, -1ms, 2), answered(3ms, 0ns, 2), answered(5ms, 400us, 1),
                          unanswered(Outcome::kDropped)});
  run.tasks_asked = 1;
  run.tasks_admitted = 1;
  run.verdicts.resize(1);
  run.verdicts[0].answer = TaskAnswer::kAdmitted;
  run.verdicts[0].guarantee = Guarantee::kPlan;
  run.verdicts[0].response_time_bound = 40ms;
  run.jobs[1].is_promised = run.jobs[2].is_promised = true;
  run.busy_time = 1s;
  run.load = 0.5;
  run.jobs[0].is_right = true;
  run.jobs[1].is_right = false;
  ResultDocument document{"load", {"cpu x", 2, "engine y", true}, {run}};
  const std::string fields =
      R"("jobs":4,"on_time":2,"late":1,"dropped":1,"rejected":0,"cancelled":0,"failed":0,)"
      R"("tasks_asked":1,)"
      R"("tasks_admitted":1,"promised":2,"kept":1,"miss_rate":0.5,"goodput_per_s":1.0,)"
      R"("accuracy_answered":0.5,"accuracy_all":0.25,)"
      R"("response_ms":{"p50":3.0,"p95":5.0,"p99":5.0,"p999":5.0,"max":5.0},)"
      R"("lateness_ms":{"p50":0.4,"p99":0.4,"max":0.4},)"
      R"("batch_size_mean":1.5,"depth_mean":1.0,)";
  EXPECT_EQ(to_json(document),
            R"({"schema":"laxity.result/1","command":"load",)"
            R"("machine":{"cpu":"cpu x","cores":2,"engine":"engine y","emulated":true},)"
            R"("runs":[{"scenario":"s","policy":"edf","seed":7,"duration_s":2.0,)"
            R"("load_fraction":0.5,"simulated":false,)"
            R"("totals":{)" +
                fields +
                R"("utilization":0.5,"server_on_time":null,"decision_ns":null,"send_lag_ms":null},)"
                R"("tasks":[{"name":"cam",)" +
                fields +
                R"("utilization":null,"server_on_time":null,"decision_ns":null,"send_lag_ms":null,)"
                R"("admission":{"guarantee":"plan","response_time_bound_ms":40.0,"refusal":null,)"
                R"("would_admit":[],"took_offer":false}}]}]})");
}

TEST(Results, MissRateLeavesOutRejectedAndCancelled) {
  const RunResult run = run_of({answered(1ms, -1ms), answered(1ms, 1ms), unanswered(Outcome::kDropped),
                                unanswered(Outcome::kFailed), unanswered(Outcome::kRejected),
                                unanswered(Outcome::kRejected), unanswered(Outcome::kCancelled)});
  const RunTotals t = totals(run);
  EXPECT_EQ(t.jobs, 7u);
  EXPECT_EQ(t.outcomes[static_cast<int>(Outcome::kRejected)], 2u);
  EXPECT_DOUBLE_EQ(t.miss_rate, 3.0 / 4.0);
  EXPECT_DOUBLE_EQ(t.goodput_per_s, 0.5);
}

TEST(Results, AccuracyCountsAMissAndARejectionAsWrong) {
  std::vector<JobRecord> jobs = {answered(1ms, -1ms), answered(1ms, -1ms), answered(1ms, 1ms),
                                 unanswered(Outcome::kRejected), unanswered(Outcome::kCancelled)};
  jobs[0].is_right = true;
  jobs[1].is_right = false;
  jobs[2].is_right = true;  // right, but late
  const RunTotals t = totals(run_of(jobs));
  EXPECT_DOUBLE_EQ(t.accuracy_answered.value(), 0.5);
  EXPECT_DOUBLE_EQ(t.accuracy_all.value(), 0.25);
}

TEST(Results, AccuracyIsNullWhenNoTruthIsKnown) {
  const Json json = json_of(run_of({answered(1ms, -1ms)}));
  EXPECT_TRUE(json["runs"][0]["totals"]["accuracy_answered"].is_null());
  EXPECT_TRUE(json["runs"][0]["totals"]["accuracy_all"].is_null());
}

TEST(Results, PercentilesByNearestRank) {
  std::vector<JobRecord> jobs;
  for (int i = 1; i <= 1000; ++i) jobs.push_back(answered(i * 1ms, -1ms));
  RunTotals t = totals(run_of(jobs));
  EXPECT_DOUBLE_EQ(t.response_ms_p50, 500);
  EXPECT_DOUBLE_EQ(t.response_ms_p95, 950);
  EXPECT_DOUBLE_EQ(t.response_ms_p99, 990);
  EXPECT_DOUBLE_EQ(t.response_ms_p999, 999);
  EXPECT_DOUBLE_EQ(t.response_ms_max, 1000);

  jobs.resize(10);  // p95 of ten is the tenth: nine are only 0.9 of all
  t = totals(run_of(jobs));
  EXPECT_DOUBLE_EQ(t.response_ms_p50, 5);
  EXPECT_DOUBLE_EQ(t.response_ms_p95, 10);
}

TEST(Results, LatenessIsThatOfLateAnswersOnly) {
  const Json json =
      json_of(run_of({answered(1ms, -5ms), answered(1ms, 0ns), answered(1ms, 2ms), answered(1ms, 4ms)}));
  EXPECT_EQ(json["runs"][0]["totals"]["lateness_ms"]["p50"], 2.0);
  EXPECT_EQ(json["runs"][0]["totals"]["lateness_ms"]["max"], 4.0);
}

TEST(Results, MeanBatchSizeCountsBatchesNotJobs) {
  // One batch of three and one of one: four jobs in two batches.
  const RunTotals t = totals(
      run_of({answered(1ms, 0ns, 3), answered(1ms, 0ns, 3), answered(1ms, 0ns, 3), answered(1ms, 0ns, 1)}));
  EXPECT_NEAR(t.batch_size_mean, 2.0, 1e-12);
}

TEST(Results, DepthIsThatOfAnswers) {
  std::vector<JobRecord> jobs = {answered(1ms, 0ns), answered(1ms, 0ns), unanswered(Outcome::kDropped)};
  jobs[0].exit_count = 3;
  jobs[1].exit_count = 2;
  jobs[2].exit_count = 1;  // dropped after a stage, never answered
  EXPECT_DOUBLE_EQ(totals(run_of(jobs)).depth_mean, 2.5);
}

TEST(Results, EmptyRunHasNullsInsteadOfDivisionsByZero) {
  const Json json = json_of(run_of({}));
  const Json& t = json["runs"][0]["totals"];
  EXPECT_EQ(t["jobs"], 0);
  EXPECT_TRUE(t["miss_rate"].is_null());
  EXPECT_TRUE(t["response_ms"]["p50"].is_null());
  EXPECT_TRUE(t["batch_size_mean"].is_null());
  EXPECT_TRUE(t["utilization"].is_null());
  EXPECT_EQ(t["goodput_per_s"], 0.0);
}

TEST(Results, DecisionsAndSendLagWhenMeasured) {
  RunResult run = run_of({answered(1ms, 0ns)});
  run.decision_ns = {100, 300, 200};
  run.jobs[0].send_lag = 250us;
  run.jobs[0].server_on_time = true;
  const Json json = json_of(run);
  EXPECT_EQ(json["runs"][0]["totals"]["decision_ns"]["p50"], 200);
  EXPECT_EQ(json["runs"][0]["totals"]["decision_ns"]["p99"], 300);
  EXPECT_EQ(json["runs"][0]["totals"]["send_lag_ms"]["p99"], 0.25);
  EXPECT_EQ(json["runs"][0]["totals"]["server_on_time"], 1);
}

TEST(Results, TasksAreCountedApart) {
  RunResult run = run_of({answered(1ms, 0ns), unanswered(Outcome::kDropped), answered(4ms, 1ms)});
  run.task_names = {"a", "b"};
  run.jobs[1].task = 1;
  run.jobs[2].task = 1;
  run.verdicts.resize(2);
  run.verdicts[0].answer = TaskAnswer::kRefused;
  run.verdicts[0].refusal = Reason::kAdmissionPlan;
  run.verdicts[0].deadline_offer = 55ms;
  run.verdicts[0].period_offer = 41700us;
  const Json tasks = json_of(run)["runs"][0]["tasks"];
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[0]["name"], "a");
  EXPECT_EQ(tasks[0]["on_time"], 1);
  EXPECT_EQ(tasks[0]["tasks_asked"], 1);
  EXPECT_EQ(tasks[0]["tasks_admitted"], 0);
  EXPECT_EQ(tasks[0]["admission"], Json::parse(R"({"guarantee": null, "response_time_bound_ms": null,
    "refusal": "admission_plan", "would_admit": [{"deadline_ms": 55.0}, {"period_ms": 41.7}],
    "took_offer": false})"));
  EXPECT_EQ(tasks[1]["jobs"], 2);
  EXPECT_EQ(tasks[1]["tasks_asked"], 0);
  EXPECT_EQ(tasks[1]["miss_rate"], 1.0);
  EXPECT_FALSE(tasks[1].contains("admission"));
}

TEST(Results, TheTableHasALineForEachStreamThatAsked) {
  RunResult run = run_of({answered(1ms, 0ns), answered(3ms, 2ms)});
  ResultDocument document{"load", {}, {run}};
  EXPECT_THAT(to_table(document), testing::Not(HasSubstr("guarantee")));
  document.runs[0].jobs[0].is_promised = document.runs[0].jobs[1].is_promised = true;
  document.runs[0].verdicts.resize(1);
  document.runs[0].verdicts[0] = {
      TaskAnswer::kAdmitted, Guarantee::kPlan, 40ms, Reason::kNone, {}, {}, false};
  EXPECT_THAT(
      to_table(document),
      HasSubstr("stream  policy  verdict   guarantee  bound ms  sent  promised  kept  p99 ms  max ms\n"
                "cam     edf     admitted  plan           40.0     2         2     1     3.0     3.0\n"));
}

TEST(Results, LoadIsLeftOutWhenUnknownAndSimulationIsSaid) {
  RunResult run = run_of({});
  run.is_simulated = true;
  const Json json = json_of(run)["runs"][0];
  EXPECT_FALSE(json.contains("load_fraction"));
  EXPECT_EQ(json["simulated"], true);
}

TEST(Results, NamesThatAreNoUtf8DoNotThrow) {
  RunResult run = run_of({});
  run.scenario = "\xff\xfe";
  EXPECT_EQ(json_of(run)["runs"][0]["seed"], 7);
}

TEST(Results, TableHasOneLineARun) {
  RunResult run = run_of({answered(1500us, -1ms), unanswered(Outcome::kDropped)});
  run.load = 0.9;
  RunResult laggard = run_of({answered(2ms, 1ms)});
  laggard.policy = "fifo";
  laggard.jobs[0].send_lag = 3ms;
  const std::string table = to_table({"load", {}, {run, laggard}});
  EXPECT_EQ(
      table,
      "scenario  load  policy            sent  on time          late  dropped  other  p50 ms  p99 ms  max ms"
      "  accuracy\n"
      "s         90 %  edf     measured     2        1  50.0 %     0        1      0     1.5     1.5     1.5"
      "         -\n"
      "s            -  fifo    measured     1        0   0.0 %     1        0      0     2.0     2.0     2.0"
      "         -\n"
      "warning: s, fifo: the client itself was 3.0 ms late at p99, so this run measured the client\n");
}

TEST(Results, ThisMachineHasCores) {
  const MachineInfo machine = this_machine();
  EXPECT_FALSE(machine.cpu.empty());
  EXPECT_GE(machine.cores, 1u);
}

}  // namespace
}  // namespace laxity
