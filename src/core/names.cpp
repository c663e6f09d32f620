// The words of the wire and the trace for the small enumerations.
#include "core/job.h"
#include "core/outcome.h"
#include "core/task.h"

namespace laxity {

const char* name(JobKind kind) noexcept {
  switch (kind) {
    case JobKind::kFirm:
      return "firm";
    case JobKind::kSoft:
      return "soft";
    case JobKind::kBestEffort:
      return "best-effort";
  }
  return "unknown";
}

const char* name(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::kOnTime:
      return "on_time";
    case Outcome::kLate:
      return "late";
    case Outcome::kDropped:
      return "dropped";
    case Outcome::kRejected:
      return "rejected";
    case Outcome::kCancelled:
      return "cancelled";
    case Outcome::kFailed:
      return "failed";
  }
  return "unknown";
}

const char* name(Reason reason) noexcept {
  switch (reason) {
    case Reason::kNone:
      return "none";
    case Reason::kDroppedHopeless:
      return "dropped_hopeless";
    case Reason::kRanPastDeadline:
      return "ran_past_deadline";
    case Reason::kQueueFull:
      return "queue_full";
    case Reason::kOverloaded:
      return "overloaded";
    case Reason::kShuttingDown:
      return "shutting_down";
    case Reason::kModelNotReady:
      return "model_not_ready";
    case Reason::kExecutorLost:
      return "executor_lost";
    case Reason::kClientGone:
      return "client_gone";
    case Reason::kEngineFailed:
      return "engine_failed";
    case Reason::kPreprocessFailed:
      return "preprocess_failed";
    case Reason::kAdmissionPhase1:
      return "admission_phase1";
    case Reason::kAdmissionPhase2:
      return "admission_phase2";
    case Reason::kAdmissionPlan:
      return "admission_plan";
    case Reason::kAdmissionDemand:
      return "admission_demand";
    case Reason::kAdmissionBusy:
      return "admission_busy";
    case Reason::kTooManyStreams:
      return "too_many_streams";
    case Reason::kUnknownStream:
      return "unknown_stream";
    case Reason::kFasterThanContract:
      return "faster_than_contract";
  }
  return "unknown";
}

const char* name(Guarantee guarantee) noexcept {
  switch (guarantee) {
    case Guarantee::kNone:
      return "none";
    case Guarantee::kNominal:
      return "nominal";
    case Guarantee::kPlan:
      return "plan";
    case Guarantee::kPlanRolling:
      return "plan-rolling";
    case Guarantee::kDemand:
      return "demand";
  }
  return "unknown";
}

}  // namespace laxity
