#include "load/infer_codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

namespace laxity {
namespace {

using Json = nlohmann::json;

RemoteModel two_inputs() {
  return {"m", {{"a", "FP32", {-1, 3}}, {"b", "INT64", {1, 2}}}, {{"y", "FP32", {-1, 10}}}};
}

const RemoteModel kClassifier{
    "m", {{"x", "FP32", {-1, 1}}}, {{"y", "FP32", {-1, 9}}, {"class", "INT64", {-1, 1}}}};

Json json_of(const PreparedRequest& request) {
  const std::size_t begin = request.head.find("\r\n\r\n") + 4;
  return Json::parse(request.head.substr(begin));
}

template <typename T>
std::string raw(std::initializer_list<T> values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), std::data(values), bytes.size());
  return bytes;
}

TEST(InferCodec, ReadsMetadata) {
  const Result<RemoteModel> model = read_model_metadata(
      R"({"name":"m","inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}],"outputs":[]})");
  ASSERT_TRUE(model) << model.error().message;
  ASSERT_EQ(model->inputs.size(), 1U);
  EXPECT_EQ(model->inputs[0].shape, (std::vector<std::int64_t>{-1, 4}));
  for (const char* wrong :
       {"", "[]", "{", R"({"name":"m"})", R"({"name":"m","inputs":[],"outputs":[]})",
        R"({"name":"m","inputs":[{"name":"x","datatype":"FP32","shape":["4"]}],"outputs":[]})",
        R"({"name":1,"inputs":[{"name":"x","datatype":"FP32","shape":[4]}],"outputs":[]})"}) {
    EXPECT_FALSE(read_model_metadata(wrong)) << wrong;
  }
}

TEST(InferCodec, RandomTensorsHaveTheRightSizeAndRange) {
  const Result<SampleSet> set = random_samples(two_inputs(), 3, Rng(1));
  ASSERT_TRUE(set) << set.error().message;
  ASSERT_EQ(set->samples.size(), 3U);
  for (const Sample& sample : set->samples) {
    ASSERT_EQ(sample.bytes.size(), 3 * sizeof(float) + 2 * sizeof(std::int64_t));
    float value = 0;
    std::memcpy(&value, sample.bytes.data(), sizeof value);
    EXPECT_LT(std::abs(value), 1.0F);
    std::int64_t whole = -1;
    std::memcpy(&whole, sample.bytes.data() + 12, sizeof whole);
    EXPECT_GE(whole, 0);
    EXPECT_LT(whole, 100);
  }
  EXPECT_NE(set->samples[0].bytes, set->samples[1].bytes);
  EXPECT_FALSE(random_samples({"m", {{"x", "FP32", {-1, -1}}}, {}}, 1, Rng(1)));
  EXPECT_FALSE(random_samples({"m", {{"x", "BYTES", {-1}}}, {}}, 1, Rng(1)));
}

TEST(InferCodec, RequestDescribesItsTensors) {
  const RemoteModel model = two_inputs();
  const SampleSet set = random_samples(model, 1, Rng(1)).value();
  const Result<PreparedRequest> request =
      prepare_request(model, "localhost:1", set, set.samples[0], JobKind::kSoft, true);
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->head.starts_with("POST /v2/models/m/infer HTTP/1.1\r\nHost: localhost:1\r\n"));
  const std::size_t json_begin = request->head.find("\r\n\r\n") + 4;
  const std::string json_size = std::to_string(request->head.size() - json_begin);
  EXPECT_NE(request->head.find("\r\nInference-Header-Content-Length: " + json_size + "\r\n"),
            std::string::npos);
  EXPECT_NE(
      request->head.find("\r\nContent-Length: " +
                         std::to_string(request->head.size() - json_begin + request->body.size()) + "\r\n"),
      std::string::npos);
  const Json json = json_of(*request);
  EXPECT_EQ(json["inputs"][0]["shape"], Json({1, 3}));
  EXPECT_EQ(json["inputs"][0]["parameters"]["binary_data_size"], 12);
  EXPECT_EQ(json["inputs"][1]["parameters"]["binary_data_size"], 16);
  EXPECT_EQ(json["parameters"]["kind"], "soft");
}

TEST(InferCodec, AsksForTheClassWhereThereIsOne) {
  const SampleSet set = random_samples(kClassifier, 1, Rng(1)).value();
  const PreparedRequest request =
      prepare_request(kClassifier, "h", set, set.samples[0], JobKind::kBestEffort, false).value();
  EXPECT_EQ(json_of(request)["outputs"], Json::parse(R"([{"name":"class"}])"));
  const SampleSet other = random_samples(two_inputs(), 1, Rng(1)).value();
  EXPECT_FALSE(
      json_of(prepare_request(two_inputs(), "h", other, other.samples[0], JobKind::kFirm, true).value())
          .contains("outputs"));
}

