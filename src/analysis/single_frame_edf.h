// Will every frame be on time when frames run one by one, earliest deadline first, without preemption?
//
// The answer is found by doing it in virtual time: from when the processors are free, with the frames that
// wait and those that the streams will send, each taking its table time. What decides at an instant at which
// several things happen is the order of core/event.h: a processor that becomes free at t chooses among frames
// released
// *before* t; only an idle one takes the first frame released at t itself. Equal deadlines go by release,
// then by `order`.
//
// Exact on one processor when executions take the table's time and frames come when predicted: a set passes
// if and only if no frame of it will be late. Nothing is promised otherwise, for two reasons that the tests
// keep: non-preemptive EDF is not sustainable (a shorter execution can make another frame late), and neither
// is it under later arrivals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "base/time.h"

namespace laxity {

/// A frame that has been released and was not started.
struct EdfWaiting {
  Instant release;
  Instant deadline;
  Duration execution{};
  std::uint64_t order = 0;
};

/// Frames k = next, next + 1, …: released at first + k * period, due `deadline` later.
struct EdfStream {
  Instant first;
  Duration period{};     ///< > 0
  Duration deadline{};   ///< > 0
  Duration execution{};  ///< > 0, of one frame.
  std::uint64_t next = 0;
  std::optional<std::uint64_t> end;  ///< One past the last frame; none: endless, looked at up to the horizon.
  std::uint64_t order = 0;           ///< Greater than that of all waiting frames.
};

/// A frame that would be late.
struct EdfMiss {
  bool is_waiting = false;
  std::size_t index = 0;     ///< Into `waiting` or `streams`.
  std::uint64_t number = 0;  ///< Which frame of the stream.
  Instant deadline;
};

/// Scratch is sized once; `first_miss` does not allocate. Owned by one thread.
class SingleFrameEdf {
 public:
  SingleFrameEdf(std::size_t waiting_max, std::size_t streams_max, std::size_t processors_max);

  /// The first frame that would be late in order of execution; none: all are on time. `free_at` (not empty):
  /// when each processor can start something. A frame that was due before `now` and has not come counts as
  /// coming now. Streams without an end are looked at up to `horizon`. After `frames_max` frames the answer
  /// is "none" for what was not looked at. Precondition: sizes within those of the constructor. O(N log (S +
  /// w)) for N frames, S streams, w waiting.
  std::optional<EdfMiss> first_miss(std::span<const Instant> free_at, std::span<const EdfWaiting> waiting,
                                    std::span<const EdfStream> streams, Instant now, Instant horizon,
                                    std::uint64_t frames_max);

  /// Frames run by the last call.
  std::uint64_t frame_count() const noexcept { return frame_count_; }

 private:
  // A stream's frames are served in order, as their deadlines are, so each stream has one entry in either
  // heap.
  struct Ready {
    Instant deadline;
    Instant release;
    std::uint64_t order = 0;
    std::uint64_t number = 0;
    std::uint32_t index = 0;
    bool is_waiting = false;
    auto key() const { return std::tuple(deadline, release, order); }
    bool operator<(const Ready& other) const {
      return key() > other.key();
    }  // a heap keeps its largest on top
  };
  struct Future {
    Instant release;
    std::uint64_t order = 0;
    std::uint64_t number = 0;
    std::uint32_t index = 0;
    bool operator<(const Future& other) const {
      return std::tuple(release, order) > std::tuple(other.release, other.order);
    }
  };

  void add_future(std::span<const EdfStream> streams, std::uint32_t index, std::uint64_t number, Instant now,
                  Instant horizon);
  Ready take_future(std::span<const EdfStream> streams);

  std::vector<Ready> ready_;
  std::vector<Future> future_;
  std::vector<Instant> free_at_;
  std::uint64_t frame_count_ = 0;
};

}  // namespace laxity
