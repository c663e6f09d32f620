#include "trace/jsonl_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace laxity {
namespace {

// Lines gather up to this size before they are written: few system calls, little lost in a crash.
constexpr std::size_t kWriteSize = std::size_t{64} * 1024;
// Kept free below the size limit, for the end line.
constexpr std::uint64_t kEndLineSize = 128;
constexpr std::uint8_t kTableRecord = 255;

struct RecordHead {
  std::int64_t at_ns = 0;
  std::uint32_t command_count = 0;
  std::uint8_t event_index = 0;
};

// Alternatives are copied as they lie in memory, each with its own size: an event is 8 to 200 bytes, not the
// variant's largest.
template <typename... Ts>
constexpr bool all_plain(const std::variant<Ts...>*) {
  return (std::is_trivially_copyable_v<Ts> && ...);
}
static_assert(all_plain(static_cast<const Event*>(nullptr)));
static_assert(all_plain(static_cast<const Command*>(nullptr)));

template <typename Variant>
std::size_t held_size(const Variant& variant) noexcept {
  return std::visit([](const auto& held) { return sizeof held; }, variant);
}

/// Makes `variant` hold alternative `index`, default-constructed, and hands its bytes to `fill`.
template <typename Variant, typename Fill, std::size_t... Is>
void emplace_and_fill(Variant& variant, std::size_t index, Fill&& fill, std::index_sequence<Is...>) {
  (void)((Is == index
              ? (fill(&variant.template emplace<Is>(), sizeof(std::variant_alternative_t<Is, Variant>)), true)
              : false) ||
         ...);
}
template <typename Variant, typename Fill>
void emplace_and_fill(Variant& variant, std::size_t index, Fill&& fill) {
  emplace_and_fill(variant, index, fill, std::make_index_sequence<std::variant_size_v<Variant>>{});
}

}  // namespace

Result<std::unique_ptr<JsonlSink>> JsonlSink::open(const JsonlSinkOptions& options,
                                                   const TraceHeader& header) {
  const int file = ::open(options.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) {
    return failed_precondition("trace " + options.path +
                               ": expected a file that can be written, found: " + std::strerror(errno));
  }
  return std::unique_ptr<JsonlSink>(new JsonlSink(options, header, file));
}

JsonlSink::JsonlSink(const JsonlSinkOptions& options, const TraceHeader& header, int file)
    : options_(options),
      catalog_(header.system.catalog),
      ring_(options.synchronous ? 0 : std::bit_ceil(std::max<std::size_t>(options.ring_size, 4096))),
      encoder_(header.system.executors.size()),
      file_(file) {
  text_.reserve(2 * kWriteSize);
  TraceEncoder::header(header, text_);
  write_out(0);
}

JsonlSink::~JsonlSink() { (void)close(); }

std::size_t JsonlSink::free_size() const noexcept {
  return ring_.size() - (head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_acquire));
}

void JsonlSink::put(std::size_t& at, const void* bytes, std::size_t size) noexcept {
  const std::size_t place = at & (ring_.size() - 1);
  const std::size_t first = std::min(size, ring_.size() - place);
  std::memcpy(ring_.data() + place, bytes, first);
  if (first < size) std::memcpy(ring_.data(), static_cast<const std::byte*>(bytes) + first, size - first);
  at += size;
}

void JsonlSink::take(std::size_t& at, void* bytes, std::size_t size) const noexcept {
  const std::size_t place = at & (ring_.size() - 1);
  const std::size_t first = std::min(size, ring_.size() - place);
  std::memcpy(bytes, ring_.data() + place, first);
  if (first < size) std::memcpy(static_cast<std::byte*>(bytes) + first, ring_.data(), size - first);
  at += size;
}

void JsonlSink::record(Instant now, const Event& event, const CommandBuffer& commands) noexcept {
  if (is_stopped_.load(std::memory_order_relaxed)) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (options_.synchronous) {
    write_entry(now, event, commands.commands());
    write_out(kWriteSize);
    return;
  }
  std::size_t size = sizeof(RecordHead) + held_size(event);
  for (const Command& command : commands) size += 1 + held_size(command);
  if (size > free_size()) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    lost_in_between_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  std::size_t at = head_.load(std::memory_order_relaxed);
  const RecordHead head{now.since_start().count(), static_cast<std::uint32_t>(commands.size()),
                        static_cast<std::uint8_t>(event.index())};
  put(at, &head, sizeof head);
  std::visit([&](const auto& held) { put(at, &held, sizeof held); }, event);
  for (const Command& command : commands) {
    const auto index = static_cast<std::uint8_t>(command.index());
    put(at, &index, 1);
    std::visit([&](const auto& held) { put(at, &held, sizeof held); }, command);
  }
  head_.store(at, std::memory_order_release);
}

