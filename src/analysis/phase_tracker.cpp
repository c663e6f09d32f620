#include "analysis/phase_tracker.h"

#include <algorithm>

namespace laxity {
namespace {

constexpr std::int64_t kPpm = 1'000'000;

/// The earliest frames are to come this much of the jitter bound after r, so that both sides have room.
Duration target(Duration jitter) { return jitter / 8; }

Duration share(Duration time, std::int64_t ppm) {
  return Duration(time / kPpm * ppm + time % kPpm * ppm / kPpm);
}

}  // namespace

Duration PhaseTracker::followed(Duration contract, Duration period, Duration per_frame) {
  return std::clamp(period + per_frame, least_period(contract), contract + share(contract, kSlowerPpmMax));
}

Duration PhaseTracker::least_period(Duration contract) { return contract - share(contract, kFasterPpmMax); }

PhaseTracker::Move PhaseTracker::spread(const Move& move, Duration contract, Duration period) {
  const Duration earliest = least_period(contract) - period;  // of the first frame that moves
  if (move.by >= earliest) return move;
  const Duration left = move.by - earliest;
  return {earliest, followed(contract, period, move.per_frame + left / kSpread) - period};
}

std::optional<PhaseTracker::Move> PhaseTracker::observe(Duration offset, Duration jitter, Duration period) {
  earliest_ = std::min(earliest_, offset);
  latest_ = std::max(latest_, offset);
  if (offset > jitter) ++late_;
  if (++count_ < kBlock) return std::nullopt;

  const Duration earliest = earliest_, latest = latest_;
  const bool is_often_late = late_ >= kBlock / 4;
  count_ = late_ = 0;
  earliest_ = Duration::max();
  latest_ = Duration::min();
  ++blocks_;
  if (!first_) first_ = earliest;

  Move move;
  move.by = earliest - target(jitter);
  // What is promised keeps its phase for seconds yet: it moves before frames are late.
  const bool is_near_the_end = latest > jitter * 7 / 8 && earliest > jitter * 3 / 8;
  const bool is_behind = is_near_the_end || earliest > jitter * 3 / 4 || is_often_late;
  const bool is_ahead = latest < Duration::zero();
  const Duration least = std::max<Duration>(target(jitter), 1us);
  if (!(is_behind && move.by > least) && !(is_ahead && move.by < -least)) return std::nullopt;
  // The drift, where it stands out from how much the earliest of a block varies.
  const Duration drifted = earliest - *first_;
  if (drifted > least || -drifted > least) {
    const auto frames = static_cast<std::int64_t>((blocks_ - 1) * kBlock);
    move.per_frame = followed(period, period, drifted / frames) - period;
  }
  // Whoever sends faster than its contract for good is to be refused, not followed.
  const Duration passed = static_cast<std::int64_t>(blocks_ * kBlock) * period;
  move.by = std::max(move.by, -share(passed, kFasterPpmMax));
  return move;
}

}  // namespace laxity
