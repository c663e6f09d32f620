#include "server/stream_pages.h"

#include <array>

#include "server/json_reading.h"
#include "server/json_writer.h"
#include "server/status_mapping.h"

namespace laxity {
namespace {

void append_key(std::string& out, std::string_view key) {
  if (out.back() != '{' && out.back() != '[') out += ',';
  out += '"';
  out += key;
  out += "\":";
}
void append_word(std::string& out, std::string_view key, std::string_view word) {
  append_key(out, key);
  append_json_string(out, word);
}
void append_flag(std::string& out, std::string_view key, bool value) {
  append_key(out, key);
  out += value ? "true" : "false";
}
template <typename T>
void append_count(std::string& out, std::string_view key, T value) {
  append_key(out, key);
  append_json_number(out, value);
}
void append_span(std::string& out, std::string_view key, std::optional<Duration> value) {
  append_key(out, key);
  if (value) {
    append_json_milliseconds(out, *value);
  } else {
    out += "null";
  }
}
void append_instant(std::string& out, std::string_view key, std::optional<Instant> at, Instant now) {
  append_span(out, key, at ? std::optional(*at - now) : std::nullopt);
}

void append_offer(std::string& out, std::string_view key, std::optional<Duration> offer) {
  if (!offer) return;
  if (out.back() == '}') out += ',';
  out += '{';
  append_span(out, key, offer);
  out += '}';
}

/// Until when frames are promised; none: for all of them, or for none.
std::optional<Instant> promised_until(const Stream& stream, const LiveStream& live, Instant now) {
  if (guarantee_now(stream, live, now) != Guarantee::kPlanRolling || !live.guaranteed_until) {
    return std::nullopt;
  }
  return *live.guaranteed_until < Instant::latest() ? live.guaranteed_until : std::nullopt;
}

std::uint64_t count_of(const Stream& stream, Outcome outcome) {
  return stream.outcomes[static_cast<std::size_t>(outcome)];
}

void append_frames(std::string& out, const Stream& stream, const LiveStream& live) {
  append_key(out, "frames");
  out += '{';
  append_count(out, "received", stream.received);
  append_count(out, "answered", count_of(stream, Outcome::kOnTime) + count_of(stream, Outcome::kLate));
  for (int i = 0; i < kOutcomeCount; ++i) {
    append_count(out, name(static_cast<Outcome>(i)), stream.outcomes[static_cast<std::size_t>(i)]);
  }
  append_count(out, "in_flight", stream.in_flight);
  append_count(out, "early", live.early);
  append_count(out, "breaches", live.breaches);
  append_count(out, "too_fast", stream.too_fast);
  out += '}';
}

void append_phase(std::string& out, const LiveStream& live, Instant now) {
  append_key(out, "phase");
  out += '{';
  append_flag(out, "is_fixed", live.first_release.has_value());
  append_instant(out, "first_release_ms", live.first_release, now);
  append_count(out, "next_frame", live.next_frame);
  append_instant(out, "next_release_ms", live.next_release, now);
  append_count(out, "reanchored", live.reanchored);
  out += '}';
}

}  // namespace

void append_contract(std::string& out, const Stream& stream) {
  const Task& task = stream.task;
  out += '{';
  append_word(out, "model", stream.codec->model().name);
  append_span(out, "period_ms", task.min_inter_arrival);
  append_span(out, "jitter_ms", task.release_jitter_max);
  append_span(out, "deadline_ms", task.relative_deadline);
  append_key(out, "frames");
  if (task.frame_count) {
    append_json_number(out, *task.frame_count);
  } else {
    out += "null";
  }
  append_word(out, "kind", name(task.kind));
  append_word(out, "lowest_variant", stream.codec->model().variants[task.lowest_variant].name);
  append_word(out, "guarantee", name(task.guarantee));
  out += '}';
}

std::string admitted_json(const Stream& stream, Instant now) {
  const AnswerTask& answer = stream.news.latest;
  std::string out = "{";
  append_word(out, "stream", stream_name(stream.task.id));
  append_flag(out, "admitted", true);
  append_word(out, "guarantee", name(answer.guarantee));
  append_instant(out, "guaranteed_until_ms", answer.guaranteed_until, now);
  append_flag(out, "provisional", answer.is_provisional);
  append_span(out, "response_time_bound_ms", answer.response_time_bound);
  append_key(out, "contract");
  append_contract(out, stream);
  out += '}';
  return out;
}

std::string refused_json(const Stream& stream, const AnswerTask& answer) {
  std::string message = sentence(answer.reason);
  if (answer.failing_at) {
    const bool is_own = answer.failing_task == stream.task.id;
    message += is_own ? ": a frame of this stream would be late"
                      : ": a frame of stream '" + stream_name(answer.failing_task.value_or(TaskId{})) +
                            "' would be late";
  }
  const bool was_tested = answer.reason == Reason::kAdmissionPlan ||
                          answer.reason == Reason::kAdmissionPhase1 ||
                          answer.reason == Reason::kAdmissionPhase2;
  if (was_tested && !answer.deadline_offer && !answer.period_offer) {
    message += "; no smaller contract found on the grid";
  }
  std::string out = error_json(message, name(answer.reason));
  out.pop_back();
  append_flag(out, "admitted", false);
  if (answer.failing_task) {
    const bool is_own = *answer.failing_task == stream.task.id;
    append_word(out, "failing_stream", is_own ? "asked" : stream_name(*answer.failing_task));
  }
  if (answer.failing_at) append_instant(out, "failing_at_ms", answer.failing_at, stream.asked_at);
  append_key(out, "would_admit");
  out += '[';
  append_offer(out, "deadline_ms", answer.deadline_offer);
  append_offer(out, "period_ms", answer.period_offer);
  out += "]}";
  return out;
}

Guarantee guarantee_now(const Stream& stream, const LiveStream& live, Instant now) noexcept {
  const AnswerTask& latest = stream.news.latest;
  if (latest.guarantee != Guarantee::kPlanRolling || latest.is_provisional) return latest.guarantee;
  const bool is_held = live.guaranteed_until && *live.guaranteed_until > now;
  return is_held ? latest.guarantee : Guarantee::kNone;
}

void append_stream(std::string& out, const Stream& stream, const LiveStream& live, Instant idle_end,
                   Instant now) {
  const AnswerTask& latest = stream.news.latest;
  out += '{';
  append_word(out, "stream", stream_name(stream.task.id));
  append_key(out, "contract");
  append_contract(out, stream);
  append_word(out, "guarantee", name(guarantee_now(stream, live, now)));
  append_instant(out, "guaranteed_until_ms", promised_until(stream, live, now), now);
  append_flag(out, "provisional", latest.is_provisional);
  append_span(out, "response_time_bound_ms", stream.news.verdict.response_time_bound);
  append_key(out, "lost");
  if (latest.reason == Reason::kNone) {
    out += "null";
  } else {
    append_json_string(out, name(latest.reason));
  }
  append_count(out, "promises_lost", stream.news.loss_count);
  append_frames(out, stream, live);
  append_phase(out, live, now);
  append_instant(out, "idle_end_ms", idle_end, now);
  out += '}';
}

std::string event_json(const Stream& stream, Instant now) {
  const AnswerTask& latest = stream.news.latest;
  std::string out = "{";
  append_span(out, "at_ms", now.since_start());
  append_word(out, "stream", stream_name(stream.task.id));
  append_word(out, "model", stream.codec->model().name);
  append_word(out, "guarantee", name(latest.guarantee));
  append_instant(out, "guaranteed_until_ms", latest.guaranteed_until, now);
  append_flag(out, "provisional", latest.is_provisional);
  if (latest.reason != Reason::kNone) append_word(out, "reason", name(latest.reason));
  out += '}';
  return out;
}

std::string ended_event_json(const Stream& stream, StreamEnd end, Instant now) {
  std::string out = "{";
  append_span(out, "at_ms", now.since_start());
  append_word(out, "stream", stream_name(stream.task.id));
  append_word(out, "model", stream.codec->model().name);
  append_word(out, "how", name(end));
  out += '}';
  return out;
}

std::string streams_state_json(StreamTable& streams, std::size_t admissions_waiting_max) {
  std::array<std::uint64_t, kGuaranteeCount> by_guarantee{};
  std::uint64_t lost = 0;
  streams.for_each([&](const Stream& stream) {
    if (stream.state != Stream::State::kAdmitted) return;
    ++by_guarantee[static_cast<std::size_t>(stream.news.latest.guarantee)];
    if (stream.news.latest.reason != Reason::kNone) ++lost;
  });
  const StreamCounts& counts = streams.counts;
  std::string out = "{";
  append_count(out, "open", streams.open_count());
  append_count(out, "open_max", streams.capacity());
  append_count(out, "waiting", streams.asked_count());
  append_count(out, "waiting_max", admissions_waiting_max);
  append_key(out, "guarantees");
  out += '{';
  for (int i = 0; i < kGuaranteeCount; ++i) {
    append_count(out, name(static_cast<Guarantee>(i)), by_guarantee[static_cast<std::size_t>(i)]);
  }
  out += '}';
  append_count(out, "without_their_promise", lost);
  append_count(out, "asked", counts.asked);
  append_count(out, "admitted", counts.admitted);
  append_count(out, "admission_busy", counts.busy);
  append_count(out, "too_many_streams", counts.full);
  append_key(out, "ended");
  out += '{';
  for (int i = 0; i < kStreamEndCount; ++i) {
    append_count(out, name(static_cast<StreamEnd>(i)), counts.ended[static_cast<std::size_t>(i)]);
  }
  out += '}';
  append_count(out, "promises_lost", counts.promises_lost);
  append_count(out, "promises_returned", counts.promises_returned);
  out += '}';
  return out;
}

std::string unknown_stream_text(std::string_view name_asked, std::optional<StreamEnd> end) {
  const std::string quoted_name = quoted(name_asked);
  if (!end) return "unknown stream " + quoted_name;
  switch (*end) {
    case StreamEnd::kRefused:
      return "stream " + quoted_name + " was not admitted";
    case StreamEnd::kLeft:
      return "stream " + quoted_name + " has left";
    case StreamEnd::kFinished:
      return "stream " + quoted_name + " has sent all its frames";
    case StreamEnd::kIdle:
      return "stream " + quoted_name + " has ended: it sent nothing for too long; ask again";
    case StreamEnd::kAbandoned:
      return "stream " + quoted_name + " was given up by its client";
  }
  return "unknown stream " + quoted_name;
}

}  // namespace laxity
