// Counter-offers: the best that a test accepts on a grid, with a bounded number of tests. What would be of
// no use to whoever asks is not tried: a camera at a fraction of its rate, or an answer long after the next
// frame.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace laxity {

inline constexpr int kOfferTestsMax = 12;  ///< For the deadline, and as many for the period.
inline constexpr Duration kOfferDeadlineStep = std::chrono::milliseconds(1);
inline constexpr std::int64_t kOfferPeriodSteps = 20;  ///< A step is 5 % of the period asked for.
inline constexpr std::int64_t kOfferTimesMax = 4;  ///< Offers are at most so many times what was asked for.
inline constexpr std::int64_t kOfferStepsMax = std::int64_t{1} << 11;  ///< What so many tests can reach.

/// From the period to four times it.
inline constexpr std::int64_t kOfferPeriodStepsMax = (kOfferTimesMax - 1) * kOfferPeriodSteps;
/// Up to four times the deadline, or to one period where that is longer.
inline std::int64_t offer_deadline_steps_max(Duration deadline, Duration period) {
  const Duration largest = std::max(deadline * kOfferTimesMax, period);
  return std::min<std::int64_t>((largest - deadline) / kOfferDeadlineStep, kOfferStepsMax);
}

/// The fewest steps, from 1 to `steps_max`, that `is_admitted(steps)` was found to accept: doubled until
/// some are or `steps_max` is not, then the gap is halved. What is returned was accepted; fewer might be
/// where acceptance is not monotone. None: none of those tried was.
template <typename IsAdmitted>
std::optional<std::int64_t> least_admitted_steps(IsAdmitted is_admitted,
                                                 std::int64_t steps_max = kOfferStepsMax) {
  std::int64_t fails = 0, fits = 0;
  int tests = 0;
  for (; tests < kOfferTestsMax && fits == 0 && fails < steps_max; ++tests) {
    const std::int64_t steps = std::min(std::max<std::int64_t>(2 * fails, 1), steps_max);
    (is_admitted(steps) ? fits : fails) = steps;
  }
  for (; fits > fails + 1 && tests < kOfferTestsMax; ++tests) {
    const std::int64_t middle = fails + (fits - fails) / 2;
    (is_admitted(middle) ? fits : fails) = middle;
  }
  return fits > 0 ? std::optional(fits) : std::nullopt;
}

}  // namespace laxity
