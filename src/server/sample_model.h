// Models made up for tests and fuzzing of the wire: no files behind them.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/aligned_buffer.h"
#include "server/oip_codec.h"

namespace laxity::testing {

inline TensorSpec sample_tensor(std::string name, DataType type, std::vector<std::int64_t> shape) {
  TensorSpec spec;
  spec.name = std::move(name);
  spec.type = type;
  spec.shape = std::move(shape);
  return spec;
}

inline LoadedModel sample_model(std::string name, std::vector<TensorSpec> inputs,
                                std::vector<TensorSpec> outputs, bool batch_is_free = true) {
  LoadedModel model;
  model.name = std::move(name);
  model.inputs = std::move(inputs);
  model.outputs = std::move(outputs);
  StageFile stage;
  stage.spec.inputs = model.inputs;
  stage.spec.outputs = model.outputs;
  stage.spec.batch_is_free = batch_is_free;
  LoadedVariant variant;
  variant.name = "full";
  variant.stages.push_back(stage);
  model.variants.push_back(variant);
  return model;
}

/// Two inputs of different types, one output: [2, 3] FP32 and [4] INT32 in, [3] FP32 out.
inline LoadedModel two_input_model() {
  return sample_model(
      "two", {sample_tensor("a", DataType::kFp32, {2, 3}), sample_tensor("b", DataType::kInt32, {4})},
      {sample_tensor("y", DataType::kFp32, {3})});
}

/// Takes [3, 2, 2] FP32 or encoded pictures, gives three logits with softmax and labels; three stages.
inline LoadedModel picture_model() {
  LoadedModel model = sample_model("picture", {sample_tensor("image", DataType::kFp32, {3, 2, 2})},
                                   {sample_tensor("logits", DataType::kFp32, {3})});
  const StageFile stage = model.variants[0].stages[0];
  model.variants[0].stages.assign(3, stage);
  PreprocessSpec preprocess;
  preprocess.height = preprocess.width = 2;
  preprocess.mean = preprocess.deviation = {1, 1, 1};
  model.preprocess = preprocess;
  model.postprocess.kind = PostprocessSpec::Kind::kSoftmax;
  model.postprocess.top = 2;
  model.labels = {"cat", "dog \"quoted\"", "cow"};
  return model;
}

/// One input [2] of `type`, the batch fixed at 1.
inline LoadedModel fixed_model(DataType type) {
  return sample_model("fixed", {sample_tensor("x", type, {2})}, {sample_tensor("y", type, {2})}, false);
}

/// A body with the readable bytes behind it that the decoder asks for, the JSON's end on an aligned address.
class SampleBody {
 public:
  SampleBody(std::string_view json, std::string_view binary, std::size_t misalignment = 0)
      : offset_((AlignedBuffer::kAlignment - json.size() % AlignedBuffer::kAlignment) %
                    AlignedBuffer::kAlignment +
                misalignment),
        size_(json.size() + binary.size()) {
    (void)buffer_.reserve(offset_ + size_ + kBodyPadding);
    if (!json.empty()) std::memcpy(buffer_.data() + offset_, json.data(), json.size());
    if (!binary.empty()) std::memcpy(buffer_.data() + offset_ + json.size(), binary.data(), binary.size());
    std::memset(buffer_.data() + offset_ + size_, 0, kBodyPadding);
  }
  std::span<const std::byte> bytes() const { return {buffer_.data() + offset_, size_}; }

 private:
  MemoryBudget budget_{std::size_t{1} << 30};
  AlignedBuffer buffer_{budget_};
  std::size_t offset_;
  std::size_t size_;
};

template <typename T>
std::string raw_bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace laxity::testing
