// Instances of networks, as model servers have them: each runs one batch at a time, whatever the executor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "policy/books.h"

namespace laxity {

inline constexpr std::size_t kInstancesMax = 64;

/// How many batches of each category run now, and whether one more may.
class ModelInstances {
 public:
  explicit ModelInstances(std::int64_t instances_max) : max_(instances_max) {}

  /// The only call that allocates.
  void attach(const Books& books) {
    books_ = &books;
    categories_.resize(books.executors().size());
  }

  /// O(executors).
  bool has_free(CategoryId category) const {
    std::int64_t running = 0;
    for (std::size_t e = 0; e < categories_.size(); ++e) {
      running += books_->executors()[e].batch.has_value() && categories_[e] == category ? 1 : 0;
    }
    return running < max_;
  }
  /// A batch of `category` is about to start on `executor`.
  void start(ExecutorId executor, CategoryId category) { categories_[index(executor)] = category; }

 private:
  std::int64_t max_;
  const Books* books_ = nullptr;
  std::vector<CategoryId> categories_;  // by executor: of the batch that it runs or ran last
};

}  // namespace laxity
