#include "server/stream_contract.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "server/sample_model.h"

namespace laxity {
namespace {

class StreamContract : public ::testing::Test {
 protected:
  StreamContract() {
    model_.id = ModelId{3};
    model_.variants.push_back(model_.variants[0]);
    model_.variants[0].name = "half";
    codecs_.push_back(std::make_unique<ModelCodec>(model_));
    codecs_.push_back(std::make_unique<ModelCodec>(other_));
    decoder_.emplace(codecs_);
  }
  Result<StreamAsk> decode(std::string_view json) {
    const testing::SampleBody body(json, {});
    return decoder_->decode(body.bytes());
  }

  LoadedModel model_ = testing::two_input_model();
  LoadedModel other_ = testing::picture_model();
  std::vector<std::unique_ptr<ModelCodec>> codecs_;
  std::optional<StreamDecoder> decoder_;
};

TEST_F(StreamContract, EveryKey) {
  const auto ask = decode(R"({"model": "two", "period_ms": 33.3, "jitter_ms": 4.6, "deadline_ms": 40,
      "start_in_ms": 250.5, "frames": 600, "kind": "soft", "lowest_variant": "half", "guarantee": "plan",
      "response_time_ms": 38.000001})");
  ASSERT_TRUE(ask) << ask.error().message;
  EXPECT_EQ(ask->codec, codecs_[0].get());
  EXPECT_EQ(ask->start_in, 250'500us);
  EXPECT_EQ(ask->task.model, ModelId{3});
  EXPECT_EQ(ask->task.lowest_variant, 0U);
  EXPECT_EQ(ask->task.kind, JobKind::kSoft);
  EXPECT_EQ(ask->task.min_inter_arrival, 33'300us) << "the number that was written, not the double below it";
  EXPECT_EQ(ask->task.release_jitter_max, 4'600us);
  EXPECT_EQ(ask->task.relative_deadline, 38'000'001ns);
  EXPECT_EQ(ask->task.frame_count, 600U);
  EXPECT_EQ(ask->task.guarantee, Guarantee::kPlan);
  EXPECT_FALSE(ask->task.first_release);
}

TEST_F(StreamContract, WhatIsNotSaid) {
  const auto ask = decode(R"({"period_ms": 20, "model": "two"})");
  ASSERT_TRUE(ask) << ask.error().message;
  EXPECT_EQ(ask->task.release_jitter_max, 2ms);
  EXPECT_EQ(ask->task.relative_deadline, 20ms);
  EXPECT_EQ(ask->task.kind, JobKind::kFirm);
  EXPECT_EQ(ask->task.lowest_variant, 1U) << "the best one";
  EXPECT_EQ(ask->task.guarantee, Guarantee::kNone);
  EXPECT_FALSE(ask->task.frame_count);
  EXPECT_FALSE(ask->start_in);
  EXPECT_FALSE(decode(R"({"period_ms": 20, "model": "two", "frames": null})")->task.frame_count);
}

TEST_F(StreamContract, TheBoundsThemselvesAreAllowed) {
  const auto least = decode(R"({"model": "two", "period_ms": 0.1, "jitter_ms": 0, "deadline_ms": 0.000001,
      "start_in_ms": 0, "frames": 1})");
  ASSERT_TRUE(least) << least.error().message;
  EXPECT_EQ(least->task.min_inter_arrival, 100us);
  EXPECT_EQ(least->task.relative_deadline, 1ns);
  EXPECT_EQ(least->start_in, 0ns);
  const auto most = decode(R"({"model": "two", "period_ms": 86400000, "jitter_ms": 86400000,
      "deadline_ms": 86400000, "start_in_ms": 86400000, "frames": 4294967296})");
  ASSERT_TRUE(most) << most.error().message;
  EXPECT_EQ(most->task.release_jitter_max, 24h);
  EXPECT_EQ(most->task.frame_count, std::uint64_t{1} << 32);
}

TEST_F(StreamContract, WhatIsWrongIsSaid) {
  struct Row {
    const char* json;
    const char* said;
    ErrorCode code = ErrorCode::kInvalidArgument;
  };
  const Row rows[] = {
      {"", "expected a JSON object"},
      {"7", "expected an object, found an integer"},
      {R"({"model": "two"})", "expected the key 'period_ms', found none"},
      {R"({"period_ms": 5})", "expected the key 'model', found none"},
      {R"({"model": "tow", "period_ms": 5})", "no such model: 'tow'; did you mean 'two'",
       ErrorCode::kNotFound},
      {R"({"model": 2, "period_ms": 5})", "model: expected a string, found an integer"},
      {R"({"model": "two", "period_ms": 0})", "period_ms: expected a number from 0.1 to 86400000 (a day)"},
      {R"({"model": "two", "period_ms": 0.0999})", "period_ms: expected a number from 0.1"},
      {R"({"model": "two", "period_ms": -33})", "found -33"},
      {R"({"model": "two", "period_ms": 86400000.1})", "period_ms"},
      {R"({"model": "two", "period_ms": 1e308})", "period_ms"},
      {R"({"model": "two", "period_ms": true})", "found a boolean"},
      {R"({"model": "two", "period_ms": null})", "found null"},
      {R"({"model": "two", "period_ms": 5, "jitter_ms": -0.1})", "jitter_ms: expected a number from 0"},
      {R"({"model": "two", "period_ms": 5, "deadline_ms": 0})", "deadline_ms: expected a number from"},
      {R"({"model": "two", "period_ms": 5, "deadline_ms": 0.0000001})",
       "deadline_ms: expected a number from"},
      {R"({"model": "two", "period_ms": 5, "start_in_ms": -1})", "start_in_ms: expected a number from 0"},
      {R"({"model": "two", "period_ms": 5, "frames": 0})", "frames: expected an integer from 1"},
      {R"({"model": "two", "period_ms": 5, "frames": 4294967297})", "frames: expected an integer from 1"},
      {R"({"model": "two", "period_ms": 5, "frames": 2.0})", "frames: expected an integer from 1"},
      {R"({"model": "two", "period_ms": 5, "kind": "hard"})", "expected one of firm, soft, best-effort"},
      {R"({"model": "two", "period_ms": 5, "lowest_variant": "hal"})", "did you mean 'half'"},
      {R"({"model": "two", "period_ms": 5, "guarantee": "plan-roling"})", "did you mean 'plan-rolling'"},
      {R"({"model": "two", "period_ms": 5, "response_time_ms": 5.5})", "at most the deadline, 5, found 5.5"},
      {R"({"model": "two", "period_ms": 5, "priod_ms": 5})",
       "unknown key 'priod_ms'; did you mean 'period_ms'"},
      {R"({"model": "two", "period_ms": 5, "period_ms": 5})", "period_ms: expected once, found twice"},
      {R"({"model": "two", "period_ms": 5, "kind": "best-effort", "guarantee": "nominal"})",
       "expected none for a best-effort stream"},
  };
  for (const Row& row : rows) {
    const auto ask = decode(row.json);
    ASSERT_FALSE(ask) << row.json;
    EXPECT_EQ(ask.error().code, row.code) << row.json;
    EXPECT_NE(ask.error().message.find(row.said), std::string::npos) << row.json << "\n"
                                                                     << ask.error().message;
  }
}

// A counter-offer must be worth asking for: what is written as milliseconds reads back to the nanosecond.
TEST_F(StreamContract, EveryNanosecondSurvivesTheWire) {
  Rng rng(11);
  for (int round = 0; round < 20'000; ++round) {
    const std::int64_t ns =
        rng.uniform(kStreamPeriodMin.count(), kStreamTimeMax.count() >> rng.uniform(0, 29));
    char text[64];
    std::snprintf(text, sizeof text, "%lld.%06lld", static_cast<long long>(ns / 1'000'000),
                  static_cast<long long>(ns % 1'000'000));
    const auto ask = decode(std::string(R"({"model": "two", "period_ms": )") + text + "}");
    ASSERT_TRUE(ask) << text << " seed 11 round " << round;
    ASSERT_EQ(ask->task.min_inter_arrival.count(), ns) << text << " seed 11 round " << round;
  }
}

TEST(StreamName, ThereAndBack) {
  for (const std::uint32_t id : {0U, 1U, 17U, 1024U, 4294967295U}) {
    EXPECT_EQ(stream_id(stream_name(TaskId{id})), TaskId{id}) << id;
  }
  EXPECT_EQ(stream_name(TaskId{17}), "s-17");
  for (const char* name : {"", "s", "s-", "17", "s-01", "s-00", "s--1", "s-+1", "s-1 ", " s-1", "S-1", "s-1x",
                           "s-4294967296", "s-99999999999999999999", "t-1"}) {
    EXPECT_FALSE(stream_id(name)) << name;
  }
}

TEST(StreamGuarantee, OrderOfStrength) {
  const Guarantee order[] = {Guarantee::kNone, Guarantee::kNominal, Guarantee::kPlanRolling, Guarantee::kPlan,
                             Guarantee::kDemand};
  for (std::size_t given = 0; given < std::size(order); ++given) {
    for (std::size_t asked = 0; asked < std::size(order); ++asked) {
      EXPECT_EQ(is_at_least(order[given], order[asked]), given >= asked) << given << " " << asked;
    }
  }
}

}  // namespace
}  // namespace laxity
