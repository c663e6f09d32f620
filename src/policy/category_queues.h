// Waiting jobs in one order, overall and within each category.
#pragma once

#include <optional>

#include "policy/job_heaps.h"
#include "policy/job_queue.h"

namespace laxity {

/// Push and erase are O(log n). With one category in all, as a caller may declare who never asks about
/// categories, there is only the one queue to keep.
template <typename Key>
class CategoryQueues {
 public:
  CategoryQueues() = default;
  CategoryQueues(std::size_t slot_count, std::size_t category_count)
      : all_(slot_count), by_category_(category_count > 1 ? slot_count : 0, category_count) {}

  bool empty() const { return all_.empty(); }
  bool contains(JobIndex job) const { return all_.contains(job); }
  const Key& key(JobIndex job) const { return all_.key(job); }
  /// Precondition: not empty.
  JobIndex top() const { return all_.top(); }
  const Key& top_key() const { return all_.top_key(); }

  bool empty(CategoryId category) const {
    return is_single() ? all_.empty() : by_category_.empty(index(category));
  }
  /// Precondition: the category has a job.
  JobIndex top(CategoryId category) const {
    return is_single() ? all_.top() : by_category_.top(index(category));
  }

  /// The least key outside `category`; none when no other category has a job. O(categories).
  std::optional<Key> top_key_elsewhere(CategoryId category) const {
    std::optional<Key> least;
    if (is_single()) return least;
    for (std::size_t other = 0; other < by_category_.heap_count(); ++other) {
      if (other == index(category) || by_category_.empty(other)) continue;
      if (!least || by_category_.top_key(other) < *least) least = by_category_.top_key(other);
    }
    return least;
  }

  void push(JobIndex job, const Key& key, CategoryId category) {
    all_.push(job, key);
    if (!is_single()) by_category_.push(job, key, index(category));
  }
  void erase(JobIndex job) {
    all_.erase(job);
    if (!is_single()) by_category_.erase(job);
  }

 private:
  bool is_single() const { return by_category_.heap_count() == 1; }

  JobQueue<Key> all_;
  JobHeaps<Key> by_category_;
};

}  // namespace laxity
