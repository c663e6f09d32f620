// What it costs to hand work to another thread, and an answer to the network: measured, because it varies
// tenfold between machines and decides where threads should run.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/time.h"

namespace laxity {

struct Percentiles {
  Duration p50{}, p99{}, max{};
};

/// Zero of none. The p99 is the first value above 99 % of them.
Percentiles percentiles(std::vector<Duration> values);

/// As measure_wake, appended to `wakes`: so that samples can be taken in several spells.
void sample_wake(std::optional<int> from, std::optional<int> to, std::size_t samples,
                 std::vector<Duration>& wakes);
/// From posting to a sleeping thread until it runs. `from` and `to` are cores; none: anywhere. The sleeper
/// has been asleep for about a millisecond each time, as an executor between frames is. Blocks for about
/// samples milliseconds.
Percentiles measure_wake(std::optional<int> from, std::optional<int> to, std::size_t samples);

/// From the call until the kernel has taken an answer of `size` bytes for a loopback connection. Zero when no
/// loopback connection can be made.
Percentiles measure_send(std::size_t size, std::size_t samples);

}  // namespace laxity
