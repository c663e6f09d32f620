#include "server/stream_table.h"

#include <algorithm>

#include "base/check.h"

namespace laxity {
namespace {

constexpr std::int64_t kIdlePeriods = 10;

}  // namespace

const char* name(StreamEnd end) noexcept {
  switch (end) {
    case StreamEnd::kRefused:
      return "refused";
    case StreamEnd::kLeft:
      return "left";
    case StreamEnd::kFinished:
      return "finished";
    case StreamEnd::kIdle:
      return "idle";
    case StreamEnd::kAbandoned:
      return "abandoned";
  }
  return "unknown";
}

StreamTable::StreamTable(std::size_t streams_max, Duration idle_min)
    : idle_min_(idle_min),
      slots_(streams_max),
      due_at_(streams_max, Instant::latest()),
      free_(streams_max),
      free_count_(streams_max) {
  for (std::size_t i = 0; i < streams_max; ++i) free_[i] = static_cast<std::uint32_t>(i);
}

Stream* StreamTable::open(const StreamAsk& ask, Instant now, void* client) {
  if (free_count_ == 0) return nullptr;
  const std::uint32_t taken = free_[free_begin_];
  free_begin_ = (free_begin_ + 1) % free_.size();
  --free_count_;
  Slot& slot = slots_[taken];
  // Names repeat only after all of 2^32 ids are used up.
  const std::uint64_t id = std::uint64_t{slot.uses++} * slots_.size() + taken;
  if (id + slots_.size() > ~std::uint32_t{0}) slot.uses = 0;
  slot.last_end.reset();
  Stream& stream = slot.stream;
  stream = Stream{};
  stream.state = Stream::State::kAsked;
  stream.task = ask.task;
  stream.task.id = static_cast<TaskId>(id);
  if (ask.start_in) stream.task.first_release = now + *ask.start_in;
  stream.codec = ask.codec;
  stream.asked_at = now;
  stream.client = client;
  ++asked_count_;
  ++counts.asked;
  return &stream;
}

Stream* StreamTable::find(TaskId id) noexcept {
  if (slots_.empty()) return nullptr;
  Stream& stream = slots_[index(id) % slots_.size()].stream;
  return stream.state != Stream::State::kFree && stream.task.id == id ? &stream : nullptr;
}

Stream* StreamTable::find_admitted(std::string_view name) noexcept {
  const std::optional<TaskId> id = stream_id(name);
  Stream* stream = id ? find(*id) : nullptr;
  return stream != nullptr && stream->state == Stream::State::kAdmitted ? stream : nullptr;
}

std::optional<StreamEnd> StreamTable::how_ended(std::string_view name) const noexcept {
  const std::optional<TaskId> id = stream_id(name);
  if (!id || slots_.empty()) return std::nullopt;
  const Slot& slot = slots_[index(*id) % slots_.size()];
  if (slot.stream.task.id != *id) return std::nullopt;
  if (slot.stream.state == Stream::State::kLeaving) return slot.stream.end;
  return slot.stream.state == Stream::State::kFree ? slot.last_end : std::nullopt;
}

void StreamTable::leave_asked(Stream& stream) noexcept {
  if (stream.state == Stream::State::kAsked) --asked_count_;
}

void StreamTable::admit(Stream& stream, Instant now) {
  LAXITY_CHECK(stream.state == Stream::State::kAsked);
  leave_asked(stream);
  stream.state = Stream::State::kAdmitted;
  ++counts.admitted;
  due_at_[slot_of(stream)] = std::max(now, stream.task.first_release.value_or(now)) + idle_span(stream.task);
}

void StreamTable::frame_sent(Stream& stream, Instant now) {
  ++stream.received;
  ++stream.in_flight;
  // A stream that is to start later is not idle until it has.
  Instant& due_at = due_at_[slot_of(stream)];
  due_at = std::max(due_at, now + idle_span(stream.task));
}

bool StreamTable::frame_ended(Stream& stream, Outcome outcome, Reason reason) {
  LAXITY_CHECK(stream.in_flight > 0);
  --stream.in_flight;
  ++stream.outcomes[static_cast<std::size_t>(outcome)];
  if (reason == Reason::kFasterThanContract) ++stream.too_fast;
  return stream.state == Stream::State::kAdmitted && stream.in_flight == 0 &&
         stream.task.frame_count == stream.done();
}

void StreamTable::note(Stream& stream, const StreamNews& news) {
  counts.promises_lost += news.loss_count - stream.news.loss_count;
  counts.promises_returned += news.return_count - stream.news.return_count;
  stream.news = news;
}

void StreamTable::leave(Stream& stream, StreamEnd end) {
  LAXITY_CHECK(stream.state == Stream::State::kAsked || stream.state == Stream::State::kAdmitted);
  leave_asked(stream);
  stream.state = Stream::State::kLeaving;
  stream.client = nullptr;
  stream.end = end;
  due_at_[slot_of(stream)] = stream.asked_at;  // at the next look
}

void StreamTable::close(Stream& stream, StreamEnd end) {
  LAXITY_CHECK(stream.state != Stream::State::kFree);
  leave_asked(stream);
  ++counts.ended[static_cast<std::size_t>(end)];
  const std::size_t i = slot_of(stream);
  stream.state = Stream::State::kFree;
  stream.client = nullptr;
  slots_[i].last_end = end;
  due_at_[i] = Instant::latest();
  free_[(free_begin_ + free_count_) % free_.size()] = static_cast<std::uint32_t>(i);
  ++free_count_;
}

Instant StreamTable::idle_end(const Stream& stream) const noexcept { return due_at_[slot_of(stream)]; }

Duration StreamTable::idle_span(const Task& task) const noexcept {
  return std::max(idle_min_, kIdlePeriods * task.min_inter_arrival);
}

}  // namespace laxity
