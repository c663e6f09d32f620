// Where a stream's frames come within their jitter, and by how much its phase has to move when its clock and
// ours go apart.
//
// No camera's clock is ours: at 100 ppm a stream of 30 frames a second leaves a jitter bound of 3 ms within a
// minute. Late frames pile up behind networks, early ones do not exist; so the earliest of a block of frames
// says where the phase is, and one delayed frame says nothing.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace laxity {

class PhaseTracker {
 public:
  static constexpr std::uint32_t kBlock = 32;  ///< frames that are judged together
  /// A clock is faster by no more; whoever is has a faster contract, and is not followed.
  static constexpr std::int64_t kFasterPpmMax = 2'000;
  /// Slower streams are followed this far: "33 ms" often stands for 30 frames a second.
  static constexpr std::int64_t kSlowerPpmMax = 50'000;

  struct Move {
    Duration by{};         ///< r has to be so much later; negative: earlier.
    Duration per_frame{};  ///< And goes on moving by this.
  };

  /// A frame came at r + `offset`. Tells after each whole block whether the phase should move. Preconditions:
  /// jitter >= 0, period > 0. O(1).
  std::optional<Move> observe(Duration offset, Duration jitter, Duration period);

  /// The period that `period` may become by `per_frame`, for a contract of `contract`.
  static Duration followed(Duration contract, Duration period, Duration per_frame);
  /// The shortest that it may become.
  static Duration least_period(Duration contract);
  /// The same move for a stream whose frames were counted with least_period(contract) between them: never
  /// earlier at once than that allows. What is left is regained over the next kSpread frames, or more.
  /// `period`: of the frame before the move.
  static Move spread(const Move& move, Duration contract, Duration period);
  static constexpr std::int64_t kSpread = 8 * std::int64_t{kBlock};

  /// The phase has moved: what was observed says nothing about the new one.
  void restart() { *this = PhaseTracker(); }

 private:
  std::uint32_t count_ = 0;  // in this block
  std::uint32_t late_ = 0;   // of these, after r + J
  Duration earliest_ = Duration::max();
  Duration latest_ = Duration::min();
  std::uint64_t blocks_ = 0;       // whole ones since the phase was fixed
  std::optional<Duration> first_;  // earliest of the first of them
};

}  // namespace laxity
