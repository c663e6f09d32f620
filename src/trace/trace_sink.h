// Where events and commands of a run go. Recording never blocks the scheduler: when full it drops and counts.
#pragma once

#include "base/time.h"
#include "core/command.h"
#include "core/event.h"

namespace laxity {

class TraceSink {
 public:
  virtual ~TraceSink() = default;
  /// One scheduler call: the event it took in at `now` and the commands that came out. Must not allocate or block.
  virtual void record(Instant now, const Event& event, const CommandBuffer& commands) noexcept = 0;
};

}  // namespace laxity
