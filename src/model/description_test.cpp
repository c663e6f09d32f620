#include "model/description.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace laxity {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kFull = R"(name = "cifar10"
postprocess = { kind = "softmax", top = 2 }
mandatory   = 1

[preprocess]
decode = true
size = [32, 48]
resize = "bilinear"
colour = "RGB"
layout = "CHW"
scale = 0.5
mean = [0.49, 0.48, 0.45]
std = [0.25, 0.24, 0.26]

[[input]]
name = "image"
datatype = "FP32"
shape = [3, 32, 48]

[[output]]
name = "logits"
datatype = "FP32"
shape = [10]

[[variant]]
name = "full"
stages = ["stage0.onnx", "stage1.onnx"]
)";

Result<ModelDescription> parse(const std::string& text) {
  return parse_model_toml(text, "model.toml", "folder");
}

std::string complaint(const std::string& text) {
  const Result<ModelDescription> model = parse(text);
  EXPECT_FALSE(model) << text;
  if (model) return "";
  EXPECT_EQ(model.error().code, ErrorCode::kInvalidArgument);
  return model.error().message;
}

TEST(ModelToml, EverythingIsRead) {
  const Result<ModelDescription> model = parse(kFull);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->name, "cifar10");
  ASSERT_TRUE(model->preprocess.has_value());
  EXPECT_EQ(model->preprocess->height, 32U);
  EXPECT_EQ(model->preprocess->width, 48U);
  EXPECT_EQ(model->preprocess->scale, 0.5F);
  EXPECT_THAT(model->preprocess->mean, ElementsAre(0.49F, 0.48F, 0.45F));
  EXPECT_THAT(model->preprocess->deviation, ElementsAre(0.25F, 0.24F, 0.26F));
  EXPECT_EQ(model->postprocess, PostprocessSpec::Kind::kSoftmax);
  EXPECT_EQ(model->top, 2U);
  ASSERT_EQ(model->inputs.size(), 1U);
  EXPECT_EQ(text_of(model->inputs[0]), "FP32 [3, 32, 48]");
  ASSERT_EQ(model->variants.size(), 1U);
  EXPECT_THAT(model->variants[0].stages, ElementsAre("stage0.onnx", "stage1.onnx"));
}

TEST(ModelToml, EverythingHasADefault) {
  const Result<ModelDescription> model = parse("");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->name, "folder");
  EXPECT_FALSE(model->preprocess.has_value());
  EXPECT_EQ(model->mandatory_count, 1U);
  EXPECT_TRUE(model->variants.empty());
}

TEST(ModelToml, OneNumberStandsForAllChannels) {
  const Result<ModelDescription> model = parse("preprocess = { size = [4, 4], mean = [0.5], std = [2] }");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_THAT(model->preprocess->mean, ElementsAre(0.5F, 0.5F, 0.5F));
  EXPECT_THAT(model->preprocess->deviation, ElementsAre(2.0F, 2.0F, 2.0F));
}

struct BadCase {
  const char* text;
  const char* words;  // part of the message
};

