#include "load/load_clock.h"

#include <ctime>

namespace laxity {
namespace {

std::int64_t monotonic_ns() noexcept {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

void LoadClock::restart(Duration lead) noexcept { zero_ns_ = monotonic_ns() + lead.count(); }

Instant LoadClock::now() const noexcept { return Instant::from_start(Duration{monotonic_ns() - zero_ns_}); }

}  // namespace laxity
