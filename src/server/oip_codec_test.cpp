#include "server/oip_codec.h"

#include <gtest/gtest.h>

#include <rapidcheck.h>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "server/sample_model.h"

namespace laxity {
namespace {

using testing::raw_bytes;
using testing::SampleBody;

class OipCodec : public ::testing::Test {
 protected:
  OipCodec() { limits_.batch_size_max = 64; }

  /// Decodes into request_; the memory of what it points to lives as long as the test.
  Status decode(const LoadedModel& model, std::string_view json, std::string_view binary = {},
                std::optional<std::uint64_t> header_length = {}, std::size_t misalignment = 0) {
    if (!binary.empty() && !header_length) header_length = json.size();
    codec_.emplace(model);
    body_.emplace(json, binary, misalignment);
    return decoder_.decode(*codec_, body_->bytes(), header_length, tensors_, request_);
  }
  template <typename T>
  std::vector<T> input(std::size_t i) const {
    const ConstJobBytes bytes = request_.inputs.at(i);
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  DecodeLimits limits_;
  InferDecoder decoder_{DecodeLimits{4096, 64}};
  MemoryBudget budget_{1 << 20};
  AlignedBuffer tensors_{budget_};
  InferRequest request_;
  std::optional<ModelCodec> codec_;
  std::optional<SampleBody> body_;
};

const LoadedModel kTwo = testing::two_input_model();
const LoadedModel kPicture = testing::picture_model();

constexpr const char* kFlat = R"({"id": "r1", "inputs": [
  {"name": "a", "datatype": "FP32", "shape": [1, 2, 3], "data": [1, 2.5, -3, 4e1, 5, 6]},
  {"name": "b", "datatype": "INT32", "shape": [1, 4], "data": [7, -8, 9, 2147483647]}]})";

TEST_F(OipCodec, JsonFlat) {
  const Status status = decode(kTwo, kFlat);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(request_.id, "r1");
  EXPECT_EQ(request_.batch_size, 1U);
  EXPECT_EQ(input<float>(0), (std::vector<float>{1, 2.5, -3, 40, 5, 6}));
  EXPECT_EQ(input<std::int32_t>(1), (std::vector<std::int32_t>{7, -8, 9, 2147483647}));
  EXPECT_EQ(request_.kind, JobKind::kBestEffort);
  EXPECT_FALSE(request_.relative_deadline);
  ASSERT_EQ(request_.wanted.size(), 1U);
  EXPECT_FALSE(request_.wanted[0].binary);
}

TEST_F(OipCodec, JsonNestedInAnyOrderOfKeysAndTwoJobs) {
  const Status status = decode(kTwo, R"({"parameters": {"binary_data_output": true}, "inputs": [
    {"data": [[1, 2, 3, 4], [5, 6, 7, 8]], "shape": [2, 4], "datatype": "INT32", "name": "b"},
    {"data": [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]], "shape": [2, 2, 3], "datatype": "FP32",
     "name": "a"}], "outputs": [{"name": "y"}]})");
  ASSERT_TRUE(status) << status.error().message;
  ASSERT_EQ(request_.batch_size, 2U);
  EXPECT_EQ(input<float>(0), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(input<std::int32_t>(1), (std::vector<std::int32_t>{1, 2, 3, 4}));
  EXPECT_EQ(input<float>(2), (std::vector<float>{7, 8, 9, 10, 11, 12}));
  EXPECT_EQ(input<std::int32_t>(3), (std::vector<std::int32_t>{5, 6, 7, 8}));
  EXPECT_TRUE(request_.wanted.at(0).binary);
}

constexpr const char* kBinary = R"({"inputs": [
  {"name": "a", "datatype": "FP32", "shape": [2, 2, 3], "parameters": {"binary_data_size": 48}},
  {"name": "b", "datatype": "INT32", "shape": [2, 4], "parameters": {"binary_data_size": 32}}]})";

