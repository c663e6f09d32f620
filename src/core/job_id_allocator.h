// Hands out job ids: slots are reused, ids never.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/check.h"
#include "core/ids.h"

namespace laxity {

/// Owned by one thread. O(1), allocates only when made.
class JobIdAllocator {
 public:
  /// At most `slot_count` jobs alive at once; 0 < slot_count <= 2^20.
  explicit JobIdAllocator(std::size_t slot_count) {
    LAXITY_CHECK(slot_count > 0 && slot_count <= kJobSlotMask + 1);
    free_.reserve(slot_count);
    for (std::size_t slot = slot_count; slot-- > 0;) free_.push_back(static_cast<std::uint32_t>(slot));
  }

  /// Nullopt when every slot is taken: the queue is full.
  std::optional<JobId> allocate() {
    if (free_.empty()) return std::nullopt;
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    return make_job_id(++sequence_, slot);
  }

  /// The scheduler has forgotten `id` (SettleJob with `is_last`, or ForgetJob).
  void release(JobId id) {
    LAXITY_CHECK(free_.size() < free_.capacity());
    free_.push_back(static_cast<std::uint32_t>(slot(id)));
  }

  std::size_t free_count() const noexcept { return free_.size(); }

 private:
  std::vector<std::uint32_t> free_;
  std::uint64_t sequence_ = 0;
};

}  // namespace laxity
