// Stream contracts to bytes and verdicts back (`/v2/streams`, docs/streams.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "core/job.h"
#include "core/outcome.h"
#include "core/task.h"

namespace laxity {

/// What a client asks to have promised.
struct StreamWish {
  std::string model;
  std::optional<std::string> lowest_variant;
  JobKind kind = JobKind::kFirm;
  Duration period{};
  Duration jitter{};
  Duration deadline{};
  std::optional<Duration> start_in;        ///< None: frame 0 fixes the phase.
  std::optional<std::uint64_t> frames;     ///< None: endless.
  Guarantee guarantee = Guarantee::kNone;  ///< The least that is good enough.
};

/// The body of POST /v2/streams.
std::string stream_wish_json(const StreamWish& wish);

/// The server's answer to it.
struct StreamReply {
  bool is_admitted = false;
  std::string stream;  ///< Its name, when admitted.
  Guarantee guarantee = Guarantee::kNone;
  std::optional<Duration> response_time_bound;
  Reason reason = Reason::kNone;  ///< Which test said no.
  std::string error;              ///< Its words.
  std::optional<Duration> deadline_offer, period_offer;
};

/// Longest name that read_stream_reply lets through; frames carry it in a field of fixed width.
inline constexpr std::size_t kStreamNameMax = 32;

/// 201 with a name of letters, digits, '-', '_' and '.', or 503. Offers that are not positive times below a
/// day are left out. Errors: kInvalidArgument (400: the server's words; or an answer that is none of these),
/// kNotFound (404: this server has no streams, or not this model).
Result<StreamReply> read_stream_reply(int status, std::string_view json);

/// What a stream came to, as the server counts: the body of GET and DELETE /v2/streams/<name>. Absent numbers
/// are 0.
struct StreamTally {
  std::uint64_t breaches = 0;       ///< Frames later than their jitter: served without a promise.
  std::uint64_t too_fast = 0;       ///< Frames refused since they came faster than the contract.
  std::uint64_t promises_lost = 0;  ///< Times that the promise was lost, and announced.
};
StreamTally read_stream_tally(std::string_view json);

}  // namespace laxity
