// Where the server hands its events and learns the time: the live driver, or a test's stand-in.
#pragma once

#include <span>
#include <string>

#include "base/time.h"
#include "core/event.h"
#include "live/live_stream.h"

namespace laxity {

class EventPort {
 public:
  virtual ~EventPort() = default;

  /// Takes the event in; false when the mailbox is full or the driver has stopped, and then nothing has
  /// happened. With `may_run_inline` the calling thread may run the work itself before this returns. Network
  /// thread.
  virtual bool post(const Event& event, bool may_run_inline) = 0;

  /// The time on the scheduler's line. Any thread.
  virtual Instant now() const = 0;

  /// One JSON object for `GET /v2/laxity/state`. Network thread; may take microseconds, may allocate.
  virtual std::string state_json() = 0;

  /// Fills in what is known of each stream, by its `task`. Network thread; may take microseconds.
  virtual void look_up(std::span<LiveStream> streams) = 0;

  /// Accepts nothing new; returns when every job has been settled: those that can make it within `grace` by
  /// running.
  virtual void stop(Duration grace) = 0;
};

}  // namespace laxity