std::string binary_tensors() {
  return raw_bytes<float>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}) +
         raw_bytes<std::int32_t>({1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_F(OipCodec, BinaryTensorsAreUsedWhereTheSocketLeftThem) {
  const Status status = decode(kTwo, kBinary, binary_tensors());
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(input<float>(2), (std::vector<float>{7, 8, 9, 10, 11, 12}));
  EXPECT_EQ(input<std::int32_t>(3), (std::vector<std::int32_t>{5, 6, 7, 8}));
  const std::byte* begin = body_->bytes().data();
  const std::byte* end = begin + body_->bytes().size();
  for (const ConstJobBytes bytes : request_.inputs) {
    EXPECT_TRUE(bytes.data() >= begin && bytes.data() + bytes.size() <= end);
  }
  EXPECT_EQ(budget_.used(), 0U) << "nothing had to be copied";
}

TEST_F(OipCodec, MisalignedBinaryTensorsAreCopied) {
  for (std::size_t misalignment = 1; misalignment < 4; ++misalignment) {
    const Status status = decode(kTwo, kBinary, binary_tensors(), {}, misalignment);
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(input<float>(2), (std::vector<float>{7, 8, 9, 10, 11, 12}));
    for (const ConstJobBytes bytes : request_.inputs) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % 4, 0U);
    }
  }
}

TEST_F(OipCodec, EveryDataTypeFromJsonAtItsBounds) {
  struct Row {
    DataType type;
    const char* good;
    std::vector<const char*> bad;
  };
  const Row rows[] = {
      {DataType::kBool, "true, false", {"1, 0", "\"true\", true"}},
      {DataType::kUint8, "0, 255", {"256, 0", "-1, 0", "1.5, 0"}},
      {DataType::kUint16, "0, 65535", {"65536, 0"}},
      {DataType::kUint32, "0, 4294967295", {"4294967296, 0"}},
      {DataType::kUint64, "0, 18446744073709551615", {"-1, 0", "18446744073709551616, 0"}},
      {DataType::kInt8, "-128, 127", {"-129, 0", "128, 0"}},
      {DataType::kInt16, "-32768, 32767", {"32768, 0"}},
      {DataType::kInt32, "-2147483648, 2147483647", {"2147483648, 0", "null, 0"}},
      {DataType::kInt64, "-9223372036854775808, 9223372036854775807", {"9223372036854775808, 0"}},
      {DataType::kFp32, "3.4e38, -1e-45", {"3.5e38, 0", "1e999, 0", "\"1\", 0", "NaN, 0", "true, 0"}},
      {DataType::kFp64, "1.7e308, 0", {"1e309, 0", "Infinity, 0"}},
      {DataType::kFp16, "", {"1, 2"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(name(row.type));
    const LoadedModel model = testing::fixed_model(row.type);
    const auto text = [&](const std::string& data) {
      return std::string(R"({"inputs": [{"name": "x", "shape": [1, 2], "datatype": ")") + name(row.type) +
             R"(", "data": [)" + data +
             R"(]}], "outputs": [{"name": "y", "parameters": {"binary_data": true}}]})";
    };
    if (*row.good != 0) {
      const Status status = decode(model, text(row.good));
      ASSERT_TRUE(status) << status.error().message;
      EXPECT_EQ(request_.inputs.at(0).size(), 2 * element_size(row.type));
    }
    for (const char* bad : row.bad) {
      const Status status = decode(model, text(bad));
      ASSERT_FALSE(status) << bad;
      EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument) << bad;
    }
  }
}

std::string bytes_element(std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  return raw_bytes<std::uint32_t>({size}) + std::string(text);
}

TEST_F(OipCodec, EncodedPictures) {
  const std::string binary = bytes_element("\xff\xd8one") + bytes_element("two!");
  Status status = decode(kPicture,
                         R"({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [2],
                             "parameters": {"binary_data_size": )" +
                             std::to_string(binary.size()) + "}}]}",
                         binary);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_TRUE(request_.needs_preprocess);
  EXPECT_EQ(request_.batch_size, 2U);
  const auto text = [this](std::size_t i) {
    return std::string(reinterpret_cast<const char*>(request_.inputs.at(i).data()),
                       request_.inputs.at(i).size());
  };
  EXPECT_EQ(text(0), "\xff\xd8one");
  EXPECT_EQ(text(1), "two!");

  status = decode(kPicture, R"({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [2, 1],
                                "data": ["Zm9v", "YmFyIQ=="]}]})");
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(text(0), "foo");
  EXPECT_EQ(text(1), "bar!");
}

