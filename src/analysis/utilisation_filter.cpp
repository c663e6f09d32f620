#include "analysis/utilisation_filter.h"

#include <algorithm>

namespace laxity {
namespace {

__extension__ using Wide = __int128;

constexpr int kFractionBits = 60;       // of a frame, in a mean
constexpr int kShareBits = 32;          // of an executor, in a utilisation
constexpr std::int64_t kFew = 1 << 20;  // 2^20 · 2^-60 = 2^-40 of a frame

/// The largest batch size among those with the least time per frame.
std::uint32_t cheapest_size(const BatchTimes& times, CategoryIndex g) {
  std::uint32_t best = 1;
  for (std::uint32_t k = 2; k <= times.cap(g); ++k) {
    if (static_cast<Wide>(times(g, k).count()) * best <= static_cast<Wide>(times(g, best).count()) * k)
      best = k;
  }
  return best;
}

/// floor(Σ W / p) over the lane's streams.
std::uint64_t mean_frames(const WindowLoad& load, std::uint32_t lane, Duration window) {
  Wide sum = 0;
  for (const WindowStream& stream : load.streams) {
    if (stream.lane != lane || stream.frames_left() == 0) continue;
    sum += (static_cast<Wide>(window.count()) << kFractionBits) / stream.period.count();
  }
  return static_cast<std::uint64_t>((sum + kFew) >> kFractionBits);
}

}  // namespace

bool published_filter_passes(const WindowLoad& load, const BatchTimes& times) {
  Wide utilisation = 0;
  for (std::uint32_t lane = 0; lane < load.lanes.size(); ++lane) {
    if (!load.lanes[lane].is_promised) continue;
    Duration least = Duration::max();
    for (const WindowStream& stream : load.streams) {
      if (stream.lane == lane && stream.frames_left() > 0) least = std::min(least, stream.deadline);
    }
    if (least == Duration::max()) continue;
    const Duration window = std::max(least / 2, Duration(1));
    const std::uint64_t mean = std::min<std::uint64_t>(mean_frames(load, lane, window), UINT32_MAX);
    const Duration time = times.split(load.lanes[lane].category, static_cast<std::uint32_t>(mean));
    utilisation += (static_cast<Wide>(time.count()) << kShareBits) / window.count();
  }
  return utilisation <= static_cast<Wide>(load.free_at.size()) << kShareBits;
}

bool repaired_filter_passes(const WindowLoad& load, const BatchTimes& times) {
  Wide work = 0, share = 0;
  bool is_finite = true;
  Instant last = load.now;
  for (std::uint32_t lane = 0; lane < load.lanes.size(); ++lane) {
    const WindowLane& entry = load.lanes[lane];
    if (!entry.is_promised) continue;
    const std::uint32_t size = cheapest_size(times, entry.category);
    const std::int64_t time = times(entry.category, size).count();
    Wide frames = entry.waiting;
    if (entry.waiting > 0) last = std::max(last, entry.windows.batch_deadline());
    for (const WindowStream& stream : load.streams) {
      if (stream.lane != lane || stream.frames_left() == 0) continue;
      if (stream.is_endless()) {
        is_finite = false;
        share += (static_cast<Wide>(time) << kShareBits) / (static_cast<Wide>(size) * stream.period.count());
        continue;
      }
      frames += stream.frames_left();
      last = std::max(last, std::max(stream.arrival(*stream.end - 1), load.now) + stream.deadline);
    }
    work += frames * time / size;
  }
  if (!is_finite) return share <= static_cast<Wide>(load.free_at.size()) << kShareBits;
  for (const WaitingBatch& batch : load.waiting) {
    if (!load.lanes[batch.key.lane].is_promised) continue;
    work += batch.time.count();
    last = std::max(last, std::max(batch.key.deadline, batch.due));
  }
  for (const WaitingFrame& frame : load.frames) last = std::max(last, frame.deadline);
  Wide room = 0;
  for (const Instant free : load.free_at) room += std::max(last - free, Duration::zero()).count();
  return work <= room;
}

}  // namespace laxity
