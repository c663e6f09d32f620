#include "cli/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/admission_report.h"
#include "sim/simulator.h"

namespace laxity {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

Scenario promised_cameras() {
  return std::get<Scenario>(load_scenario(LAXITY_SOURCE_DIR "/scenarios/promised_cameras.toml").value());
}

/// One network of one stage and 4 ms, whatever the batch; cameras of 20 ms.
constexpr const char* kFinite = "frames = 50\n";
Scenario cameras(int count, const std::string& more = kFinite, const std::string& deadline_ms = "6") {
  return parse_toml_scenario(
             "name = \"s\"\nduration_s = 1\nexecutors = 1\n"
             "[[model]]\nname = \"m\"\n[[model.stage]]\np50_ms = [4]\n"
             "[[task]]\nname = \"cam\"\nmodel = \"m\"\nperiod_ms = 20\nphase_ms = 0\n"
             "admission = \"stream\"\ndeadline_ms = " +
                 deadline_ms + "\ncount = " + std::to_string(count) + "\n" + more,
             "s.toml", "")
      .value();
}

Admission asked(const Scenario& scenario, std::string_view policy = "laxity") {
  auto admission = ask_for_admission(scenario, *scenario.system, policy, {});
  EXPECT_TRUE(admission) << (admission ? "" : admission.error().message);
  return std::move(*admission);
}

// Three frames at once, 4 ms each, no batching: the third needs 12 ms.
TEST(Admission, RefusesWhatDoesNotFitAndSaysWhatWould) {
  const Scenario scenario = cameras(3, kFinite, "9");
  const Admission admission = asked(scenario);
  ASSERT_EQ(admission.streams.size(), 3u);
  EXPECT_EQ(admission.admitted_count(), 2u);
  EXPECT_TRUE(admission.promises());
  EXPECT_FALSE(admission.all_promised());
  const StreamVerdict& refused = admission.streams[2];
  EXPECT_FALSE(refused.answer.admitted);
  EXPECT_EQ(refused.answer.reason, Reason::kAdmissionPlan);
  EXPECT_EQ(refused.answer.failing_at, Instant::from_start(9ms));
  EXPECT_TRUE(refused.because.has_value());
  EXPECT_EQ(refused.answer.deadline_offer, 12ms);
  EXPECT_FALSE(refused.executor.has_value());
  EXPECT_EQ(admission.streams[0].executor, 0u);
  EXPECT_EQ(admission.streams[0].answer.guarantee, Guarantee::kPlan);
}

// Asked off line and asked in a simulated run, the same streams get the same answers.
TEST(Admission, SaysWhatASimulatedServerSays) {
  for (const char* policy : {"laxity", "deeprt", "edf"}) {
    const Scenario scenario = promised_cameras();
    const Admission admission = asked(scenario, policy);
    const auto output = simulate(scenario, *scenario.system, policy, {}, 1).value();
    ASSERT_EQ(output.result.verdicts.size(), scenario.tasks.size());
    for (const StreamVerdict& stream : admission.streams) {
      const TaskVerdict& simulated = output.result.verdicts[stream.task];
      EXPECT_EQ(simulated.answer == TaskAnswer::kAdmitted, stream.answer.admitted) << stream.task;
      EXPECT_EQ(simulated.deadline_offer, stream.answer.deadline_offer) << stream.task;
      EXPECT_EQ(simulated.period_offer, stream.answer.period_offer) << stream.task;
      EXPECT_EQ(simulated.guarantee, stream.answer.guarantee) << stream.task;
    }
  }
}

TEST(Admission, EndlessStreamsAreProvedUpToATime) {
  const Admission admission = asked(cameras(1, ""));
  EXPECT_FALSE(admission.streams[0].contract.frame_count.has_value());
  EXPECT_EQ(admission.streams[0].answer.guarantee, Guarantee::kPlanRolling);
  EXPECT_TRUE(admission.streams[0].answer.guaranteed_until.has_value());
}

TEST(Admission, APolicyWithoutAdmissionPromisesNothing) {
  const Scenario scenario = cameras(3);
  const Admission admission = asked(scenario, "fifo");
  EXPECT_EQ(admission.admitted_count(), 3u);
  EXPECT_FALSE(admission.promises());
  EXPECT_FALSE(admission.all_promised());
  EXPECT_THAT(admission_table({scenario, *scenario.system, "fifo", admission}),
              HasSubstr("fifo has no admission: it takes every stream and promises nothing"));
}

TEST(Admission, MoreStreamsThanTheTableHoldsAreRefused) {
  Scenario scenario = cameras(5, kFinite, "19");
  scenario.system->limits.streams_max = 2;
  const Admission admission = asked(scenario);
  EXPECT_EQ(admission.admitted_count(), 2u);
  EXPECT_EQ(admission.streams[4].answer.reason, Reason::kTooManyStreams);
}

// A stream that was refused leaves its place in the books to the next.
TEST(Admission, RefusedStreamsTakeNoPlace) {
  Scenario scenario = cameras(4, kFinite, "3");  // none fits
  scenario.system->limits.streams_max = 1;
  for (const StreamVerdict& stream : asked(scenario).streams) {
    EXPECT_EQ(stream.answer.reason, Reason::kAdmissionPlan);
  }
}

TEST(Admission, BadInputIsAnError) {
  Scenario scenario = cameras(1);
  EXPECT_EQ(ask_for_admission(scenario, *scenario.system, "laxty", {}).error().code, ErrorCode::kNotFound);
  scenario.tasks[0].model = "n";
  EXPECT_EQ(ask_for_admission(scenario, *scenario.system, "laxity", {}).error().code, ErrorCode::kNotFound);
  scenario = cameras(1);
  scenario.tasks[0].asks_stream = false;
  const auto none = ask_for_admission(scenario, *scenario.system, "laxity", {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(none.error().message, HasSubstr("admission = \"stream\""));
}

TEST(Admission, TheJsonSaysTheSameAsTheAnswers) {
  const Scenario scenario = cameras(3, kFinite, "9");
  const Admission admission = asked(scenario);
  const AdmissionCase shown{scenario, *scenario.system, "laxity", admission};
  const std::string text = admission_json(shown, {"cpu x", 2, "simulated", false});
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text, admission_json(shown, {"cpu x", 2, "simulated", false}));
  const Json json = Json::parse(text);
  EXPECT_EQ(json["schema"], "laxity.admission/1");
  EXPECT_EQ(json["asked"], 3);
  EXPECT_EQ(json["admitted"], 2);
  EXPECT_EQ(json["streams"][0]["guarantee"], "plan");
  EXPECT_EQ(json["streams"][0]["response_time_bound_ms"], 9.0);
  EXPECT_EQ(json["streams"][0]["frames"], 50);
  EXPECT_EQ(json["streams"][2]["admitted"], false);
  EXPECT_EQ(json["streams"][2]["reason"], "admission_plan");
  EXPECT_EQ(json["streams"][2]["would_admit"][0]["deadline_ms"], 12.0);
  ASSERT_EQ(json["plans"].size(), 1u);
  EXPECT_EQ(json["plans"][0]["frames"], 100);
  EXPECT_EQ(json["plans"][0]["batches"], 100);
}

// Cameras that ask for a proof for ever: the groups and their windows are told, and the curve is drawn.
TEST(Admission, StreamsOfTheDemandTestTellTheirWindows) {
  const Scenario scenario = cameras(4, "frames = 50\nguarantee = \"demand\"\n", "40");
  const Admission admission = asked(scenario);
  const AdmissionCase shown{scenario, *scenario.system, "laxity", admission};
  ASSERT_EQ(admission.admitted_count(), 4u);
  const Json json = Json::parse(admission_json(shown, {"cpu x", 2, "simulated", false}));
  ASSERT_EQ(json["demand"].size(), 1u);
  EXPECT_EQ(json["demand"][0]["executor"], "cpu0");
  std::size_t streams = 0;
  for (const Json& group : json["demand"][0]["groups"]) streams += group["streams"].get<std::size_t>();
  EXPECT_EQ(streams, 4u);
  EXPECT_GE(json["demand"][0]["allowance_ms"], 0.0);
  for (const StreamVerdict& stream : admission.streams) {
    EXPECT_EQ(stream.answer.guarantee, Guarantee::kDemand);
    EXPECT_EQ(stream.executor, 0u);
    EXPECT_TRUE(stream.group.has_value());
  }
  EXPECT_THAT(admission_table(shown), HasSubstr("cpu0 rests on the demand test: m, "));
  EXPECT_THAT(admission_picture(shown).value(), HasSubstr("4 streams that cpu0 has promised"));

  const Scenario tight = cameras(3, "frames = 50\nguarantee = \"demand\"\n", "9");
  const Admission refused = asked(tight);
  EXPECT_EQ(refused.admitted_count(), 2u);  // 8 of 9 ms; a third would need 12
  EXPECT_EQ(refused.streams[2].answer.reason, Reason::kAdmissionDemand);
  EXPECT_THAT(admission_table({tight, *tight.system, "laxity", refused}),
              HasSubstr("within 9 ms more may be asked for"));
}

TEST(Admission, PicturesNeedSomethingToDraw) {
  const Scenario none = cameras(1, kFinite, "3");
  const Admission refused = asked(none);
  EXPECT_EQ(admission_picture({none, *none.system, "laxity", refused}).error().code,
            ErrorCode::kInvalidArgument);

  Scenario two = cameras(1);
  two.system->executors.push_back({"cpu1", ExecutorKind::kCpu, true, true});
  const Admission taken = asked(two, "edf");
  EXPECT_THAT(admission_picture({two, *two.system, "edf", taken}).error().message,
              HasSubstr("expected one, found 2"));
  const Admission planned = asked(two);
  const auto picture = admission_picture({two, *two.system, "laxity", planned});
  ASSERT_TRUE(picture);
  EXPECT_THAT(*picture, HasSubstr("cpu1"));
}

TEST(Admission, WithoutPlansTheDemandIsDrawn) {
  const Scenario scenario = cameras(2, kFinite, "15");
  const Admission admission = asked(scenario, "edf");
  const auto picture = admission_picture({scenario, *scenario.system, "edf", admission});
  ASSERT_TRUE(picture) << picture.error().message;
  EXPECT_THAT(*picture, HasSubstr("Demand test: yes"));
  const Scenario many = cameras(6, kFinite, "15");  // 24 ms of work in 20 ms
  const Admission taken = asked(many, "edf");
  EXPECT_THAT(*admission_picture({many, *many.system, "edf", taken}), HasSubstr("ask for more than"));
}

}  // namespace
}  // namespace laxity
