#include "core/task.h"

#include <algorithm>

namespace laxity {

std::uint64_t frames_alive_max(const Task& task) noexcept {
  if (task.kind == JobKind::kBestEffort) return 0;
  // Those with r in [t - J - D, t + T], and one that still runs.
  const std::uint64_t period =
      static_cast<std::uint64_t>(std::max<std::int64_t>(task.min_inter_arrival.count(), 1));
  const std::uint64_t span =
      static_cast<std::uint64_t>(std::max<std::int64_t>(task.relative_deadline.count(), 0)) +
      static_cast<std::uint64_t>(std::max<std::int64_t>(task.release_jitter_max.count(), 0));
  const std::uint64_t most = span / period + 3;
  return task.frame_count ? std::min(most, *task.frame_count) : most;
}

}  // namespace laxity
