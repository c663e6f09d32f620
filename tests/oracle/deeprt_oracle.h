// DeepRT tick by tick: windows of announced streams, batches, earliest window deadline first, on one
// executor. The slow and obvious twin of the policy `deeprt`, its windows and its imitator; it shares no code
// with them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace laxity::oracle {

struct DeepRtStream {
  std::size_t category = 0;
  std::int64_t joins = 0;  ///< Windows reckon with it from here on.
  std::int64_t first = 0;  ///< Frame k comes at first + k · period.
  std::int64_t period = 1;
  std::int64_t deadline = 1;
  std::int64_t frames = 1;
  std::int64_t last() const { return first + (frames - 1) * period; }
};

struct DeepRtBatch {
  std::int64_t start = 0;
  std::int64_t finish = 0;
  std::size_t category = 0;
  std::size_t size = 0;
  std::int64_t deadline = 0;  ///< Joint + W.
  bool operator==(const DeepRtBatch&) const = default;
};

struct DeepRtRun {
  std::vector<DeepRtBatch> batches;
  bool has_late_batch = false;
  bool has_late_frame = false;
};

/// `times[g][n - 1]`: what a batch of n takes; its length is the cap.
inline DeepRtRun run_deeprt(const std::vector<std::vector<std::int64_t>>& times,
                            const std::vector<DeepRtStream>& streams) {
  struct Window {
    std::vector<const DeepRtStream*> members;
    std::vector<std::int64_t> frame_deadlines;  // in order of arrival
    std::int64_t joint = -1;
    std::int64_t length = 0;
    std::int64_t half() const {
      std::int64_t least = members.front()->deadline;
      for (const DeepRtStream* member : members) least = std::min(least, member->deadline);
      return least / 2;
    }
  };
  struct Waiting {
    DeepRtBatch batch;
    std::int64_t joint = 0;
    std::int64_t order = 0;
    std::vector<std::int64_t> frame_deadlines;
  };
  std::vector<Window> windows(times.size());
  std::vector<Waiting> queue;
  DeepRtRun run;
  std::int64_t end = 0, free = 0, order = 0;
  for (const DeepRtStream& stream : streams) {
    end = std::max(end, std::max(stream.last(), stream.joins) + 2 * stream.deadline);
  }
  for (std::int64_t now = 0; now <= end || !queue.empty(); ++now) {
    for (const DeepRtStream& stream : streams) {
      if (stream.joins != now) continue;
      Window& window = windows[stream.category];
      window.members.push_back(&stream);
      if (window.joint < 0) {
        window.length = window.half();
        window.joint = now + window.length;
      } else if (window.half() < window.length) {
        window.length = window.half();
        window.joint = std::min(window.joint, now + window.length);
      }
    }
    for (const DeepRtStream& stream : streams) {
      const std::int64_t since = now - stream.first;
      if (since < 0 || since % stream.period != 0 || since / stream.period >= stream.frames) continue;
      windows[stream.category].frame_deadlines.push_back(now + stream.deadline);
    }
    for (std::size_t g = 0; g < windows.size(); ++g) {
      Window& window = windows[g];
      if (window.joint != now) continue;
      for (std::size_t i = 0; i < window.frame_deadlines.size(); i += times[g].size()) {
        const std::size_t size = std::min(times[g].size(), window.frame_deadlines.size() - i);
        const auto from = window.frame_deadlines.begin() + static_cast<std::ptrdiff_t>(i);
        queue.push_back({{0, 0, g, size, now + window.length},
                         now,
                         ++order,
                         {from, from + static_cast<std::ptrdiff_t>(size)}});
      }
      window.frame_deadlines.clear();
      std::erase_if(window.members, [now](const DeepRtStream* member) { return member->last() <= now; });
      window.joint = -1;
      if (window.members.empty()) continue;
      window.length = window.half();
      window.joint = now + window.length;
    }
    if (free > now || queue.empty()) continue;
    const auto next = std::min_element(queue.begin(), queue.end(), [](const Waiting& a, const Waiting& b) {
      if (a.batch.deadline != b.batch.deadline) return a.batch.deadline < b.batch.deadline;
      if (a.joint != b.joint) return a.joint < b.joint;
      return a.batch.category != b.batch.category ? a.batch.category < b.batch.category : a.order < b.order;
    });
    DeepRtBatch batch = next->batch;
    batch.start = now;
    batch.finish = free = now + times[batch.category][batch.size - 1];
    run.has_late_batch |= batch.finish > batch.deadline;
    for (const std::int64_t deadline : next->frame_deadlines) run.has_late_frame |= batch.finish > deadline;
    run.batches.push_back(batch);
    queue.erase(next);
  }
  return run;
}

}  // namespace laxity::oracle
