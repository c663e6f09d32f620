// Where a job's tensors wait between two stages, or between decoding and its first batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace laxity {

/// Buffers of one size. Address space is reserved for all of them, memory is taken when a buffer is first
/// written, and the buffer given back last is given out next: so memory in use follows the most buffers ever
/// in use at once, not the limit. Taking and giving back happen inside the strand; the bytes belong to
/// whoever has the index.
class FeaturePool {
 public:
  using Index = std::uint32_t;
  static constexpr Index kNone = ~Index{0};
  /// Of every buffer, and of what is laid out inside one.
  static constexpr std::size_t kAlignment = 64;

  /// Errors: kFailedPrecondition: no such amount of address space. A pool of size or count 0 holds nothing.
  static Result<FeaturePool> reserve(std::size_t buffer_count, std::size_t buffer_size);
  ~FeaturePool();
  FeaturePool(FeaturePool&& other) noexcept;
  FeaturePool& operator=(FeaturePool&&) = delete;

  /// Precondition: fewer than `buffer_count` are out.
  Index take();
  /// kNone is ignored.
  void give_back(Index index);
  std::span<std::byte> bytes(Index index) const;
  std::size_t free_count() const noexcept { return free_.size(); }

 private:
  FeaturePool(std::byte* memory, std::size_t buffer_count, std::size_t buffer_size);
  std::byte* memory_ = nullptr;
  std::size_t count_ = 0;
  std::size_t size_ = 0;
  std::vector<Index> free_;
};

}  // namespace laxity
