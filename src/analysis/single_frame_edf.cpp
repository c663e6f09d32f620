#include "analysis/single_frame_edf.h"

#include <algorithm>

#include "base/check.h"

namespace laxity {

SingleFrameEdf::SingleFrameEdf(std::size_t waiting_max, std::size_t streams_max, std::size_t processors_max) {
  ready_.reserve(waiting_max + streams_max);
  future_.reserve(streams_max);
  free_at_.reserve(processors_max);
}

void SingleFrameEdf::add_future(std::span<const EdfStream> streams, std::uint32_t index, std::uint64_t number,
                                Instant now, Instant horizon) {
  const EdfStream& stream = streams[index];
  const Instant release = stream.first + static_cast<std::int64_t>(number) * stream.period;
  if (stream.end ? number >= *stream.end : release >= horizon) return;
  future_.push_back({std::max(release, now), stream.order, number, index});
  std::push_heap(future_.begin(), future_.end());
}

SingleFrameEdf::Ready SingleFrameEdf::take_future(std::span<const EdfStream> streams) {
  std::pop_heap(future_.begin(), future_.end());
  const Future next = future_.back();
  future_.pop_back();
  return {
      next.release + streams[next.index].deadline, next.release, next.order, next.number, next.index, false};
}

std::optional<EdfMiss> SingleFrameEdf::first_miss(std::span<const Instant> free_at,
                                                  std::span<const EdfWaiting> waiting,
                                                  std::span<const EdfStream> streams, Instant now,
                                                  Instant horizon, std::uint64_t frames_max) {
  LAXITY_CHECK(!free_at.empty() && free_at.size() <= free_at_.capacity());
  LAXITY_CHECK(waiting.size() + streams.size() <= ready_.capacity() && streams.size() <= future_.capacity());
  free_at_.assign(free_at.begin(), free_at.end());
  ready_.clear();
  future_.clear();
  for (std::uint32_t i = 0; i < waiting.size(); ++i) {
    ready_.push_back({waiting[i].deadline, waiting[i].release, waiting[i].order, 0, i, true});
  }
  std::make_heap(ready_.begin(), ready_.end());
  for (std::uint32_t i = 0; i < streams.size(); ++i) add_future(streams, i, streams[i].next, now, horizon);

  for (frame_count_ = 0; frame_count_ < frames_max; ++frame_count_) {
    const auto processor = std::min_element(free_at_.begin(), free_at_.end());
    while (!future_.empty() && future_.front().release < *processor) {
      ready_.push_back(take_future(streams));
      std::push_heap(ready_.begin(), ready_.end());
    }
    Ready frame;
    if (!ready_.empty()) {
      std::pop_heap(ready_.begin(), ready_.end());
      frame = ready_.back();
      ready_.pop_back();
    } else if (!future_.empty()) {
      frame = take_future(streams);
    } else {
      return std::nullopt;
    }
    const Duration execution =
        frame.is_waiting ? waiting[frame.index].execution : streams[frame.index].execution;
    *processor = std::max(*processor, frame.release) + execution;
    if (*processor > frame.deadline) {
      return EdfMiss{frame.is_waiting, frame.index, frame.number, frame.deadline};
    }
    if (!frame.is_waiting) add_future(streams, frame.index, frame.number + 1, now, horizon);
  }
  return std::nullopt;
}

}  // namespace laxity
