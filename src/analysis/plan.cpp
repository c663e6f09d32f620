#include "analysis/plan.h"

#include <algorithm>

#include "base/check.h"

namespace laxity {

Plan::Plan(std::size_t frames_max) : frames_max_(frames_max) {
  frames_.reserve(frames_max);
  batches_.reserve(frames_max);
}

void Plan::clear() noexcept {
  head_ = 0;
  frame_count_ = 0;
  frames_.clear();
  batches_.clear();
}

void Plan::append(CategoryIndex category, std::span<const PlanFrame> frames) {
  LAXITY_CHECK(!frames.empty() && has_room_for(frames.size()));
  PlanBatch batch;
  batch.category = category;
  batch.first = static_cast<std::uint32_t>(frames_.size());
  batch.count = static_cast<std::uint32_t>(frames.size());
  for (const PlanFrame& frame : frames) {
    LAXITY_CHECK(frame.category == category);
    frames_.push_back(frame);
  }
  frame_count_ += frames.size();
  refresh(batch);
  batches_.push_back(batch);
}

void Plan::refresh(PlanBatch& batch) const noexcept {
  batch.arrival = frames_[batch.first].arrival;
  batch.deadline = frames_[batch.first].deadline;
  for (std::uint32_t i = 1; i < batch.count; ++i) {
    batch.arrival = std::max(batch.arrival, frames_[batch.first + i].arrival);
    batch.deadline = std::min(batch.deadline, frames_[batch.first + i].deadline);
  }
}

void Plan::settle(const BatchTimes& times) {
  Instant next = Instant::latest();
  for (std::size_t j = batches_.size(); j-- > head_;) {
    PlanBatch& batch = batches_[j];
    batch.latest_start = std::min(batch.deadline, next) - times(batch.category, batch.count);
    next = batch.latest_start;
  }
}

bool Plan::is_valid(Instant processor_free) const noexcept { return !first_violation(processor_free); }

std::optional<std::size_t> Plan::first_violation(Instant processor_free) const noexcept {
  if (!empty() && processor_free > batches_[head_].latest_start) return 0;
  for (std::size_t j = head_; j < batches_.size(); ++j) {
    if (batches_[j].arrival > batches_[j].latest_start) return j - head_;
  }
  return std::nullopt;
}

void Plan::pop_head() {
  LAXITY_CHECK(!empty());
  frame_count_ -= batches_[head_].count;
  ++head_;
}

std::optional<Plan::Place> Plan::find(std::uint32_t stream, std::uint64_t number) const noexcept {
  for (std::size_t j = head_; j < batches_.size(); ++j) {
    for (std::uint32_t i = 0; i < batches_[j].count; ++i) {
      const PlanFrame& frame = frames_[batches_[j].first + i];
      if (frame.stream == stream && frame.number == number) return Place{j, batches_[j].first + i};
    }
  }
  return std::nullopt;
}

void Plan::raise_latest_starts(std::size_t from, const BatchTimes& times) noexcept {
  for (std::size_t j = from + 1; j-- > head_;) {
    PlanBatch& batch = batches_[j];
    const Instant next = j + 1 < batches_.size() ? batches_[j + 1].latest_start : Instant::latest();
    const Instant latest = std::min(batch.deadline, next) - times(batch.category, batch.count);
    if (latest == batch.latest_start && j < from) return;
    batch.latest_start = latest;
  }
}

void Plan::drop_batch(std::size_t batch) {
  batches_.erase(batches_.begin() + static_cast<std::ptrdiff_t>(batch));
}

bool Plan::remove(std::uint32_t stream, std::uint64_t number, const BatchTimes& times) {
  const auto place = find(stream, number);
  if (!place) return false;
  PlanBatch& batch = batches_[place->batch];
  std::swap(frames_[place->frame], frames_[batch.first + batch.count - 1]);
  --batch.count;
  --frame_count_;
  std::size_t from = place->batch;
  if (batch.count > 0) {
    refresh(batch);
  } else {
    drop_batch(place->batch);
    if (from == head_) return true;  // no batch before it
    --from;
  }
  if (from < batches_.size()) raise_latest_starts(from, times);
  return true;
}

std::size_t Plan::remove_stream(std::uint32_t stream, std::uint64_t number, const BatchTimes& times) {
  std::size_t removed = 0;
  for (std::size_t j = head_; j < batches_.size(); ++j) {
    PlanBatch& batch = batches_[j];
    for (std::uint32_t i = 0; i < batch.count;) {
      const PlanFrame& frame = frames_[batch.first + i];
      if (frame.stream != stream || frame.number < number) {
        ++i;
        continue;
      }
      std::swap(frames_[batch.first + i], frames_[batch.first + batch.count - 1]);
      --batch.count;
      ++removed;
    }
    if (batch.count > 0) refresh(batch);
  }
  const auto begin = batches_.begin() + static_cast<std::ptrdiff_t>(head_);
  batches_.erase(std::remove_if(begin, batches_.end(), [](const PlanBatch& b) { return b.count == 0; }),
                 batches_.end());
  frame_count_ -= removed;
  if (removed > 0) settle(times);
  return removed;
}

bool Plan::arrived(std::uint32_t stream, std::uint64_t number, Instant arrival, Instant deadline,
                   const BatchTimes& times) {
  const auto place = find(stream, number);
  if (!place) return false;
  PlanFrame& frame = frames_[place->frame];
  LAXITY_CHECK(arrival <= frame.arrival && deadline >= frame.deadline);
  frame.arrival = arrival;
  frame.deadline = deadline;
  refresh(batches_[place->batch]);
  raise_latest_starts(place->batch, times);
  return true;
}

std::uint64_t Plan::hash() const noexcept {
  std::uint64_t h = 0xcbf29ce484222325u;
  const auto mix = [&h](std::uint64_t value) {
    for (int byte = 0; byte < 8; ++byte) {
      h ^= (value >> (8 * byte)) & 0xffu;
      h *= 0x100000001b3u;
    }
  };
  for (std::size_t j = head_; j < batches_.size(); ++j) {
    const PlanBatch& batch = batches_[j];
    mix(batch.category);
    mix(batch.count);
    for (const PlanFrame& frame : frames(batch)) {
      mix(frame.stream);
      mix(frame.number);
    }
  }
  return h;
}

}  // namespace laxity