void JsonlSink::note_table(const LatencyTable& table) {
  if (is_stopped_.load(std::memory_order_relaxed)) return;
  auto line = std::make_unique<std::string>();
  TraceEncoder::table(table, catalog_, *line);
  if (options_.synchronous) {
    text_ += *line;
    return;
  }
  const std::string* pointer = line.get();
  if (sizeof(RecordHead) + sizeof pointer > free_size()) {
    lost_in_between_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  std::size_t at = head_.load(std::memory_order_relaxed);
  const RecordHead head{0, 0, kTableRecord};
  put(at, &head, sizeof head);
  put(at, &pointer, sizeof pointer);
  (void)line.release();  // the flusher's now
  head_.store(at, std::memory_order_release);
}

bool JsonlSink::wants_flush() const noexcept {
  // A quarter: the flusher may sleep on a busy core for a while before it gets to run.
  return !options_.synchronous && free_size() < ring_.size() / 4 * 3;
}

void JsonlSink::flush() {
  if (!options_.synchronous) {
    const std::size_t head = head_.load(std::memory_order_acquire);
    std::size_t tail = tail_.load(std::memory_order_relaxed);
    while (tail != head) {
      read_record(tail);
      tail_.store(tail, std::memory_order_release);
      write_out(kWriteSize);
    }
  }
  write_out(0);
}

void JsonlSink::read_record(std::size_t& at) {
  RecordHead head;
  take(at, &head, sizeof head);
  if (head.event_index == kTableRecord) {
    std::string* pointer = nullptr;
    take(at, &pointer, sizeof pointer);
    const std::unique_ptr<std::string> line(pointer);
    if (!is_stopped_.load(std::memory_order_relaxed)) text_ += *line;
    return;
  }
  Event event;
  const auto fill = [&](void* bytes, std::size_t size) { take(at, bytes, size); };
  emplace_and_fill(event, head.event_index, fill);
  commands_.clear();
  for (std::uint32_t i = 0; i < head.command_count; ++i) {
    std::uint8_t index = 0;
    take(at, &index, 1);
    emplace_and_fill(commands_.emplace_back(), index, fill);
  }
  write_entry(Instant::from_start(Duration(head.at_ns)), event, commands_);
}

void JsonlSink::write_entry(Instant at, const Event& event, std::span<const Command> commands) {
  if (is_stopped_.load(std::memory_order_relaxed)) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const std::size_t before = text_.size();
  encoder_.entry(at, event, commands, text_);
  if (size_.load(std::memory_order_relaxed) + text_.size() + kEndLineSize > options_.size_max) {
    text_.resize(before);
    dropped_.fetch_add(1, std::memory_order_relaxed);
    stop(TraceEndReason::kSizeLimit);
    return;
  }
  recorded_.fetch_add(1, std::memory_order_relaxed);
}

void JsonlSink::stop(TraceEndReason reason) noexcept {
  if (!stop_reason_) stop_reason_ = reason;
  is_stopped_.store(true, std::memory_order_relaxed);
}

void JsonlSink::write_out(std::size_t size_min) {
  if (text_.size() <= size_min) return;
  std::size_t done = 0;
  while (done < text_.size() && !has_write_error_.load(std::memory_order_relaxed)) {
    const ssize_t count = ::write(file_, text_.data() + done, text_.size() - done);
    if (count >= 0) {
      done += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      has_write_error_.store(true, std::memory_order_relaxed);
      stop(TraceEndReason::kWriteError);
    }
  }
  size_.fetch_add(done, std::memory_order_relaxed);
  text_.clear();
}

TraceCounters JsonlSink::close() {
  if (file_ >= 0) {
    flush();
    TraceEnd end;
    end.event_count = recorded_.load(std::memory_order_relaxed);
    end.dropped_count = dropped_.load(std::memory_order_relaxed);
    end.reason = stop_reason_.value_or(TraceEndReason::kComplete);
    if (lost_in_between_.load(std::memory_order_relaxed) > 0) end.reason = TraceEndReason::kDropped;
    TraceEncoder::end(end, text_);
    write_out(0);
    (void)::close(file_);
    file_ = -1;
  }
  return counters();
}

TraceCounters JsonlSink::counters() const noexcept {
  TraceCounters counters;
  counters.recorded = recorded_.load(std::memory_order_relaxed);
  counters.dropped = dropped_.load(std::memory_order_relaxed);
  counters.size = size_.load(std::memory_order_relaxed);
  counters.has_write_error = has_write_error_.load(std::memory_order_relaxed);
  return counters;
}

}  // namespace laxity
