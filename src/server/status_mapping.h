// One table from outcomes and errors to what each protocol says (docs/wire.md).
#pragma once

#include "base/result.h"
#include "core/outcome.h"

namespace laxity {

/// The numbers of the gRPC status codes that we use.
enum class GrpcCode : int {
  kOk = 0,
  kCancelled = 1,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
};
/// "INVALID_ARGUMENT", …
const char* name(GrpcCode code) noexcept;

struct WireStatus {
  int http = 500;
  GrpcCode grpc = GrpcCode::kInternal;
  bool retry_later = false;  ///< Sent with `Retry-After`.
};

/// How the end of a job is answered.
WireStatus wire_status(Outcome outcome, Reason reason) noexcept;

/// How a request that never became a job is answered.
WireStatus wire_status(ErrorCode code) noexcept;

/// A stream was promised less than it asked for. Not a Reason: the scheduler promised what it could.
inline constexpr const char* kGuaranteeNotGiven = "guarantee_not_given";
inline constexpr WireStatus kGuaranteeNotGivenStatus{503, GrpcCode::kFailedPrecondition, false};

/// How bad an outcome is: a request of several jobs is answered with its worst. On time is 0.
int badness(Outcome outcome) noexcept;

/// One sentence for people.
const char* sentence(Reason reason) noexcept;

/// "Not Found", …; the statuses that we send.
const char* http_phrase(int status) noexcept;

}  // namespace laxity
