// A vector whose capacity is part of its type: it never allocates, so it may live in events, commands and
// tables.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "base/check.h"

namespace laxity {

template <typename T, std::size_t kCapacity>
class FixedVector {
 public:
  static constexpr std::size_t capacity() noexcept { return kCapacity; }

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  bool full() const noexcept { return size_ == kCapacity; }
  void clear() noexcept { size_ = 0; }

  /// Precondition: not full.
  void push_back(const T& item) {
    LAXITY_CHECK(size_ < kCapacity);
    items_[size_++] = item;
  }
  void pop_back() {
    LAXITY_CHECK(size_ > 0);
    --size_;
  }
  /// Removes the item at `index`; later items move one place forward.
  void erase_at(std::size_t index) {
    LAXITY_CHECK(index < size_);
    std::move(begin() + index + 1, end(), begin() + index);
    --size_;
  }

  T& operator[](std::size_t index) {
    LAXITY_CHECK(index < size_);
    return items_[index];
  }
  const T& operator[](std::size_t index) const {
    LAXITY_CHECK(index < size_);
    return items_[index];
  }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }

  T* begin() noexcept { return items_.data(); }
  T* end() noexcept { return items_.data() + size_; }
  const T* begin() const noexcept { return items_.data(); }
  const T* end() const noexcept { return items_.data() + size_; }
  operator std::span<const T>() const noexcept { return {items_.data(), size_}; }

  bool operator==(const FixedVector& other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
  }

 private:
  std::array<T, kCapacity> items_{};
  std::size_t size_ = 0;
};

}  // namespace laxity
