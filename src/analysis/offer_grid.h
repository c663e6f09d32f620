// Counter-offers: the best that a test accepts on a grid, with a bounded number of tests.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace laxity {

inline constexpr int kOfferTestsMax = 12;  ///< For the deadline, and as many for the period.
inline constexpr Duration kOfferDeadlineStep = std::chrono::milliseconds(1);
inline constexpr std::int64_t kOfferPeriodSteps = 20;  ///< A step is 5 % of the period asked for.
inline constexpr std::int64_t kOfferStepsMax = std::int64_t{1} << 11;  ///< What so many tests can reach.

/// The fewest steps, from 1 to `steps_max`, that `is_admitted(steps)` was found to accept: doubled until
/// some are, then the gap is halved. What is returned was accepted; fewer might be where acceptance is not
/// monotone. None: none of those tried was.
template <typename IsAdmitted>
std::optional<std::int64_t> least_admitted_steps(IsAdmitted is_admitted,
                                                 std::int64_t steps_max = kOfferStepsMax) {
  std::int64_t fails = 0, fits = 0;
  int tests = 0;
  for (std::int64_t steps = 1; tests < kOfferTestsMax && fits == 0 && steps <= steps_max;
       ++tests, steps *= 2) {
    (is_admitted(steps) ? fits : fails) = steps;
  }
  for (; fits > fails + 1 && tests < kOfferTestsMax; ++tests) {
    const std::int64_t middle = fails + (fits - fails) / 2;
    (is_admitted(middle) ? fits : fails) = middle;
  }
  return fits > 0 ? std::optional(fits) : std::nullopt;
}

}  // namespace laxity
