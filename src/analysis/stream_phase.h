// When the frames of a stream are released: at first + kT, and after a move of its phase by another line.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace laxity {

/// Frames are numbered from 0. A stream whose clock drifts from ours is moved from some frame on; those
/// before it keep the r that was promised.
struct StreamPhase {
  Instant first;      ///< r of frame 0.
  Duration period{};  ///< T > 0
  // From frame `moved_from` on, r is that of a stream with these:
  std::uint64_t moved_from = UINT64_MAX;
  Instant moved_first;
  Duration moved_period{};

  bool is_moved(std::uint64_t k) const { return k >= moved_from; }
  Duration period_at(std::uint64_t k) const { return is_moved(k) ? moved_period : period; }
  /// r of frame k.
  Instant release(std::uint64_t k) const {
    const auto frames = static_cast<std::int64_t>(k);
    return is_moved(k) ? moved_first + frames * moved_period : first + frames * period;
  }

  /// Frame `from` is released `by` later than it was to be (earlier if negative), and each one after it by
  /// another `per_frame`. Precondition: no frame before `moved_from` is asked for any more.
  void move(std::uint64_t from, Duration by, Duration per_frame) {
    if (moved_from != UINT64_MAX) {
      first = moved_first;
      period = moved_period;
    }
    const Instant release_of_from = release_unmoved(from) + by;
    moved_from = from;
    moved_period = period + per_frame;
    moved_first = release_of_from - static_cast<std::int64_t>(from) * moved_period;
  }

  bool operator==(const StreamPhase&) const = default;

 private:
  Instant release_unmoved(std::uint64_t k) const { return first + static_cast<std::int64_t>(k) * period; }
};

}  // namespace laxity
