#include "analysis/plan_search.h"

#include <algorithm>

#include "analysis/plan_generator.h"
#include "base/check.h"

namespace laxity {
namespace {

constexpr std::size_t kDeadSlots = 16384;  // more than kNodeBudget, so the table never fills
constexpr std::size_t kMovesPerNode = 4;   // sizes tried of the most urgent category: N, N/2, 1, and waiting

/// A fixed pseudo-random word for a frame index: the sum over served frames names the set. [Zobrist 1970]
std::uint64_t word_of(std::uint64_t frame) noexcept {
  std::uint64_t z = (frame + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

PlanSearch::PlanSearch(std::size_t frames_max, std::size_t categories_max)
    : waiting_(categories_max), dead_(kDeadSlots) {
  for (auto& waiting : waiting_) waiting.reserve(frames_max);
  // A path alternates at most between batches and waits: two nodes a frame.
  path_nodes_.reserve(2 * frames_max + 2);
  path_.reserve(frames_max);
  moves_.reserve((2 * frames_max + 2) * (kMovesPerNode + categories_max));
  order_.reserve(categories_max);
  batch_.reserve(frames_max);
}

/// Puts a new node at the end of the path: frames that have come by t wait, moves are listed.
void PlanSearch::enter(Instant t, std::uint64_t served, std::span<const PlanFrame> frames) {
  Node node{};
  node.arrived = arrived_;
  node.served = served;
  node.path_length = path_.size();
  const auto urgent = [&frames](std::uint32_t a, std::uint32_t b) {
    return is_more_urgent(frames[a], frames[b]);
  };
  if (waiting_count_ == 0 && arrived_ < frames.size()) t = std::max(t, frames[arrived_].arrival);
  node.t = t;
  for (; arrived_ < frames.size() && frames[arrived_].arrival <= t; ++arrived_) {
    auto& waiting = waiting_[frames[arrived_].category];
    const auto i = static_cast<std::uint32_t>(arrived_);
    waiting.insert(std::upper_bound(waiting.begin(), waiting.end(), i, urgent), i);
    ++waiting_count_;
  }
  node.moves_first = node.moves_next = static_cast<std::uint32_t>(moves_.size());
  order_.clear();
  for (CategoryIndex g = 0; g < times_->category_count(); ++g) {
    if (!waiting_[g].empty()) order_.push_back(g);
  }
  std::sort(order_.begin(), order_.end(), [&](CategoryIndex a, CategoryIndex b) {
    return urgent(waiting_[a].front(), waiting_[b].front());
  });
  ++nodes_;
  // A hopeless or dead node keeps no moves, so that the loop backs out of it at once.
  bool hopeless = false;
  Instant s = t;
  for (const CategoryIndex g : order_) {
    s = s + (*times_)(g, 1);
    hopeless = hopeless || s > frames[waiting_[g].front()].deadline;
  }
  if (!hopeless && !is_dead(node)) list_moves(node, frames);
  node.moves_end = static_cast<std::uint32_t>(moves_.size());
  path_nodes_.push_back(node);
}

void PlanSearch::list_moves(Node& node, std::span<const PlanFrame> frames) {
  const auto largest = [&](CategoryIndex g) {
    auto n = std::min(times_->cap(g), static_cast<std::uint32_t>(waiting_[g].size()));
    while (n > 0 && node.t + (*times_)(g, n) > frames[waiting_[g].front()].deadline) --n;
    return n;
  };
  // Moves after which every other waiting head can still be served come first: they are what the gate would
  // take.
  const auto leaves_room = [&](CategoryIndex g, std::uint32_t n) {
    Instant s = node.t + (*times_)(g, n);
    for (const CategoryIndex h : order_) {
      const std::size_t gone = h == g ? n : 0;
      if (waiting_[h].size() <= gone) continue;
      s = s + times_->split(h, static_cast<std::uint32_t>(waiting_[h].size() - gone));
      if (s > frames[waiting_[h][gone]].deadline) return false;
    }
    return true;
  };
  const std::size_t first = moves_.size();
  for (const CategoryIndex g : order_) {
    const std::uint32_t n = largest(g);
    if (n == 0) continue;
    moves_.push_back({g, n});
    if (g != order_.front()) continue;
    if (n / 2 > 1) moves_.push_back({g, n / 2});
    if (n > 1) moves_.push_back({g, 1});
  }
  std::stable_partition(moves_.begin() + static_cast<std::ptrdiff_t>(first), moves_.end(),
                        [&](const Move& move) { return leaves_room(move.category, move.count); });
  if (arrived_ < frames.size()) moves_.push_back({0, 0});
}

bool PlanSearch::is_dead(const Node& node) {
  for (std::size_t i = node.served % kDeadSlots; dead_[i].used; i = (i + 1) % kDeadSlots) {
    if (dead_[i].served == node.served) return node.t >= dead_[i].from;
  }
  return false;
}

void PlanSearch::mark_dead(const Node& node) {
  std::size_t i = node.served % kDeadSlots;
  while (dead_[i].used && dead_[i].served != node.served) i = (i + 1) % kDeadSlots;
  if (!dead_[i].used || node.t < dead_[i].from) dead_[i] = {node.served, node.t, true};
}

void PlanSearch::undo_arrivals(std::size_t arrived, std::span<const PlanFrame> frames) {
  for (; arrived_ > arrived; --arrived_) {
    auto& waiting = waiting_[frames[arrived_ - 1].category];
    const auto place = std::find(waiting.begin(), waiting.end(), static_cast<std::uint32_t>(arrived_ - 1));
    LAXITY_CHECK(place != waiting.end());
    waiting.erase(place);
    --waiting_count_;
  }
}

bool PlanSearch::search(const BatchTimes& times, Instant start, std::span<const PlanFrame> frames,
                        std::uint64_t node_budget, Plan& plan) {
  LAXITY_CHECK(times.category_count() <= waiting_.size() && node_budget < kDeadSlots);
  times_ = &times;
  nodes_ = 0;
  if (!plan.has_room_for(frames.size())) return false;
  for (auto& waiting : waiting_) waiting.clear();
  waiting_count_ = arrived_ = 0;
  path_nodes_.clear();
  path_.clear();
  moves_.clear();
  std::fill(dead_.begin(), dead_.end(), Dead{});

  enter(start, 0, frames);
  while (path_.size() < frames.size()) {
    Node& node = path_nodes_.back();
    if (node.moves_next == node.moves_end) {  // exhausted: back out
      mark_dead(node);
      undo_arrivals(node.arrived, frames);
      moves_.resize(node.moves_first);
      path_nodes_.pop_back();
      if (path_nodes_.empty()) return false;
      const Node& parent = path_nodes_.back();
      auto& waiting = waiting_[parent.taken.category];
      for (; path_.size() > parent.path_length; path_.pop_back()) {
        waiting.insert(waiting.begin(), path_.back());
        ++waiting_count_;
      }
      continue;
    }
    if (nodes_ >= node_budget) return false;
    node.taken = moves_[node.moves_next++];
    Instant t = node.t;
    std::uint64_t served = node.served;
    if (node.taken.count == 0) {
      t = frames[arrived_].arrival;
    } else {
      auto& waiting = waiting_[node.taken.category];
      for (std::uint32_t i = 0; i < node.taken.count; ++i) {
        path_.push_back(waiting[i]);
        served += word_of(waiting[i]);
      }
      waiting.erase(waiting.begin(), waiting.begin() + node.taken.count);
      waiting_count_ -= node.taken.count;
      t = t + times(node.taken.category, node.taken.count);
    }
    enter(t, served, frames);
  }

  for (const Node& node : path_nodes_) {
    if (node.taken.count == 0) continue;
    batch_.clear();
    for (std::uint32_t i = 0; i < node.taken.count; ++i)
      batch_.push_back(frames[path_[node.path_length + i]]);
    plan.append(node.taken.category, batch_);
  }
  return true;
}

}  // namespace laxity
