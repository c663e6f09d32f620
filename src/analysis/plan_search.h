// Bounded depth-first search for a plan, for when the generators find none.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/batch_times.h"
#include "analysis/plan.h"

namespace laxity {

/// Scratch is sized once; `search` does not allocate. Owned by one thread.
class PlanSearch {
 public:
  static constexpr std::uint64_t kNodeBudget =
      5000;  // 98–100 % of the optimum on small sets, well under 100 ms

  PlanSearch(std::size_t frames_max, std::size_t categories_max);

  /// As PlanGenerator::generate. At each point it tries: the most urgent category's largest batch, smaller
  /// ones, the other categories, waiting for the next frame; it prunes when one job a waiting category in
  /// deadline order would be late, and remembers from when on a set of served frames is known to be dead.
  /// False: none found within `node_budget` nodes; `plan` is then unchanged. Deterministic: bounded by nodes,
  /// never by time.
  bool search(const BatchTimes& times, Instant start, std::span<const PlanFrame> frames,
              std::uint64_t node_budget, Plan& plan);

  std::uint64_t nodes() const noexcept { return nodes_; }

 private:
  struct Move {
    CategoryIndex category;
    std::uint32_t count;  // 0: wait for the next arrival
  };
  struct Node {  // one point of the path, with what is needed to undo the move that led on from it
    Instant t;
    std::size_t arrived;   // cursor into the input
    std::uint64_t served;  // Zobrist hash of the served frames
    std::uint32_t moves_first, moves_next, moves_end;
    Move taken;
    std::size_t path_length;  // frames in path_ before the move
  };
  struct Dead {
    std::uint64_t served = 0;
    Instant from;
    bool used = false;
  };

  void enter(Instant t, std::uint64_t served, std::span<const PlanFrame> frames);
  bool is_dead(const Node& node);
  void mark_dead(const Node& node);
  void list_moves(Node& node, std::span<const PlanFrame> frames);
  void undo_arrivals(std::size_t arrived, std::span<const PlanFrame> frames);

  const BatchTimes* times_ = nullptr;
  std::vector<std::vector<std::uint32_t>>
      waiting_;  // a category each: indices into the input, most urgent first
  std::size_t waiting_count_ = 0;
  std::size_t arrived_ = 0;
  std::vector<Node> path_nodes_;
  std::vector<std::uint32_t> path_;  // frames in order of service
  std::vector<Move> moves_;
  std::vector<CategoryIndex> order_;
  std::vector<Dead> dead_;
  std::vector<PlanFrame> batch_;
  std::uint64_t nodes_ = 0;
};

}  // namespace laxity
