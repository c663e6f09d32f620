// DeepRT's Adaptation Module: a category that overruns its table runs smaller until the time is paid back.
// [Yang et al., SEC 2021, section "Adaptation"]
//
//   when a batch of n frames has taken a, with E(n) the table's time for what it ran:
//     if a > E(n):                penalty += a − E(n), and one step smaller from the next batch on
//     if it ran smaller already:  penalty −= E_full(n) − a
//     if penalty <= 0:            penalty = 0, and back to full
//
// The paper makes frames smaller. Networks here have inputs of one size, so a step is what the model declares
// instead: first an optional stage less, down to the mandatory ones; then, where the option allows it, the
// next cheaper variant. Whoever declares one network at several input sizes as variants gets the paper's
// steps. Which and how many steps the paper does not say; one an overrun is ours.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"
#include "core/system_model.h"

namespace laxity {

class DeepRtAdaptation {
 public:
  enum class Reach : std::uint8_t {
    kOff,
    kStages,    ///< Optional stages only: within what was asked for.
    kVariants,  ///< And cheaper variants than the one that was asked for.
  };
  /// What a batch runs: the first `stage_count` stages of a variant.
  struct Shape {
    std::uint32_t variant = 0;
    std::uint32_t stage_count = 1;
    bool operator==(const Shape&) const = default;
  };

  /// `system` outlives this; `first_stages[i]` is the category of lane i, which belongs to one class of work.
  DeepRtAdaptation(const SystemModel& system, Reach reach, const std::vector<CategoryId>& first_stages);

  /// For the lane's next batch, of `size` frames: the current step, or the last before it whose stages may
  /// run so many at once. O(steps).
  Shape shape(std::size_t lane, std::uint32_t size) const;
  Shape full_shape(std::size_t lane) const { return lanes_[lane].steps.front(); }
  /// A batch has run through: `actual` on the executor, of which `encoded_count` frames were decoded in it.
  void batch_done(std::size_t lane, const Shape& ran, std::uint32_t size, std::uint32_t encoded_count,
                  Duration actual);
  Duration penalty(std::size_t lane) const { return lanes_[lane].penalty; }

 private:
  struct Lane {
    ModelId model{};
    std::vector<Shape> steps;  // from full to smallest
    std::size_t step = 0;
    Duration penalty{};
  };

  Duration table_time(const Lane& lane, const Shape& shape, std::uint32_t size,
                      std::uint32_t encoded_count) const;

  const SystemModel& system_;
  std::vector<Lane> lanes_;
};

}  // namespace laxity
