// Many priority queues over one table of slots: a job sits in at most one of them, and leaves it by its slot.
//
// A policy wants one queue per category, any of which may hold every job. An array heap per category would
// need categories x jobs places. A leftist tree needs one node per job, whatever the number of queues, and
// still bounds each operation: the right spine of a leftist tree with n nodes has at most log2(n + 1) nodes,
// and push and erase walk only spines. [Crane 1972; Knuth, The Art of Computer Programming 3, 5.2.3]
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "policy/books.h"

namespace laxity {

/// Least key first. Keys need `<`; equal keys leave in no stated order, so end each key with the job's id.
/// Allocates only when made. Push and erase are O(log n), everything else O(1).
template <typename Key>
class JobHeaps {
 public:
  JobHeaps() = default;
  JobHeaps(std::size_t slot_count, std::size_t heap_count) : nodes_(slot_count), roots_(heap_count) {}

  bool empty(std::size_t heap = 0) const { return roots_[heap].node == kNoIndex; }
  std::size_t size(std::size_t heap = 0) const { return roots_[heap].size; }
  std::size_t heap_count() const { return roots_.size(); }
  bool contains(JobIndex slot) const { return nodes_[slot].heap != kNoIndex; }
  std::size_t heap_of(JobIndex slot) const { return nodes_[slot].heap; }

  /// Precondition: not empty.
  JobIndex top(std::size_t heap = 0) const {
    LAXITY_CHECK(!empty(heap));
    return roots_[heap].node;
  }
  const Key& top_key(std::size_t heap = 0) const { return nodes_[top(heap)].key; }
  const Key& key(JobIndex slot) const { return nodes_[slot].key; }

  /// Precondition: `slot` is in no queue.
  void push(JobIndex slot, const Key& key, std::size_t heap = 0) {
    LAXITY_CHECK(!contains(slot));
    nodes_[slot] = {key, kNoIndex, kNoIndex, kNoIndex, 1, static_cast<std::uint32_t>(heap)};
    roots_[heap].node = merge(roots_[heap].node, slot);
    ++roots_[heap].size;
  }

  /// Precondition: `slot` is in a queue.
  void erase(JobIndex slot) {
    LAXITY_CHECK(contains(slot));
    Node& node = nodes_[slot];
    const JobIndex parent = node.parent;
    Root& root = roots_[node.heap];
    const JobIndex rest = merge(detached(node.left), detached(node.right));
    if (parent == kNoIndex) {
      root.node = rest;
    } else {
      JobIndex& link = nodes_[parent].left == slot ? nodes_[parent].left : nodes_[parent].right;
      link = rest;
      if (rest != kNoIndex) nodes_[rest].parent = parent;
      repair_upwards(parent);
    }
    --root.size;
    node.heap = kNoIndex;
  }

  JobIndex pop(std::size_t heap = 0) {
    const JobIndex slot = top(heap);
    erase(slot);
    return slot;
  }

 private:
  struct Node {
    Key key{};
    JobIndex left = kNoIndex;
    JobIndex right = kNoIndex;
    JobIndex parent = kNoIndex;
    std::uint32_t rank = 0;  // nodes on the right spine from here
    std::uint32_t heap = kNoIndex;
  };
  struct Root {
    JobIndex node = kNoIndex;
    std::size_t size = 0;
  };

  std::uint32_t rank(JobIndex slot) const { return slot == kNoIndex ? 0 : nodes_[slot].rank; }

  JobIndex detached(JobIndex slot) {
    if (slot != kNoIndex) nodes_[slot].parent = kNoIndex;
    return slot;
  }

  // Restores "left is at least as deep as right" at `slot`; says whether its rank has changed.
  bool repair(JobIndex slot) {
    Node& node = nodes_[slot];
    if (rank(node.left) < rank(node.right)) std::swap(node.left, node.right);
    const std::uint32_t before = std::exchange(node.rank, rank(node.right) + 1);
    return before != node.rank;
  }

  void repair_upwards(JobIndex slot) {
    while (slot != kNoIndex && repair(slot)) slot = nodes_[slot].parent;
  }

  // Merges two trees whose roots have no parent, along their right spines.
  JobIndex merge(JobIndex a, JobIndex b) {
    if (a == kNoIndex) return b;
    if (b == kNoIndex) return a;
    if (nodes_[b].key < nodes_[a].key) std::swap(a, b);
    const JobIndex root = a;
    while (nodes_[a].right != kNoIndex) {
      JobIndex& right = nodes_[a].right;
      if (nodes_[b].key < nodes_[right].key) {
        std::swap(right, b);
        nodes_[right].parent = a;
      }
      a = right;
    }
    nodes_[a].right = b;
    nodes_[b].parent = a;
    for (JobIndex slot = a;; slot = nodes_[slot].parent) {
      repair(slot);
      if (slot == root) break;
    }
    nodes_[root].parent = kNoIndex;
    return root;
  }

  std::vector<Node> nodes_;
  std::vector<Root> roots_;
};

}  // namespace laxity
