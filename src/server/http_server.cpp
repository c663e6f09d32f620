// The network thread: one event loop, its connections, and the jobs that they wait for.
#include "server/http_server.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <new>
#include <string>

#include "base/check.h"
#include "server/json_writer.h"
#include "server/status_mapping.h"
#include "server/stream_pages.h"

namespace laxity {

namespace net = boost::asio;
using tcp = net::ip::tcp;
using ErrorCodeType = boost::system::error_code;

namespace {

/// Connections over the limit that are told so; beyond these they are closed without a word.
constexpr std::size_t kRefusedMax = 64;
/// For clients to take their last replies.
constexpr Duration kFlushMax = 2s;
/// Descriptors that are not connections: models, trace, event loop.
constexpr rlim_t kOtherDescriptors = 256;

/// Fine enough for the shortest patience, coarse enough to cost nothing.
Duration choose_tick_period(const ServerConfig& config) {
  const Duration shortest = std::min({config.header_time_max, config.body_time_max, config.idle_time_max,
                                      config.write_time_max, config.stream_idle_min});
  return std::clamp<Duration>(shortest / 4, 10ms, 250ms);
}

void raise_descriptor_limit(std::size_t connections_max) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = static_cast<rlim_t>(connections_max) + kRefusedMax + kOtherDescriptors;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  (void)setrlimit(RLIMIT_NOFILE, &limit);  // where it is refused, accept() says so later
}

}  // namespace

/// Memory of the one wake-up that is usually under way; a second one, rare, comes from the heap.
template <typename T>
class WakeAllocator {
 public:
  using value_type = T;
  explicit WakeAllocator(HttpServer& server) noexcept : server_(&server) {}
  template <typename U>
  WakeAllocator(const WakeAllocator<U>& other) noexcept : server_(other.server_) {}

  T* allocate(std::size_t count) {
    const std::size_t size = count * sizeof(T);
    if (size <= server_->wake_memory_.size() && !server_->wake_memory_is_taken_.exchange(true)) {
      return reinterpret_cast<T*>(server_->wake_memory_.data());
    }
    return static_cast<T*>(::operator new(size));
  }
  void deallocate(T* memory, std::size_t) noexcept {
    if (reinterpret_cast<std::byte*>(memory) == server_->wake_memory_.data()) {
      server_->wake_memory_is_taken_.store(false);
    } else {
      ::operator delete(memory);
    }
  }
  bool operator==(const WakeAllocator& other) const noexcept { return server_ == other.server_; }

  HttpServer* server_;
};

struct WakeHandler {
  using allocator_type = WakeAllocator<std::byte>;
  HttpServer* server;
  allocator_type get_allocator() const noexcept { return allocator_type(*server); }
  void operator()() const { server->end_of_handler(); }
};

HttpServer::HttpServer(const ServerConfig& config, std::span<const LoadedModel> models, const Limits& limits)
    : config_(config),
      router_(models),
      loop_(1),
      table_(limits, config.request_memory_max, [this] { wake(); }),
      acceptor_(loop_),
      timer_(loop_),
      decoder_({config.json_size_max, limits.queue_length_max}),
      stream_decoder_(router_.codecs()),
      streams_(limits.streams_max, config.stream_idle_min),
      on_answer_([this](Request& request) { answer(request); }),
      tick_period_(choose_tick_period(config)) {
  connections_.reserve(config.connections_max + kRefusedMax);
  to_watch_.reserve(config.connections_max + kRefusedMax);
  graveyard_.reserve(config.connections_max + kRefusedMax);
}

HttpServer::~HttpServer() = default;

