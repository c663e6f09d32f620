#include "sim/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace laxity {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Scenario parsed(const std::string& text) { return parse_toml_scenario(text, "s.toml", "").value(); }

std::string error_of(const std::string& text) {
  const auto scenario = parse_toml_scenario(text, "s.toml", "");
  return scenario ? "" : scenario.error().message;
}

constexpr const char* kEightCameras = R"(
name = "eight cameras"
duration_s = 20
seed = 3
load_fraction = 0.9

[[task]]
name = "cam"
count = 8
model = "cifar10"
lowest_variant = "full"
arrival = "periodic"
period_ms = 33.3
jitter_ms = 4.6
deadline_ms = 40
kind = "firm"
miss_rate_bound = 0.1
frames = 600
input = "cifar10-test"
admission = "stream"
start_s = 0.5

[[fault]]
at_s = 5
kind = "overrun"
factor = 3.0
jobs = 5
)";

TEST(Scenario, ReadsTheExampleOfTheDocs) {
  const Scenario s = parsed(kEightCameras);
  EXPECT_EQ(s.name, "eight cameras");
  EXPECT_EQ(s.duration, 20s);
  EXPECT_EQ(s.seed, 3u);
  EXPECT_EQ(s.load_fraction, 0.9);
  ASSERT_EQ(s.tasks.size(), 8u);
  EXPECT_EQ(s.tasks[7].name, "cam-7");
  EXPECT_EQ(s.tasks[0].phase, 0ns);
  EXPECT_EQ(s.tasks[4].phase, 16'650us);  // spread over the period
  EXPECT_EQ(s.tasks[0].period, 33'300us);
  EXPECT_EQ(s.tasks[0].jitter, 4'600us);
  EXPECT_EQ(s.tasks[0].deadline, (DeadlineRange{40ms, 40ms}));
  EXPECT_EQ(s.tasks[0].miss_rate_bound_ppm, 100'000u);
  EXPECT_EQ(s.tasks[0].frames, 600u);
  EXPECT_EQ(s.tasks[0].start, 500ms);
  EXPECT_TRUE(s.tasks[0].asks_stream);
  EXPECT_TRUE(s.tasks[0].sends_pictures());
  ASSERT_EQ(s.faults.size(), 1u);
  EXPECT_EQ(s.faults[0].at, Instant::from_start(5s));
  EXPECT_EQ(s.faults[0].factor_ppm, 3'000'000u);
  EXPECT_EQ(s.faults[0].jobs, 5u);
  EXPECT_FALSE(s.system);
  EXPECT_THAT(s.model_names(), ElementsAre("cifar10"));
}

TEST(Scenario, DefaultsOfAShortTask) {
  const Scenario s = parsed("duration_s = 1\n[[task]]\nmodel = \"m\"\nperiod_ms = 10\n");
  ASSERT_EQ(s.tasks.size(), 1u);
  EXPECT_EQ(s.tasks[0].name, "task");
  EXPECT_EQ(s.tasks[0].kind, JobKind::kBestEffort);  // no deadline
  EXPECT_FALSE(s.tasks[0].asks_stream);
  EXPECT_EQ(s.tasks[0].input, "random");
  EXPECT_EQ(s.seed, 1u);
}

TEST(Scenario, ADeadlineMakesATaskFirm) {
  EXPECT_EQ(
      parsed("duration_s = 1\n[[task]]\nmodel = \"m\"\nperiod_ms = 10\ndeadline_ms = 5\n").tasks[0].kind,
      JobKind::kFirm);
}

TEST(Scenario, PhaseIsKeptWhenGiven) {
  const Scenario s =
      parsed("duration_s = 1\n[[task]]\nmodel = \"m\"\ncount = 2\nperiod_ms = 10\nphase_ms = 3\n");
  EXPECT_EQ(s.tasks[0].phase, 3ms);
  EXPECT_EQ(s.tasks[1].phase, 3ms);
}

TEST(Scenario, EveryArrival) {
  const Scenario s = parsed(R"(duration_s = 1
[[task]]
model = "m"
arrival = "sporadic"
min_inter_arrival_ms = 4
[[task]]
model = "m"
arrival = "poisson"
rate_per_s = 50
[[task]]
model = "m"
arrival = "gamma"
rate_per_s = 50
cv = 2
[[task]]
model = "m"
arrival = "closed-loop"
clients = 3
think_ms = 2
deadline_ms = { uniform = [20, 80] }
kind = "soft"
)");
  EXPECT_EQ(s.tasks[0].period, 4ms);
  EXPECT_NEAR(s.tasks[0].rate_per_s, 200, 0.01);  // a mean of 1.25 times the minimum
  EXPECT_EQ(s.tasks[1].rate_per_s, 50);
  EXPECT_EQ(s.tasks[2].cv, 2);
  EXPECT_EQ(s.tasks[3].clients, 3u);
  EXPECT_EQ(s.tasks[3].deadline, (DeadlineRange{20ms, 80ms}));
}

TEST(Scenario, BringsItsOwnSystem) {
  const Scenario s = parsed(R"(duration_s = 1
executors = 2
segment_executors = 1
[[model]]
name = "m"
mandatory = 1
batch_sizes = [1, 4]
preprocess_ms = 0.5
[[model.stage]]
p50_ms = [2, 3]
p99_ms = [2.5, 3.5]
[[model.stage]]
p50_ms = [1, 1]
)");
  ASSERT_TRUE(s.system);
  EXPECT_EQ(s.system->executors.size(), 3u);
  EXPECT_FALSE(s.system->preprocesses_inline());
  EXPECT_EQ(s.system->catalog.categories.size(), 2u);
  EXPECT_EQ(s.system->table.planned(CategoryId{0}, 4), 3500us);
  EXPECT_EQ(s.system->table.typical(CategoryId{0}, 1), 2ms);
  EXPECT_EQ(s.system->table.planned(CategoryId{1}, 1), 1ms);
  EXPECT_EQ(s.system->table.segment(ModelId{0}, SegmentKind::kPreprocess).p99, 500us);
}

TEST(Scenario, WrongInputSaysExpectedFoundAndWhere) {
  struct Case {
    const char* task;
    const char* message;
  };
  const Case cases[] = {
      {"model = \"m\"\nperiod_ms = 1\nperiood_ms = 2",
       "s.toml:5: unknown key 'periood_ms' in [task]; did you mean 'period_ms'?"},
      {"period_ms = 1", "expected a key 'model' in [[task]]"},
      {"model = \"m\"", "expected a key 'period_ms' with arrival = \"periodic\""},
      {"model = \"m\"\nperiod_ms = 0", "'period_ms': expected a number from 0.001"},
      {"model = \"m\"\nperiod_ms = nan", "'period_ms': expected a number from 0.001"},
      {"model = \"m\"\narrival = \"poison\"\nrate_per_s = 1", "did you mean 'poisson'?"},
      {"model = \"m\"\narrival = \"poisson\"\nrate_per_s = 1\nperiod_ms = 3",
       "'period_ms': expected only with arrival = \"periodic\", found arrival = \"poisson\""},
      {"model = \"m\"\nperiod_ms = 1\ndeadline_ms = -1", "'deadline_ms': expected a number"},
      {"model = \"m\"\nperiod_ms = 1\ndeadline_ms = { uniform = [5, 1] }", "with 0 < a <= b"},
      {"model = \"m\"\nperiod_ms = 1\ndeadline_ms = { unifrom = [1, 5] }",
       "expected deadline_ms = { uniform"},
      {"model = \"m\"\nperiod_ms = 1\nkind = \"soft\"", "expected a key 'deadline_ms' with soft"},
      {"model = \"m\"\nperiod_ms = 1\ndeadline_ms = 2\nkind = \"best-effort\"", "found best-effort"},
      {"model = \"m\"\nperiod_ms = 1\nadmission = \"steam\"", "expected stream or request, found 'steam'"},
      {"model = \"m\"\narrival = \"poisson\"\nrate_per_s = 1\nadmission = \"stream\"",
       "expected a periodic or sporadic arrival with \"stream\""},
      {"model = \"m\"\nperiod_ms = 1\nadmission = \"stream\"", "expected one deadline with \"stream\""},
      {"model = \"m\"\narrival = \"sporadic\"\nmin_inter_arrival_ms = 10\nrate_per_s = 101",
       "expected at most 1 / min"},
      {"model = \"m\"\nperiod_ms = 1\ncount = 10001", "'count': expected an integer from 1 to 10000"},
      {"model = \"m\"\narrival = \"trace\"\nfile = \"a.csv\"",
       "expected a key 'column' with arrival = \"trace\""},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(error_of("duration_s = 1\n[[task]]\n" + std::string(c.task) + "\n"), HasSubstr(c.message))
        << c.task;
  }
}

TEST(Scenario, WrongFaultsAndSystems) {
  const auto with = [](const char* rest) { return error_of("duration_s = 1\n" + std::string(rest)); };
  EXPECT_THAT(with("[[fault]]\nat_s = 1\nkind = \"stall\""),
              HasSubstr("expected a key 'duration_s' with stall"));
  EXPECT_THAT(with("[[fault]]\nat_s = 1\nkind = \"delay\"\njobs = 5"),
              HasSubstr("expected a key 'duration_s' with delay"));
  EXPECT_THAT(with("[[fault]]\nat_s = 1\nkind = \"overrun\""),
              HasSubstr("expected a key 'factor' with overrun"));
  EXPECT_THAT(with("[[fault]]\nkind = \"drift\"\nfactor = 2"), HasSubstr("expected a key 'at_s'"));
  EXPECT_THAT(with("[[fault]]\nat_s = 1\nkind = \"stal\""), HasSubstr("did you mean 'stall'?"));
  EXPECT_THAT(with("executors = 2"), HasSubstr("expected only with [[model]]"));
  EXPECT_THAT(with("[[model]]\nname = \"m\""), HasSubstr("expected 1 to 16 [[model.stage]]"));
  EXPECT_THAT(with("[[model]]\nname = \"m\"\nbatch_sizes = [1, 2]\n[[model.stage]]\np50_ms = [1]"),
              HasSubstr("expected one time for each of batch_sizes (2)"));
  EXPECT_THAT(with("[[model]]\nname = \"m\"\n[[model.stage]]\np50_ms = [2]\np99_ms = [1]"),
              HasSubstr("expected 0 < p50_ms <= p99_ms <= max_ms"));
  EXPECT_THAT(error_of(""), HasSubstr("expected how long the scenario lasts"));
}

TEST(Scenario, TooManyJobsAreRefused) {
  const auto scenario =
      parse_toml_scenario("duration_s = 1000000\n[[task]]\nmodel = \"m\"\nperiod_ms = 0.001\n", "s.toml", "");
  ASSERT_FALSE(scenario);
  EXPECT_EQ(scenario.error().code, ErrorCode::kTooLarge);
}

class TraceFile : public ::testing::Test {
 protected:
  ~TraceFile() override { (void)std::remove((folder_ + file_).c_str()); }
  Result<Scenario> parse_with(std::string_view csv, const std::string& column) {
    std::ofstream(folder_ + file_) << csv;
    return parse_toml_scenario("duration_s = 10\n[[task]]\nmodel = \"m\"\narrival = \"trace\"\nfile = \"" +
                                   file_ + "\"\ncolumn = \"" + column + "\"\n",
                               "s.toml", folder_);
  }
  std::string folder_ = ::testing::TempDir();
  std::string file_ =
      "trace-" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) + ".csv";
};

TEST_F(TraceFile, SecondsBecomeTimesSinceTheFirst) {
  const auto scenario = parse_with("id,at\n1,100.5\n2,101.25\r\n3,100.75\n\n", "at");
  EXPECT_THAT(scenario.value().tasks[0].times, ElementsAre(0ms, 250ms, 750ms));
}

TEST_F(TraceFile, WrongColumnsAndCellsSayWhere) {
  EXPECT_THAT(parse_with("id,at\n1,2\n", "att").error().message, HasSubstr("did you mean 'at'?"));
  EXPECT_THAT(parse_with("id,at\n1,2\n2\n", "at").error().message, HasSubstr(":3: expected seconds"));
  EXPECT_THAT(parse_with("id,at\n1,x\n", "at").error().message, HasSubstr("found 'x'"));
  EXPECT_THAT(parse_with("id,at\n1,inf\n", "at").error().message, HasSubstr("found 'inf'"));
  EXPECT_EQ(parse_with("", "at").error().code, ErrorCode::kNotFound);
}

TEST(ScenarioLoader, TellsTheTwoFormsApart) {
  const auto toml = parse_scenario("duration_s = 1\n", "a.toml", "");
  ASSERT_TRUE(toml);
  EXPECT_TRUE(std::holds_alternative<Scenario>(*toml));
  const auto text = parse_scenario("job A r=0ms C=1ms\n---\n", "a", "");
  ASSERT_TRUE(text);
  EXPECT_TRUE(std::holds_alternative<TextScenario>(*text));
  EXPECT_THAT(parse_scenario("job A r=0ms C=1ms\n", "a.scenario", "").error().message,
              HasSubstr("a line ---"));
}

TEST(ScenarioLoader, AMissingFileIsNotFound) {
  const auto scenario = load_scenario("no/such.toml");
  ASSERT_FALSE(scenario);
  EXPECT_EQ(scenario.error().code, ErrorCode::kNotFound);
}

TEST(Scenario, WhatRefusedStreamsDo) {
  const std::string head = "duration_s = 1\n[[task]]\nmodel = \"m\"\nperiod_ms = 10\ndeadline_ms = 5\n";
  const std::string stream = head + "admission = \"stream\"\n";
  EXPECT_EQ(parse_toml_scenario(stream, "s.toml", "").value().tasks[0].on_refusal, OnRefusal::kSkip);
  EXPECT_EQ(parse_toml_scenario(stream + "on_refusal = \"best-effort\"\n", "s.toml", "")
                .value()
                .tasks[0]
                .on_refusal,
            OnRefusal::kBestEffort);
  EXPECT_FALSE(parse_toml_scenario(head + "on_refusal = \"skip\"\n", "s.toml", ""));
  EXPECT_FALSE(parse_toml_scenario(stream + "on_refusal = \"maybe\"\n", "s.toml", ""));
}

}  // namespace
}  // namespace laxity
