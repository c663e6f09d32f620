#include "analysis/stream_frames.h"

#include <algorithm>

namespace laxity {

std::uint64_t append_frames(const PlannedStream& stream, Instant horizon, std::size_t frames_max,
                            std::vector<PlanFrame>& frames, Instant* cut_at) {
  std::uint64_t k = stream.next;
  for (; stream.release(k) < horizon && (!stream.end || k < *stream.end); ++k) {
    if (frames.size() >= frames_max) {
      *cut_at = std::min(*cut_at, stream.release(k));
      break;
    }
    frames.push_back(stream.frame(k));
  }
  return k;
}

}  // namespace laxity
