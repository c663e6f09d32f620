#include "live/steady_clock.h"

#include <chrono>

#include "base/check.h"

namespace laxity {
namespace {

std::int64_t monotonic_now_ns() noexcept {
  return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

SteadyClock::SteadyClock() noexcept
    : zero_ns_(monotonic_now_ns()),
      wall_clock_zero_ns_(
          std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()).count()) {
}

Instant SteadyClock::now() const noexcept {
  thread_local std::int64_t last_ns = 0;
  const std::int64_t now_ns = monotonic_now_ns();
  LAXITY_CHECK(now_ns >= last_ns);
  last_ns = now_ns;
  return Instant::from_start(Duration(now_ns - zero_ns_));
}

}  // namespace laxity
