// How a job ended, and why. Exactly one outcome per job; these are data, never errors.
#pragma once

#include <cstdint>

namespace laxity {

enum class Outcome : std::uint8_t { kOnTime, kLate, kDropped, kRejected, kCancelled, kFailed };

/// The closed, documented set of reasons (docs/wire.md): the `reason` of replies and traces.
enum class Reason : std::uint8_t {
  kNone,                ///< Answered; nothing to explain.
  kDroppedHopeless,     ///< Could no longer finish in time, and was not started.
  kRanPastDeadline,     ///< Was waiting or running when its deadline came.
  kQueueFull,           ///< `queue_length_max` jobs were alive.
  kOverloaded,          ///< A mailbox between threads was full.
  kShuttingDown,        ///< The server was stopping and the job had no chance.
  kModelNotReady,       ///< Loading or warming.
  kExecutorLost,        ///< No executor left that can run it.
  kClientGone,          ///< The client hung up or cancelled.
  kEngineFailed,        ///< The engine reported an error; its words travel beside this.
  kPreprocessFailed,    ///< The picture could not be decoded.
  kAdmissionPhase1,     ///< DeepRT's utilisation filter said no.
  kAdmissionPhase2,     ///< DeepRT's imitator said no.
  kAdmissionPlan,       ///< No valid plan was found.
  kAdmissionDemand,     ///< The demand test said no.
  kAdmissionBusy,       ///< Too many admissions were waiting.
  kTooManyStreams,      ///< `streams_max` streams were there.
  kUnknownStream,       ///< No such stream, or it was not admitted, or it is for another model.
  kFasterThanContract,  ///< More than a period early, sent twice, or beyond the last frame.
};
inline constexpr int kOutcomeCount = 6;
inline constexpr int kReasonCount = 19;

/// "on_time", "dropped_hopeless", …: the words of the wire and the trace.
const char* name(Outcome outcome) noexcept;
const char* name(Reason reason) noexcept;

}  // namespace laxity