TEST_F(OipCodec, Parameters) {
  struct Row {
    const char* parameters;
    std::optional<Duration> deadline;
    JobKind kind;
  };
  const Row rows[] = {
      {"{}", std::nullopt, JobKind::kBestEffort},
      {R"({"deadline_ms": 20})", 20ms, JobKind::kFirm},
      {R"({"deadline_ms": 0.5, "kind": "soft"})", 500us, JobKind::kSoft},
      {R"({"timeout": 1500})", 1500us, JobKind::kFirm},
      {R"({"timeout": 1500, "deadline_ms": 1})", 1ms, JobKind::kFirm},
      {R"({"deadline_ms": 86400000})", 24h, JobKind::kFirm},
      {R"({"priority": 3})", std::nullopt, JobKind::kBestEffort},
      {R"({"deadline_ms": 5, "kind": "best-effort"})", 5ms, JobKind::kBestEffort},
  };
  for (const Row& row : rows) {
    std::string json = kFlat;
    json.insert(1, std::string("\"parameters\": ") + row.parameters + ",");
    const Status status = decode(kTwo, json);
    ASSERT_TRUE(status) << row.parameters << ": " << status.error().message;
    EXPECT_EQ(request_.relative_deadline, row.deadline) << row.parameters;
    EXPECT_EQ(request_.kind, row.kind) << row.parameters;
  }
}

struct BadRow {
  const char* json;
  const char* said;  ///< Part of the message.
  ErrorCode code = ErrorCode::kInvalidArgument;
};

TEST_F(OipCodec, AFrameNamesItsStream) {
  std::string json = kFlat;
  json.insert(1, R"("parameters": {"stream": "s-17", "frame": 4294967295},)");
  ASSERT_TRUE(decode(kTwo, json));
  EXPECT_EQ(request_.stream, "s-17");
  EXPECT_EQ(request_.frame, 4294967295U);
  ASSERT_TRUE(decode(kTwo, kFlat));
  EXPECT_EQ(request_.stream, "") << "the next request is none";
  EXPECT_FALSE(request_.frame);
}

