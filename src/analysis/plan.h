// Plans as witnesses: an ordered list of batches with named frames that proves its own deadlines.
//
// A stream may be promised if *some* plan serves every frame of every stream even when frames come as late as
// their jitter allows and batches take their full table time. At run time the plan's order is followed, not
// the rule that made it. Following an order is monotone: a frame that comes earlier or a batch that takes
// less delays nothing. Re-deciding is not monotone, which is how DeepRT's test can be exact and its promise
// still break (docs/analysis/plans.md has the counter-examples).
//
// For a batch j: C_j = E_g(|B_j|), rho_j = latest arrival among its frames, delta_j = earliest deadline.
// Latest starts are computed backward, with L beyond the last batch at infinity:
//
//     L_j = min(delta_j, L_{j+1}) - C_j
//     valid(P, tau)  <=>  tau <= L_1  and  rho_j <= L_j for every j      (tau: the processor is free by then)
//
// Theorem (order following). If valid(P, tau), then "start the head once the processor is free and its frames
// are here" meets every deadline, for all arrivals up to rho and all executions up to E. Proof: start_1 <=
// max(tau, rho_1)
// <= L_1. If start_j <= L_j, batch j ends by L_j + C_j = min(delta_j, L_{j+1}): on time; and start_{j+1} <=
// max(L_{j+1}, rho_{j+1}) = L_{j+1}.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analysis/batch_times.h"
#include "base/time.h"

namespace laxity {

/// One frame that a plan must serve.
struct PlanFrame {
  std::uint32_t stream = 0;  ///< Whose frame: index of the stream in the caller's tables.
  std::uint64_t number = 0;  ///< Which of its frames, from 0.
  CategoryIndex category = 0;
  Instant arrival;   ///< rho: r + J until it has arrived, then the true arrival (or r, if it came early).
  Instant deadline;  ///< delta: r + D until it has arrived, then arrival + D.

  bool operator==(const PlanFrame&) const = default;
};

struct PlanBatch {
  CategoryIndex category = 0;
  std::uint32_t first = 0;  ///< Its frames are frames()[first, first + count).
  std::uint32_t count = 0;
  Instant arrival;       ///< rho_j
  Instant deadline;      ///< delta_j
  Instant latest_start;  ///< L_j
};

/// Sized once for `frames_max` frames; nothing below allocates afterwards. Owned by one thread.
class Plan {
 public:
  explicit Plan(std::size_t frames_max);

  void clear() noexcept;
  bool has_room_for(std::size_t frame_count) const noexcept {
    return frames_.size() + frame_count <= frames_max_;
  }

  /// Appends a batch of these frames (one category, not more than its cap). Latest starts are stale until
  /// `settle`.
  void append(CategoryIndex category, std::span<const PlanFrame> frames);

  /// Computes every batch's latest start. O(frames).
  void settle(const BatchTimes& times);

  /// The test above. Precondition: settled. O(batches). Exact for "following this order never misses".
  bool is_valid(Instant processor_free) const noexcept;
  /// The first batch with rho_j > L_j, or batch 0 when the processor is free too late; none when valid.
  std::optional<std::size_t> first_violation(Instant processor_free) const noexcept;

  bool empty() const noexcept { return head_ == batches_.size(); }
  std::size_t batch_count() const noexcept { return batches_.size() - head_; }
  /// Batch `j` counted from the head.
  const PlanBatch& batch(std::size_t j) const { return batches_[head_ + j]; }
  std::span<const PlanFrame> frames(const PlanBatch& batch) const {
    return {frames_.data() + batch.first, batch.count};
  }
  /// Frames still in the plan.
  std::size_t frame_count() const noexcept { return frame_count_; }

  /// The head has been started: it leaves the plan.
  void pop_head();

  /// Takes one frame out (served in a gap, grown into the head, dropped, its stream left). Its batch becomes
  /// cheaper or vanishes; latest starts up to it are raised. False when the frame is not in the plan.
  /// O(batches) to find.
  bool remove(std::uint32_t stream, std::uint64_t number, const BatchTimes& times);
  /// All frames of a stream that has left, from `number` on. O(frames).
  std::size_t remove_stream(std::uint32_t stream, std::uint64_t number, const BatchTimes& times);

  /// The frame has arrived: rho and delta become the true ones, which only relaxes the plan (arrival <= rho,
  /// and the deadline is not earlier). False when the frame is not in the plan.
  bool arrived(std::uint32_t stream, std::uint64_t number, Instant arrival, Instant deadline,
               const BatchTimes& times);

  /// 64-bit FNV-1a over batches and frames: what the trace keeps of a plan.
  std::uint64_t hash() const noexcept;

 private:
  struct Place {
    std::size_t batch, frame;
  };
  std::optional<Place> find(std::uint32_t stream, std::uint64_t number) const noexcept;
  void refresh(PlanBatch& batch) const noexcept;
  /// Recomputes L from batch `from` towards the head until nothing changes.
  void raise_latest_starts(std::size_t from, const BatchTimes& times) noexcept;
  void drop_batch(std::size_t batch);

  std::size_t frames_max_;
  std::size_t head_ = 0;
  std::size_t frame_count_ = 0;
  std::vector<PlanFrame> frames_;
  std::vector<PlanBatch> batches_;
};

}  // namespace laxity
