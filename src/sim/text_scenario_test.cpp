#include "sim/text_scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace laxity {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(std::string_view text) {
  const auto parsed = parse_text_scenario(text, "a.scenario");
  return parsed ? "" : parsed.error().message;
}

std::vector<std::string> lines_of(const std::vector<TextDecision>& decisions) {
  std::vector<std::string> lines;
  for (const TextDecision& d : decisions) lines.push_back(text_of(d.at.since_start()) + " " + d.words);
  return lines;
}

std::vector<std::string> decisions_of(std::string_view text) {
  const TextScenario scenario = parse_text_scenario(text, "a.scenario").value();
  return lines_of(run_text_scenario(scenario).value());
}

constexpr std::string_view kHopeless =
    "# A job that can no longer finish in time is dropped.\n"
    "executors 1\n"
    "policy    edf\n"
    "job A  r=0ms  C=6ms  d=8ms\n"
    "job B  r=1ms  C=4ms  d=9ms\n"
    "---\n"
    "5.000001ms  drop  B   # hopeless\n";

TEST(TextScenario, ReadsTheExampleOfTheDocs) {
  const TextScenario scenario = parse_text_scenario(kHopeless, "a.scenario").value();
  ASSERT_EQ(scenario.jobs.size(), 2u);
  EXPECT_EQ(scenario.jobs[1].name, "B");
  EXPECT_EQ(scenario.jobs[1].job.release, Instant::from_start(1ms));
  EXPECT_EQ(scenario.jobs[1].job.absolute_deadline, Instant::from_start(9ms));
  EXPECT_EQ(scenario.system.executors.size(), 1u);
  ASSERT_EQ(scenario.expected.size(), 1u);
  EXPECT_EQ(scenario.expected[0].at, Instant::from_start(5'000'001ns));
  EXPECT_EQ(scenario.expected[0].words, "drop B");
  EXPECT_EQ(scenario.expected[0].comment, "# hopeless");
}

TEST(TextScenario, AHopelessJobIsDroppedOneNanosecondAfterItsLastChance) {
  EXPECT_THAT(decisions_of(kHopeless),
              ::testing::IsSupersetOf({"0ms start A on 0", "5.000001ms drop B", "6ms finish A"}));
}

TEST(TextScenario, TextOfTimes) {
  EXPECT_EQ(text_of(0ns), "0ms");
  EXPECT_EQ(text_of(1ns), "0.000001ms");
  EXPECT_EQ(text_of(5ms + 1ns), "5.000001ms");
  EXPECT_EQ(text_of(1s), "1000ms");
  EXPECT_EQ(text_of(2500us), "2.5ms");
}

TEST(TextScenario, TimesAreReadExactly) {
  const TextScenario s =
      parse_text_scenario("job A r=0.1us C=1.5s\njob B r=33.333333ms C=7ns\n---\n", "a").value();
  EXPECT_EQ(s.jobs[0].job.release, Instant::from_start(100ns));
  EXPECT_EQ(s.jobs[1].job.release, Instant::from_start(33'333'333ns));
  EXPECT_EQ(s.system.catalog.models[0].name, "1500ms");
  EXPECT_EQ(s.system.catalog.models[1].name, "0.000007ms");
}

TEST(TextScenario, WrongInputSaysExpectedFoundAndWhere) {
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {"job A r=0ms C=1ms\n", "a.scenario:1: expected a line ---"},
      {"jbo A\n---\n", "a.scenario:1: expected a statement, found 'jbo'; did you mean 'job'?"},
      {"executors 0\n---\n", "a.scenario:1: expected 'executors N'"},
      {"executors 1\nexecutors 1\n---\n", "a.scenario:2: expected one 'executors'"},
      {"job A C=1ms\n---\n", "expected r=TIME"},
      {"job A r=0ms\n---\n", "expected either C= or model="},
      {"job A r=0ms C=0ms\n---\n", "C=: expected a time such as 5ms above zero, found '0ms'"},
      {"job A r=0ms C=1.0000001ms\n---\n", "C=: expected a time"},
      {"job A r=0ms C=1\n---\n", "C=: expected a time"},
      {"job A r=-1ms C=1ms\n---\n", "r=: expected a time"},
      {"job A r=99999999999999999999s C=1ms\n---\n", "r=: expected a time"},
      {"job A r=0ms C=1ms dd=5ms\n---\n", "found 'dd='; did you mean 'd'?"},
      {"job A r=0ms C=1ms kind=soft\n---\n", "kind=: expected a deadline"},
      {"job A r=0ms C=1ms d=1ms D=1ms\n---\n", "expected d= (absolute) or D= (relative)"},
      {"job A r=0ms C=1ms\njob A r=0ms C=1ms\n---\n", "a.scenario:2: expected a new job, found 'A' again"},
      {"job 1A r=0ms C=1ms\n---\n", "expected a name"},
      {"model M stages=3ms\njob A r=0ms model=N\n---\n", "found 'N'; did you mean 'M'?"},
      {"model M stages=3ms+1ms\n---\n", "stages=: expected"},
      {"model M stages=0ms\n---\n", "stages=: expected"},
      {"model M stages=1ms mandatory=2\n---\n", "mandatory=: expected at most the number of stages"},
      {"job A r=0ms C=1ms encoded\n---\n", "encoded: expected a model with preprocess="},
      {"cancel A at=1ms\n---\n", "cancel: expected a job of this file, found 'A'"},
      {"executors 1\nlose 1 at=1ms\n---\n", "expected the number of an executor, found '1'"},
      {"---\nstart A on 0\n", "a.scenario:2: expected a time such as 5ms"},
      {"limits batch=65\n---\n", "batch=: expected an integer from 1 to 64, found '65'"},
      {"policy edf x=y\n---\n", "expected option=integer, found 'x=y'"},
  };
  for (const Case& c : cases) EXPECT_THAT(error_of(c.text), HasSubstr(c.message)) << c.text;
}