TEST_F(OipCodec, BadRequestsSayWhatWasExpectedFoundAndWhere) {
  const BadRow rows[] = {
      {"", "expected a JSON object"},
      {"{", "expected a JSON object"},
      {"[]", "body: expected an object, found an array"},
      {"{}", "expected the key 'inputs'"},
      {R"({"inputs": {}})", "inputs: expected an array, found an object"},
      {R"({"inputs": []})", "expected 'a' among them"},
      {R"({"inputs": [1]})", "inputs: expected objects, found an integer"},
      {R"({"inputs": [{}]})", "expected the key 'name'"},
      {R"({"input": []})", "unknown key 'input'; did you mean 'inputs'"},
      {R"({"inputs": [{"name": "A", "datatype": "FP32", "shape": [1,2,3], "data": []}]})",
       "has no input 'A'"},
      {R"({"inputs": [{"name": "a", "datatype": "FP64", "shape": [1,2,3], "data": [1,2,3,4,5,6]},
                      {"name": "b", "datatype": "INT32", "shape": [1,4], "data": [1,2,3,4]}]})",
       "input 'a': expected datatype FP32, found 'FP64'"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,3,2], "data": [1,2,3,4,5,6]},
                      {"name": "b", "datatype": "INT32", "shape": [1,4], "data": [1,2,3,4]}]})",
       "input 'a': expected shape [batch,2,3], found [1,3,2]"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [0,2,3], "data": []},
                      {"name": "b", "datatype": "INT32", "shape": [0,4], "data": []}]})",
       "found [0,2,3]"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [-1,2,3], "data": []}]})", "found [-1,2,3]"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [65,2,3], "data": [1]}]})", "at most 64"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [9223372036854775807,2,3], "data": [1]}]})",
       "at most 64"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [18446744073709551615,2,3], "data": [1]}]})",
       "shape: expected integers"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,2,3,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],
                       "data": [1]}]})",
       "at most 16 dimensions"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,2,3], "data": [1,2,3,4,5]},
                      {"name": "b", "datatype": "INT32", "shape": [1,4], "data": [1,2,3,4]}]})",
       "expected 6 elements for shape [1,2,3], found 5"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,2,3], "data": [1,2,3,4,5,6,7]},
                      {"name": "b", "datatype": "INT32", "shape": [1,4], "data": [1,2,3,4]}]})",
       "more elements than its shape says"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,2,3], "data": [[[1,2],[3,4],[5,6]]]},
                      {"name": "b", "datatype": "INT32", "shape": [1,4], "data": [1,2,3,4]}]})",
       "expected 3 entries along a dimension"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,2,3], "data": [1,2,3,4,5,[6]]},
                      {"name": "b", "datatype": "INT32", "shape": [1,4], "data": [1,2,3,4]}]})",
       "an array too many"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [2,2,3], "data": [1,2,3,4,5,6,1,2,3,4,5,6]},
                      {"name": "b", "datatype": "INT32", "shape": [1,4], "data": [1,2,3,4]}]})",
       "expected a batch of 2 as in input 'a', found 1"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,2,3], "data": "x"},
                      {"name": "b", "datatype": "INT32", "shape": [1,4], "data": [1,2,3,4]}]})",
       "data: expected an array, found a string"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,2,3]}]})", "found neither"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,2,3], "data": [],
                       "parameters": {"binary_data_size": 0}}]})",
       "found both"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,2,3],
                       "parameters": {"binary_data_size": 24}}]})",
       "is Inference-Header-Content-Length missing?"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,2,3],
                       "parameters": {"binary_data_size": 18446744073709551615}}]})",
       "found 18446744073709551615"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,2,3],
                       "parameters": {"binary_data_size": -1}}]})",
       "binary_data_size: expected an integer from 0"},
      {R"({"inputs": [{"name": "a", "datatype": "FP32", "shape": [1,2,3],
                       "parameters": {"shared_memory_region": "r"}}]})",
       "unknown key 'shared_memory_region'"},
      {R"({"parameters": {"deadine_ms": 3}, "inputs": []})", "did you mean 'deadline_ms'"},
      {R"({"parameters": {"deadline_ms": -3}, "inputs": []})", "'deadline_ms': expected a number above 0"},
      {R"({"parameters": {"deadline_ms": 0}, "inputs": []})", "'deadline_ms': expected a number above 0"},
      {R"({"parameters": {"deadline_ms": 1e300}, "inputs": []})", "at most 86400000"},
      {R"({"parameters": {"deadline_ms": NaN}, "inputs": []})", "expected a JSON object"},
      {R"({"parameters": {"deadline_ms": "NaN"}, "inputs": []})",
       "expected a positive number, found a string"},
      {R"({"parameters": {"deadline_ms": 1e999}, "inputs": []})", "expected a JSON object"},
      {R"({"parameters": {"timeout": 0}, "inputs": []})",
       "'timeout' (microseconds): expected a number above 0"},
      {R"({"parameters": {"kind": "hard"}, "inputs": []})",
       "expected firm, soft or best-effort, found 'hard'"},
      {R"({"parameters": {"kind": "firm"}, "inputs": []})", "expected a deadline_ms beside 'firm'"},
      {R"({"parameters": {"priority": -1}, "inputs": []})", "'priority': expected an integer from 0"},
      {R"({"parameters": {"stream": 17}, "inputs": []})", "'stream': expected a string, found an integer"},
      {R"({"parameters": {"stream": ""}, "inputs": []})", "expected a stream's name"},
      {R"({"parameters": {"frame": 1}, "inputs": []})", "expected 'stream' beside it"},
      {R"({"parameters": {"stream": "s-1", "frame": -1}, "inputs": []})", "'frame': expected an integer"},
      {R"({"parameters": {"stream": "s-1", "frame": 4294967296}, "inputs": []})", "0 to 4294967295"},
      {R"({"parameters": {"stream": "s-1", "deadline_ms": 5}, "inputs": []})", "whose contract says it"},
      {R"({"parameters": {"priority": 5, "stream": "s-1"}, "inputs": []})", "'priority': expected none"},
      {R"({"parameters": 1, "inputs": []})", "parameters: expected an object, found an integer"},
      {R"({"id": 1, "inputs": []})", "id: expected a string, found an integer"},
  };
  for (const BadRow& row : rows) {
    const Status status = decode(kTwo, row.json);
    ASSERT_FALSE(status) << row.json;
    EXPECT_EQ(status.error().code, row.code) << row.json;
    EXPECT_NE(status.error().message.find(row.said), std::string::npos)
        << row.json << "\n  said: " << status.error().message << "\n  expected in it: " << row.said;
  }
}

