#include "analysis/plan_generator.h"

#include <algorithm>
#include <tuple>

#include "base/check.h"

namespace laxity {

bool is_more_urgent(const PlanFrame& a, const PlanFrame& b) noexcept {
  return std::tie(a.deadline, a.arrival, a.stream, a.number) <
         std::tie(b.deadline, b.arrival, b.stream, b.number);
}

bool arrives_before(const PlanFrame& a, const PlanFrame& b) noexcept {
  return std::tie(a.arrival, a.stream, a.number) < std::tie(b.arrival, b.stream, b.number);
}

PlanGenerator::PlanGenerator(std::size_t frames_max, std::size_t categories_max)
    : categories_(categories_max), rolled_(categories_max), rolled_next_(categories_max) {
  for (Category& category : categories_) {
    category.waiting.reserve(frames_max);
    category.future.reserve(frames_max);
  }
  for (auto& deadlines : rolled_) deadlines.reserve(frames_max);
  order_.reserve(categories_max);
  heads_.reserve(categories_max);
}

void PlanGenerator::begin(std::span<const PlanFrame> frames, std::size_t category_count) {
  LAXITY_CHECK(category_count <= categories_.size());
  category_count_ = category_count;
  waiting_count_ = 0;
  next_arrival_ = 0;
  failed_.reset();
  for (std::size_t g = 0; g < category_count; ++g) {
    categories_[g].waiting.clear();
    categories_[g].future.clear();
    categories_[g].next_future = 0;
  }
  for (std::uint32_t i = 0; i < frames.size(); ++i) {
    LAXITY_CHECK(frames[i].category < category_count && (i == 0 || arrives_before(frames[i - 1], frames[i])));
    categories_[frames[i].category].future.push_back(i);
  }
  rollout_length_ = Duration::zero();
  for (CategoryIndex g = 0; g < category_count; ++g) {
    rollout_length_ += 4 * (*times_)(g, std::min(4U, times_->cap(g)));
  }
}

void PlanGenerator::admit_until(Instant t, std::span<const PlanFrame> frames) {
  for (; next_arrival_ < frames.size() && frames[next_arrival_].arrival <= t; ++next_arrival_) {
    const PlanFrame& frame = frames[next_arrival_];
    Category& category = categories_[frame.category];
    ++category.next_future;
    const auto place =
        std::upper_bound(category.waiting.begin(), category.waiting.end(), frame, is_more_urgent);
    category.waiting.insert(place, frame);
    ++waiting_count_;
  }
}

std::optional<Instant> PlanGenerator::next_arrival(std::span<const PlanFrame> frames) const noexcept {
  if (next_arrival_ == frames.size()) return std::nullopt;
  return frames[next_arrival_].arrival;
}

/// Categories with waiting frames, the one with the most urgent head first.
void PlanGenerator::order_categories() {
  order_.clear();
  for (CategoryIndex g = 0; g < category_count_; ++g) {
    if (!categories_[g].waiting.empty()) order_.push_back(g);
  }
  std::sort(order_.begin(), order_.end(), [this](CategoryIndex a, CategoryIndex b) {
    return is_more_urgent(categories_[a].waiting.front(), categories_[b].waiting.front());
  });
}

/// LOOK(f, batch): with the batch gone by f, could what then waits be served, one job a category in deadline
/// order?
bool PlanGenerator::look(Instant f, std::optional<CategoryIndex> batch_category, std::uint32_t batch_size,
                         std::span<const PlanFrame> frames) {
  heads_.clear();
  for (CategoryIndex g = 0; g < category_count_; ++g) {
    const Category& category = categories_[g];
    const std::uint32_t gone = batch_category == g ? batch_size : 0;
    Head head{Instant::latest(), g, static_cast<std::uint32_t>(category.waiting.size()) - gone};
    if (head.count > 0) head.deadline = category.waiting[gone].deadline;
    for (std::size_t i = category.next_future; i < category.future.size(); ++i) {
      const PlanFrame& frame = frames[category.future[i]];
      if (frame.arrival > f) break;
      head.deadline = std::min(head.deadline, frame.deadline);
      ++head.count;
    }
    if (head.count > 0) heads_.push_back(head);
  }
  std::sort(heads_.begin(), heads_.end(), [](const Head& a, const Head& b) {
    return std::tie(a.deadline, a.category) < std::tie(b.deadline, b.category);
  });
  Instant s = f;
  for (const Head& head : heads_) {
    s = s + times_->split(head.category, head.count);
    if (s > head.deadline) return false;
  }
  return true;
}

/// Plain lazy batching from `from` on, for rollout_length_: false when a frame would be late within it.
bool PlanGenerator::roll_out(Instant from, std::optional<CategoryIndex> batch_category,
                             std::uint32_t batch_size, std::span<const PlanFrame> frames) {
  for (CategoryIndex g = 0; g < category_count_; ++g) {
    rolled_[g].clear();
    rolled_next_[g] = categories_[g].next_future;
    const std::size_t gone = batch_category == g ? batch_size : 0;
    for (std::size_t i = gone; i < categories_[g].waiting.size(); ++i) {
      rolled_[g].push_back(categories_[g].waiting[i].deadline);
    }
  }
  const Instant end = from + rollout_length_;
  Instant t = from;
  while (t < end) {
    std::optional<Instant> next;
    std::optional<CategoryIndex> head;
    for (CategoryIndex g = 0; g < category_count_; ++g) {
      const Category& category = categories_[g];
      for (; rolled_next_[g] < category.future.size(); ++rolled_next_[g]) {
        const PlanFrame& frame = frames[category.future[rolled_next_[g]]];
        if (frame.arrival > t) {
          if (!next || frame.arrival < *next) next = frame.arrival;
          break;
        }
        rolled_[g].insert(std::upper_bound(rolled_[g].begin(), rolled_[g].end(), frame.deadline),
                          frame.deadline);
      }
      if (!rolled_[g].empty() && (!head || rolled_[g].front() < rolled_[*head].front())) head = g;
    }
    if (!head) {
      if (!next) return true;
      t = *next;
      continue;
    }
    auto& waiting = rolled_[*head];
    auto n = std::min(times_->cap(*head), static_cast<std::uint32_t>(waiting.size()));
    while (n > 1 && t + (*times_)(*head, n) > waiting.front()) --n;
    t = t + (*times_)(*head, n);
    if (t > waiting.front()) return false;
    waiting.erase(waiting.begin(), waiting.begin() + n);
  }
  return true;
}

bool PlanGenerator::gate(Instant f, std::optional<CategoryIndex> batch_category, std::uint32_t batch_size,
                         std::span<const PlanFrame> frames) {
  if (!look(f, batch_category, batch_size, frames)) return false;
  return method_ != PlanMethod::kRollout || roll_out(f, batch_category, batch_size, frames);
}

bool PlanGenerator::may_defer(Instant until, std::span<const PlanFrame> frames) {
  int keep_percent = 0;
  switch (method_) {
    case PlanMethod::kDefer25:
      keep_percent = 25;
      break;
    case PlanMethod::kDefer50:
      keep_percent = 50;
      break;
    case PlanMethod::kDefer75:
      keep_percent = 75;
      break;
    case PlanMethod::kGated:
    case PlanMethod::kRollout:
      return false;
  }
  for (std::size_t g = 0; g < category_count_; ++g) {
    for (const PlanFrame& frame : categories_[g].waiting) {
      if ((frame.deadline - until) * 100 < (frame.deadline - frame.arrival) * keep_percent) return false;
    }
  }
  return look(until, std::nullopt, 0, frames);
}

void PlanGenerator::emit(CategoryIndex g, std::uint32_t n, Plan& plan) {
  auto& waiting = categories_[g].waiting;
  plan.append(g, std::span<const PlanFrame>(waiting.data(), n));
  waiting.erase(waiting.begin(), waiting.begin() + n);
  waiting_count_ -= n;
}

bool PlanGenerator::step_gated(Instant& t, std::span<const PlanFrame> frames, Plan& plan) {
  const std::optional<Instant> next = next_arrival(frames);
  if (next && may_defer(*next, frames)) {
    t = *next;
    return true;
  }
  for (const CategoryIndex g : order_) {
    const auto& waiting = categories_[g].waiting;
    const auto most = std::min(times_->cap(g), static_cast<std::uint32_t>(waiting.size()));
    for (std::uint32_t n = most; n >= 1; n = n == most && most > 2 ? most / 2 : n - 1) {
      const Instant f = t + (*times_)(g, n);
      if (f > waiting.front().deadline || !gate(f, g, n, frames)) continue;
      emit(g, n, plan);
      t = f;
      return true;
    }
  }
  if (next && gate(*next, std::nullopt, 0, frames)) {  // inserted idle time
    t = *next;
    return true;
  }
  return false;
}

/// No choice passes the gate: the earliest deadline's category, the largest batch that ends by it.
bool PlanGenerator::step_forced(Instant& t, Plan& plan) {
  const CategoryIndex g = order_.front();
  const PlanFrame& head = categories_[g].waiting.front();
  auto n = std::min(times_->cap(g), static_cast<std::uint32_t>(categories_[g].waiting.size()));
  while (n > 1 && t + (*times_)(g, n) > head.deadline) --n;
  const Instant f = t + (*times_)(g, n);
  if (f > head.deadline) {
    failed_ = head;
    return false;
  }
  emit(g, n, plan);
  t = f;
  return true;
}

bool PlanGenerator::generate(const BatchTimes& times, Instant start, std::span<const PlanFrame> frames,
                             PlanMethod method, Plan& plan) {
  times_ = &times;
  method_ = method;
  if (!plan.has_room_for(frames.size())) {
    failed_ = frames.empty() ? std::nullopt : std::optional(frames.back());
    return false;
  }
  begin(frames, times.category_count());
  Instant t = start;
  admit_until(t, frames);
  while (waiting_count_ > 0 || next_arrival_ < frames.size()) {
    if (waiting_count_ == 0) {
      t = frames[next_arrival_].arrival;
    } else {
      order_categories();
      if (!step_gated(t, frames, plan) && !step_forced(t, plan)) return false;
    }
    admit_until(t, frames);
  }
  return true;
}

}  // namespace laxity
