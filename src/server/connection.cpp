// One client: HTTP/1.1 in, replies out.
#include "server/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/check.h"
#include "server/http_server.h"
#include "server/json_writer.h"
#include "server/status_mapping.h"

namespace laxity {
namespace {

namespace net = boost::asio;
namespace http = boost::beast::http;

/// A header and a small body in one read.
constexpr std::size_t kBufferSize = 16 * 1024;
constexpr std::uint32_t kHeaderSizeMax = 8 * 1024;
/// A body of a request that is answered without it: up to here it is read and thrown away, so that the
/// connection lives on; beyond, closing is cheaper.
constexpr std::uint64_t kDiscardMax = std::uint64_t{1} << 20;
/// Bodies of requests that need no tensors.
constexpr std::uint64_t kSmallBodyMax = 64 * 1024;
/// Memory for a body is taken as it comes, so that a promise of many bytes costs nothing.
constexpr std::size_t kFirstBodyMemory = std::size_t{1} << 20;
/// Of a reply buffer, while idle.
constexpr std::size_t kReplyKeptMax = 64 * 1024;
/// Events that a listener may leave unread.
constexpr std::size_t kUnreadEventsMax = 64 * 1024;
/// For a client to close after the last reply.
constexpr Duration kLingerMax = 2s;

template <typename T>
void append_number(std::string& out, T value) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

}  // namespace

Connection::Connection(HttpServer& server, Socket socket)
    : server_(server), socket_(std::move(socket)), buffer_(new char[kBufferSize]) {
  head_text_.reserve(256);
}

void Connection::start() {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(net::ip::tcp::no_delay(true), ignored);
  set_patience(server_.config().idle_time_max);
  advance();
}

void Connection::refuse() {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  fail(503, "connections_max",
       "the server has all the " + std::to_string(server_.config().connections_max) + " connections it takes",
       true);
  advance();
}

// Works off what has been read, as far as it goes.
void Connection::advance() {
  while (true) {
    switch (state_) {
      case State::kHead:
        if (buffer_begin_ == buffer_end_) return arm_read();
        if (!parse_head()) return;
        break;
      case State::kBody:
      case State::kDiscard:
        if (!read_body()) return;
        break;
      case State::kWaiting:
      case State::kWriting:
      case State::kClosed:
        return;
      case State::kListening:
      case State::kLingering:
        buffer_begin_ = buffer_end_;
        return arm_read();
    }
  }
}

/// False: more bytes are needed, or the connection has been given up.
bool Connection::parse_head() {
  if (!is_in_head_) {
    is_in_head_ = true;
    set_patience(server_.config().header_time_max);
    parser_.emplace();
    parser_->header_limit(kHeaderSizeMax);
    parser_->body_limit(boost::none);  // checked here, with a better answer
  }
  ErrorCodeType error;
  buffer_begin_ +=
      parser_->put(net::const_buffer(buffer_.get() + buffer_begin_, buffer_end_ - buffer_begin_), error);
  if (parser_->is_header_done()) {
    on_head();
    return state_ != State::kClosed;
  }
  if (!error || error == http::error::need_more) {
    if (buffer_end_ - buffer_begin_ < kBufferSize) {
      arm_read();
      return false;
    }
    error = http::error::header_limit;
  }
  if (error == http::error::header_limit) {
    fail(431, "header_too_large",
         "header: expected at most " + std::to_string(kHeaderSizeMax) + " bytes, found more", true);
  } else {
    fail(400, "invalid_argument", "header: expected HTTP/1.1, found: " + error.message(), true);
  }
  return state_ != State::kClosed;
}

bool Connection::wants_continue() const {
  const auto field = parser_->get().find(http::field::expect);
  return field != parser_->get().end() && boost::beast::iequals(field->value(), "100-continue");
}

std::optional<std::uint64_t> Connection::inference_header_length(std::string& complaint) const {
  const auto field = parser_->get().find("Inference-Header-Content-Length");
  if (field == parser_->get().end()) return std::nullopt;
  const auto text = field->value();
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error == std::errc{} && end == text.data() + text.size()) return length;
  complaint = "Inference-Header-Content-Length: expected a number of bytes, found '" +
              std::string(text.substr(0, 40)) + "'";
  return std::nullopt;
}

