#include "load/stream_codec.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "load/infer_codec.h"

namespace laxity {
namespace {

using Json = nlohmann::json;

TEST(StreamCodec, AWishSaysAllThatTheContractHas) {
  StreamWish wish{"m", std::nullopt, JobKind::kSoft, 33300us, 5ms, 40ms, 12ms, 600};
  EXPECT_EQ(Json::parse(stream_wish_json(wish)), Json::parse(R"({"model":"m","period_ms":33.3,"jitter_ms":5.0,
      "deadline_ms":40.0,"start_in_ms":12.0,"frames":600,"kind":"soft"})"));
  wish.start_in.reset();
  wish.frames.reset();
  wish.lowest_variant = "w0.5";
  const Json endless = Json::parse(stream_wish_json(wish));
  EXPECT_FALSE(endless.contains("start_in_ms"));
  EXPECT_FALSE(endless.contains("frames"));
  EXPECT_EQ(endless["lowest_variant"], "w0.5");
}

TEST(StreamCodec, APromiseIsRead) {
  const auto reply = read_stream_reply(201, R"({"stream":"s-17","admitted":true,"guarantee":"plan",
      "guaranteed_until_ms":null,"response_time_bound_ms":40})");
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_TRUE(reply->is_admitted);
  EXPECT_EQ(reply->stream, "s-17");
  EXPECT_EQ(reply->guarantee, Guarantee::kPlan);
  EXPECT_EQ(reply->response_time_bound, 40ms);
}

// Until frame 0 has fixed the phase nothing is promised.
TEST(StreamCodec, AProvisionalPromiseIsNone) {
  const auto reply = read_stream_reply(201, R"({"stream":"s-1","guarantee":"plan","provisional":true})");
  EXPECT_EQ(reply.value().guarantee, Guarantee::kNone);
}

TEST(StreamCodec, ARefusalCarriesItsOffers) {
  const auto reply = read_stream_reply(503, R"({"error":"e","reason":"admission_plan","would_admit":
      [{"deadline_ms":55},{"period_ms":41.7},{"lowest_variant":"w"},7,
      {"deadline_ms":-1},{"period_ms":1e300}]})");
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_FALSE(reply->is_admitted);
  EXPECT_EQ(reply->reason, Reason::kAdmissionPlan);
  EXPECT_EQ(reply->error, "e");
  EXPECT_EQ(reply->deadline_offer, 55ms);
  EXPECT_EQ(reply->period_offer, 41700us);
}

TEST(StreamCodec, OtherAnswersAreErrors) {
  EXPECT_EQ(read_stream_reply(400, R"({"error":"period_ms: expected a number"})").error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_NE(
      read_stream_reply(400, R"({"error":"period_ms: wrong"})").error().message.find("period_ms: wrong"),
      std::string::npos);
  EXPECT_EQ(read_stream_reply(404, "{}").error().code, ErrorCode::kNotFound);
  for (const char* wrong : {"", "[]", "{", R"({"stream":""})", R"({"stream":7})", R"({"stream":"a b"})",
                            R"({"stream":"a\"b"})", R"({"stream":"0123456789012345678901234567890123"})"}) {
    EXPECT_FALSE(read_stream_reply(201, wrong)) << wrong;
  }
  EXPECT_TRUE(read_stream_reply(503, "not json"));  // refused, without a reason that can be read
}

TEST(StreamCodec, ATallyIsReadAsFarAsItIsThere) {
  const StreamTally tally =
      read_stream_tally(R"({"stream":"s-1","promises_lost":2,"frames":{"breaches":3,"too_fast":4}})");
  EXPECT_EQ(tally.breaches, 3U);
  EXPECT_EQ(tally.too_fast, 4U);
  EXPECT_EQ(tally.promises_lost, 2U);
  EXPECT_EQ(read_stream_tally("[]").breaches, 0U);
  EXPECT_EQ(read_stream_tally(R"({"frames":{"breaches":-1}})").breaches, 0U);
}

TEST(StreamCodec, FramesAreWrittenInPlace) {
  const RemoteModel model{"m", {{"x", "FP32", {-1, 4}}}, {}};
  const SampleSet set = random_samples(model, 1, Rng(1)).value();
  const PreparedRequest request = prepare_frame(model, "h", set, set.samples[0]).value();
  ASSERT_TRUE(request.frame_at.has_value());
  EXPECT_FALSE(request.deadline_at.has_value());
  std::string head = request.head;
  const auto parameters = [&head] {
    return Json::parse(head.substr(head.find("\r\n\r\n") + 4))["parameters"];
  };
  write_frame(head, *request.frame_at, "s-4294967295", 4294967295);
  EXPECT_EQ(parameters(),
            Json::parse(R"({"binary_data_output":true,"stream":"s-4294967295","frame":4294967295})"));
  write_frame(head, *request.frame_at, "s", 0);  // shorter: nothing of the longer one is left
  EXPECT_EQ(parameters(), Json::parse(R"({"binary_data_output":true,"stream":"s","frame":0})"));
  EXPECT_EQ(head.size(), request.head.size());
}

}  // namespace
}  // namespace laxity
