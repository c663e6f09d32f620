// DeepRT's phase 2: what will happen, run through virtual time.  [Yang et al., SEC 2021, Algorithm 1]
//
// From the state that is there, windows are closed, batches formed and started as the policy would, by the
// same code (analysis/batch_windows.h, window_batches.h), with every frame at its expected time and every
// batch at its table time. The answer is yes when no promised batch ends after its window deadline.
//
// As published the loop differs from what runs in four ways, each of which gives wrong answers; `kRepaired`
// mends them:
//   (a) an empty queue takes one batch in list order, not all that are released at that instant;
//   (b) time starts at once, not when the running batch ends;
//   (c) batches have no cap;
//   (d) batches released at the very instant at which one ends are not considered next. The policy waits for
//       them.
//
// A batch that is late for its window is not always late for its frames: one that came late in the window has
// time left. `kFrames` (ours) plays the same, and judges by the frames' own deadlines.
//
// What it proves: exact, when executions take their table times, frames come when expected, and nothing
// unannounced comes. It is no bound: a batch that ends early, or a frame that slips past a joint, changes
// the order, and an admitted set may then miss (docs/analysis/deeprt.md has the examples).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/window_load.h"

namespace laxity {

/// What the imitator has seen start.
struct ImitatedBatch {
  Instant start;
  Instant finish;
  WindowBatchKey key;
  std::uint32_t size = 0;  ///< 0: it was formed before the imitation began.
  bool operator==(const ImitatedBatch&) const = default;
};

class EdfImitator {
 public:
  static constexpr std::size_t kExecutorsMax = 1024;

  enum class Form : std::uint8_t { kPublished, kRepaired, kFrames };

  struct Result {
    bool is_schedulable = true;
    // The first promised batch that is late. None of these when more batches would wait than there is room.
    std::optional<std::uint32_t> late_lane;
    std::optional<std::uint32_t> late_stream;  ///< Of its frames still to come: the most urgent one's stream.
    std::optional<Instant> late_deadline;      ///< That frame's deadline; the batch's, if it has come.
    std::uint64_t frame_count = 0;             ///< Played, up to the answer.
  };

  /// Precondition: batches_max is at least half the number of frames that may wait.
  EdfImitator(std::size_t lanes_max, std::size_t streams_max, std::size_t streams_per_lane_max,
              std::size_t batches_max);

  /// Frames expected before `horizon` are played. Does not change `load`, does not allocate, except into
  /// `trace`. O(N (log b + s)): N frames, b batches waiting, s streams of a lane for each window that has
  /// frames.
  Result run(const WindowLoad& load, const BatchTimes& times, Instant horizon, Form form,
             std::vector<ImitatedBatch>* trace = nullptr);
  /// As run, to the end, whatever is late: `late_lanes[i]` says whether a batch of lane i is. Its size is
  /// that of load.lanes.
  Result run_to_end(const WindowLoad& load, const BatchTimes& times, Instant horizon, Form form,
                    std::vector<std::uint8_t>& late_lanes);

 private:
  struct Cursor {
    Instant next;
    Duration period{};
    Duration deadline{};
    std::uint64_t left = 0;
    std::uint32_t id = 0;
    std::uint32_t taken = 0;  // frames in the lane's next window, the last of them a period before `next`
  };
  /// A lane on its way: its next window with frames, if there is one.
  struct Lane {
    BatchWindows windows;
    std::size_t first_cursor = 0, last_cursor = 0;  // [first, last)
    std::uint32_t waiting = 0;
    std::uint32_t count = 0;
    std::optional<std::uint32_t> urgent;  // whose frame is due first, and when
    Instant urgent_deadline;
    std::size_t first_frame = 0, last_frame = 0;  // of load.frames, [first, last): those that wait
    bool is_announced = false;
    explicit Lane(std::size_t streams_max) : windows(streams_max) {}
  };
  struct Queued {
    WindowBatchKey key;
    Duration time{};
    std::uint32_t size = 0;
    std::optional<std::uint32_t> urgent;
    Instant urgent_deadline;
    Instant due;
  };
  struct Joint {
    Instant at;
    std::uint32_t lane = 0;
    auto operator<=>(const Joint&) const = default;
  };

  void begin(const WindowLoad& load, Instant horizon);
  bool find_window(std::uint32_t lane);
  void list_frames(const WindowLoad& load, Lane& lane);
  void close_window(const WindowLoad& load, const BatchTimes& times, Form form);
  void push(const Queued& batch);
  Queued pop();
  Result play(const WindowLoad& load, const BatchTimes& times, Form form, std::vector<ImitatedBatch>* trace,
              std::vector<std::uint8_t>* late_lanes);

  const std::size_t batches_max_;
  std::vector<Lane> lanes_;
  std::vector<Cursor> cursors_;
  std::vector<Joint> joints_;  // heap: lanes that have a window with frames to come
  std::vector<Queued> queue_;  // heap
  std::vector<Instant> free_at_;
  std::vector<WaitingFrame> frames_;  // of one window, in order of entering
  std::uint64_t sequence_ = 0;
  std::uint64_t frame_count_ = 0;
  bool is_overfull_ = false;
};

}  // namespace laxity
