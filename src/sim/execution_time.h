// How long batches and segments take in the simulator.
//
// A profile keeps three points of each distribution: p50, p99 and the largest of some hundred samples.
// Between them the drawn times follow a quantile function through exactly these points:
//
//   q(u) = p50 - w (1 - 2u)              u <= 0.50    w: 3 % of p50, but no more than p99 - p50
//          p50 + (p99 - p50) (2u - 1)/0.98 0.50 < u <= 0.99
//          p99 + (max - p99) v^3         0.99 < u     v = (u - 0.99) / 0.01
//
// The body below the median is narrow, as it is on machines where nothing but the work itself takes time. The
// cube keeps the rare extreme rare: half of the slowest hundredth stays within an eighth of the way from p99
// to max. Draws are independent, which real delays are not: bursts (another process wakes up) are spread out
// here, so long runs of slow batches are rarer than on a real machine. A batch size that was not measured is
// interpolated linearly between its neighbours: planning rounds up, but a machine does not.
#pragma once

#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "core/system_model.h"

namespace laxity {

enum class ExecutionMode : std::uint8_t {
  kSampled,  ///< Drawn from the profile as above.
  kPlanned,  ///< Always what the scheduler plans with (p99 and overheads): the table is exact.
  kTypical,  ///< Always the median.
  kUniform,  ///< Uniform in (0, planned]: never over the table, for the properties that assume this.
};

struct ExecutionOptions {
  ExecutionMode mode = ExecutionMode::kSampled;
  /// After an executor was idle for `idle_gap`, sampled times are multiplied by after_idle_p99 / p99.
  bool slows_after_idle = false;
  Duration idle_gap = 1ms;
};

/// Owned by one thread. Draws in order of calls.
class ExecutionTimes {
 public:
  /// `system` must outlive this.
  ExecutionTimes(const SystemModel& system, const ExecutionOptions& options, std::uint64_t seed);

  /// From the hand-over to the end of a batch of `batch_size`, of which `encoded_count` jobs are decoded
  /// inside it; dispatch overhead and post-processing included. `idle`: how long the executor had nothing to
  /// do before. At least 1 ns. Precondition: the category was measured, or nothing was and the time is 1 ns.
  Duration batch(CategoryId category, std::uint32_t batch_size, std::uint32_t encoded_count, Duration idle);
  /// One CPU segment on an executor of its own, dispatch included.
  Duration segment(ModelId model, SegmentKind kind);

 private:
  /// Quantile function of one kind of work, in nanoseconds.
  struct Curve {
    double below = 0, p50 = 0, p99 = 0, max = 0;
    double after_idle = 1;  // factor
    double at(double u) const noexcept;
  };
  static Curve curve_of(const ExecutionTime& time);
  static Curve between(const Curve& a, const Curve& b, double weight_of_b);
  Duration draw(const Curve& curve, double factor);

  const SystemModel& system_;
  ExecutionOptions options_;
  Rng rng_;
  std::vector<std::vector<Curve>> curves_;       // [category][batch size - 1]
  std::vector<Curve> preprocess_, postprocess_;  // index: model
};

}  // namespace laxity
