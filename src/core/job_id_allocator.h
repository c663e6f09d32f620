// Hands out job ids: slots are reused, ids never. Some slots may be kept for frames of streams.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/check.h"
#include "core/ids.h"

namespace laxity {

/// A flood of single requests must not leave a promised frame without a slot. So an admitted stream reserves
/// as many as it can have alive (frames_alive_max), and other jobs share what is left.
///
/// Owned by one thread. O(1), allocates only when made.
class JobIdAllocator {
 public:
  /// At most `slot_count` jobs alive at once; 0 < slot_count <= 2^20.
  explicit JobIdAllocator(std::size_t slot_count) : is_reserved_(slot_count, false) {
    LAXITY_CHECK(slot_count > 0 && slot_count <= kJobSlotMask + 1);
    free_.reserve(slot_count);
    for (std::size_t slot = slot_count; slot-- > 0;) free_.push_back(static_cast<std::uint32_t>(slot));
  }

  /// `from_reserve`: one of the slots that its stream has reserved. Precondition then: it has less alive than
  /// it reserved. Nullopt: the queue is full.
  std::optional<JobId> allocate(bool from_reserve = false) {
    if (free_.empty() || (!from_reserve && other_count_ + reserved_count_ >= is_reserved_.size())) {
      return std::nullopt;
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    is_reserved_[slot] = from_reserve;
    if (!from_reserve) ++other_count_;
    return make_job_id(++sequence_, slot);
  }

  /// The scheduler has forgotten `id` (SettleJob with `is_last`, or ForgetJob).
  void release(JobId id) {
    LAXITY_CHECK(free_.size() < free_.capacity());
    if (!is_reserved_[slot(id)]) --other_count_;
    free_.push_back(static_cast<std::uint32_t>(slot(id)));
  }

  /// Keeps `count` slots for frames. False, and nothing is kept: so many are not left beside what others use
  /// at present, or more than three quarters of all would be reserved.
  bool try_reserve(std::size_t count) {
    const std::size_t slot_count = is_reserved_.size();
    if (reserved_count_ + count > slot_count - slot_count / 4) return false;
    if (reserved_count_ + count + other_count_ > slot_count) return false;
    reserved_count_ += count;
    return true;
  }
  /// Gives back what was reserved. First `disown` those of its jobs that are still alive.
  void unreserve(std::size_t count) {
    LAXITY_CHECK(count <= reserved_count_);
    reserved_count_ -= count;
  }
  /// `id` was allocated from a reserve that is about to be given back: it lives on as any other job.
  void disown(JobId id) {
    if (!is_reserved_[slot(id)]) return;
    is_reserved_[slot(id)] = false;
    ++other_count_;
  }

  std::size_t free_count() const noexcept { return free_.size(); }
  /// How many jobs without a reserve could be allocated now.
  std::size_t unreserved_free_count() const noexcept {
    return std::min(free_.size(),
                    is_reserved_.size() - std::min(is_reserved_.size(), other_count_ + reserved_count_));
  }
  std::size_t reserved_count() const noexcept { return reserved_count_; }

 private:
  std::vector<std::uint32_t> free_;
  std::vector<bool> is_reserved_;  // by slot: of a living job
  std::size_t other_count_ = 0;    // alive, without a reserve
  std::size_t reserved_count_ = 0;
  std::uint64_t sequence_ = 0;
};

}  // namespace laxity
