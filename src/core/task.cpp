#include "core/task.h"

#include <algorithm>

#include "core/limits.h"

namespace laxity {

std::size_t frames_alive_max(const Task& task) noexcept {
  if (task.kind == JobKind::kBestEffort) return 0;
  // Those with r in [t - J - D, t + T], and one that still runs.
  const auto not_negative = [](Duration d) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(d.count(), 0));
  };
  const std::uint64_t span = not_negative(task.relative_deadline) + not_negative(task.release_jitter_max);
  const std::uint64_t period = std::max<std::uint64_t>(not_negative(task.min_inter_arrival), 1);
  const std::uint64_t most = std::min<std::uint64_t>(span / period, kStreamFramesMax - 3) + 3;
  return static_cast<std::size_t>(task.frame_count ? std::min(most, *task.frame_count) : most);
}

}  // namespace laxity
