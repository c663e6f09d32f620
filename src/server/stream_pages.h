// Streams as JSON: the verdict, a refusal with its counter-offers, what a stream is like right now.
//
// Every instant is told relative to the moment of the reply, in milliseconds; negative: it has passed.
#pragma once

#include <string>
#include <string_view>

#include "live/live_stream.h"
#include "server/stream_table.h"

namespace laxity {

/// {"model":…,"period_ms":…,…}: what was agreed upon.
void append_contract(std::string& out, const Stream& stream);

/// 201: {"stream":…,"admitted":true,"guarantee":…,…}.
std::string admitted_json(const Stream& stream, Instant now);

/// {"error":…,"reason":…,"admitted":false, what would have been late, "would_admit":[…]}. `failing_at_ms` is
/// relative to when the stream was asked for.
std::string refused_json(const Stream& stream, const AnswerTask& answer);

/// GET /v2/streams/<name>. `live` is what the scheduler knows of it.
void append_stream(std::string& out, const Stream& stream, const LiveStream& live, Instant idle_end,
                   Instant now);

/// The object `streams` of GET /v2/laxity/state.
std::string streams_state_json(StreamTable& streams, std::size_t admissions_waiting_max);

/// The data of an event about a stream that is admitted: what it may rely on now.
std::string event_json(const Stream& stream, Instant now);
/// … and about its end. `at_ms` is on the line of `now_ms` of GET /v2/laxity/state.
std::string ended_event_json(const Stream& stream, StreamEnd end, Instant now);

/// The sentence of a 404.
std::string unknown_stream_text(std::string_view name, std::optional<StreamEnd> end);

/// What the guarantee of an admitted stream is worth now: a plan that rolls no more promises nothing.
Guarantee guarantee_now(const Stream& stream, const LiveStream& live, Instant now) noexcept;

}  // namespace laxity