TEST_F(OipCodec, BadOutputs) {
  const BadRow rows[] = {
      {R"([{"name": "z"}])", "has no output 'z'; did you mean 'y'"},
      {R"([{}])", "expected the key 'name'"},
      {R"([{"name": "y"}, {"name": "y"}])", "output 'y': expected once, found twice"},
      {R"([{"name": "y", "parameters": {"classification": 3}}])", "'classification': not offered"},
      {R"([{"name": "y", "parameters": {"binary_data": 1}}])", "expected a boolean, found an integer"},
      {R"([{"name": "y", "parameters": {"binary": true}}])", "did you mean 'binary_data'"},
      {R"(3)", "outputs: expected an array"},
  };
  for (const BadRow& row : rows) {
    std::string json = kFlat;
    json.insert(1, std::string("\"outputs\": ") + row.json + ",");
    const Status status = decode(kTwo, json);
    ASSERT_FALSE(status) << row.json;
    EXPECT_NE(status.error().message.find(row.said), std::string::npos) << status.error().message;
  }
}

TEST_F(OipCodec, LengthsThatLie) {
  const std::string json = kBinary;
  const std::string binary = binary_tensors();
  EXPECT_FALSE(decode(kTwo, json, binary, json.size() + binary.size() + 1));
  EXPECT_FALSE(decode(kTwo, json, binary, std::numeric_limits<std::uint64_t>::max()));
  EXPECT_FALSE(decode(kTwo, json, binary, 0));
  EXPECT_FALSE(decode(kTwo, json, binary, json.size() - 1));
  EXPECT_FALSE(decode(kTwo, json, binary, json.size() + 1));
  EXPECT_FALSE(decode(kTwo, json, binary + "x"));
  EXPECT_FALSE(decode(kTwo, json, binary.substr(1)));
  EXPECT_TRUE(decode(kTwo, json, binary));

  const auto pictures = [&](std::string_view bytes) {
    return decode(kPicture,
                  R"({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1],
                      "parameters": {"binary_data_size": )" +
                      std::to_string(bytes.size()) + "}}]}",
                  bytes, std::nullopt);
  };
  EXPECT_TRUE(pictures(bytes_element("ok")));
  EXPECT_FALSE(pictures(bytes_element("ok") + "!"));
  EXPECT_FALSE(pictures(std::string("\xff\xff\xff\xff", 4) + "ok"));
  EXPECT_FALSE(pictures(bytes_element("")));
  EXPECT_FALSE(pictures("abc"));
}

TEST_F(OipCodec, JsonAboveItsLimitIsTooLarge) {
  const std::string json = std::string(5000, ' ') + kFlat;
  const Status status = decode(kTwo, json);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kTooLarge);
}

TEST_F(OipCodec, TensorMemoryHasABudget) {
  MemoryBudget none(0);
  AlignedBuffer no_tensors(none);
  const ModelCodec codec(kTwo);
  const SampleBody body(kFlat, "");
  const Status status = decoder_.decode(codec, body.bytes(), std::nullopt, no_tensors, request_);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kResourceExhausted);
}

/// Whatever is decoded successfully lies in memory that is ours, with the sizes that the model says.
void check_decoded(const ModelCodec& codec, const InferRequest& request, std::span<const std::byte> body,
                   const AlignedBuffer& tensors) {
  const LoadedModel& model = codec.model();
  ASSERT_EQ(request.inputs.size(), request.batch_size * model.inputs.size());
  for (std::size_t i = 0; i < request.inputs.size(); ++i) {
    const ConstJobBytes bytes = request.inputs[i];
    const bool is_picture = request.needs_preprocess && i % model.inputs.size() == 0;
    if (!is_picture) {
      ASSERT_EQ(bytes.size(), model.inputs[i % model.inputs.size()].size_per_job());
    }
    const auto lies_in = [&](const std::byte* begin, std::size_t size) {
      return bytes.data() >= begin && bytes.data() + bytes.size() <= begin + size;
    };
    ASSERT_TRUE(lies_in(body.data(), body.size()) || lies_in(tensors.data(), tensors.capacity()));
  }
  if (request.relative_deadline) {
    ASSERT_GT(*request.relative_deadline, Duration::zero());
  }
}