TEST(InferCodec, PicturesTravelAsBytes) {
  const RemoteModel model{"m", {{"image", "FP32", {-1, 3, 32, 32}}}, {}};
  const SampleSet set{"s", true, {{{std::byte{7}, std::byte{8}}, 3U}}};
  const Result<PreparedRequest> request =
      prepare_request(model, "h", set, set.samples[0], JobKind::kBestEffort, false);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->label, 3U);
  EXPECT_FALSE(request->deadline_at.has_value());
  const std::vector<std::byte> expected = {std::byte{2}, std::byte{0}, std::byte{0},
                                           std::byte{0}, std::byte{7}, std::byte{8}};
  EXPECT_EQ(request->body, expected);
  const Json json = json_of(*request);
  EXPECT_EQ(json["inputs"][0]["datatype"], "BYTES");
  EXPECT_EQ(json["inputs"][0]["shape"], Json({1}));
  EXPECT_FALSE(json["parameters"].contains("deadline_ms"));
  EXPECT_FALSE(prepare_request(two_inputs(), "h", set, set.samples[0], JobKind::kFirm, true));
}

TEST(InferCodec, DeadlineIsWrittenInPlace) {
  const RemoteModel model{"m", {{"x", "FP32", {-1, 1}}}, {}};
  const SampleSet set = random_samples(model, 1, Rng(1)).value();
  PreparedRequest request = prepare_request(model, "h", set, set.samples[0], JobKind::kFirm, true).value();
  const std::size_t size = request.head.size();
  const std::vector<std::pair<Duration, double>> cases = {
      {39'950'001ns, 39.950001}, {1ms, 1.0}, {0ns, 0.001}, {-5s, 0.001}, {20h, 7.2e7}, {999'999ns, 0.999999}};
  for (const auto& [left, expected] : cases) {
    write_deadline(request.head, request.deadline_at.value(), left);
    EXPECT_EQ(request.head.size(), size);
    EXPECT_DOUBLE_EQ(json_of(request)["parameters"]["deadline_ms"].get<double>(), expected);
  }
}

TEST(InferCodec, ReadsAnswersOfEitherForm) {
  const InferAnswer json = read_infer_answer(
      200,
      R"({"outputs":[{"name":"logits","datatype":"FP32","shape":[1,3],"data":[0.1,0.9,0.2]}],)"
      R"("parameters":{"outcome":"late","exit":1,"batch_size":4}})",
      "");
  EXPECT_TRUE(json.is_readable);
  EXPECT_EQ(json.outcome, Outcome::kLate);
  EXPECT_EQ(json.exit_count, 2U);
  EXPECT_EQ(json.batch_size, 4U);
  EXPECT_EQ(json.answered_class, 1U);

  const InferAnswer nested = read_infer_answer(
      200, R"({"outputs":[{"name":"logits","datatype":"FP32","shape":[1,3],"data":[[0.1,0.2,0.9]]}]})", "");
  EXPECT_EQ(nested.answered_class, 2U);
  EXPECT_FALSE(nested.outcome.has_value());

  // `class` wins over logits, wherever it stands.
  const std::string header =
      R"({"outputs":[{"name":"logits","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}},)"
      R"({"name":"class","datatype":"INT64","shape":[1,1],"parameters":{"binary_data_size":8}}]})";
  const InferAnswer binary = read_infer_answer(200, header, raw<float>({5, 1}) + raw<std::int64_t>({6}));
  EXPECT_TRUE(binary.is_readable);
  EXPECT_EQ(binary.answered_class, 6U);
  EXPECT_FALSE(read_infer_answer(200, header, raw<float>({5, 1})).is_readable);
  EXPECT_FALSE(read_infer_answer(200, header, std::string(17, 'x')).is_readable);
  EXPECT_FALSE(read_infer_answer(200, "nonsense", "").is_readable);
  EXPECT_FALSE(read_infer_answer(200, "", "").is_readable);
}

TEST(InferCodec, ReadsRefusals) {
  const InferAnswer answer =
      read_infer_answer(504, R"({"error":"too late","reason":"dropped_hopeless"})", "");
  EXPECT_EQ(answer.reason, Reason::kDroppedHopeless);
  EXPECT_EQ(answer.error, "too late");
  EXPECT_EQ(read_infer_answer(503, "<html>", "").reason, Reason::kNone);
}

}  // namespace
}  // namespace laxity
