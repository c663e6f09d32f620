// DeepRT's time windows of one category: when does a frame go into a batch?  [Yang et al., SEC 2021]
//
// One class for the scheduler and for its admission test, which runs the same windows over virtual time; so
// what is tested is what happens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/fixed_vector.h"
#include "base/time.h"

namespace laxity {

/// Theorem 1: with W = half the least relative deadline of a category, every frame is on time if every batch
/// is done within W of the joint at which its window closed: a frame waits at most W for the joint, then at
/// most W.
///
/// Windows are (a, b]. The least deadline is taken over
///   - explicit tasks: streams that were announced. While one is there windows follow each other, whether
///     frames come or not. One that has a last frame ends at the first joint at or after it;
///   - implicit tasks: frames that arrive unannounced. Each distinct relative deadline is one; it ends after
///     ten windows without a frame.
/// The paper sets W when a request is admitted and leaves two transitions open. Ours:
///   - a tighter frame or stream cuts the open window to min(old joint, now + W_new). Frames already in it
///     only gain;
///   - W grows only at a joint, for the window that opens there; the batch that closes there still has the
///     old W.
/// So at every joint W <= half the relative deadline of each frame in the window, and none waited longer than
/// W.
///
/// Does not allocate after construction. Owned by one thread.
class BatchWindows {
 public:
  /// Room for so many explicit tasks.
  explicit BatchWindows(std::size_t streams_max = 0) { streams_.reserve(streams_max); }
  BatchWindows(const BatchWindows& other) : BatchWindows(other.streams_.capacity()) { *this = other; }
  BatchWindows& operator=(const BatchWindows&) = default;

  /// Notes an unannounced frame that arrived at `now` and is due `relative_deadline` later (one nanosecond at
  /// the least). Precondition: joints before `now` have been closed.
  void frame_arrived(Instant now, Duration relative_deadline);

  /// An explicit task begins. `last_arrival`: when its last frame is expected; none: it is endless.
  /// Preconditions: joints before `now` have been closed; `stream` is not there; there is room. O(streams).
  void stream_added(Instant now, std::uint32_t stream, Duration relative_deadline,
                    std::optional<Instant> last_arrival);
  /// As stream_added, for one that began at `since`, not after `now`: the windows are afterwards as if it had
  /// been added then. `joint_then`: joint() at that time. Returns false and changes nothing where it is too
  /// late for that: a joint has passed that would have been another one. O(streams).
  bool stream_added_since(Instant since, std::optional<Instant> joint_then, Instant now, std::uint32_t stream,
                          Duration relative_deadline, std::optional<Instant> last_arrival);
  /// It ends: windows may grow at the next joint. No effect on one that is not there. O(streams).
  void stream_removed(std::uint32_t stream);
  /// False once it has ended. O(streams).
  bool has_stream(std::uint32_t stream) const;

  /// When the open window ends; none while no task is alive.
  std::optional<Instant> joint() const { return joint_; }
  /// Explicit tasks that have not been seen to end. O(1).
  std::size_t stream_count() const { return streams_.size() - first_; }
  /// True: the least deadline of the streams would be another without this one. O(1).
  bool is_set_by(std::uint32_t stream) const;
  /// W: how long after the joint the batch of the open window has to be done.
  Duration length() const { return length_; }
  Instant batch_deadline() const { return *joint_ + length_; }

  /// Closes the window at joint() and opens the next; none when no task is left.
  void close();
  /// Closes windows until joint() is at `until` or later, or there is none. For windows without a frame: O(1)
  /// unless a task ends on the way.
  void skip_to(Instant until);

 private:
  static constexpr std::size_t kTasksMax = 16;
  static constexpr int kIdleWindowsMax = 10;

  struct ImplicitTask {
    Duration relative_deadline{};
    int idle_windows = 0;
  };
  struct Stream {
    Duration relative_deadline{};
    Instant last_arrival;
    std::uint32_t id = 0;
  };

  void insert(std::uint32_t stream, Duration relative_deadline, std::optional<Instant> last_arrival);
  void take_in(Instant now);
  void end_streams(Instant joint);
  Duration least_half() const;

  FixedVector<ImplicitTask, kTasksMax> tasks_;
  std::vector<Stream> streams_;  // by deadline; those before `first_` have ended
  std::size_t first_ = 0;
  Duration length_{};
  std::optional<Instant> joint_;
};

}  // namespace laxity