void Connection::on_head() {
  is_in_head_ = false;
  const auto& head = parser_->get();
  keep_alive_ = parser_->keep_alive();
  is_http_1_0_ = head.version() < 11;
  is_head_request_ = head.method() == http::verb::head;
  if (parser_->chunked() || head.find(http::field::transfer_encoding) != head.end()) {
    return fail(411, "length_required", "body: expected a Content-Length, found Transfer-Encoding", true);
  }
  const std::uint64_t size = parser_->content_length().value_or(0);
  const std::string_view method(head.method_string().data(), head.method_string().size());
  const std::string_view target(head.target().data(), head.target().size());

  Route route = server_.router().find(method, target, !server_.is_stopping());
  const bool is_infer = route.kind == Route::Kind::kInfer;
  const bool takes_body = is_infer || route.kind == Route::Kind::kAskStream;
  const std::uint64_t size_max = is_infer ? server_.config().body_size_max : kSmallBodyMax;
  if (size > size_max && route.head.status < 400) {
    return fail(
        413, "too_large",
        "body: expected at most " + std::to_string(size_max) + " bytes, found " + std::to_string(size), true);
  }
  if (takes_body) {
    std::string complaint;
    std::optional<std::uint64_t> header_length;
    if (is_infer) header_length = inference_header_length(complaint);
    const auto encoding = head.find(http::field::content_encoding);
    if (encoding != head.end() && !boost::beast::iequals(encoding->value(), "identity")) {
      route.head.status = 415;
      route.body =
          error_json("Content-Encoding: expected none, found '" + std::string(encoding->value()) + "'",
                     "unsupported_encoding");
    } else if (!complaint.empty()) {
      route.head.status = 400;
      route.body = error_json(complaint, "invalid_argument");
    } else if (server_.is_stopping()) {
      route.head.status = 503;
      route.head.retry_later = true;
      route.body = error_json(sentence(Reason::kShuttingDown), name(Reason::kShuttingDown));
    } else {
      request_ = server_.table().acquire();
      request_->codec = route.codec;
      request_->client = this;
      return start_body(size, header_length);
    }
  }
  if (route.kind == Route::Kind::kEvents && size == 0 && !is_head_request_) {
    if (server_.add_listener(*this)) return start_listening();
    route.head.status = 503;
    route.head.retry_later = true;
    route.body = error_json("as many clients listen to events as the server tells", "too_many_listeners");
  }
  if (route.head.status < 400) server_.answer_page(route);
  reply_.bytes = std::move(route.body);
  reply_.json_size.reset();
  const bool is_unwelcome =
      route.head.status >= 400 && wants_continue();  // it waits to be asked; we don't ask
  if (size > kDiscardMax || (size > 0 && is_unwelcome)) {
    keep_alive_ = false;
    return send(route.head);
  }
  if (size == 0) return send(route.head);
  discard_head_ = route.head;
  discard_left_ = size;
  state_ = State::kDiscard;
  set_patience(server_.config().body_time_max);
}