Status HttpServer::listen() {
  raise_descriptor_limit(config_.connections_max);
  ErrorCodeType error;
  const net::ip::address address = net::ip::make_address(config_.address, error);
  if (error) {
    return invalid_argument("http.address: expected an IP address such as 127.0.0.1, found '" +
                            config_.address + "'");
  }
  const std::string where = "port " + std::to_string(config_.port) + " on " + config_.address;
  const tcp::endpoint endpoint(address, config_.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(net::socket_base::max_listen_connections, error);
  if (error == net::error::address_in_use) {
    return failed_precondition(where +
                               " is taken by another program; stop it, or choose another with --http-port");
  }
  if (error == net::error::access_denied) {
    return failed_precondition(where + " may only be used by the superuser; choose one above 1023");
  }
  if (error) return failed_precondition(where + " cannot be used: " + error.message());
  port_ = acceptor_.local_endpoint(error).port();
  return Unit{};
}

void HttpServer::run(EventPort& port) {
  port_to_live_ = &port;
  accept();
  start_timer();
  if (!config_.busy_poll) {
    loop_.run();
  } else {
    table_.set_awake(true);  // nobody needs to wake a thread that does not sleep
    while (!loop_.stopped()) {
      const std::size_t handled = loop_.poll();
      if (table_.has_settled()) {
        end_of_handler();
      } else if (handled == 0) {
        sched_yield();
      }
    }
  }
}

void HttpServer::accept() {
  if (is_accepting_ || is_stopping_) return;
  is_accepting_ = true;
  acceptor_.async_accept([this](const ErrorCodeType& error, Connection::Socket socket) {
    is_accepting_ = false;
    // Out of descriptors: the next tick tries again, and the waiting clients wait in the kernel's queue.
    if (!error) {
      on_accept(std::move(socket));
      accept();
    }
    end_of_handler();
  });
}

void HttpServer::on_accept(Connection::Socket socket) {
  if (connections_.size() >= config_.connections_max + kRefusedMax) return;
  const bool is_too_many = connections_.size() >= config_.connections_max;
  connections_.push_back(std::make_unique<Connection>(*this, std::move(socket)));
  Connection& connection = *connections_.back();
  connection.index = connections_.size() - 1;
  if (is_too_many) {
    connection.refuse();
  } else {
    connection.start();
  }
}

void HttpServer::start_timer() {
  timer_.expires_after(tick_period_);
  timer_.async_wait([this](const ErrorCodeType& error) {
    if (error) return;
    on_tick();
    start_timer();
    end_of_handler();
  });
}

void HttpServer::on_tick() {
  ++tick_;
  // Closing marks and never removes, so the list holds still.
  for (std::size_t i = 0; i < connections_.size(); ++i) connections_[i]->on_tick();
  retry_cancels();
  end_idle_streams();
  keep_listeners_awake();
  accept();
  end_if_finished();
}

void HttpServer::wake() { net::post(loop_, WakeHandler{this}); }

void HttpServer::begin_stop() {
  is_stopping_ = true;
  net::post(loop_, [this] {
    ErrorCodeType ignored;
    acceptor_.close(ignored);
  });
}

void HttpServer::finish() {
  net::post(loop_, [this] {
    end_of_handler();  // the last settlements
    refuse_waiting_streams();
    is_finishing_ = true;
    finish_by_ = tick_ + static_cast<std::uint64_t>(kFlushMax / tick_period_) + 1;
    for (std::size_t i = 0; i < connections_.size(); ++i) connections_[i]->on_final_stop();
    end_of_handler();
    end_if_finished();
  });
}

void HttpServer::end_if_finished() {
  if (is_finishing_ && (connections_.empty() || tick_ >= finish_by_)) loop_.stop();
}

std::string HttpServer::state_json() {
  std::string out = "{\"server\":{\"connections\":";
  append_json_number(out, connections_.size());
  out += ",\"jobs\":";
  append_json_number(out, table_.living_count());
  out += ",\"jobs_max\":";
  append_json_number(out, table_.capacity());
  out += ",\"request_memory_bytes\":";
  append_json_number(out, table_.budget().used());
  out += ",\"stopping\":";
  out += is_stopping_ ? "true" : "false";
  out += "},\"engine\":{\"name\":";
  append_json_string(out, config_.engine);
  out += ",\"emulated\":";
  out += config_.is_emulated ? "true" : "false";
  out += "},\"streams\":";
  out += streams_state_json(streams_, config_.admissions_waiting_max);
  out += ",\"driver\":";
  out += port_to_live_->state_json();
  out += "}";
  return out;
}

void HttpServer::infer(Connection& connection, Request& request, std::optional<std::uint64_t> header_length,
                       Instant received) {
  const auto refuse = [&](WireStatus status, std::string body) {
    connection.detach_request();
    table_.recycle(&request);
    connection.reply().bytes = std::move(body);
    connection.reply().json_size.reset();
    ReplyHead head;
    head.status = status.http;
    head.retry_later = status.retry_later;
    connection.send(head);
  };
  const ModelCodec& codec = *request.codec;
  if (Status status =
          decoder_.decode(codec, request.body_bytes(), header_length, request.tensors, request.decoded);
      !status) {
    return refuse(wire_status(status.error().code),
                  error_json(status.error().message, name(status.error().code)));
  }
  Job job;
  job.model = codec.model().id;
  job.variant = codec.variant();
  job.kind = request.decoded.kind;
  job.release = received;
  if (!request.decoded.stream.empty()) {
    if (Status bound = bind_to_stream(request, job); !bound) {
      const ErrorCode code = bound.error().code;
      return refuse(wire_status(code),
                    error_json(bound.error().message,
                               code == ErrorCode::kNotFound ? name(Reason::kUnknownStream) : name(code)));
    }
  }
  Reason refusal = Reason::kNone;
  if (!table_.admit(request, refusal)) {
    return refuse(wire_status(Outcome::kRejected, refusal), error_json(sentence(refusal), name(refusal)));
  }

  if (request.decoded.relative_deadline)
    job.absolute_deadline = received + *request.decoded.relative_deadline;
  job.priority = request.decoded.priority;
  job.needs_preprocess = request.decoded.needs_preprocess;
  // A settlement that comes on this thread, from inside post(), is seen at the end of the handler.
  posted_from_here_ = true;
  table_.set_awake(true);
  // One job at a time always looks alone in the server to the thread that brings it. Only a lone *client*,
  // which waits for each answer, gains when this thread runs the batch; with several the executor would idle.
  const bool is_lone_client = request.client == last_client_ && request.jobs.size() == 1;
  last_client_ = request.client;
  if (request.task) streams_.frame_sent(*streams_.find(*request.task), received);
  const std::size_t count = request.jobs.size();
  for (std::size_t i = 0; i < count; ++i) {
    job.id = request.jobs[i];
    if (port_to_live_->post(JobReleased{job}, is_lone_client)) continue;
    table_.retract(request, i, Outcome::kRejected,
                   is_stopping_ ? Reason::kShuttingDown : Reason::kOverloaded);
    break;
  }
  if (request.unsettled_count > 0) return;  // answered when the released ones have ended
  answer(request);
  table_.recycle(&request);
}

// Sends the reply of a request whose jobs have all ended and takes its client away; its memory is given back
// when no batch reads it any more.
void HttpServer::answer(Request& request) {
  Connection& connection = *static_cast<Connection*>(request.client);
  request.client = nullptr;
  connection.detach_request();
  std::size_t worst = 0;
  for (std::size_t i = 1; i < request.settled.size(); ++i) {
    if (badness(request.settled[i].outcome) > badness(request.settled[worst].outcome)) worst = i;
  }
  SettleJob& settled = request.settled[worst];
  // Its client is still here, so it was the driver that cancelled, at the end of its grace.
  if (settled.reason == Reason::kClientGone) settled.reason = Reason::kShuttingDown;
  if (request.task) frame_ended(*request.task, settled.outcome, settled.reason);
  const WireStatus status = wire_status(settled.outcome, settled.reason);
  ReplyHead head;
  head.status = status.http;
  head.retry_later = status.retry_later;
  if (status.http == 200) {
    encode_answer(*request.codec, request.decoded, request.settled, request.output_spans, connection.reply());
  } else {
    std::string message = sentence(settled.reason);
    if (request.settled.size() > 1) {
      message =
          "job " + std::to_string(worst) + " of " + std::to_string(request.settled.size()) + ": " + message;
    }
    if (!request.words.empty()) message += ": " + request.words;
    std::string& body = connection.reply().bytes;
    body = error_json(message, name(settled.reason));
    body.pop_back();
    body += ",\"outcome\":\"";
    body += name(settled.outcome);
    body += "\",\"queue_ms\":";
    append_json_milliseconds(body, settled.queue_time);
    body += ",\"execution_ms\":";
    append_json_milliseconds(body, settled.execution_time);
    if (settled.slack) {
      body += ",\"slack_ms\":";
      append_json_milliseconds(body, *settled.slack);
    }
    if (request.decoded.relative_deadline) {
      body += ",\"deadline_ms\":";
      append_json_milliseconds(body, *request.decoded.relative_deadline);
    }
    if (request.task) add_contract(body, request, settled, head);
    body += "}";
    connection.reply().json_size.reset();
  }
  connection.send(head);
  to_watch_.push_back(&connection);
}

void HttpServer::cancel(Request& request) {
  request.client = nullptr;
  if (request.task) frame_ended(*request.task, Outcome::kCancelled, Reason::kClientGone);
  if (!post_cancels(request)) {
    request.cancel_pending = true;
    uncancelled_.push_back(&request);
  }
}

/// False: the mailbox was full for one of them.
bool HttpServer::post_cancels(Request& request) {
  posted_from_here_ = true;
  table_.set_awake(true);
  for (std::size_t i = 0; i < request.jobs.size(); ++i) {
    if (!request.is_settled[i] && !port_to_live_->post(JobCancelled{request.jobs[i]}, false)) return false;
  }
  return true;
}

void HttpServer::retry_cancels() {
  std::erase_if(uncancelled_, [this](Request* request) {
    if (request->cancel_pending && !post_cancels(*request)) return false;
    request->cancel_pending = false;
    return true;
  });
}

void HttpServer::end_of_handler() {
  do {
    if (!config_.busy_poll) table_.set_awake(false);
    posted_from_here_ = false;
    table_.take_settled(on_answer_);
    table_.stream_mailbox().take([this](const StreamNews& news) { on_news(news); });
    // Connections that were answered go on with what they have read; those that wait watch for a hang-up.
    // Both may add to the list and release new jobs.
    for (std::size_t i = 0; i < to_watch_.size(); ++i) {
      to_watch_[i]->resume();
      to_watch_[i]->watch_for_hang_up();
    }
    to_watch_.clear();
  } while (posted_from_here_);
  if (graveyard_.empty()) return;
  for (Connection* dead : graveyard_) {
    const std::size_t place = dead->index;
    if (place + 1 != connections_.size()) {
      connections_[place] = std::move(connections_.back());
      connections_[place]->index = place;
    }
    connections_.pop_back();
  }
  graveyard_.clear();
  end_if_finished();
}

}  // namespace laxity
