#include "analysis/test_horizon.h"

#include <algorithm>
#include <numeric>

namespace laxity {
namespace {

// Half of what an instant can tell, so that sums stay within it.
constexpr std::int64_t kLongest = Instant::latest().since_start().count() / 2;

/// Up to `limit`.
std::uint64_t frames_before(const WindowLoad& load, Instant end, std::uint64_t limit) {
  std::uint64_t count = 0;
  for (const WindowStream& stream : load.streams) {
    const Instant at = stream.arrival(stream.next);
    if (at >= end) continue;
    const auto fitting = static_cast<std::uint64_t>((end - at - Duration(1)) / stream.period) + 1;
    count += std::min(fitting, stream.frames_left());
    if (count > limit) return count;
  }
  return count;
}

/// lcm, or kLongest where it is not below.
std::int64_t common_multiple(std::int64_t a, std::int64_t b) {
  if (a >= kLongest) return kLongest;
  const std::int64_t factor = b / std::gcd(a, b);
  return a >= kLongest / factor ? kLongest : a * factor;
}

}  // namespace

TestHorizon test_horizon(const WindowLoad& load, std::uint64_t frames_max, bool with_windows) {
  bool is_endless = false;
  std::int64_t multiple = 1;
  Instant begun = load.now;
  for (const WindowStream& stream : load.streams) {
    if (stream.frames_left() == 0) continue;
    begun = std::max(begun, stream.arrival(stream.next));
    if (!stream.is_endless()) continue;
    is_endless = true;
    multiple = common_multiple(multiple, stream.period.count());
  }
  for (const WindowLane& lane : load.lanes) {
    if (!with_windows || !lane.is_promised || !lane.windows.joint()) continue;
    multiple = common_multiple(multiple, std::max<std::int64_t>(1, lane.windows.length().count()));
  }
  TestHorizon horizon;
  if (is_endless) {
    if (multiple < kLongest / 2 && begun.since_start().count() < kLongest) {
      horizon.end = begun + Duration(2 * multiple);
    } else {
      horizon.is_cut = true;
    }
  }
  if (frames_before(load, horizon.end, frames_max) <= frames_max) return horizon;
  horizon.is_cut = true;
  std::int64_t low = load.now.since_start().count();  // at most frames_max before it
  std::int64_t high = std::max(low, horizon.end.since_start().count());
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    const bool fits = frames_before(load, Instant::from_start(Duration(middle)), frames_max) <= frames_max;
    (fits ? low : high) = middle;
  }
  horizon.end = Instant::from_start(Duration(low));
  return horizon;
}

}  // namespace laxity