TEST_F(OipCodec, MutatedRequestsAreRefusedOrSound) {
  const std::uint64_t seed = 20261125;
  Rng rng(seed);
  const std::string picture_json = R"({"parameters":{"deadline_ms":7},"inputs":[{"name":"image",
    "datatype":"BYTES","shape":[2],"data":["Zm9v","YmFyIQ=="]}],"outputs":[{"name":"class"}]})";
  const std::pair<const LoadedModel*, std::string> bases[] = {
      {&kTwo, kFlat}, {&kTwo, kBinary + binary_tensors()}, {&kPicture, picture_json}};
  const std::size_t json_sizes[] = {std::strlen(kFlat), std::strlen(kBinary), picture_json.size()};
  int accepted = 0;
  for (int round = 0; round < 6000; ++round) {
    const std::size_t base = static_cast<std::size_t>(rng.uniform(0, 2));
    std::string bytes = bases[base].second;
    const std::int64_t change_count = rng.uniform(1, 4);
    for (std::int64_t change = 0; change < change_count && !bytes.empty(); ++change) {
      const auto where =
          static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(bytes.size()) - 1));
      switch (rng.uniform(0, 3)) {
        case 0:
          bytes[where] = static_cast<char>(rng.uniform(0, 255));
          break;
        case 1:
          bytes.erase(where, static_cast<std::size_t>(rng.uniform(1, 8)));
          break;
        case 2:
          bytes.insert(where, bytes.substr(where, static_cast<std::size_t>(rng.uniform(1, 8))));
          break;
        default:
          bytes[where] = "0123456789-.eE[]{},\"tn"[rng.uniform(0, 21)];
      }
    }
    std::optional<std::uint64_t> header_length;
    if (base == 1) header_length = rng.chance(1, 8) ? rng.next() >> rng.uniform(0, 63) : json_sizes[base];
    const ModelCodec codec(*bases[base].first);
    const SampleBody body(bytes, "");
    const Status status = decoder_.decode(codec, body.bytes(), header_length, tensors_, request_);
    if (status) {
      ++accepted;
      check_decoded(codec, request_, body.bytes(), tensors_);
    } else {
      ASSERT_FALSE(status.error().message.empty()) << "seed " << seed << " round " << round;
    }
  }
  EXPECT_GT(accepted, 100) << "mutations that leave nothing valid test only the first check";
}

// What a client encodes, the decoder gives back.
TEST_F(OipCodec, RoundTripOfRandomTensors) {
  EXPECT_TRUE(rc::check([this] {
    const std::size_t batch = *rc::gen::inRange<std::size_t>(1, 5);
    const auto a =
        *rc::gen::container<std::vector<std::int32_t>>(batch * 6, rc::gen::arbitrary<std::int32_t>());
    const auto b =
        *rc::gen::container<std::vector<std::int32_t>>(batch * 4, rc::gen::arbitrary<std::int32_t>());
    const bool a_is_binary = *rc::gen::arbitrary<bool>(), b_is_binary = *rc::gen::arbitrary<bool>();
    std::vector<float> floats;
    for (const std::int32_t value : a) floats.push_back(static_cast<float>(value) / 7);
    nlohmann::json document;
    std::string binary;
    const auto add = [&](const char* name, const char* type, std::vector<std::size_t> shape, bool is_binary,
                         const auto& values) {
      nlohmann::json tensor = {{"name", name}, {"datatype", type}, {"shape", shape}};
      const std::string bytes = raw_bytes(values);
      if (is_binary) {
        tensor["parameters"] = {{"binary_data_size", bytes.size()}};
        binary += bytes;
      } else {
        tensor["data"] = values;
      }
      document["inputs"].push_back(tensor);
    };
    add("a", "FP32", {batch, 2, 3}, a_is_binary, floats);
    add("b", "INT32", {batch, 4}, b_is_binary, b);
    const Status status = decode(kTwo, document.dump(), binary);
    RC_ASSERT(status.has_value());
    RC_ASSERT(request_.batch_size == batch);
    std::string first, second;
    for (std::size_t job = 0; job < batch; ++job) {
      const ConstJobBytes x = request_.inputs[2 * job], y = request_.inputs[2 * job + 1];
      first.append(reinterpret_cast<const char*>(x.data()), x.size());
      second.append(reinterpret_cast<const char*>(y.data()), y.size());
    }
    RC_ASSERT(first == raw_bytes(floats));
    RC_ASSERT(second == raw_bytes(b));
  }));
}

SettleJob answered(Outcome outcome, std::uint32_t exit_count) {
  SettleJob settled;
  settled.outcome = outcome;
  settled.exit_count = exit_count;
  settled.confidence = 65535;
  settled.queue_time = 1500us;
  settled.execution_time = 2ms;
  settled.batch_size = 4;
  settled.slack = 3ms;
  return settled;
}

