// From contracts to frames: which frames a set of streams will send, when at the latest, and by when they are
// due.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/batch_times.h"
#include "analysis/plan.h"
#include "analysis/stream_phase.h"
#include "base/time.h"

namespace laxity {

/// A periodic stream as planning sees it. Frame k arrives in [first + kT, … + J] and is due D after its
/// arrival.
struct PlannedStream {
  std::uint32_t id = 0;  ///< PlanFrame::stream
  CategoryIndex category = 0;
  StreamPhase phase;                 ///< r and T
  Duration jitter{};                 ///< J >= 0
  Duration deadline{};               ///< D > 0
  std::uint64_t next = 0;            ///< First frame that is in no plan yet.
  std::optional<std::uint64_t> end;  ///< One past the last frame; none: endless.

  Instant release(std::uint64_t k) const { return phase.release(k); }
  PlanFrame frame(std::uint64_t k) const {
    return {id, k, category, release(k) + jitter, release(k) + deadline};
  }
};

/// Appends the frames from `stream.next` on with r < horizon, while `frames` stays within `frames_max`.
/// Returns one past the last frame appended; when the bound cut it short, `*cut_at` is lowered to the r of
/// the first one left out.
std::uint64_t append_frames(const PlannedStream& stream, Instant horizon, std::size_t frames_max,
                            std::vector<PlanFrame>& frames, Instant* cut_at);

}  // namespace laxity
