// What streams need of a processor in the long run, at the least.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/batch_times.h"
#include "analysis/stream_frames.h"

namespace laxity {

/// Parts per 2^32 of a processor that a stream of this category and period takes at the least, whatever the
/// order and the batches: min over k of E(k) / k, once a period. Rounded down. O(cap).
std::int64_t least_share(const BatchTimes& times, CategoryIndex category, Duration period);

/// False: at `from`, or when one of the streams begins after it, those that are alive need more than the
/// whole processor. Necessary for streams that overlap for long; whoever overlaps briefly may fit all the
/// same.
/// O(streams²) at worst, O(streams) if all have begun by `from`.
bool fits_in_the_long_run(const BatchTimes& times, const std::vector<PlannedStream>& streams, Instant from);

}  // namespace laxity
