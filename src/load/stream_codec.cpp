#include "load/stream_codec.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "load/json_fields.h"

namespace laxity {
namespace {

using Json = nlohmann::json;

constexpr double kOfferMsMax = 86'400'000;  // a day: longer times are mistakes of unit

double milliseconds(Duration time) { return static_cast<double>(time.count()) / 1e6; }

/// Rounded up to whole nanoseconds: what is asked for next must not be less than what was offered.
std::optional<Duration> time_of(const Json& value) {
  if (!value.is_number()) return std::nullopt;
  const double ms = value.get<double>();
  if (!(ms > 0) || ms > kOfferMsMax) return std::nullopt;
  // The last digit of a decimal number may lie below the nanosecond that was meant.
  return Duration(std::llround(std::ceil(ms * 1e6 - 1e-3)));
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kStreamNameMax && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '_' || c == '.';
  });
}

Guarantee guarantee_named(std::string_view wanted) {
  for (int i = 0; i < kGuaranteeCount; ++i) {
    if (wanted == name(static_cast<Guarantee>(i))) return static_cast<Guarantee>(i);
  }
  return Guarantee::kNone;
}

}  // namespace

std::string stream_wish_json(const StreamWish& wish) {
  nlohmann::ordered_json json;
  json["model"] = wish.model;
  json["period_ms"] = milliseconds(wish.period);
  json["jitter_ms"] = milliseconds(wish.jitter);
  json["deadline_ms"] = milliseconds(wish.deadline);
  if (wish.start_in) json["start_in_ms"] = milliseconds(std::max(*wish.start_in, Duration::zero()));
  if (wish.frames) json["frames"] = *wish.frames;
  json["kind"] = name(wish.kind);
  if (wish.lowest_variant) json["lowest_variant"] = *wish.lowest_variant;
  if (wish.guarantee != Guarantee::kNone) json["guarantee"] = name(wish.guarantee);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<StreamReply> read_stream_reply(int status, std::string_view text) {
  const Json json = parse_json(text);
  StreamReply reply;
  reply.error = text_of(member(json, "error"));
  if (status == 201) {
    reply.is_admitted = true;
    reply.stream = text_of(member(json, "stream"));
    reply.guarantee = guarantee_named(text_of(member(json, "guarantee")));
    if (member(json, "provisional") == true) reply.guarantee = Guarantee::kNone;
    reply.response_time_bound = time_of(member(json, "response_time_bound_ms"));
    if (is_name(reply.stream)) return reply;
    return invalid_argument("POST /v2/streams: expected the name of a stream with 201, found '" +
                            std::string(text.substr(0, 200)) + "'");
  }
  if (status == 503) {
    reply.reason = reason_named(text_of(member(json, "reason")));
    const Json& offers = member(json, "would_admit");
    for (std::size_t i = 0; offers.is_array() && i < offers.size(); ++i) {
      if (const auto deadline = time_of(member(offers[i], "deadline_ms"))) reply.deadline_offer = deadline;
      if (const auto period = time_of(member(offers[i], "period_ms"))) reply.period_offer = period;
    }
    return reply;
  }
  const std::string words = "POST /v2/streams: expected 201 or 503, found " + std::to_string(status) +
                            (reply.error.empty() ? "" : ": " + reply.error);
  return status == 404 ? not_found(words) : invalid_argument(words);
}

StreamTally read_stream_tally(std::string_view text) {
  const Json json = parse_json(text);
  const Json& frames = member(json, "frames");
  return {count_of(member(frames, "breaches")), count_of(member(frames, "too_fast")),
          count_of(member(json, "promises_lost"))};
}

}  // namespace laxity