TEST(TextScenario, UnknownPolicyIsAnErrorWhenRun) {
  const TextScenario scenario = parse_text_scenario("policy efd\n---\n", "a").value();
  const auto run = run_text_scenario(scenario);
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, ErrorCode::kNotFound);
}

TEST(TextScenario, StagesRunInOrderAndFinishSaysTheExit) {
  EXPECT_THAT(decisions_of("policy fifo\nmodel M stages=2ms,3ms\njob A r=0ms model=M D=20ms\n---\n"),
              ElementsAre("0ms start A stage 0 on 0", "2ms start A stage 1 on 0", "5ms finish A exit 2"));
}

TEST(TextScenario, WhatAJobReallyTakes) {
  EXPECT_THAT(decisions_of("policy fifo\njob A r=0ms C=2ms x=5ms\n---\n"),
              ElementsAre("0ms start A on 0", "5ms finish A"));
}

TEST(TextScenario, EngineFailureAndUndecodablePictures) {
  EXPECT_THAT(
      decisions_of("policy fifo\nmodel M stages=2ms preprocess=1ms\n"
                   "job A r=0ms model=M engine-fails\njob B r=1ms model=M encoded undecodable\n---\n"),
      ElementsAre("0ms start A on 0", "2ms fail A engine_failed", "2ms start B on 0",
                  "5ms fail B preprocess_failed"));
}

TEST(TextScenario, SegmentsRunOnTheirOwnExecutor) {
  EXPECT_THAT(decisions_of("executors 1 segments=1\npolicy fifo\nmodel M stages=2ms preprocess=1ms\n"
                           "job A r=0ms model=M encoded\n---\n"),
              ElementsAre("0ms segment A on 1", "1ms start A on 0", "3ms finish A"));
}

TEST(TextScenario, ALateJobOfABlindPolicy) {
  EXPECT_THAT(decisions_of("policy fifo\njob A r=0ms C=5ms d=3ms\n---\n"),
              ElementsAre("0ms start A on 0", "5ms finish A late"));
}

TEST(TextScenario, QueueFull) {
  EXPECT_THAT(decisions_of("policy fifo\nlimits queue=1\njob A r=0ms C=5ms\njob B r=1ms C=5ms\n---\n"),
              ElementsAre("0ms start A on 0", "1ms reject B queue_full", "5ms finish A"));
}

TEST(TextScenario, DifferenceShowsOnlyWhatDiffers) {
  const TextScenario scenario = parse_text_scenario(
                                    "policy fifo\njob A r=0ms C=5ms\njob B r=0ms C=1ms\n---\n0ms start A on "
                                    "0\n4ms finish A\n5ms start B on 0\n"
                                    "6ms finish B\n",
                                    "a")
                                    .value();
  const auto found = run_text_scenario(scenario).value();
  EXPECT_EQ(difference(scenario, found), "- 4ms         finish A\n+ 5ms         finish A\n");
}

TEST(TextScenario, UpdateRewritesBelowTheLineAndKeepsComments) {
  const TextScenario scenario =
      parse_text_scenario(
          "# why\npolicy fifo\njob A r=0ms C=5ms\n---\n0ms start  A on 0 # at once\n4ms finish A\n", "a")
          .value();
  const std::string text = updated(scenario, run_text_scenario(scenario).value());
  EXPECT_EQ(text,
            "# why\npolicy fifo\njob A r=0ms C=5ms\n---\n0ms         start A on 0  # at once\n5ms         "
            "finish A\n");
  const TextScenario again = parse_text_scenario(text, "a").value();
  EXPECT_EQ(difference(again, run_text_scenario(again).value()), "");
}

}  // namespace
}  // namespace laxity
