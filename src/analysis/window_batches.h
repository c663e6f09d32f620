// What becomes of the frames of a closed window: batches, and the order in which executors take them.
//
// The scheduler's policy and its admission test both form and order batches by what stands here.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>

#include "analysis/batch_windows.h"
#include "base/time.h"

namespace laxity {

/// Order of waiting batches, a total one: earliest deadline first. [Yang et al., SEC 2021]
struct WindowBatchKey {
  bool has_not_begun = true;   ///< A batch between two stages comes first: it is not preempted.
  Instant deadline;            ///< Joint + W.
  Instant release;             ///< The joint.
  std::uint32_t lane = 0;      ///< Whose window it was.
  std::uint64_t sequence = 0;  ///< Parts of one window, in order of forming.
  auto operator<=>(const WindowBatchKey&) const = default;
};

/// Calls `emit(key, size)` for each batch that the `count` frames of the window ending at `windows.joint()`
/// make: full ones of `cap` first, then the rest; all with one deadline. `sequence` counts on.
/// Precondition: a window is open, cap >= 1. O(count / cap).
template <typename Emit>
void form_batches(const BatchWindows& windows, std::uint32_t lane, std::size_t count, std::size_t cap,
                  std::uint64_t& sequence, Emit emit) {
  while (count > 0) {
    const std::size_t size = std::min(count, cap);
    emit(WindowBatchKey{true, windows.batch_deadline(), *windows.joint(), lane, ++sequence}, size);
    count -= size;
  }
}

}  // namespace laxity
