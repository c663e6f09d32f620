// One priority queue over a table of slots, in an array: for when there is one queue, not one per category.
//
// Four children per node: a thousand jobs are five levels, and the children of a node lie side by side. On
// the scheduler's hot path this takes about half the time of the linked trees of policy/job_heaps.h, whose
// walks along spines are cache misses and mispredicted branches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "policy/books.h"

namespace laxity {

/// Least key first. Keys need `<`; equal keys leave in no stated order, so end each key with the job's id.
/// Allocates only when made. Push and erase are O(log n), everything else O(1).
template <typename Key>
class JobQueue {
 public:
  JobQueue() = default;
  explicit JobQueue(std::size_t slot_count) : places_(slot_count, kNoIndex) { items_.reserve(slot_count); }

  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  bool contains(JobIndex slot) const { return places_[slot] != kNoIndex; }

  /// Precondition of both: not empty.
  JobIndex top() const {
    LAXITY_CHECK(!empty());
    return items_.front().slot;
  }
  const Key& top_key() const {
    LAXITY_CHECK(!empty());
    return items_.front().key;
  }
  /// Precondition: `slot` is in the queue.
  const Key& key(JobIndex slot) const { return items_[places_[slot]].key; }

  /// Precondition: `slot` is not in the queue.
  void push(JobIndex slot, const Key& key) {
    LAXITY_CHECK(!contains(slot) && items_.size() < items_.capacity());
    items_.push_back({key, slot});
    sift_up(items_.size() - 1, {key, slot});
  }

  /// Precondition: `slot` is in the queue.
  void erase(JobIndex slot) {
    LAXITY_CHECK(contains(slot));
    const std::size_t place = places_[slot];
    places_[slot] = kNoIndex;
    const Item last = items_.back();
    items_.pop_back();
    if (place == items_.size()) return;
    if (place > 0 && last.key < items_[(place - 1) / kChildren].key) {
      sift_up(place, last);
    } else {
      sift_down(place, last);
    }
  }

  JobIndex pop() {
    const JobIndex slot = top();
    erase(slot);
    return slot;
  }

 private:
  static constexpr std::size_t kChildren = 4;
  struct Item {
    Key key{};
    JobIndex slot = kNoIndex;
  };

  void put(std::size_t place, const Item& item) {
    items_[place] = item;
    places_[item.slot] = static_cast<std::uint32_t>(place);
  }

  // Both move the gap at `place` to where `item` belongs, and put it there.
  void sift_up(std::size_t place, const Item& item) {
    while (place > 0) {
      const std::size_t parent = (place - 1) / kChildren;
      if (!(item.key < items_[parent].key)) break;
      put(place, items_[parent]);
      place = parent;
    }
    put(place, item);
  }
  void sift_down(std::size_t place, const Item& item) {
    for (;;) {
      const std::size_t first = place * kChildren + 1;
      if (first >= items_.size()) break;
      const std::size_t end = std::min(first + kChildren, items_.size());
      std::size_t least = first;
      for (std::size_t child = first + 1; child < end; ++child) {
        if (items_[child].key < items_[least].key) least = child;
      }
      if (!(items_[least].key < item.key)) break;
      put(place, items_[least]);
      place = least;
    }
    put(place, item);
  }

  std::vector<Item> items_;
  std::vector<std::uint32_t> places_;  // by slot
};

}  // namespace laxity
