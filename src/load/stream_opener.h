// Opens the streams of a scenario at a server before its first frame, and closes them when all is over.
//
// Between the instant at which a client means to send and the instant at which the server has the whole
// request lies time that is the client's: its own scheduling, the system calls, the wire. A client that
// promises r + J and keeps its answer by r + J + D asks for a contract with that time taken off: J + m and D
// - m, m its margin.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "load/endpoint.h"
#include "load/load_clock.h"
#include "load/stream_codec.h"
#include "sim/scenario.h"
#include "trace/results.h"

namespace laxity {

struct OpenedStream {
  std::string stream;  ///< As the server calls it; empty: it was refused, or did not ask.
  /// Whose frames are sent: the scenario's task, changed to what was offered where that was taken, and begun
  /// later by whole periods where its first frames had passed before it was answered.
  TaskSpec spec;
  TaskVerdict verdict;
};

class StreamOpener {
 public:
  /// `margin`: see above. `endpoint` and `clock` must outlive this; the clock's instant 0 is the scenario's.
  StreamOpener(const Endpoint& endpoint, const LoadClock& clock, Duration margin)
      : endpoint_(endpoint), clock_(clock), margin_(margin) {}
  /// Closes what is still open, without a word about what fails.
  ~StreamOpener();
  StreamOpener(const StreamOpener&) = delete;
  StreamOpener& operator=(const StreamOpener&) = delete;

  /// Asks for `spec`'s contract, and for what is offered where spec.on_refusal says so. Blocks until
  /// answered.
  /// Errors: kInvalidArgument (a contract that is none), kNotFound (the server has no streams, no such
  /// model), kUnavailable (no server, no answer in time).
  Result<OpenedStream> open(const TaskSpec& spec, Duration duration);

  /// Closes all, in order of opening. What the server counted, summed; a stream that has ended by itself
  /// counts nothing.
  StreamTally close_all();

 private:
  Result<StreamReply> ask(TaskSpec& spec, Duration duration);

  const Endpoint& endpoint_;
  const LoadClock& clock_;
  Duration margin_;
  std::vector<std::string> open_;
};

}  // namespace laxity
