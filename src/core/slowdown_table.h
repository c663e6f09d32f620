// How work on one device slows down what runs beside it, and how far each piece gets: one file for the
// simulator and the emulated accelerator, so that the two agree to the nanosecond.
//
// Pairs are what can be measured: s(a|b) is how much longer a takes while b runs beside it. Beyond a pair, a
// piece of work progresses at the rate 1 / f with f = 1 + Σ (s(a|b) - 1) over all that runs beside it,
// evaluated anew whenever something starts or finishes. An approximation: right where all wait for one
// saturated resource in turn, as on a GPU that full-size networks share, and too low where together they
// overflow one that none of them fills alone. It errs by -2 to -13 % on the one published measurement of more
// than two, and the usual Π s(a|b) by +31 to +72 % (docs/decisions/0008-slow-down-adds-up.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/time.h"
#include "core/ids.h"

namespace laxity {

/// A factor in parts per million: kFactorOne means undisturbed.
using FactorPpm = std::uint64_t;
inline constexpr FactorPpm kFactorOne = 1'000'000;
inline constexpr FactorPpm kFactorMax = 1'000 * kFactorOne;  ///< The cap: a stand-still, in effect.

class SlowdownTable {
 public:
  /// The later of two for the same pair wins. Precondition: kFactorOne <= factor <= kFactorMax.
  void set(CategoryId of, CategoryId beside, FactorPpm factor);
  /// kFactorOne for a pair that was not measured.
  FactorPpm factor(CategoryId of, CategoryId beside) const noexcept;
  /// Of all in `beside`: what they add adds up, to kFactorMax at most.
  FactorPpm factor(CategoryId of, std::span<const CategoryId> beside) const noexcept;

 private:
  std::map<std::pair<CategoryId, CategoryId>, FactorPpm> factors_;
};

/// The work that goes on side by side in the slots of one device. Told the time; instants never go back.
/// Progress is rounded down and finishes are rounded up: work is never done early. Owned by one thread.
class SharedProgress {
 public:
  /// `table` must outlive this.
  SharedProgress(const SlowdownTable& table, std::size_t slot_count);

  std::size_t slot_count() const noexcept { return pieces_.size(); }
  bool is_busy(std::size_t slot) const { return pieces_.at(slot).has_value(); }
  std::optional<std::size_t> free_slot() const noexcept;

  /// `work`: how long it takes alone, >= 0. Precondition: the slot is free.
  void start(Instant now, std::size_t slot, CategoryId category, Duration work);
  /// The slot's work gets longer by `more`, >= 0, as if it had been so from the start. Precondition: the slot
  /// is busy.
  void add_work(Instant now, std::size_t slot, Duration more);
  /// Finished, or given up. Precondition: the slot is busy.
  void remove(Instant now, std::size_t slot);
  /// When this slot's work ends if nothing else starts or ends before. Precondition: the slot is busy.
  Instant finish(std::size_t slot) const;

 private:
  struct Piece {
    CategoryId category{};
    Duration remaining{};           // alone
    FactorPpm factor = kFactorOne;  // beside all that runs now
  };
  void advance(Instant now);
  void refresh_factors();

  const SlowdownTable& table_;
  std::vector<std::optional<Piece>> pieces_;  // index: slot
  std::vector<CategoryId> beside_;            // scratch
  Instant updated_;
};

}  // namespace laxity
