// The state that DeepRT's admission tests start from: what runs, waits and is still to come.
//
// A policy fills it from its books at one instant; the tests read it and know nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/batch_times.h"
#include "analysis/batch_windows.h"
#include "analysis/window_batches.h"
#include "base/time.h"

namespace laxity {

/// Frames to come in one lane: frame k enters its window at `first` + k·`period`.
struct WindowStream {
  std::uint32_t id = 0;  ///< Names it in evidence.
  std::uint32_t lane = 0;
  Instant first;           ///< Of frame 0, whether past or not.
  Duration period{};       ///< T > 0
  Duration deadline{};     ///< Relative, from entering the window.
  std::uint64_t next = 0;  ///< First frame that is still to come; one expected earlier comes at once.
  std::optional<std::uint64_t> end;  ///< One past the last frame; none: endless.

  bool is_endless() const { return !end; }
  Instant arrival(std::uint64_t k) const { return first + static_cast<std::int64_t>(k) * period; }
  std::uint64_t frames_left() const { return end ? (*end > next ? *end - next : 0) : UINT64_MAX; }
};

/// Frames that share batches: a category of one class of work.
struct WindowLane {
  BatchWindows windows;        ///< Joints before `now` closed.
  CategoryIndex category = 0;  ///< Row of the execution times.
  std::uint32_t cap = 1;       ///< Of a batch; at most that of the row.
  std::uint32_t waiting = 0;   ///< Frames in the open window.
  /// Deadlines are promised. Lanes of other work take executor time, and are late without harm.
  bool is_promised = false;
  /// Windows are those of announced streams. False: each frame that comes is an implicit task, and one stream
  /// at most is still to come.
  bool is_announced = false;

  explicit WindowLane(std::size_t streams_max = 0) : windows(streams_max) {}
};

/// A frame of a promised lane that waits in the open window.
struct WaitingFrame {
  std::uint32_t lane = 0;
  Instant arrival;
  std::uint32_t stream = 0;
  Instant deadline;
};

/// A batch of a closed window that waits for an executor.
struct WaitingBatch {
  WindowBatchKey key;
  Duration time{};  ///< What it still needs.
  Instant due;      ///< The least deadline of its frames; only where frames are judged.
};

struct WindowLoad {
  Instant now;
  std::vector<Instant> free_at;  ///< By executor that runs batches: when it is done at the latest; >= now.
  std::vector<WindowLane> lanes;
  std::vector<WindowStream> streams;  ///< In order of lane.
  std::vector<WaitingBatch> waiting;  ///< In any order.
  std::vector<WaitingFrame> frames;   ///< In order of lane. Left out unless frames are judged.
};

}  // namespace laxity
