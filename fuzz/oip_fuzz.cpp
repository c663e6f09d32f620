// The request decoder: any bytes are refused with words, or decoded into memory that is ours.
//
// Input: one byte of model, two bytes of header length (0xffff: none), then the body.

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/check.h"
#include "server/sample_model.h"

namespace {

using namespace laxity;

void check(const ModelCodec& codec, const InferRequest& request, std::span<const std::byte> body,
           const AlignedBuffer& tensors) {
  const LoadedModel& model = codec.model();
  LAXITY_CHECK(request.inputs.size() == request.batch_size * model.inputs.size());
  unsigned sum = 0;
  for (std::size_t i = 0; i < request.inputs.size(); ++i) {
    const ConstJobBytes bytes = request.inputs[i];
    const auto lies_in = [&](const std::byte* begin, std::size_t size) {
      return bytes.data() >= begin && bytes.data() + bytes.size() <= begin + size;
    };
    LAXITY_CHECK(lies_in(body.data(), body.size()) || lies_in(tensors.data(), tensors.capacity()));
    const bool is_picture = request.needs_preprocess && i % model.inputs.size() == 0;
    LAXITY_CHECK(is_picture || bytes.size() == model.inputs[i % model.inputs.size()].size_per_job());
    for (const std::byte b : bytes) sum += static_cast<unsigned>(b);
  }
  asm volatile("" : : "r"(sum));  // every byte is read, whatever the optimiser thinks of it
  for (const InferRequest::Wanted& wanted : request.wanted)
    LAXITY_CHECK(wanted.output < codec.outputs().size());
  LAXITY_CHECK(!request.relative_deadline || *request.relative_deadline > Duration::zero());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const LoadedModel models[] = {
      testing::two_input_model(), testing::picture_model(), testing::fixed_model(DataType::kFp32),
      testing::fixed_model(DataType::kBool), testing::fixed_model(DataType::kInt64)};
  static InferDecoder decoder({std::size_t{1} << 20, 256});
  static MemoryBudget budget(std::size_t{16} << 20);
  static AlignedBuffer tensors(budget);
  static InferRequest request;
  if (size < 3) return 0;
  const ModelCodec codec(models[data[0] % std::size(models)]);
  const unsigned length = data[1] | static_cast<unsigned>(data[2]) << 8;
  const testing::SampleBody body({reinterpret_cast<const char*>(data + 3), size - 3}, {});
  const std::optional<std::uint64_t> header_length =
      length == 0xffff ? std::nullopt : std::optional<std::uint64_t>(length);
  const Status status = decoder.decode(codec, body.bytes(), header_length, tensors, request);
  if (status) {
    check(codec, request, body.bytes(), tensors);
  } else {
    LAXITY_CHECK(!status.error().message.empty());
  }
  return 0;
}
