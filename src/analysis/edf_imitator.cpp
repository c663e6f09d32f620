#include "analysis/edf_imitator.h"

#include <algorithm>

#include "base/check.h"

namespace laxity {
namespace {

// Heaps of the standard library have the largest on top.
constexpr auto kLaterKey = [](const auto& a, const auto& b) { return b.key < a.key; };
constexpr auto kLaterJoint = [](const auto& a, const auto& b) { return b < a; };

}  // namespace

EdfImitator::EdfImitator(std::size_t lanes_max, std::size_t streams_max, std::size_t streams_per_lane_max,
                         std::size_t batches_max)
    : batches_max_(batches_max) {
  lanes_.reserve(lanes_max);
  for (std::size_t i = 0; i < lanes_max; ++i) lanes_.emplace_back(streams_per_lane_max);
  cursors_.reserve(streams_max);
  joints_.reserve(lanes_max);
  queue_.reserve(batches_max);
  frames_.reserve(2 * batches_max);
  free_at_.reserve(kExecutorsMax);
}

EdfImitator::Result EdfImitator::run(const WindowLoad& load, const BatchTimes& times, Instant horizon,
                                     Form form, std::vector<ImitatedBatch>* trace) {
  begin(load, horizon);
  return play(load, times, form, trace, nullptr);
}

EdfImitator::Result EdfImitator::run_to_end(const WindowLoad& load, const BatchTimes& times, Instant horizon,
                                            Form form, std::vector<std::uint8_t>& late_lanes) {
  LAXITY_CHECK(late_lanes.size() == load.lanes.size());
  std::fill(late_lanes.begin(), late_lanes.end(), std::uint8_t{0});
  begin(load, horizon);
  return play(load, times, form, nullptr, &late_lanes);
}

void EdfImitator::begin(const WindowLoad& load, Instant horizon) {
  LAXITY_CHECK(load.lanes.size() <= lanes_.size() && load.streams.size() <= cursors_.capacity());
  LAXITY_CHECK(!load.free_at.empty() && load.free_at.size() <= kExecutorsMax);
  cursors_.clear();
  joints_.clear();
  queue_.clear();
  free_at_.assign(load.free_at.begin(), load.free_at.end());
  sequence_ = 0;
  frame_count_ = 0;
  is_overfull_ = false;
  for (const WaitingBatch& batch : load.waiting) {
    sequence_ = std::max(sequence_, batch.key.sequence);
    push({batch.key, batch.time, 0, std::nullopt, batch.key.deadline, batch.due});
  }
  std::size_t next = 0, next_frame = 0;
  for (std::uint32_t i = 0; i < load.lanes.size(); ++i) {
    const WindowLane& from = load.lanes[i];
    Lane& lane = lanes_[i];
    lane.windows = from.windows;
    lane.waiting = from.waiting;
    lane.is_announced = from.is_announced;
    lane.first_frame = next_frame;
    while (next_frame < load.frames.size() && load.frames[next_frame].lane == i) ++next_frame;
    lane.last_frame = next_frame;
    lane.first_cursor = cursors_.size();
    for (; next < load.streams.size() && load.streams[next].lane == i; ++next) {
      const WindowStream& stream = load.streams[next];
      const Instant at = stream.arrival(stream.next);
      if (at >= horizon) continue;
      const auto fitting = static_cast<std::uint64_t>((horizon - at - Duration(1)) / stream.period) + 1;
      const std::uint64_t left = std::min(fitting, stream.frames_left());
      if (left > 0) cursors_.push_back({at, stream.period, stream.deadline, left, stream.id, 0});
    }
    lane.last_cursor = cursors_.size();
    if (find_window(i)) {
      joints_.push_back({*lane.windows.joint(), i});
      std::push_heap(joints_.begin(), joints_.end(), kLaterJoint);
    }
  }
  LAXITY_CHECK(next == load.streams.size());  // in order of lane
}

// Moves the lane to its next window that has frames, and counts them; false when none are left.
bool EdfImitator::find_window(std::uint32_t index) {
  Lane& lane = lanes_[index];
  lane.count = lane.waiting;
  lane.waiting = 0;
  lane.urgent.reset();
  const auto begin = cursors_.begin() + static_cast<std::ptrdiff_t>(lane.first_cursor);
  const auto end = cursors_.begin() + static_cast<std::ptrdiff_t>(lane.last_cursor);
  if (lane.count == 0) {
    Instant next = Instant::latest();
    for (auto cursor = begin; cursor != end; ++cursor) {
      if (cursor->left > 0) next = std::min(next, cursor->next);
    }
    if (next == Instant::latest()) return false;
    lane.windows.skip_to(next);
  }
  if (lane.is_announced && !lane.windows.joint()) return false;  // all its streams have ended
  const std::uint32_t before = lane.count;
  for (auto cursor = begin; cursor != end; ++cursor) {
    cursor->taken = 0;
    if (cursor->left == 0) continue;
    const Instant due = cursor->next + cursor->deadline;
    const std::uint32_t count = lane.count;
    while (cursor->left > 0) {
      if (!lane.is_announced && (!lane.windows.joint() || cursor->next <= *lane.windows.joint())) {
        lane.windows.frame_arrived(cursor->next, cursor->deadline);
      }
      if (cursor->next > *lane.windows.joint()) break;
      ++lane.count;
      --cursor->left;
      cursor->next = cursor->next + cursor->period;
    }
    cursor->taken = lane.count - count;
    if (lane.count > count && (!lane.urgent || due < lane.urgent_deadline)) {
      lane.urgent = cursor->id;
      lane.urgent_deadline = due;
    }
  }
  frame_count_ += lane.count - before;
  return true;
}

// The frames of the window, in the order in which the policy batches them.
void EdfImitator::list_frames(const WindowLoad& load, Lane& lane) {
  frames_.clear();
  for (std::size_t i = lane.first_frame; i < lane.last_frame; ++i) frames_.push_back(load.frames[i]);
  lane.first_frame = lane.last_frame;
  for (std::size_t i = lane.first_cursor; i < lane.last_cursor; ++i) {
    const Cursor& cursor = cursors_[i];
    for (std::uint32_t k = cursor.taken; k > 0; --k) {
      const Instant arrival = cursor.next - k * cursor.period;
      if (frames_.size() == frames_.capacity()) {
        is_overfull_ = true;
        return;
      }
      frames_.push_back({0, arrival, cursor.id, arrival + cursor.deadline});
    }
  }
  std::sort(frames_.begin(), frames_.end(), [](const WaitingFrame& a, const WaitingFrame& b) {
    return a.arrival != b.arrival ? a.arrival < b.arrival : a.stream < b.stream;
  });
}

// The earliest window closes.
void EdfImitator::close_window(const WindowLoad& load, const BatchTimes& times, Form form) {
  std::pop_heap(joints_.begin(), joints_.end(), kLaterJoint);
  Joint& joint = joints_.back();
  Lane& lane = lanes_[joint.lane];
  const WindowLane& entry = load.lanes[joint.lane];
  const std::size_t cap = form == Form::kPublished ? lane.count : entry.cap;
  const bool judges_frames = form == Form::kFrames && entry.is_promised;
  if (judges_frames) list_frames(load, lane);
  std::size_t listed = 0;
  form_batches(
      lane.windows, joint.lane, lane.count, cap, sequence_, [&](const WindowBatchKey& key, std::size_t size) {
        const auto count = static_cast<std::uint32_t>(size);
        Instant due = Instant::latest();
        for (std::size_t i = 0; judges_frames && i < size && listed < frames_.size(); ++i) {
          due = std::min(due, frames_[listed++].deadline);
        }
        push({key, times.split(entry.category, count), count, lane.urgent, lane.urgent_deadline, due});
      });
  lane.windows.close();
  if (find_window(joint.lane)) {
    joint.at = *lane.windows.joint();
    std::push_heap(joints_.begin(), joints_.end(), kLaterJoint);
  } else {
    joints_.pop_back();
  }
}

void EdfImitator::push(const Queued& batch) {
  if (queue_.size() == batches_max_) {
    is_overfull_ = true;
    return;
  }
  queue_.push_back(batch);
  std::push_heap(queue_.begin(), queue_.end(), kLaterKey);
}

EdfImitator::Queued EdfImitator::pop() {
  std::pop_heap(queue_.begin(), queue_.end(), kLaterKey);
  const Queued batch = queue_.back();
  queue_.pop_back();
  return batch;
}

EdfImitator::Result EdfImitator::play(const WindowLoad& load, const BatchTimes& times, Form form,
                                      std::vector<ImitatedBatch>* trace,
                                      std::vector<std::uint8_t>* late_lanes) {
  const bool is_repaired = form != Form::kPublished;
  if (!is_repaired) free_at_.assign(1, load.now);  // one processor, free at once
  Instant clock = load.now;
  Result result;
  while (!queue_.empty() || !joints_.empty()) {
    std::size_t executor = 0;
    for (std::size_t e = 1; e < free_at_.size(); ++e) {
      if (free_at_[e] < free_at_[executor]) executor = e;
    }
    clock = std::max(clock, free_at_[executor]);
    if (is_repaired) {
      if (queue_.empty()) clock = std::max(clock, joints_.front().at);
      while (!joints_.empty() && joints_.front().at <= clock) close_window(load, times, form);
    } else if (queue_.empty()) {
      clock = std::max(clock, joints_.front().at);
      close_window(load, times, form);
    }
    if (is_overfull_) {
      result.is_schedulable = false;
      break;
    }
    const Queued batch = pop();
    const Instant finish = clock + batch.time;
    free_at_[executor] = finish;
    if (trace != nullptr) trace->push_back({clock, finish, batch.key, batch.size});
    const Instant due = form == Form::kFrames ? batch.due : batch.key.deadline;
    if (load.lanes[batch.key.lane].is_promised && finish > due) {
      if (result.is_schedulable) {
        result.is_schedulable = false;
        result.late_lane = batch.key.lane;
        result.late_stream = batch.urgent;
        result.late_deadline = batch.urgent ? batch.urgent_deadline : batch.key.deadline;
      }
      if (late_lanes == nullptr) break;
      (*late_lanes)[batch.key.lane] = 1;
    }
    if (is_repaired) continue;
    while (!joints_.empty() && joints_.front().at < finish) close_window(load, times, form);
  }
  result.frame_count = frame_count_;
  return result;
}

}  // namespace laxity
