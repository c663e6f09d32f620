#include "analysis/stream_share.h"

#include <algorithm>

namespace laxity {
namespace {

__extension__ using Wide = __int128;

constexpr int kShareBits = 32;
constexpr std::int64_t kWhole = std::int64_t{1} << kShareBits;

// Finite streams keep their phase, and may end later than time can be counted: so no last r is computed.
bool is_alive(const PlannedStream& stream, Instant at) {
  const Instant first = stream.release(0);
  if (first > at) return false;
  return !stream.end || static_cast<std::uint64_t>((at - first) / stream.phase.period) < *stream.end;
}

bool fits_at(const BatchTimes& times, const std::vector<PlannedStream>& streams, Instant at) {
  std::int64_t share = 0;
  for (const PlannedStream& stream : streams) {
    if (!is_alive(stream, at)) continue;
    share += least_share(times, stream.category, stream.phase.period_at(stream.next));
    if (share > kWhole) return false;
  }
  return true;
}

}  // namespace

std::int64_t least_share(const BatchTimes& times, CategoryIndex category, Duration period) {
  Wide least = static_cast<Wide>(times(category, 1).count()) << kShareBits;
  for (std::uint32_t k = 2; k <= times.cap(category); ++k) {
    least = std::min(least, (static_cast<Wide>(times(category, k).count()) << kShareBits) / k);
  }
  const Wide share = least / std::max<std::int64_t>(period.count(), 1);
  return static_cast<std::int64_t>(std::min<Wide>(share, 2 * kWhole));  // far over: no more is asked
}

bool fits_in_the_long_run(const BatchTimes& times, const std::vector<PlannedStream>& streams, Instant from) {
  if (!fits_at(times, streams, from)) return false;
  return std::all_of(streams.begin(), streams.end(), [&](const PlannedStream& stream) {
    return stream.release(0) <= from || fits_at(times, streams, stream.release(0));
  });
}

}  // namespace laxity
