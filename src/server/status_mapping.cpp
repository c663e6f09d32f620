// One table from outcomes and errors to what each protocol says.
#include "server/status_mapping.h"

namespace laxity {
namespace {

constexpr WireStatus kOk{200, GrpcCode::kOk, false};
constexpr WireStatus kBadRequest{400, GrpcCode::kInvalidArgument, false};
constexpr WireStatus kMissing{404, GrpcCode::kNotFound, false};
constexpr WireStatus kTooBig{413, GrpcCode::kResourceExhausted, false};
constexpr WireStatus kTooFast{429, GrpcCode::kResourceExhausted, true};
constexpr WireStatus kGone{499, GrpcCode::kCancelled, false};
constexpr WireStatus kBroken{500, GrpcCode::kInternal, false};
constexpr WireStatus kBusy{503, GrpcCode::kUnavailable, true};
constexpr WireStatus kTooLate{504, GrpcCode::kDeadlineExceeded, false};

/// The status of a job that got no answer, by its reason; `otherwise` where the reason adds nothing.
WireStatus unanswered(Reason reason, WireStatus otherwise) noexcept {
  switch (reason) {
    case Reason::kDroppedHopeless:
    case Reason::kRanPastDeadline:
      return kTooLate;
    case Reason::kQueueFull:
    case Reason::kOverloaded:
    case Reason::kShuttingDown:
    case Reason::kModelNotReady:
    case Reason::kExecutorLost:
    case Reason::kAdmissionPhase1:
    case Reason::kAdmissionPhase2:
    case Reason::kAdmissionPlan:
    case Reason::kAdmissionDemand:
    case Reason::kAdmissionBusy:
    case Reason::kTooManyStreams:
      return kBusy;
    case Reason::kUnknownStream:
      return kMissing;
    case Reason::kFasterThanContract:
      return kTooFast;
    case Reason::kClientGone:
      return kGone;
    case Reason::kEngineFailed:
      return kBroken;
    case Reason::kPreprocessFailed:
      return kBadRequest;
    case Reason::kNone:
      break;
  }
  return otherwise;
}

}  // namespace

const char* name(GrpcCode code) noexcept {
  switch (code) {
    case GrpcCode::kOk:
      return "OK";
    case GrpcCode::kCancelled:
      return "CANCELLED";
    case GrpcCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case GrpcCode::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case GrpcCode::kNotFound:
      return "NOT_FOUND";
    case GrpcCode::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case GrpcCode::kFailedPrecondition:
      return "FAILED_PRECONDITION";
    case GrpcCode::kUnimplemented:
      return "UNIMPLEMENTED";
    case GrpcCode::kInternal:
      return "INTERNAL";
    case GrpcCode::kUnavailable:
      return "UNAVAILABLE";
  }
  return "UNKNOWN";
}

WireStatus wire_status(Outcome outcome, Reason reason) noexcept {
  switch (outcome) {
    case Outcome::kOnTime:
    case Outcome::kLate:
      return kOk;
    case Outcome::kDropped:
      return unanswered(reason, kTooLate);
    case Outcome::kRejected:
      return unanswered(reason, kBusy);
    case Outcome::kCancelled:
      return unanswered(reason, kGone);
    case Outcome::kFailed:
      return unanswered(reason, kBroken);
  }
  return kBroken;
}

WireStatus wire_status(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return kBadRequest;
    case ErrorCode::kNotFound:
      return kMissing;
    case ErrorCode::kTooLarge:
      return kTooBig;
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kUnavailable:
      return kBusy;
    case ErrorCode::kFailedPrecondition:
      return {500, GrpcCode::kFailedPrecondition, false};
    case ErrorCode::kInternal:
      return kBroken;
  }
  return kBroken;
}

int badness(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::kOnTime:
      return 0;
    case Outcome::kLate:
      return 1;
    case Outcome::kDropped:
      return 2;
    case Outcome::kRejected:
      return 3;
    case Outcome::kCancelled:
      return 4;
    case Outcome::kFailed:
      return 5;
  }
  return 5;
}

const char* sentence(Reason reason) noexcept {
  switch (reason) {
    case Reason::kNone:
      return "no reason was recorded";
    case Reason::kDroppedHopeless:
      return "the deadline could no longer be met, so the job was not started";
    case Reason::kRanPastDeadline:
      return "the deadline came while the job was waiting or running";
    case Reason::kQueueFull:
      return "the queue is full";
    case Reason::kOverloaded:
      return "the server is overloaded";
    case Reason::kShuttingDown:
      return "the server is shutting down";
    case Reason::kModelNotReady:
      return "the model is not ready yet";
    case Reason::kExecutorLost:
      return "no executor is left that can run this model";
    case Reason::kClientGone:
      return "the client has gone";
    case Reason::kEngineFailed:
      return "the engine failed";
    case Reason::kPreprocessFailed:
      return "the picture could not be decoded";
    case Reason::kAdmissionPhase1:
      return "not admitted: utilisation would be too high";
    case Reason::kAdmissionPhase2:
      return "not admitted: a deadline would be missed in the predicted schedule";
    case Reason::kAdmissionPlan:
      return "not admitted: no valid plan was found";
    case Reason::kAdmissionDemand:
      return "not admitted: the demand test failed";
    case Reason::kAdmissionBusy:
      return "too many admissions are waiting";
    case Reason::kTooManyStreams:
      return "there are as many streams as limits.streams_max allows";
    case Reason::kUnknownStream:
      return "no such stream, or it is for another model";
    case Reason::kFasterThanContract:
      return "the stream sends faster than its contract";
  }
  return "no reason was recorded";
}

const char* http_phrase(int status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Payload Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
  }
  return "Unknown";
}

}  // namespace laxity
