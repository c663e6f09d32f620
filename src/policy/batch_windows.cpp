#include "policy/batch_windows.h"

#include <algorithm>

#include "base/check.h"

namespace laxity {

void BatchWindows::frame_arrived(Instant now, Duration relative_deadline) {
  LAXITY_CHECK(!joint_ || *joint_ >= now);
  const Duration least = std::max(relative_deadline, Duration(2));  // a window is at least a nanosecond long
  // The loosest task that is at least as tight; the very one, unless the table is full.
  ImplicitTask* closest = nullptr;
  ImplicitTask* tightest = nullptr;
  for (ImplicitTask& task : tasks_) {
    if (!tightest || task.relative_deadline < tightest->relative_deadline) tightest = &task;
    if (task.relative_deadline > least) continue;
    if (!closest || task.relative_deadline > closest->relative_deadline) closest = &task;
  }
  if (closest && (closest->relative_deadline == least || tasks_.full())) {
    closest->idle_windows = -1;
  } else if (!tasks_.full()) {
    tasks_.push_back({least, -1});
  } else {
    *tightest = {least, -1};  // full, and tighter than all: the tightest takes it in
  }
  const Duration wanted = least_half();
  if (!joint_) {
    length_ = wanted;
    joint_ = now + wanted;
  } else if (wanted < length_) {
    length_ = wanted;
    joint_ = std::min(*joint_, now + wanted);
  }
}

void BatchWindows::close() {
  LAXITY_CHECK(joint_.has_value());
  for (std::size_t i = tasks_.size(); i-- > 0;) {
    if (++tasks_[i].idle_windows >= kIdleWindowsMax) tasks_.erase_at(i);
  }
  if (tasks_.empty()) {
    joint_.reset();
    return;
  }
  length_ = least_half();
  joint_ = *joint_ + length_;
}

// Half the tightest deadline, rounded down: a shorter window is the safe side.
Duration BatchWindows::least_half() const {
  Duration least = Duration::max();
  for (const ImplicitTask& task : tasks_) least = std::min(least, task.relative_deadline);
  return least / 2;
}

}  // namespace laxity
