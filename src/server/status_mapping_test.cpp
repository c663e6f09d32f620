#include "server/status_mapping.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace laxity {
namespace {

struct OutcomeRow {
  Outcome outcome;
  Reason reason;
  int http;
  GrpcCode grpc;
  bool retry_later;
};

TEST(StatusMapping, OutcomesAsTheWirePageSays) {
  const OutcomeRow rows[] = {
      {Outcome::kOnTime, Reason::kNone, 200, GrpcCode::kOk, false},
      {Outcome::kLate, Reason::kNone, 200, GrpcCode::kOk, false},
      {Outcome::kDropped, Reason::kDroppedHopeless, 504, GrpcCode::kDeadlineExceeded, false},
      {Outcome::kDropped, Reason::kRanPastDeadline, 504, GrpcCode::kDeadlineExceeded, false},
      {Outcome::kDropped, Reason::kShuttingDown, 503, GrpcCode::kUnavailable, true},
      {Outcome::kDropped, Reason::kExecutorLost, 503, GrpcCode::kUnavailable, true},
      {Outcome::kRejected, Reason::kQueueFull, 503, GrpcCode::kUnavailable, true},
      {Outcome::kRejected, Reason::kOverloaded, 503, GrpcCode::kUnavailable, true},
      {Outcome::kRejected, Reason::kModelNotReady, 503, GrpcCode::kUnavailable, true},
      {Outcome::kRejected, Reason::kAdmissionPhase1, 503, GrpcCode::kUnavailable, true},
      {Outcome::kRejected, Reason::kAdmissionPhase2, 503, GrpcCode::kUnavailable, true},
      {Outcome::kRejected, Reason::kAdmissionPlan, 503, GrpcCode::kUnavailable, true},
      {Outcome::kRejected, Reason::kAdmissionDemand, 503, GrpcCode::kUnavailable, true},
      {Outcome::kRejected, Reason::kAdmissionBusy, 503, GrpcCode::kUnavailable, true},
      {Outcome::kRejected, Reason::kTooManyStreams, 503, GrpcCode::kUnavailable, true},
      {Outcome::kRejected, Reason::kUnknownStream, 404, GrpcCode::kNotFound, false},
      {Outcome::kRejected, Reason::kFasterThanContract, 429, GrpcCode::kResourceExhausted, true},
      {Outcome::kRejected, Reason::kShuttingDown, 503, GrpcCode::kUnavailable, true},
      {Outcome::kCancelled, Reason::kClientGone, 499, GrpcCode::kCancelled, false},
      {Outcome::kCancelled, Reason::kShuttingDown, 503, GrpcCode::kUnavailable, true},
      {Outcome::kFailed, Reason::kEngineFailed, 500, GrpcCode::kInternal, false},
      {Outcome::kFailed, Reason::kPreprocessFailed, 400, GrpcCode::kInvalidArgument, false},
      {Outcome::kFailed, Reason::kExecutorLost, 503, GrpcCode::kUnavailable, true},
  };
  for (const OutcomeRow& row : rows) {
    SCOPED_TRACE(std::string(name(row.outcome)) + " " + name(row.reason));
    const WireStatus status = wire_status(row.outcome, row.reason);
    EXPECT_EQ(status.http, row.http);
    EXPECT_EQ(name(status.grpc), std::string(name(row.grpc)));
    EXPECT_EQ(status.retry_later, row.retry_later);
  }
}

TEST(StatusMapping, ErrorsSayWhatTheCallerDoesNext) {
  const std::pair<ErrorCode, int> rows[] = {
      {ErrorCode::kInvalidArgument, 400}, {ErrorCode::kNotFound, 404},
      {ErrorCode::kTooLarge, 413},        {ErrorCode::kResourceExhausted, 503},
      {ErrorCode::kUnavailable, 503},     {ErrorCode::kFailedPrecondition, 500},
      {ErrorCode::kInternal, 500},
  };
  for (const auto& [code, http] : rows) EXPECT_EQ(wire_status(code).http, http) << name(code);
}

TEST(StatusMapping, EveryOutcomeAndReasonHasAStatusAPhraseAndASentence) {
  for (int o = 0; o < kOutcomeCount; ++o) {
    for (int r = 0; r < kReasonCount; ++r) {
      const WireStatus status = wire_status(static_cast<Outcome>(o), static_cast<Reason>(r));
      EXPECT_STRNE(http_phrase(status.http), "Unknown") << o << " " << r;
      EXPECT_STRNE(name(status.grpc), "UNKNOWN") << o << " " << r;
      // An answer is sent for on time and late only, and for nothing else.
      const bool is_answered =
          static_cast<Outcome>(o) == Outcome::kOnTime || static_cast<Outcome>(o) == Outcome::kLate;
      EXPECT_EQ(status.http == 200, is_answered) << o << " " << r;
      EXPECT_NE(std::string(sentence(static_cast<Reason>(r))), "") << r;
    }
  }
}

// The set of reasons is closed and documented: none is sent that the wire page does not name.
TEST(StatusMapping, EveryReasonStandsOnTheWirePage) {
  std::ifstream file(LAXITY_SOURCE_DIR "/docs/wire.md");
  const std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ASSERT_FALSE(page.empty());
  const auto names = [&](std::string_view reason) {
    return page.find("`" + std::string(reason) + "`") != std::string::npos;
  };
  for (int r = 0; r < kReasonCount; ++r) {
    const auto reason = static_cast<Reason>(r);
    // Nobody hears of these two: an answer needs no reason, and who has gone is told nothing.
    if (reason == Reason::kNone || reason == Reason::kClientGone) continue;
    EXPECT_TRUE(names(name(reason))) << name(reason);
  }
  for (int c = 0; c <= static_cast<int>(ErrorCode::kInternal); ++c) {
    const auto code = static_cast<ErrorCode>(c);
    // An operator's errors and those that say the same by another word do not leave by this door.
    if (code == ErrorCode::kFailedPrecondition || code == ErrorCode::kUnavailable) continue;
    EXPECT_TRUE(names(name(code))) << name(code);
  }
  EXPECT_TRUE(names(kGuaranteeNotGiven));
}

TEST(StatusMapping, WorstOutcomeIsAnOrder) {
  EXPECT_LT(badness(Outcome::kOnTime), badness(Outcome::kLate));
  EXPECT_LT(badness(Outcome::kLate), badness(Outcome::kDropped));
  EXPECT_LT(badness(Outcome::kDropped), badness(Outcome::kRejected));
  EXPECT_LT(badness(Outcome::kRejected), badness(Outcome::kFailed));
}

}  // namespace
}  // namespace laxity
