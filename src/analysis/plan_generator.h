// Makes plans: gated lazy batching, and two variants of it that look further ahead.
//
// No windows. Earliest deadline first on the frames' own deadlines; batch all that waits; look one batch
// ahead; leave the processor idle when that saves a frame. Plain lazy batching starts a long batch a moment
// before a tight frame comes; the gate (`LOOK`) asks, before a batch is started or time is let pass, whether
// what would then be waiting could still be served, one job a category in deadline order. What a generator
// makes is only a proposal: soundness lies in Plan::is_valid alone, so a generator may be as clever or as
// careless as it likes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analysis/batch_times.h"
#include "analysis/plan.h"

namespace laxity {

enum class PlanMethod : std::uint8_t {
  kGated,    ///< The gate alone.
  kRollout,  ///< The gate also runs plain lazy batching for 4 * sum of E_g(4) past the moment it asks about.
  kDefer25,  ///< Waits for the next arrival while each waiting frame keeps 25 % of its time and the gate
             ///< passes.
  kDefer50,
  kDefer75,
};

/// Order of frames everywhere in planning: deadline, arrival, stream, number.
bool is_more_urgent(const PlanFrame& a, const PlanFrame& b) noexcept;
/// Order of release, in which generators take their input: arrival, stream, number.
bool arrives_before(const PlanFrame& a, const PlanFrame& b) noexcept;

/// Scratch is sized once; `generate` does not allocate. Owned by one thread.
class PlanGenerator {
 public:
  PlanGenerator(std::size_t frames_max, std::size_t categories_max);

  /// Appends batches that serve all `frames` (in order of arrives_before) to `plan`, the processor being free
  /// at `start`. Plans with `times`; give it tables with a margin to leave slack. False: some frame would be
  /// late (then `failed()` says which) or the plan has no room; `plan` is then left as far as it came.
  /// Deterministic. O(N (K + w) log w), N frames, K categories, w waiting at once.
  bool generate(const BatchTimes& times, Instant start, std::span<const PlanFrame> frames, PlanMethod method,
                Plan& plan);

  /// The frame that could not be served in time, after generate() said false.
  const std::optional<PlanFrame>& failed() const noexcept { return failed_; }

 private:
  struct Category {
    std::vector<PlanFrame> waiting;     // most urgent first
    std::vector<std::uint32_t> future;  // indices into the input, in order of arrival
    std::size_t next_future = 0;
  };
  struct Head {  // what one category would have waiting at the moment that LOOK asks about
    Instant deadline;
    CategoryIndex category;
    std::uint32_t count;
  };

  void begin(std::span<const PlanFrame> frames, std::size_t category_count);
  void admit_until(Instant t, std::span<const PlanFrame> frames);
  std::optional<Instant> next_arrival(std::span<const PlanFrame> frames) const noexcept;
  void order_categories();
  bool look(Instant f, std::optional<CategoryIndex> batch_category, std::uint32_t batch_size,
            std::span<const PlanFrame> frames);
  bool roll_out(Instant from, std::optional<CategoryIndex> batch_category, std::uint32_t batch_size,
                std::span<const PlanFrame> frames);
  bool may_defer(Instant until, std::span<const PlanFrame> frames);
  bool gate(Instant f, std::optional<CategoryIndex> batch_category, std::uint32_t batch_size,
            std::span<const PlanFrame> frames);
  void emit(CategoryIndex g, std::uint32_t n, Plan& plan);
  /// One decision at t: true when a batch was emitted or time moved on.
  bool step_gated(Instant& t, std::span<const PlanFrame> frames, Plan& plan);
  bool step_forced(Instant& t, Plan& plan);

  const BatchTimes* times_ = nullptr;
  PlanMethod method_ = PlanMethod::kGated;
  std::vector<Category> categories_;
  std::size_t category_count_ = 0;
  std::size_t waiting_count_ = 0;
  std::size_t next_arrival_ = 0;  // cursor into the input
  std::vector<CategoryIndex> order_;
  std::vector<Head> heads_;
  std::vector<std::vector<Instant>> rolled_;  // rollout: deadlines waiting, a category each
  std::vector<std::size_t> rolled_next_;
  Duration rollout_length_{};
  std::optional<PlanFrame> failed_;
};

}  // namespace laxity
