// Non-preemptive earliest deadline first over window batches: which frames are to be run next, of those that
// the demand test has promised.
//
// A frame waits first for its release: the joint of its window, or r where its group does not batch. From
// then on it is part of a job with a deadline. The frames of one group and joint are one job; a job of more
// frames than a batch may hold is run as several batches of that deadline.
#pragma once

#include <cstdint>
#include <optional>

#include "analysis/batch_times.h"
#include "base/fixed_vector.h"
#include "core/ids.h"
#include "policy/demand_set.h"
#include "policy/job_heaps.h"

namespace laxity {

/// Sized in attach. One queue of frames and one of jobs per executor. Each call O(log n) a frame.
class DemandDispatch {
 public:
  struct Frame {
    JobIndex job = kNoIndex;
    JobId id{};
    std::uint32_t group = 0;
    Instant from;      ///< Its arrival, or r when it came early.
    Instant deadline;  ///< By when its mandatory stages are to be done.
  };
  using Jobs = FixedVector<JobIndex, kBatchSizeMax>;

  void attach(std::size_t slot_count, std::size_t executor_count) {
    slot_count_ = slot_count;
    waiting_ = JobHeaps<WaitingKey>(slot_count, executor_count);
    pending_ = JobHeaps<PendingKey>(slot_count, executor_count);
    latest_starts_ = JobHeaps<LatestStartKey>(slot_count, executor_count);
  }

  /// `is_over`: every event of this instant that may bring a frame has been handled; a frame that comes
  /// nevertheless belongs to the next window.
  void add(const Frame& frame, std::uint32_t executor, const DemandGroupEntry& group, const BatchTimes& times,
           Instant now, bool is_over);
  void erase(JobIndex job);

  /// Releases what is due; at a joint only once the instant is over, for frames that come at a joint belong
  /// to the window that it closes. Returns when the first of them was due; none: nothing was.
  std::optional<Instant> release_due(std::uint32_t executor, Instant now, bool is_over);
  bool has_pending(std::uint32_t executor) const { return !pending_.empty(executor); }
  /// When the next frame that waits is released.
  std::optional<Instant> next_release(std::uint32_t executor) const {
    if (waiting_.empty(executor)) return std::nullopt;
    return waiting_.top_key(executor).at;
  }

  /// The next batch of the job with the earliest deadline, ties by group and joint. Returns that deadline.
  /// Precondition: has_pending.
  Instant take_batch(std::uint32_t executor, const BatchTimes& times, CategoryIndex& category, Jobs& jobs);
  /// A frame, released or not, that could not end by its deadline even if it started now, alone. It leaves.
  std::optional<JobIndex> take_hopeless(std::uint32_t executor, Instant now);
  /// The last instant at which none is hopeless.
  std::optional<Instant> hopeless_after(std::uint32_t executor) const {
    if (latest_starts_.empty(executor)) return std::nullopt;
    return latest_starts_.top_key(executor).at;
  }

  void times_changed(const BatchTimes& times);

 private:
  struct WaitingKey {
    Instant at;
    JobId id{};
    bool is_joint = false;
    std::uint32_t group = 0;
    CategoryIndex category = 0;
    Instant deadline;
    bool operator<(const WaitingKey& other) const { return at != other.at ? at < other.at : id < other.id; }
  };
  struct PendingKey {
    Instant deadline;
    std::uint32_t group = 0;
    std::optional<Instant> joint;  // none: the frame is a job of its own
    JobId id{};
    CategoryIndex category = 0;
    bool operator<(const PendingKey& other) const {
      if (deadline != other.deadline) return deadline < other.deadline;
      if (group != other.group) return group < other.group;
      if (joint != other.joint) return joint < other.joint;
      return id < other.id;
    }
  };
  struct LatestStartKey {
    Instant at;
    JobId id{};
    auto operator<=>(const LatestStartKey&) const = default;
  };

  std::size_t slot_count_ = 0;
  JobHeaps<WaitingKey> waiting_;
  JobHeaps<PendingKey> pending_;
  JobHeaps<LatestStartKey> latest_starts_;  // of the same frames, each alone
};

}  // namespace laxity