TEST_F(OipCodec, AnswerInJsonWithPostProcessing) {
  const ModelCodec codec(kPicture);
  InferRequest request;
  request.id = "i\"d";
  for (std::uint32_t i = 0; i < codec.outputs().size(); ++i) request.wanted.push_back({i, false});
  const std::vector<float> logits = {0, 2, 1};
  const std::vector<ConstJobBytes> outputs = {std::as_bytes(std::span(logits))};
  const std::vector<SettleJob> settled = {answered(Outcome::kLate, 2)};
  ReplyBody reply;
  encode_answer(codec, request, settled, outputs, reply);
  EXPECT_FALSE(reply.json_size);
  const nlohmann::json json = nlohmann::json::parse(reply.bytes);
  EXPECT_EQ(json["id"], "i\"d");
  EXPECT_EQ(json["model_name"], "picture");
  EXPECT_EQ(json["model_version"], "1");
  const nlohmann::json& parameters = json["parameters"];
  EXPECT_EQ(parameters["outcome"], "late");
  EXPECT_EQ(parameters["variant"], "full");
  EXPECT_EQ(parameters["exit"], 1);
  EXPECT_EQ(parameters["exits"], 3);
  EXPECT_EQ(parameters["confidence"], 1.0);
  EXPECT_EQ(parameters["queue_ms"], 1.5);
  EXPECT_EQ(parameters["execution_ms"], 2);
  EXPECT_EQ(parameters["batch_size"], 4);
  EXPECT_EQ(parameters["slack_ms"], 3);
  ASSERT_EQ(json["outputs"].size(), 4U);
  EXPECT_EQ(json["outputs"][0]["name"], "logits");
  EXPECT_EQ(json["outputs"][0]["shape"], (std::vector<int>{1, 3}));
  EXPECT_EQ(json["outputs"][0]["data"], (std::vector<float>{0, 2, 1}));
  EXPECT_EQ(json["outputs"][1]["name"], "probabilities");
  const auto probabilities = json["outputs"][1]["data"].get<std::vector<double>>();
  EXPECT_NEAR(probabilities[0] + probabilities[1] + probabilities[2], 1.0, 1e-6);
  EXPECT_NEAR(probabilities[1] / probabilities[2], std::exp(1.0), 1e-5);
  EXPECT_EQ(json["outputs"][2]["name"], "class");
  EXPECT_EQ(json["outputs"][2]["shape"], (std::vector<int>{1, 2}));
  EXPECT_EQ(json["outputs"][2]["data"], (std::vector<int>{1, 2}));
  EXPECT_EQ(json["outputs"][3]["name"], "label");
  EXPECT_EQ(json["outputs"][3]["data"], (std::vector<std::string>{"dog \"quoted\"", "cow"}));
}

TEST_F(OipCodec, AnswerInBinaryForTwoJobs) {
  const ModelCodec codec(kPicture);
  InferRequest request;
  request.batch_size = 2;
  request.wanted = {{2, true}, {0, true}, {3, true}};
  const std::vector<float> first = {0, 2, 1}, second = {5, 4, 3};
  const std::vector<ConstJobBytes> outputs = {std::as_bytes(std::span(first)),
                                              std::as_bytes(std::span(second))};
  const std::vector<SettleJob> settled = {answered(Outcome::kOnTime, 3), answered(Outcome::kOnTime, 1)};
  ReplyBody reply;
  encode_answer(codec, request, settled, outputs, reply);
  ASSERT_TRUE(reply.json_size);
  const nlohmann::json json = nlohmann::json::parse(reply.bytes.substr(0, *reply.json_size));
  EXPECT_EQ(json["parameters"]["exit"], (std::vector<int>{2, 0}));
  EXPECT_EQ(json["parameters"]["confidence"].size(), 2U);
  EXPECT_EQ(json["parameters"]["outcome"], "on_time");
  const std::string labels = bytes_element("dog \"quoted\"") + bytes_element("cow") + bytes_element("cat") +
                             bytes_element("dog \"quoted\"");
  EXPECT_EQ(json["outputs"][0]["parameters"]["binary_data_size"], 32);
  EXPECT_EQ(json["outputs"][1]["parameters"]["binary_data_size"], 24);
  EXPECT_EQ(json["outputs"][2]["parameters"]["binary_data_size"], labels.size());
  EXPECT_EQ(reply.bytes.substr(*reply.json_size),
            raw_bytes<std::int64_t>({1, 2, 0, 1}) + raw_bytes(first) + raw_bytes(second) + labels);
}

