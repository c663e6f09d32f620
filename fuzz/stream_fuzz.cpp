// The contract decoder: any bytes are refused with words, or become a contract that the scheduler may know.
//
// A contract that is taken is written as JSON again and read back: it must be the same one.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "server/sample_model.h"
#include "server/stream_contract.h"
#include "server/stream_pages.h"

namespace {

using namespace laxity;

/// What Scheduler::handle(TaskSubmitted) and the sums behind it rely on.
void check(const StreamAsk& ask) {
  const Task& task = ask.task;
  LAXITY_CHECK(ask.codec != nullptr && task.lowest_variant < ask.codec->model().variants.size());
  LAXITY_CHECK(task.min_inter_arrival >= kStreamPeriodMin && task.min_inter_arrival <= kStreamTimeMax);
  LAXITY_CHECK(task.relative_deadline > Duration::zero() && task.relative_deadline <= kStreamTimeMax);
  LAXITY_CHECK(task.release_jitter_max >= Duration::zero() && task.release_jitter_max <= kStreamTimeMax);
  LAXITY_CHECK(!ask.start_in || (*ask.start_in >= Duration::zero() && *ask.start_in <= kStreamTimeMax));
  LAXITY_CHECK(!task.frame_count || (*task.frame_count > 0 && *task.frame_count <= std::uint64_t{1} << 32));
  LAXITY_CHECK(!task.first_release && task.miss_rate_bound_ppm == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const LoadedModel models[] = {testing::two_input_model(), testing::picture_model()};
  static const std::vector<std::unique_ptr<ModelCodec>> codecs = [] {
    std::vector<std::unique_ptr<ModelCodec>> made;
    for (const LoadedModel& model : models) made.push_back(std::make_unique<ModelCodec>(model));
    return made;
  }();
  static StreamDecoder decoder(codecs);
  const testing::SampleBody body({reinterpret_cast<const char*>(data), size}, {});
  const Result<StreamAsk> ask = decoder.decode(body.bytes());
  if (!ask) {
    LAXITY_CHECK(!ask.error().message.empty());
    return 0;
  }
  check(*ask);
  Stream stream;
  stream.codec = ask->codec;
  stream.task = ask->task;
  std::string contract;
  append_contract(contract, stream);
  const testing::SampleBody again(contract, {});
  const Result<StreamAsk> read_back = decoder.decode(again.bytes());
  LAXITY_CHECK(read_back && read_back->codec == ask->codec && read_back->task == ask->task);
  return 0;
}