TEST(ModelToml, BadInputIsAnsweredInWords) {
  const BadCase cases[] = {
      {"nmae = \"x\"", "'nmae'"},
      {"nmae = \"x\"", "did you mean 'name'"},
      {"name = ", "model.toml:1"},
      {"name = \"a/b\"", "found 'a/b'"},
      {"name = \"\"", "1 to 128 characters"},
      {"preprocess = { size = [32] }", "[height, width]"},
      {"preprocess = { size = [0, 32] }", "size"},
      {"preprocess = { size = [32, 32], colour = \"rgb\" }", "found 'rgb'"},
      {"preprocess = { size = [32, 32], std = [0.1, 0.0, 0.1] }", "above 0"},
      {"preprocess = { size = [32, 32], std = [1e-60] }", "above 0"},
      {"preprocess = { size = [32, 32], mean = [0.1, 0.1] }", "1 or 3 numbers, found 2"},
      {"preprocess = { size = [32, 32], sclae = 2 }", "did you mean 'scale'"},
      {"postprocess = { kind = \"sofmax\" }", "found 'sofmax'"},
      {"postprocess = { kind = \"softmax\", top = 0 }", "top"},
      {"mandatory = 0", "mandatory"},
      {"mandatory = 2\n[[variant]]\nname = \"a\"\nstages = [\"x.onnx\"]", "found 2"},
      {"[[variant]]\nname = \"a\"\nstages = []", "1 to 16 files"},
      {"[[variant]]\nname = \"a\"\nstages = [\"../x.onnx\"]", "inside the model's folder"},
      {"[[variant]]\nname = \"a\"\nstages = [\"/x.onnx\"]", "inside the model's folder"},
      {"[[variant]]\nstages = [\"x\"]\n[[variant]]\nstages = [\"y\"]", "'full' twice"},
      {"[[input]]\nname = \"x\"\ndatatype = \"FP31\"\nshape = [3]", "'FP31'"},
      {"[[input]]\nname = \"x\"\ndatatype = \"BYTES\"\nshape = [3]", "BYTES"},
      {"[[input]]\nname = \"x\"\ndatatype = \"FP32\"\nshape = [-1]", "shape"},
      {"[[input]]\nname = \"x\"\ndatatype = \"FP32\"", "shape"},
      {"[[output]]\ndatatype = \"FP32\"\nshape = [1]", "name"},
  };
  for (const BadCase& bad : cases) EXPECT_THAT(complaint(bad.text), HasSubstr(bad.words)) << bad.text;
}

TEST(Labels, OneALineWithAnyLineEnd) {
  const auto labels = parse_labels("cat\r\ndog\nbird", "labels.txt");
  ASSERT_TRUE(labels);
  EXPECT_THAT(*labels, ElementsAre("cat", "dog", "bird"));
  EXPECT_THAT(*parse_labels("cat\n", "labels.txt"), ElementsAre("cat"));
  EXPECT_TRUE(parse_labels("", "labels.txt")->empty());
}

TEST(Labels, AnEmptyOneIsNamedByItsLine) {
  const auto labels = parse_labels("cat\n\ndog\n", "labels.txt");
  ASSERT_FALSE(labels);
  EXPECT_THAT(labels.error().message, HasSubstr("labels.txt:2"));
}

TEST(Temperatures, OnePerExit) {
  const auto read = parse_temperatures(
      R"({"schema": "laxity.utility/1",
          "exits": [{"exit": 0, "temperature": 0.5, "other": []}, {"exit": 1}]})",
      "u");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_THAT(*read, ElementsAre(0.5F, 1.0F));
}

TEST(Temperatures, BadInputIsAnsweredInWords) {
  const BadCase cases[] = {
      {"{", "expected JSON"},
      {"[]", "laxity.utility/1"},
      {R"({"schema": "laxity.utility/2", "exits": []})", "laxity.utility/1"},
      {R"({"schema": "laxity.utility/1"})", "'exits'"},
      {R"({"schema": "laxity.utility/1", "exits": [{"exit": 1}]})", "exits[0]"},
      {R"({"schema": "laxity.utility/1", "exits": [{"exit": 0, "temperature": 0}]})", "above 0"},
      {R"({"schema": "laxity.utility/1", "exits": [{"exit": 0, "temperature": "1"}]})", "above 0"},
      {R"({"schema": "laxity.utility/1", "exits": [{"exit": 0, "temperature": 1e99}]})", "above 0"},
  };
  for (const BadCase& bad : cases) {
    const auto read = parse_temperatures(bad.text, "utility.json");
    ASSERT_FALSE(read) << bad.text;
    EXPECT_THAT(read.error().message, HasSubstr(bad.words)) << bad.text;
  }
}

}  // namespace
}  // namespace laxity
