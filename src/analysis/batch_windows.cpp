#include "analysis/batch_windows.h"

#include <algorithm>

#include "base/check.h"

namespace laxity {
namespace {

constexpr Duration kLeastDeadline{2};  // a window is at least a nanosecond long

}  // namespace

void BatchWindows::frame_arrived(Instant now, Duration relative_deadline) {
  LAXITY_CHECK(!joint_ || *joint_ >= now);
  const Duration least = std::max(relative_deadline, kLeastDeadline);
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
  take_in(now);
}

void BatchWindows::stream_added(Instant now, std::uint32_t stream, Duration relative_deadline,
                                std::optional<Instant> last_arrival) {
  LAXITY_CHECK(!joint_ || *joint_ >= now);
  insert(stream, relative_deadline, last_arrival);
  take_in(now);
}

bool BatchWindows::stream_added_since(Instant since, std::optional<Instant> joint_then, Instant now,
                                      std::uint32_t stream, Duration relative_deadline,
                                      std::optional<Instant> last_arrival) {
  LAXITY_CHECK(since <= now && (!joint_ || *joint_ >= now));
  const Duration wanted = std::max(relative_deadline, kLeastDeadline) / 2;
  const bool cuts = joint_ && wanted < length_;
  if (cuts && (joint_ != joint_then || (since + wanted < now))) return false;
  if (!joint_ && joint_then) return false;
  insert(stream, relative_deadline, last_arrival);
  take_in(since);
  skip_to(now);
  return true;
}

void BatchWindows::insert(std::uint32_t stream, Duration relative_deadline,
                          std::optional<Instant> last_arrival) {
  streams_.erase(streams_.begin(), streams_.begin() + static_cast<std::ptrdiff_t>(first_));
  first_ = 0;
  LAXITY_CHECK(streams_.size() < streams_.capacity() && !has_stream(stream));
  const Stream added{std::max(relative_deadline, kLeastDeadline), last_arrival.value_or(Instant::latest()),
                     stream};
  const auto place = std::upper_bound(
      streams_.begin(), streams_.end(), added,
      [](const Stream& a, const Stream& b) { return a.relative_deadline < b.relative_deadline; });
  streams_.insert(place, added);
}

void BatchWindows::stream_removed(std::uint32_t stream) {
  for (std::size_t i = first_; i < streams_.size(); ++i) {
    if (streams_[i].id != stream) continue;
    streams_.erase(streams_.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  }
}

bool BatchWindows::has_stream(std::uint32_t stream) const {
  return std::any_of(streams_.begin() + static_cast<std::ptrdiff_t>(first_), streams_.end(),
                     [stream](const Stream& other) { return other.id == stream; });
}

bool BatchWindows::is_set_by(std::uint32_t stream) const {
  if (first_ == streams_.size() || streams_[first_].id != stream) return false;
  return first_ + 1 == streams_.size() ||
         streams_[first_ + 1].relative_deadline > streams_[first_].relative_deadline;
}

// A task that has begun opens a window or cuts the open one.
void BatchWindows::take_in(Instant now) {
  const Duration wanted = least_half();
  if (!joint_) {
    length_ = wanted;
    joint_ = now + wanted;
  } else if (wanted < length_) {
    length_ = wanted;
    joint_ = std::min(*joint_, now + wanted);
  }
}

// Only the tightest matter for W: others are taken out once they are the first.
void BatchWindows::end_streams(Instant joint) {
  while (first_ < streams_.size() && streams_[first_].last_arrival <= joint) ++first_;
}

void BatchWindows::close() {
  LAXITY_CHECK(joint_.has_value());
  for (std::size_t i = tasks_.size(); i-- > 0;) {
    if (++tasks_[i].idle_windows >= kIdleWindowsMax) tasks_.erase_at(i);
  }
  end_streams(*joint_);
  if (tasks_.empty() && first_ == streams_.size()) {
    joint_.reset();
    return;
  }
  length_ = least_half();
  joint_ = *joint_ + length_;
}

void BatchWindows::skip_to(Instant until) {
  while (joint_ && *joint_ < until) {
    close();
    // W stays as it is until the tightest stream ends.
    if (!joint_ || !tasks_.empty()) continue;
    const Instant constant_until = std::min(until, streams_[first_].last_arrival);
    if (*joint_ >= constant_until) continue;
    const Duration missing = constant_until - *joint_;
    joint_ = *joint_ + (missing + length_ - Duration(1)) / length_ * length_;
  }
}

// Half the tightest deadline, rounded down: a shorter window is the safe side.
Duration BatchWindows::least_half() const {
  Duration least = first_ < streams_.size() ? streams_[first_].relative_deadline : Duration::max();
  for (const ImplicitTask& task : tasks_) least = std::min(least, task.relative_deadline);
  return least / 2;
}

}  // namespace laxity
