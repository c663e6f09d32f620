// Real time, read in one place.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace laxity {

/// Where the live driver asks what time it is, so that its tests can say.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Never goes back. Any thread; does not block.
  virtual Instant now() const noexcept = 0;
};

/// The machine's monotonic clock, counted from the construction of this object.
class SteadyClock final : public Clock {
 public:
  SteadyClock() noexcept;
  /// Aborts if time goes back: nothing that we promise holds on such a machine.
  Instant now() const noexcept override;
  /// `t` as CLOCK_MONOTONIC counts: what the kernel wants for waiting.
  std::int64_t monotonic_ns(Instant t) const noexcept { return zero_ns_ + t.since_start().count(); }
  /// Nanoseconds since the Unix epoch at Instant zero: dates a trace, nothing else.
  std::int64_t wall_clock_zero_ns() const noexcept { return wall_clock_zero_ns_; }

 private:
  std::int64_t zero_ns_;
  std::int64_t wall_clock_zero_ns_;
};

}  // namespace laxity
