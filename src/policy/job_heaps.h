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
  JobHeaps(std::size_t slot_count, std::size_t heap_count)
      : keys_(slot_count),
        links_(slot_count),
        ranks_(slot_count),
        heaps_(slot_count, kNoIndex),
        roots_(heap_count) {}

  bool empty(std::size_t heap = 0) const { return roots_[heap].node == kNoIndex; }
  std::size_t size(std::size_t heap = 0) const { return roots_[heap].size; }
  std::size_t heap_count() const { return roots_.size(); }
  bool contains(JobIndex slot) const { return heaps_[slot] != kNoIndex; }
  std::size_t heap_of(JobIndex slot) const { return heaps_[slot]; }

  /// Precondition: not empty.
  JobIndex top(std::size_t heap = 0) const {
    LAXITY_CHECK(!empty(heap));
    return roots_[heap].node;
  }
  const Key& top_key(std::size_t heap = 0) const { return keys_[top(heap)]; }
  const Key& key(JobIndex slot) const { return keys_[slot]; }

  /// Precondition: `slot` is in no queue.
  void push(JobIndex slot, const Key& key, std::size_t heap = 0) {
    LAXITY_CHECK(!contains(slot));
    keys_[slot] = key;
    links_[slot] = {};
    ranks_[slot] = 1;
    heaps_[slot] = static_cast<std::uint32_t>(heap);
    roots_[heap].node = merge(roots_[heap].node, slot);
    ++roots_[heap].size;
  }

  /// Precondition: `slot` is in a queue.
  void erase(JobIndex slot) {
    LAXITY_CHECK(contains(slot));
    const Links links = links_[slot];
    Root& root = roots_[heaps_[slot]];
    const JobIndex rest = merge(links.left, links.right);
    if (links.parent == kNoIndex) {
      root.node = rest;
    } else {
      Links& above = links_[links.parent];
      (above.left == slot ? above.left : above.right) = rest;
      if (rest != kNoIndex) links_[rest].parent = links.parent;
      for (JobIndex up = links.parent; up != kNoIndex && repair(up); up = links_[up].parent) {
      }
    }
    --root.size;
    heaps_[slot] = kNoIndex;
  }

  JobIndex pop(std::size_t heap = 0) {
    const JobIndex slot = top(heap);
    erase(slot);
    return slot;
  }

 private:
  struct Links {
    JobIndex left = kNoIndex;
    JobIndex right = kNoIndex;
    JobIndex parent = kNoIndex;
  };
  struct Root {
    JobIndex node = kNoIndex;
    std::size_t size = 0;
  };

  unsigned rank(JobIndex slot) const { return slot == kNoIndex ? 0u : ranks_[slot]; }

  // Restores "left is at least as deep as right" at `slot`; says whether its rank has changed.
  bool repair(JobIndex slot) {
    Links& links = links_[slot];
    if (rank(links.left) < rank(links.right)) std::swap(links.left, links.right);
    const auto now = static_cast<std::uint8_t>(rank(links.right) + 1);
    return std::exchange(ranks_[slot], now) != now;
  }

  // Merges two trees along their right spines. The parent of the root is none afterwards.
  JobIndex merge(JobIndex a, JobIndex b) {
    if (a == kNoIndex || b == kNoIndex) {
      const JobIndex root = a == kNoIndex ? b : a;
      if (root != kNoIndex) links_[root].parent = kNoIndex;
      return root;
    }
    if (keys_[b] < keys_[a]) std::swap(a, b);
    const JobIndex root = a;
    while (links_[a].right != kNoIndex) {
      JobIndex& right = links_[a].right;
      if (keys_[b] < keys_[right]) {
        std::swap(right, b);
        links_[right].parent = a;
      }
      a = right;
    }
    links_[a].right = b;
    links_[b].parent = a;
    for (JobIndex slot = a;; slot = links_[slot].parent) {
      repair(slot);
      if (slot == root) break;
    }
    links_[root].parent = kNoIndex;
    return root;
  }

  // Apart, so that walking a spine touches few cache lines: ranks of a thousand jobs are a kilobyte.
  std::vector<Key> keys_;
  std::vector<Links> links_;
  std::vector<std::uint8_t> ranks_;  // nodes on the right spine from here: at most 21 with 2^20 slots
  std::vector<std::uint32_t> heaps_;
  std::vector<Root> roots_;
};

}  // namespace laxity
