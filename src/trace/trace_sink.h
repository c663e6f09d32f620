// Where events and commands of a run go. Recording never blocks the scheduler: when full it drops and counts.
#pragma once

#include "base/time.h"
#include "core/command.h"
#include "core/event.h"
#include "core/latency_table.h"

namespace laxity {

class TraceSink {
 public:
  virtual ~TraceSink() = default;
  /// One scheduler call: the event it took in at `now` and the commands that came out. Must not allocate or
  /// block.
  virtual void record(Instant now, const Event& event, const CommandBuffer& commands) noexcept = 0;

  /// The execution times that the next TablesChanged announces. Called just before its `record`; may
  /// allocate.
  virtual void note_table(const LatencyTable&) {}

  /// True when so much is recorded that it should be written out soon. Cheap.
  virtual bool wants_flush() const noexcept { return false; }
  /// Writes out what was recorded so far. One thread at a time, which may run beside `record`.
  virtual void flush() {}
};

}  // namespace laxity