void Connection::start_body(std::uint64_t size, std::optional<std::uint64_t> header_length) {
  header_length_ = header_length;
  body_filled_ = 0;
  request_->body_size = static_cast<std::size_t>(size);
  // The tensors behind the JSON then start on a multiple of the alignment.
  const std::size_t json_size =
      header_length && *header_length <= size ? static_cast<std::size_t>(*header_length) : 0;
  request_->body_offset =
      (AlignedBuffer::kAlignment - json_size % AlignedBuffer::kAlignment) % AlignedBuffer::kAlignment;
  state_ = State::kBody;
  set_patience(server_.config().body_time_max + Duration(1s) * static_cast<std::int64_t>(size >> 20));
  if (size > buffer_end_ - buffer_begin_ && wants_continue()) {
    // A dozen bytes into an empty socket buffer: if they do not fit, the client is not listening.
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    (void)::send(socket_.native_handle(), kContinue.data(), kContinue.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

/// True when the body is complete and has been dealt with.
bool Connection::read_body() {
  const std::size_t at_hand = buffer_end_ - buffer_begin_;
  if (state_ == State::kDiscard) {
    const std::size_t taken = static_cast<std::size_t>(std::min<std::uint64_t>(at_hand, discard_left_));
    buffer_begin_ += taken;
    discard_left_ -= taken;
    if (discard_left_ > 0) {
      arm_read();
      return false;
    }
    send(discard_head_);
    return true;
  }
  const std::size_t left = request_->body_size - body_filled_;
  const std::size_t wanted = request_->body_offset + request_->body_size + kBodyPadding;
  const std::size_t filled_to = request_->body_offset + body_filled_;
  if (filled_to + std::min(left, at_hand) + kBodyPadding >= request_->body.capacity()) {
    const std::size_t next = std::min(wanted, std::max(kFirstBodyMemory, 4 * filled_to));
    if (!request_->body.reserve(next, filled_to)) {
      fail(503, name(Reason::kOverloaded),
           "no memory left for a body of " + std::to_string(request_->body_size) + " bytes; retry later",
           true);
      return state_ != State::kClosed;
    }
  }
  if (at_hand > 0 && left > 0) {
    const std::size_t taken = std::min(at_hand, left);
    std::memcpy(request_->body.data() + filled_to, buffer_.get() + buffer_begin_, taken);
    buffer_begin_ += taken;
    body_filled_ += taken;
  }
  if (body_filled_ < request_->body_size) {
    arm_read();
    return false;
  }
  on_body_complete();
  return true;
}

void Connection::on_body_complete() {
  const Instant received = server_.now();
  state_ = State::kWaiting;
  patience_ends_ = 0;
  if (request_->codec != nullptr) {
    server_.infer(*this, *request_, header_length_, received);
  } else {
    server_.ask_stream(*this, *request_, received);
  }
  if (state_ == State::kWaiting && !read_pending_) server_.watch_later(*this);
}

void Connection::watch_for_hang_up() {
  if (state_ == State::kWaiting) arm_read();
}

/// Keeps one read pending, into the body where that is what comes next.
void Connection::arm_read() {
  if (read_pending_ || state_ == State::kClosed) return;
  read_is_direct_ = state_ == State::kBody;
  net::mutable_buffer target;
  if (read_is_direct_) {
    const std::size_t filled_to = request_->body_offset + body_filled_;
    const std::size_t room = request_->body.capacity() - kBodyPadding - filled_to;
    target =
        net::buffer(request_->body.data() + filled_to, std::min(room, request_->body_size - body_filled_));
  } else {
    if (buffer_begin_ == buffer_end_) {
      buffer_begin_ = buffer_end_ = 0;
    } else if (buffer_begin_ > 0) {
      std::memmove(buffer_.get(), buffer_.get() + buffer_begin_, buffer_end_ - buffer_begin_);
      buffer_end_ -= buffer_begin_;
      buffer_begin_ = 0;
    }
    if (buffer_end_ == kBufferSize) return;  // pipelined requests fill it: a hang-up is seen later
    target = net::buffer(buffer_.get() + buffer_end_, kBufferSize - buffer_end_);
  }
  read_pending_ = true;
  socket_.async_read_some(target, [this](const ErrorCodeType& error, std::size_t size) {
    HttpServer& server = server_;
    on_read(error, size);
    server.end_of_handler();
  });
}

void Connection::on_read(ErrorCodeType error, std::size_t size) {
  read_pending_ = false;
  if (state_ == State::kClosed) return close();
  if (error) return on_hang_up();
  if (read_is_direct_) {
    body_filled_ += size;
  } else {
    buffer_end_ += size;
  }
  if (state_ == State::kWaiting) return arm_read();
  advance();
}

void Connection::on_hang_up() {
  give_up_request();
  close();
}

void Connection::give_up_request() {
  if (asked_stream_) server_.abandon_stream(*std::exchange(asked_stream_, std::nullopt));
  if (request_ == nullptr) return;
  Request& request = *request_;
  request_ = nullptr;
  if (state_ == State::kWaiting) {
    server_.cancel(request);
  } else {
    server_.table().recycle(&request);
  }
}

// The length is not known, so the end of the connection is the end of the answer.
void Connection::start_listening() {
  keep_alive_ = false;
  boost::system::error_code ignored;  // then the system keeps more of what is not read, and no harm is done
  socket_.set_option(net::socket_base::send_buffer_size(static_cast<int>(kUnreadEventsMax)), ignored);
  head_text_ =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
      "Connection: close\r\n\r\n";
  reply_.bytes = ": what happens from here on\n\n";
  written_ = 0;
  state_ = State::kListening;
  patience_ends_ = 0;
  write_some();
}

void Connection::push_event(std::string_view event) {
  if (state_ != State::kListening) return;
  if (head_text_.size() + reply_.bytes.size() - written_ + event.size() > kUnreadEventsMax) return close();
  reply_.bytes += event;
  if (!write_pending_) write_some();
}

void Connection::fail(int status, std::string_view reason, std::string_view message, bool and_close) {
  give_up_request();
  if (and_close) keep_alive_ = false;
  ReplyHead head;
  head.status = status;
  head.retry_later = status == 503;
  reply_.bytes = error_json(message, reason);
  reply_.json_size.reset();
  send(head);
}

void Connection::send(const ReplyHead& head) {
  if (state_ == State::kClosed) return;
  if (server_.is_stopping()) keep_alive_ = false;
  std::string& out = head_text_;
  out = "HTTP/1.1 ";
  append_number(out, head.status);
  out += ' ';
  out += http_phrase(head.status);
  out += "\r\nContent-Type: ";
  out += reply_.json_size ? "application/octet-stream" : head.content_type;
  if (reply_.json_size) {
    out += "\r\nInference-Header-Content-Length: ";
    append_number(out, *reply_.json_size);
  }
  out += "\r\nContent-Length: ";
  append_number(out, reply_.bytes.size());
  if (head.allow != nullptr) {
    out += "\r\nAllow: ";
    out += head.allow;
  }
  if (head.retry_later) {
    out += "\r\nRetry-After: ";
    append_number(out, head.retry_after_s);
  }
  if (!keep_alive_) {
    out += "\r\nConnection: close";
  } else if (is_http_1_0_) {
    out += "\r\nConnection: keep-alive";
  }
  out += "\r\n\r\n";
  if (is_head_request_) reply_.bytes.clear();
  written_ = 0;
  state_ = State::kWriting;
  write_some();
}

void Connection::write_some() {
  while (true) {
    const std::size_t head_left = written_ < head_text_.size() ? head_text_.size() - written_ : 0;
    const std::size_t body_written = written_ - (head_text_.size() - head_left);
    iovec parts[2] = {{head_text_.data() + (head_text_.size() - head_left), head_left},
                      {reply_.bytes.data() + body_written, reply_.bytes.size() - body_written}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t size = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return close();
      set_patience(server_.config().write_time_max);
      write_pending_ = true;
      socket_.async_wait(Socket::wait_write, [this](const ErrorCodeType& error) {
        HttpServer& server = server_;
        on_writable(error);
        server.end_of_handler();
      });
      return;
    }
    written_ += static_cast<std::size_t>(size);
    if (written_ == head_text_.size() + reply_.bytes.size()) return after_reply();
  }
}

void Connection::on_writable(ErrorCodeType error) {
  write_pending_ = false;
  if (state_ == State::kClosed || error) return close();
  write_some();
  advance();
}

void Connection::after_reply() {
  if (state_ == State::kListening) {
    head_text_.clear();
    reply_.bytes.clear();
    written_ = 0;
    patience_ends_ = 0;
    return;
  }
  if (reply_.bytes.capacity() > kReplyKeptMax) {
    reply_.bytes.clear();
    reply_.bytes.shrink_to_fit();
  }
  if (keep_alive_) {
    state_ = State::kHead;
    set_patience(server_.config().idle_time_max);
    return;
  }
  // Closing with unread bytes would reset the connection and could take the reply with it.
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  state_ = State::kLingering;
  set_patience(kLingerMax);
}

void Connection::resume() { advance(); }

void Connection::close() {
  if (state_ != State::kClosed) {
    if (state_ == State::kListening) server_.remove_listener(*this);
    state_ = State::kClosed;
    boost::system::error_code ignored;
    socket_.close(ignored);
  }
  if (!read_pending_ && !write_pending_ && !is_buried_) {
    is_buried_ = true;
    server_.bury(*this);
  }
}

void Connection::set_patience(Duration patience) {
  const auto ticks = patience / server_.tick_period();
  patience_ends_ = server_.tick() + static_cast<std::uint64_t>(ticks) + 1;
}

void Connection::on_tick() {
  if (patience_ends_ == 0 || server_.tick() < patience_ends_) return;
  patience_ends_ = 0;
  const bool owes_an_answer =
      (state_ == State::kHead && is_in_head_) || state_ == State::kBody || state_ == State::kDiscard;
  if (!owes_an_answer) return on_hang_up();
  is_head_request_ = false;
  fail(408, "request_timeout",
       state_ == State::kHead ? "header: expected its end in time, found none"
                              : "body: expected its end in time, found none",
       true);
  advance();
}

void Connection::on_final_stop() {
  switch (state_) {
    case State::kHead:
      if (!is_in_head_) return on_hang_up();
      [[fallthrough]];
    case State::kBody:
    case State::kDiscard:
      is_head_request_ = false;
      fail(503, name(Reason::kShuttingDown), sentence(Reason::kShuttingDown), true);
      return advance();
    case State::kListening:
      return close();
    case State::kWaiting:
    case State::kWriting:
    case State::kLingering:
    case State::kClosed:
      return;
  }
}

}  // namespace laxity
