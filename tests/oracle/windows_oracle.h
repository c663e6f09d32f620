// DeepRT's windows, instant by instant: the slow and obvious twin of analysis/batch_windows.h, sharing no
// code with it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

namespace laxity::oracle {

struct WindowedFrame {
  std::int64_t release = 0;
  std::int64_t relative_deadline = 0;
  // Found by the oracle:
  std::int64_t joint = -1;  ///< When its window closed.
  std::int64_t window = 0;  ///< W of that window when it closed.
};

/// Walks every instant from the first release on. `frames` in order of release; at most 16 distinct
/// deadlines.
inline void assign_windows(std::vector<WindowedFrame>& frames) {
  std::map<std::int64_t, int> idle_windows;  // by relative deadline: windows since its last frame
  std::vector<WindowedFrame*> open;
  std::int64_t joint = -1;
  std::int64_t window = 0;
  std::size_t next = 0;
  for (std::int64_t now = 0; next < frames.size() || !open.empty(); ++now) {
    for (; next < frames.size() && frames[next].release == now; ++next) {
      WindowedFrame& frame = frames[next];
      open.push_back(&frame);
      idle_windows[frame.relative_deadline] = -1;
      const std::int64_t half = idle_windows.begin()->first / 2;
      if (joint < 0) {
        window = half;
        joint = now + half;
      } else if (half < window) {
        window = half;
        joint = std::min(joint, now + half);
      }
    }
    if (now != joint) continue;
    for (WindowedFrame* frame : open) {
      frame->joint = now;
      frame->window = window;
    }
    open.clear();
    for (auto task = idle_windows.begin(); task != idle_windows.end();) {
      task = ++task->second >= 10 ? idle_windows.erase(task) : std::next(task);
    }
    if (idle_windows.empty()) {
      joint = -1;
    } else {
      window = idle_windows.begin()->first / 2;
      joint = now + window;
    }
  }
}

}  // namespace laxity::oracle
