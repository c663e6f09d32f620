// Strong time types.  Every duration in the project is integer nanoseconds.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace laxity {

using namespace std::chrono_literals;

/// A signed span of time.  Signed on purpose: laxity and lateness go below zero.
using Duration = std::chrono::nanoseconds;

/// A point on the scheduler's monotonic time line, counted from the start of the run.
///
/// There is no `Instant::now()`: only a driver (`sim/` or `live/`) knows the time, and everything
/// below it is told.  Two instants may be subtracted but not added.
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant from_start(Duration since_start) { return Instant(since_start); }

  /// Later than every instant that occurs in a run: the key of "no deadline" in ordered tables, never a value
  /// that leaves them.
  static constexpr Instant latest() { return Instant(Duration::max() / 4); }

  constexpr Duration since_start() const { return since_start_; }

  constexpr auto operator<=>(const Instant&) const = default;
  friend constexpr Instant operator+(Instant t, Duration d) { return Instant(t.since_start_ + d); }
  friend constexpr Instant operator-(Instant t, Duration d) { return Instant(t.since_start_ - d); }
  friend constexpr Duration operator-(Instant a, Instant b) { return a.since_start_ - b.since_start_; }

 private:
  explicit constexpr Instant(Duration since_start) : since_start_(since_start) {}
  Duration since_start_{0};
};

}  // namespace laxity
