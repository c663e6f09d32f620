#include "live/feature_pool.h"

#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "base/check.h"

namespace laxity {

Result<FeaturePool> FeaturePool::reserve(std::size_t buffer_count, std::size_t buffer_size) {
  buffer_size = (buffer_size + kAlignment - 1) / kAlignment * kAlignment;
  if (buffer_count == 0 || buffer_size == 0) return FeaturePool(nullptr, buffer_count, 0);
  std::size_t total = 0;
  void* memory = MAP_FAILED;
  if (!__builtin_mul_overflow(buffer_count, buffer_size, &total)) {
    memory =
        ::mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  if (memory == MAP_FAILED) {
    return failed_precondition("expected address space for " + std::to_string(buffer_count) +
                               " features of " + std::to_string(buffer_size) +
                               " bytes, found too little; lower limits.queue_length_max");
  }
  return FeaturePool(static_cast<std::byte*>(memory), buffer_count, buffer_size);
}

FeaturePool::FeaturePool(std::byte* memory, std::size_t buffer_count, std::size_t buffer_size)
    : memory_(memory), count_(buffer_count), size_(buffer_size) {
  free_.reserve(buffer_count);
  for (std::size_t i = buffer_count; i-- > 0;) free_.push_back(static_cast<Index>(i));
}

FeaturePool::FeaturePool(FeaturePool&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      count_(std::exchange(other.count_, 0)),
      size_(other.size_),
      free_(std::move(other.free_)) {}

FeaturePool::~FeaturePool() {
  if (memory_ != nullptr) (void)::munmap(memory_, count_ * size_);
}

FeaturePool::Index FeaturePool::take() {
  LAXITY_CHECK(!free_.empty());
  const Index index = free_.back();
  free_.pop_back();
  return index;
}

void FeaturePool::give_back(Index index) {
  if (index == kNone) return;
  LAXITY_CHECK(index < count_ && free_.size() < count_);
  free_.push_back(index);
}

std::span<std::byte> FeaturePool::bytes(Index index) const {
  LAXITY_CHECK(index < count_);
  return {memory_ + index * size_, size_};
}

}  // namespace laxity
