#include "load/load_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "load/null_server.h"
#include "sim/arrivals.h"

namespace laxity {
namespace {

Scenario scenario_of(const std::string& text) {
  Result<Scenario> scenario = parse_toml_scenario(text, "test.toml", "");
  EXPECT_TRUE(scenario) << (scenario ? "" : scenario.error().message);
  return std::move(*scenario);
}

const char* const kOpen = R"(
name = "open"
duration_s = 0.1
seed = 5
[[task]]
name = "cam"
count = 2
model = "m"
arrival = "periodic"
period_ms = 5
jitter_ms = 1
deadline_ms = 60000
[[task]]
name = "other"
model = "m"
arrival = "poisson"
rate_per_s = 200
kind = "best-effort"
)";

NullServer::Responder like_a_server(int answer) {
  return [answer](std::string_view head, std::string_view) { return reply_like_a_server(head, answer); };
}

TEST(LoadRunner, SendsTheJobsOfTheSimulator) {
  NullServer server(like_a_server(1));
  const Scenario scenario = scenario_of(kOpen);
  const Result<LoadReport> report = run_load(scenario, server.url(), {});
  ASSERT_TRUE(report) << report.error().message;
  const std::vector<PlannedJob> planned = open_loop_jobs(scenario, 5);
  ASSERT_FALSE(planned.empty());
  ASSERT_EQ(report->run.jobs.size(), planned.size());
  for (std::size_t i = 0; i < planned.size(); ++i) {
    const JobRecord& job = report->run.jobs[i];
    EXPECT_EQ(job.intended, planned[i].intended);
    EXPECT_EQ(job.task, planned[i].task);
    EXPECT_EQ(job.outcome, Outcome::kOnTime);
    EXPECT_EQ(job.lateness.has_value(), planned[i].relative_deadline.has_value());
    EXPECT_FALSE(job.is_right.has_value());
  }
  EXPECT_EQ(report->run.scenario, "open");
  EXPECT_EQ(report->run.policy, "unknown");
  EXPECT_EQ(report->run.seed, 5U);
  EXPECT_EQ(report->run.duration, 100ms);
  EXPECT_EQ(report->run.task_names, (std::vector<std::string>{"cam-0", "cam-1", "other"}));
  EXPECT_EQ(report->stats.connections_lost, 0U);
}

TEST(LoadRunner, ClosedLoop) {
  NullServer server(like_a_server(1));
  const Scenario scenario = scenario_of(
      "name = \"closed\"\nduration_s = 60\n[[task]]\nname = \"c\"\nmodel = \"m\"\narrival = \"closed-loop\"\n"
      "clients = 4\nframes = 40\ndeadline_ms = 60000\n");
  const Result<LoadReport> report = run_load(scenario, server.url(), {});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(totals(report->run).outcomes[static_cast<int>(Outcome::kOnTime)], report->run.jobs.size());
  EXPECT_EQ(report->run.jobs.size(), 40U);
}

TEST(LoadRunner, ComparesTheAnswerWithTheTruth) {
  const std::string folder = testing::TempDir() + "/load_runner_truth";
  std::filesystem::create_directories(folder + "/two");
  std::ofstream(folder + "/two/labels.csv") << "file,label\na.png,1\nb.png,2\n";
  std::ofstream(folder + "/two/a.png") << "A";
  std::ofstream(folder + "/two/b.png") << "B";
  NullServer server(like_a_server(2));
  Scenario scenario = scenario_of(kOpen);
  for (TaskSpec& task : scenario.tasks) task.input = "two";
  LoadOptions options;
  options.samples_folder = folder;
  options.seed = 9;
  const Result<LoadReport> report = run_load(scenario, server.url(), options);
  ASSERT_TRUE(report) << report.error().message;
  const std::vector<PlannedJob> planned = open_loop_jobs(scenario, 9);
  ASSERT_EQ(report->run.jobs.size(), planned.size());
  for (std::size_t i = 0; i < planned.size(); ++i) {
    EXPECT_EQ(report->run.jobs[i].is_right, planned[i].input % 2 == 1) << i;
  }
  std::filesystem::remove_all(folder);
}

TEST(LoadRunner, SaysWhatItCannotDo) {
  NullServer server([](std::string_view head, std::string_view) {
    if (head.starts_with("GET /v2/models/"))
      return NullReply{http_reply(404, R"({"error":"no such model: 'm'"})")};
    return reply_like_a_server(head, 1);
  });
  NullServer unready([](std::string_view, std::string_view) { return NullReply{http_reply(503, "{}")}; });
  const Scenario scenario = scenario_of(kOpen);
  const Result<LoadReport> missing = run_load(scenario, server.url(), {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find("task 'cam-0'"), std::string::npos) << missing.error().message;
  EXPECT_NE(missing.error().message.find("no such model: 'm'"), std::string::npos) << missing.error().message;
  EXPECT_EQ(run_load(scenario, unready.url(), {}).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(run_load(scenario, "ftp://x", {}).error().code, ErrorCode::kInvalidArgument);
  Scenario pictures = scenario;
  pictures.tasks[0].input = "no-such-set";
  NullServer good(like_a_server(1));
  EXPECT_EQ(run_load(pictures, good.url(), {}).error().code, ErrorCode::kNotFound);
  Scenario evil = scenario;
  evil.tasks[0].model = "m HTTP/1.1\r\nX: y";
  EXPECT_EQ(run_load(evil, good.url(), {}).error().code, ErrorCode::kInvalidArgument);
}

TEST(LoadRunner, TakesPolicyAndKindOfExecutorFromTheServer) {
  NullServer server([](std::string_view head, std::string_view) {
    if (head.starts_with("GET /v2/laxity/state ")) {
      return NullReply{http_reply(200, R"({"driver":{"policy":"fifo","engine":"none 1.0","executors":[)"
                                       R"({"name":"a","kind":"emulated"},7]}})")};
    }
    return reply_like_a_server(head, 1);
  });
  const Result<LoadReport> report = run_load(scenario_of(kOpen), server.url(), {});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->run.policy, "fifo");
  EXPECT_EQ(report->engine, "none 1.0");
  EXPECT_TRUE(report->is_emulated);
}

TEST(LoadRunner, ReportsFailuresInWords) {
  NullServer server([](std::string_view head, std::string_view) {
    if (head.starts_with("POST ")) return NullReply{http_reply(400, R"({"error":"wrong shape"})")};
    return reply_like_a_server(head, 1);
  });
  const Result<LoadReport> report = run_load(scenario_of(kOpen), server.url(), {});
  ASSERT_TRUE(report);
  EXPECT_TRUE(std::any_of(report->warnings.begin(), report->warnings.end(), [](const std::string& warning) {
    return warning.find("wrong shape") != std::string::npos;
  }));
}

}  // namespace
}  // namespace laxity
