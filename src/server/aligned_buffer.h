// Memory for bodies and tensors: aligned for any kernel, counted against one budget.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>

#include "base/check.h"

namespace laxity {

/// How many bytes all buffers of the server hold together. Owned by one thread.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t limit) : limit_(limit) {}
  bool take(std::size_t size) noexcept {
    if (size > limit_ - used_) return false;
    used_ += size;
    return true;
  }
  void give(std::size_t size) {
    LAXITY_CHECK(size <= used_);
    used_ -= size;
  }
  std::size_t used() const noexcept { return used_; }
  std::size_t limit() const noexcept { return limit_; }

 private:
  std::size_t limit_;
  std::size_t used_ = 0;
};

/// Grows on demand and keeps what it has, so that a warm one does not allocate.
class AlignedBuffer {
 public:
  /// A cache line, and the widest vector load there is.
  static constexpr std::size_t kAlignment = 64;

  explicit AlignedBuffer(MemoryBudget& budget) : budget_(&budget) {}
  ~AlignedBuffer() { release(); }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  std::byte* data() noexcept { return data_; }
  const std::byte* data() const noexcept { return data_; }
  std::size_t capacity() const noexcept { return capacity_; }

  /// Makes room for `size` bytes, keeping the first `kept`. False when the budget does not allow it: nothing
  /// changed.
  bool reserve(std::size_t size, std::size_t kept = 0) {
    if (size <= capacity_) return true;
    if (size > budget_->limit()) return false;
    const std::size_t rounded = (size + kAlignment - 1) / kAlignment * kAlignment;
    if (!budget_->take(rounded)) return false;
    auto* fresh =
        static_cast<std::byte*>(::operator new (rounded, std::align_val_t{kAlignment}, std::nothrow));
    if (fresh == nullptr) {
      budget_->give(rounded);
      return false;
    }
    if (kept > 0) std::memcpy(fresh, data_, std::min(kept, capacity_));
    release();
    data_ = fresh;
    capacity_ = rounded;
    return true;
  }

  void release() {
    if (data_ == nullptr) return;
    ::operator delete (data_, std::align_val_t{kAlignment});
    budget_->give(capacity_);
    data_ = nullptr;
    capacity_ = 0;
  }

 private:
  MemoryBudget* budget_;
  std::byte* data_ = nullptr;
  std::size_t capacity_ = 0;
};

}  // namespace laxity
