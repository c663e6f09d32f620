// The part of the HTTP server that streams need: contracts in, verdicts out, frames that name one, and ends.
//
// An admission travels as a request does: the network thread posts TaskSubmitted and goes on; the verdict
// comes back through the stream mailbox and wakes it. What the scheduler alone knows (phase, breaches) is
// looked up for pages only.
#include <array>

#include "server/http_server.h"
#include "server/json_writer.h"
#include "server/status_mapping.h"
#include "server/stream_pages.h"

namespace laxity {
namespace {

/// Streams on one page of GET /v2/streams.
constexpr std::size_t kStreamsPerPage = 256;
/// Clients that may listen to events.
constexpr std::size_t kListenersMax = 16;
/// How often those that listen hear something, so that those that have gone are noticed.
constexpr Duration kListenersIdleMax = 15s;
/// Looked up inside the strand at once: some microseconds.
constexpr std::size_t kLookUpMax = 64;

void set_page(Route& route, int status, std::string body) {
  route.head.status = status;
  route.body = std::move(body);
}

ReplyHead head_of(WireStatus status) {
  ReplyHead head;
  head.status = status.http;
  head.retry_later = status.retry_later;
  return head;
}

}  // namespace

void HttpServer::ask_stream(Connection& connection, Request& request, Instant received) {
  Result<StreamAsk> ask = stream_decoder_.decode(request.body_bytes());
  connection.detach_request();
  table_.recycle(&request);
  const auto reply = [&](const ReplyHead& head, std::string body) {
    connection.reply().bytes = std::move(body);
    connection.reply().json_size.reset();
    connection.send(head);
  };
  const auto refuse = [&](Reason reason) {
    reply(head_of(wire_status(Outcome::kRejected, reason)), error_json(sentence(reason), name(reason)));
  };
  if (!ask) {
    return reply(head_of(wire_status(ask.error().code)),
                 error_json(ask.error().message, name(ask.error().code)));
  }
  if (is_stopping_) return refuse(Reason::kShuttingDown);
  if (streams_.asked_count() >= config_.admissions_waiting_max) {
    ++streams_.counts.busy;
    return refuse(Reason::kAdmissionBusy);
  }
  Stream* stream = streams_.open(*ask, received, &connection);
  if (stream == nullptr) {
    ++streams_.counts.full;
    return refuse(Reason::kTooManyStreams);
  }
  const std::size_t wanted = frames_alive_max(stream->task);
  if (!table_.try_reserve(wanted)) {
    const std::string words =
        "not admitted: expected a contract of which so many frames at once (deadline and "
        "jitter, in periods, and three) find room in limits.queue_length_max = " +
        std::to_string(table_.capacity()) + ", of which streams have reserved " +
        std::to_string(table_.reserved_count()) + ", found " + std::to_string(wanted);
    streams_.close(*stream, StreamEnd::kRefused);
    return reply(head_of(wire_status(Outcome::kRejected, Reason::kQueueFull)),
                 error_json(words, name(Reason::kQueueFull)));
  }
  stream->reserved = wanted;
  posted_from_here_ = true;
  table_.set_awake(true);
  if (port_to_live_->post(TaskSubmitted{stream->task}, false)) return connection.wait_for(stream->task.id);
  table_.give_back_reserve(stream->task.id, stream->reserved);
  streams_.close(*stream, StreamEnd::kRefused);
  refuse(is_stopping_ ? Reason::kShuttingDown : Reason::kOverloaded);
}

void HttpServer::on_news(const StreamNews& news) {
  Stream* stream = streams_.find(news.latest.task);
  if (stream == nullptr || stream->state == Stream::State::kLeaving) return;
  const Instant now = port_to_live_->now();
  if (stream->state == Stream::State::kAdmitted) {
    publish_change(*stream, news, now);
    return streams_.note(*stream, news);
  }
  if (!news.verdict.admitted) {
    reply_to_asker(*stream, head_of(wire_status(Outcome::kRejected, news.verdict.reason)),
                   refused_json(*stream, news.verdict));
    return close_stream(*stream, StreamEnd::kRefused);
  }
  const Guarantee asked = stream->task.guarantee;
  if (!is_at_least(news.verdict.guarantee, asked)) {
    std::string body = error_json(std::string("not admitted: expected the guarantee '") + name(asked) +
                                      "', of which the policy gives '" + name(news.verdict.guarantee) + "'",
                                  kGuaranteeNotGiven);
    body.pop_back();
    body += std::string(",\"admitted\":false,\"would_admit\":[{\"guarantee\":\"") +
            name(news.verdict.guarantee) + "\"}]}";
    reply_to_asker(*stream, head_of(kGuaranteeNotGivenStatus), std::move(body));
    return end_stream(*stream, StreamEnd::kRefused);
  }
  streams_.admit(*stream, now);
  streams_.note(*stream, news);
  ReplyHead head;
  head.status = 201;
  publish("stream_admitted", event_json(*stream, now));
  reply_to_asker(*stream, head, admitted_json(*stream, now));
}

// A promise may be lost and returned between two looks: both are told.
void HttpServer::publish_change(const Stream& stream, const StreamNews& news, Instant now) {
  Stream changed = stream;
  changed.news = news;
  const bool was_lost = news.loss_count != stream.news.loss_count;
  const bool is_lost = news.latest.reason != Reason::kNone;
  if (was_lost) {
    changed.news.latest.reason = news.last_loss;
    publish("promise_lost", event_json(changed, now));
    changed.news.latest = news.latest;
  }
  if (is_lost) return;
  const bool is_back = news.return_count != stream.news.return_count;
  publish(is_back ? "promise_returned" : "promise_changed", event_json(changed, now));
}

bool HttpServer::add_listener(Connection& connection) {
  if (listeners_.size() >= kListenersMax) return false;
  listeners_.push_back(&connection);
  return true;
}

void HttpServer::remove_listener(Connection& connection) { std::erase(listeners_, &connection); }

void HttpServer::publish(std::string_view event, std::string_view data) {
  if (listeners_.empty()) return;
  std::string text;
  if (event.empty()) {
    text = ": nothing\n\n";
  } else {
    text.append("event: ").append(event).append("\ndata: ").append(data).append("\n\n");
  }
  // One that does not read is closed, and thereby leaves the list.
  for (std::size_t i = listeners_.size(); i-- > 0;) listeners_[i]->push_event(text);
}

void HttpServer::keep_listeners_awake() {
  const auto ticks = static_cast<std::uint64_t>(kListenersIdleMax / tick_period_);
  if (tick_ % ticks == 0) publish({}, {});
}

void HttpServer::reply_to_asker(Stream& stream, const ReplyHead& head, std::string body) {
  Connection& connection = *static_cast<Connection*>(std::exchange(stream.client, nullptr));
  connection.detach_stream();
  connection.reply().bytes = std::move(body);
  connection.reply().json_size.reset();
  connection.send(head);
  to_watch_.push_back(&connection);
}

void HttpServer::abandon_stream(TaskId id) {
  if (Stream* stream = streams_.find(id)) end_stream(*stream, StreamEnd::kAbandoned);
}

// Gone for clients at once; where the mailbox is full the scheduler is told at one of the next ticks.
void HttpServer::end_stream(Stream& stream, StreamEnd end) {
  if (stream.state != Stream::State::kLeaving) streams_.leave(stream, end);
  posted_from_here_ = true;
  table_.set_awake(true);
  if (port_to_live_->post(TaskRemoved{stream.task.id}, false)) close_stream(stream, stream.end);
}

void HttpServer::close_stream(Stream& stream, StreamEnd end) {
  publish("stream_ended", ended_event_json(stream, end, port_to_live_->now()));
  table_.give_back_reserve(stream.task.id, stream.reserved);
  streams_.close(stream, end);
}

void HttpServer::end_idle_streams() {
  streams_.take_due(port_to_live_->now(), [this](Stream& stream) { end_stream(stream, StreamEnd::kIdle); });
}

// The driver has stopped, so nobody will answer these.
void HttpServer::refuse_waiting_streams() {
  streams_.for_each([this](Stream& stream) {
    if (stream.state != Stream::State::kAsked) return;
    AnswerTask refusal;
    refusal.task = stream.task.id;
    refusal.reason = Reason::kShuttingDown;
    reply_to_asker(stream, head_of(wire_status(Outcome::kRejected, refusal.reason)),
                   refused_json(stream, refusal));
    close_stream(stream, StreamEnd::kRefused);
  });
}

void HttpServer::frame_ended(TaskId task, Outcome outcome, Reason reason) {
  Stream* stream = streams_.find(task);
  if (stream != nullptr && streams_.frame_ended(*stream, outcome, reason)) {
    end_stream(*stream, StreamEnd::kFinished);
  }
}

Status HttpServer::bind_to_stream(Request& request, Job& job) {
  InferRequest& decoded = request.decoded;
  Stream* stream = streams_.find_admitted(decoded.stream);
  if (stream == nullptr) {
    return not_found(unknown_stream_text(decoded.stream, streams_.how_ended(decoded.stream)));
  }
  if (stream->codec != request.codec) {
    return invalid_argument("parameter 'stream': expected a frame for model '" + stream->codec->model().name +
                            "', as '" + decoded.stream + "' was asked for, found model '" +
                            request.codec->model().name + "'");
  }
  if (decoded.batch_size != 1) {
    return invalid_argument("parameter 'stream': expected one frame a request, found a batch of " +
                            std::to_string(decoded.batch_size));
  }
  const Task& task = stream->task;
  request.task = task.id;
  request.is_in_reserve = stream->in_flight < stream->reserved;
  job.task = task.id;
  job.frame = decoded.frame;
  job.variant = decoded.variant = task.lowest_variant;
  job.kind = decoded.kind = task.kind;
  // The scheduler counts from the frame's release by contract; this is for the words of a refusal.
  if (task.kind != JobKind::kBestEffort) decoded.relative_deadline = task.relative_deadline;
  return Unit{};
}

void HttpServer::add_contract(std::string& body, const Request& request, const SettleJob& settled,
                              ReplyHead& head) {
  append_frame(body, request.decoded.stream, settled);
  const Stream* stream = streams_.find(*request.task);
  if (stream == nullptr || settled.reason != Reason::kFasterThanContract) return;
  const Duration period = stream->task.min_inter_arrival;
  head.retry_after_s = (period + 1s - 1ns) / 1s;
  body += ",\"contract\":";
  append_contract(body, *stream);
}

void HttpServer::answer_page(Route& route) {
  switch (route.kind) {
    case Route::Kind::kState:
      route.body = state_json();
      return;
    case Route::Kind::kStreams:
      return set_page(route, 200, streams_json(route.page_begin));
    case Route::Kind::kStream:
    case Route::Kind::kLeaveStream:
      break;
    case Route::Kind::kPage:
    case Route::Kind::kInfer:
    case Route::Kind::kAskStream:
      return;
    case Route::Kind::kEvents:  // those that can be told have been taken out of the way
      return set_page(
          route, 400,
          error_json("events: expected GET without a body, found other", name(ErrorCode::kInvalidArgument)));
  }
  Stream* stream = streams_.find_admitted(route.stream);
  if (stream == nullptr) {
    return set_page(route, 404,
                    error_json(unknown_stream_text(route.stream, streams_.how_ended(route.stream)),
                               name(Reason::kUnknownStream)));
  }
  std::array<LiveStream, 1> live;
  live[0].task = stream->task.id;
  port_to_live_->look_up(live);
  std::string body;
  append_stream(body, *stream, live[0], streams_.idle_end(*stream), port_to_live_->now());
  if (route.kind == Route::Kind::kLeaveStream) end_stream(*stream, StreamEnd::kLeft);
  set_page(route, 200, std::move(body));
}

std::string HttpServer::streams_json(std::size_t page_begin) {
  std::array<LiveStream, kLookUpMax> live;
  std::array<const Stream*, kLookUpMax> page;
  std::size_t count = 0, total = 0;
  std::string out = "{\"streams\":[";
  std::optional<std::size_t> next;
  const auto append_looked_up = [&] {
    port_to_live_->look_up({live.data(), count});
    const Instant now = port_to_live_->now();
    for (std::size_t i = 0; i < count; ++i) {
      if (out.back() == '}') out += ',';
      append_stream(out, *page[i], live[i], streams_.idle_end(*page[i]), now);
    }
    count = 0;
  };
  std::size_t place = 0;
  streams_.for_each([&](const Stream& stream) {
    if (stream.state != Stream::State::kAdmitted || place++ < page_begin) return;
    if (total == kStreamsPerPage) {
      next = next.value_or(place - 1);
      return;
    }
    ++total;
    live[count] = LiveStream{};
    live[count].task = stream.task.id;
    page[count++] = &stream;
    if (count == kLookUpMax) append_looked_up();
  });
  append_looked_up();
  out += "],\"next\":";
  if (next) {
    append_json_string(out, "/v2/streams?from=" + std::to_string(*next));
  } else {
    out += "null";
  }
  return out + "}";
}

}  // namespace laxity
