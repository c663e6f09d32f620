// One ordered queue per category, and which category comes first.
#pragma once

#include <optional>

#include "policy/job_heaps.h"

namespace laxity {

/// Waiting jobs in order of `Key`, overall and within each category. Push and erase: O(log jobs + log
/// categories).
template <typename Key>
class CategoryQueues {
 public:
  CategoryQueues() = default;
  CategoryQueues(std::size_t slot_count, std::size_t category_count)
      : jobs_(slot_count, category_count), heads_(category_count, 1) {}

  bool empty() const { return heads_.empty(); }
  bool empty(CategoryId category) const { return jobs_.empty(index(category)); }
  std::size_t size(CategoryId category) const { return jobs_.size(index(category)); }
  bool contains(JobIndex job) const { return jobs_.contains(job); }
  const Key& key(JobIndex job) const { return jobs_.key(job); }
  /// Preconditions of both: not empty.
  JobIndex top() const { return jobs_.top(heads_.top()); }
  JobIndex top(CategoryId category) const { return jobs_.top(index(category)); }
  const Key& top_key() const { return heads_.top_key(); }
  /// The least key outside `category`; none when no other category has a job.
  std::optional<Key> top_key_elsewhere(CategoryId category) {
    const auto own = static_cast<std::uint32_t>(index(category));
    if (!heads_.contains(own)) return heads_.empty() ? std::nullopt : std::optional<Key>(heads_.top_key());
    const Key own_key = heads_.key(own);
    heads_.erase(own);
    const std::optional<Key> least = heads_.empty() ? std::nullopt : std::optional<Key>(heads_.top_key());
    heads_.push(own, own_key);
    return least;
  }

  void push(JobIndex job, const Key& key, CategoryId category) {
    jobs_.push(job, key, index(category));
    renew_head(index(category));
  }
  void erase(JobIndex job) {
    const std::size_t category = jobs_.heap_of(job);
    jobs_.erase(job);
    renew_head(category);
  }

 private:
  void renew_head(std::size_t category) {
    const auto slot = static_cast<std::uint32_t>(category);
    if (jobs_.empty(category)) {
      heads_.erase(slot);
      return;
    }
    const Key& least = jobs_.top_key(category);
    if (heads_.contains(slot)) {
      if (heads_.key(slot) == least) return;
      heads_.erase(slot);
    }
    heads_.push(slot, least);
  }

  JobHeaps<Key> jobs_;   // one heap per category
  JobHeaps<Key> heads_;  // slots are categories that have jobs, keyed by their first
};

}  // namespace laxity
