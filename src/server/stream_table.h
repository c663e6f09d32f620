// The streams that clients have asked for, as the network thread knows them: names, contracts, counts, and
// when they end.
//
// A stream's id says its slot (`id modulo streams_max`, as in the scheduler's books) and how often the slot
// was used before; so the name of a stream that has gone is not soon that of another one. A slot is given
// away again once TaskRemoved has been posted: the scheduler sees events in order, hence the end of the old
// stream first.
//
// A stream is not tied to a connection: frames may come over any. So one whose client has gone would keep its
// promise for ever; it ends by itself when nothing came for ten periods, and for `idle_min` at least.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/command.h"
#include "core/outcome.h"
#include "server/stream_contract.h"
#include "server/stream_mailbox.h"

namespace laxity {

/// Why a stream is there no more.
enum class StreamEnd : std::uint8_t {
  kRefused,    ///< It was not admitted.
  kLeft,       ///< Its client took it away.
  kFinished,   ///< All its frames have come and are answered.
  kIdle,       ///< It sent nothing for too long.
  kAbandoned,  ///< Its client hung up before the verdict.
};
inline constexpr int kStreamEndCount = 5;
/// "refused", "left", "finished", "idle", "abandoned".
const char* name(StreamEnd end) noexcept;

struct Stream {
  enum class State : std::uint8_t {
    kFree,
    kAsked,     ///< The verdict is not there yet.
    kAdmitted,  ///< Frames are taken.
    kLeaving,   ///< Gone for its clients; the scheduler is still to be told.
  };
  State state = State::kFree;
  Task task;
  const ModelCodec* codec = nullptr;
  Instant asked_at;
  void* client = nullptr;               ///< Who waits for the verdict; null: nobody.
  StreamNews news;                      ///< Valid once admitted.
  StreamEnd end = StreamEnd::kRefused;  ///< Valid while leaving.

  std::size_t reserved = 0;     ///< Slots that are kept for its frames (core/job_id_allocator.h).
  std::uint64_t received = 0;   ///< Frames handed to the scheduler.
  std::uint64_t in_flight = 0;  ///< Of these, not settled yet.
  std::array<std::uint64_t, kOutcomeCount> outcomes{};
  std::uint64_t too_fast = 0;  ///< Of the rejected: faster than the contract.

  /// Frames that the scheduler took in and that have ended.
  std::uint64_t done() const noexcept {
    return received - in_flight - outcomes[static_cast<std::size_t>(Outcome::kRejected)];
  }
};

/// Since the start.
struct StreamCounts {
  std::uint64_t asked = 0;
  std::uint64_t admitted = 0;
  std::uint64_t busy = 0;  ///< Turned away since too many admissions were waiting.
  std::uint64_t full = 0;  ///< Turned away since every place was taken.
  std::array<std::uint64_t, kStreamEndCount> ended{};
  std::uint64_t promises_lost = 0;
  std::uint64_t promises_returned = 0;
};

/// The network thread's.
class StreamTable {
 public:
  StreamTable(std::size_t streams_max, Duration idle_min);

  /// A new stream in state kAsked; null: every slot is taken. `now` is when it was asked for.
  Stream* open(const StreamAsk& ask, Instant now, void* client);
  /// Null: no stream, in whatever state, has this id.
  Stream* find(TaskId id) noexcept;
  /// Null: frames and questions about a stream of this name are to be answered 404.
  Stream* find_admitted(std::string_view name) noexcept;
  /// Why the stream of this name is there no more; none: never heard of, or too long ago.
  std::optional<StreamEnd> how_ended(std::string_view name) const noexcept;

  /// The verdict was yes.
  void admit(Stream& stream, Instant now);
  /// A frame has been handed to the scheduler.
  void frame_sent(Stream& stream, Instant now);
  /// It was settled so. True: it was the last of a finite stream, of which nothing is left to come.
  bool frame_ended(Stream& stream, Outcome outcome, Reason reason);
  /// New news of an admitted stream: counts promises lost and returned.
  void note(Stream& stream, const StreamNews& news);

  /// Gone for its clients; `close` follows when the scheduler has been told.
  void leave(Stream& stream, StreamEnd end);
  /// The slot falls free. Precondition: the scheduler has been told, or has itself refused the stream.
  void close(Stream& stream, StreamEnd end);

  /// Calls `on_due(Stream&)` for each admitted stream that was silent for too long and each that is leaving.
  /// O(streams_max), eight bytes each. `on_due` may close it.
  template <typename OnDue>
  void take_due(Instant now, OnDue&& on_due) {
    for (std::size_t i = 0; i < due_at_.size(); ++i) {
      if (due_at_[i] <= now && slots_[i].in_flight_allows_end()) on_due(slots_[i].stream);
    }
  }
  /// When the stream ends if nothing comes.
  Instant idle_end(const Stream& stream) const noexcept;
  Duration idle_span(const Task& task) const noexcept;

  /// Calls `visit(Stream&)` for every stream that is not free, in order of slot.
  template <typename Visit>
  void for_each(Visit&& visit) {
    for (Slot& slot : slots_) {
      if (slot.stream.state != Stream::State::kFree) visit(slot.stream);
    }
  }

  std::size_t capacity() const noexcept { return slots_.size(); }
  std::size_t open_count() const noexcept { return slots_.size() - free_count_; }
  /// Streams whose verdict is awaited.
  std::size_t asked_count() const noexcept { return asked_count_; }
  StreamCounts counts;

 private:
  struct Slot {
    Stream stream;
    std::uint32_t uses = 0;
    std::optional<StreamEnd> last_end;  ///< Of stream.task.id, while free.
    bool in_flight_allows_end() const noexcept {
      return stream.in_flight == 0 || stream.state == Stream::State::kLeaving;
    }
  };

  std::size_t slot_of(const Stream& stream) const noexcept { return index(stream.task.id) % slots_.size(); }
  void leave_asked(Stream& stream) noexcept;

  Duration idle_min_;
  std::vector<Slot> slots_;
  std::vector<Instant> due_at_;      // by slot; never for those that are free or asked
  std::vector<std::uint32_t> free_;  // a ring: the slot that was freed longest ago is used next
  std::size_t free_begin_ = 0, free_count_ = 0;
  std::size_t asked_count_ = 0;
};

}  // namespace laxity
