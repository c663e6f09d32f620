// DeepRT's time windows of one category: when does a frame go into a batch?  [Yang et al., SEC 2021]
#pragma once

#include <optional>

#include "base/fixed_vector.h"
#include "base/time.h"

namespace laxity {

/// Theorem 1: with W = half the least relative deadline of a category, every frame is on time if every batch
/// is done within W of the joint at which its window closed: a frame waits at most W for the joint, then at
/// most W.
///
/// Windows are (a, b]. The paper has one window length per category, set when a request is admitted. Here
/// frames arrive unannounced, so each distinct relative deadline is an implicit sporadic task that ends after
/// ten windows without a frame. Ours are also the two transitions the paper leaves open:
///   - a tighter frame cuts the open window to min(old joint, now + W_new). Frames already in it only gain;
///   - W grows only at a joint, for the window that opens there; the batch that closes there still has the
///     old W.
/// So at every joint W <= half the relative deadline of each frame in the window, and none waited longer than
/// W.
class BatchWindows {
 public:
  /// Notes a frame that arrived at `now` and is due `relative_deadline` later (one nanosecond at the least).
  /// Precondition: joints before `now` have been closed.
  void frame_arrived(Instant now, Duration relative_deadline);

  /// When the open window ends; none while no task is alive.
  std::optional<Instant> joint() const { return joint_; }
  /// W: how long after the joint the batch of the open window has to be done.
  Duration length() const { return length_; }
  Instant batch_deadline() const { return *joint_ + length_; }

  /// Closes the window at joint() and opens the next; none when ten windows have passed without a frame.
  void close();

 private:
  static constexpr std::size_t kTasksMax = 16;
  static constexpr int kIdleWindowsMax = 10;

  struct ImplicitTask {
    Duration relative_deadline{};
    int idle_windows = 0;
  };

  Duration least_half() const;

  FixedVector<ImplicitTask, kTasksMax> tasks_;
  Duration length_{};
  std::optional<Instant> joint_;
};

}  // namespace laxity