// Where the policy adapts, the answer names the variant that gave it, and the exits of that one.
TEST_F(OipCodec, AnswerOfASmallerVariantSaysWhichAndItsExits) {
  LoadedModel model = kPicture;
  LoadedVariant half = model.variants[0];
  half.name = "half";
  half.stages.resize(2);
  model.variants.insert(model.variants.begin(), half);
  const ModelCodec codec(model);
  ASSERT_EQ(codec.variant(), 1U) << "the best one is asked for";
  const std::vector<float> first = {0, 2, 1}, second = {5, 4, 3};
  const auto parameters = [&](std::vector<SettleJob> settled) {
    InferRequest request;
    request.batch_size = static_cast<std::uint32_t>(settled.size());
    request.variant = codec.variant();
    request.wanted = {{0, false}};
    std::vector<ConstJobBytes> outputs = {std::as_bytes(std::span(first)), std::as_bytes(std::span(second))};
    outputs.resize(settled.size());
    ReplyBody reply;
    encode_answer(codec, request, settled, outputs, reply);
    return nlohmann::json::parse(reply.bytes)["parameters"];
  };
  SettleJob by_full = answered(Outcome::kOnTime, 3), by_half = answered(Outcome::kOnTime, 2);
  by_half.variant = 0;
  nlohmann::json found = parameters({by_half});
  EXPECT_EQ(found["variant"], "half");
  EXPECT_EQ(found["exit"], 1);
  EXPECT_EQ(found["exits"], 2);
  found = parameters({by_half, by_half});
  EXPECT_EQ(found["variant"], "half");
  EXPECT_EQ(found["exit"], (std::vector<int>{1, 1}));
  EXPECT_EQ(found["exits"], 2);
  found = parameters({by_full, by_half});
  EXPECT_EQ(found["variant"], (std::vector<std::string>{"full", "half"}));
  EXPECT_EQ(found["exit"], (std::vector<int>{2, 1}));
  EXPECT_EQ(found["exits"], (std::vector<int>{3, 2}));
  found = parameters({by_full, by_full});
  EXPECT_EQ(found["variant"], "full");
  EXPECT_EQ(found["exits"], 3);
}

TEST_F(OipCodec, NotANumberTravelsInJsonAsNull) {
  const ModelCodec codec(kTwo);
  InferRequest request;
  request.wanted = {{0, false}};
  const std::vector<float> values = {std::numeric_limits<float>::quiet_NaN(), 1,
                                     std::numeric_limits<float>::infinity()};
  const std::vector<ConstJobBytes> outputs = {std::as_bytes(std::span(values))};
  const std::vector<SettleJob> settled = {answered(Outcome::kOnTime, 1)};
  ReplyBody reply;
  encode_answer(codec, request, settled, outputs, reply);
  const nlohmann::json json = nlohmann::json::parse(reply.bytes);
  EXPECT_TRUE(json["outputs"][0]["data"][0].is_null());
  EXPECT_EQ(json["outputs"][0]["data"][1], 1);
  EXPECT_FALSE(json["parameters"].contains("confidence")) << "a model without softmax has none";
}

TEST_F(OipCodec, MetadataAnnouncesTensorsAndPostProcessing) {
  const nlohmann::json json = nlohmann::json::parse(ModelCodec(kPicture).metadata_json());
  EXPECT_EQ(json["inputs"][0]["shape"], (std::vector<int>{-1, 3, 2, 2}));
  EXPECT_EQ(json["outputs"].size(), 4U);
  EXPECT_EQ(json["versions"], (std::vector<std::string>{"1"}));
  const LoadedModel fixed = testing::fixed_model(DataType::kFp32);
  const nlohmann::json fixed_json = nlohmann::json::parse(ModelCodec(fixed).metadata_json());
  EXPECT_EQ(fixed_json["inputs"][0]["shape"], (std::vector<int>{1, 2}));
}

TEST_F(OipCodec, AModelsOwnTensorIsNotReplacedByPostProcessing) {
  LoadedModel model = kPicture;
  model.outputs.push_back(testing::sample_tensor("class", DataType::kFp32, {1}));
  const ModelCodec codec(model);
  int count = 0;
  for (const WireOutput& output : codec.outputs()) {
    if (output.name != "class") continue;
    ++count;
    EXPECT_EQ(output.source, WireOutput::Source::kModel);
  }
  EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace laxity
