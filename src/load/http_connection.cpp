#include "load/http_connection.h"

#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "load/load_clock.h"

namespace laxity {

Status HttpConnection::open(const Endpoint& endpoint) {
  LAXITY_CHECK(state_ == State::kClosed);
  close();
  Result<int> descriptor = start_connect(endpoint);
  if (!descriptor) return descriptor.error();
  descriptor_ = *descriptor;
  state_ = State::kConnecting;
  has_request_ = is_written_ = is_ended_ = false;
  problem_.clear();
  reader_.reset();
  return Unit{};
}

void HttpConnection::close() noexcept {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  state_ = State::kClosed;
}

HttpConnection::State HttpConnection::fail(std::string problem) {
  close();
  problem_ = std::move(problem);
  return state_;
}

void HttpConnection::send(std::span<const std::byte> body) {
  LAXITY_CHECK(state_ == State::kIdle || (state_ == State::kConnecting && !has_request_));
  body_ = body;
  written_ = 0;
  has_request_ = true;
  is_written_ = false;
  if (state_ == State::kConnecting) return;
  state_ = State::kBusy;
  write();
}

HttpConnection::State HttpConnection::on_ready(bool is_ended) {
  is_ended_ = is_ended_ || is_ended;
  if (state_ == State::kConnecting) {
    int reason = 0;
    socklen_t length = sizeof reason;
    ::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &reason, &length);
    if (reason != 0) return fail(std::strerror(reason));
    // The error is clear while the handshake still runs, too: only a peer's name proves that it is over.
    sockaddr_storage peer{};
    socklen_t peer_length = sizeof peer;
    if (::getpeername(descriptor_, reinterpret_cast<sockaddr*>(&peer), &peer_length) != 0) return state_;
    state_ = has_request_ ? State::kBusy : State::kIdle;
  }
  if (state_ == State::kBusy && !is_written_) write();
  if (state_ == State::kBusy || state_ == State::kIdle) read();
  return state_;
}

HttpConnection::State HttpConnection::release() {
  LAXITY_CHECK(state_ == State::kAnswered);
  if (!reader_.keeps_open() || is_ended_) return fail("closed by the server after its answer");
  if (reader_.next() != HttpReader::State::kNeedsMore || reader_.has_partial()) {
    return fail("bytes behind the answer");
  }
  has_request_ = false;
  return state_ = State::kIdle;
}

void HttpConnection::write() {
  while (written_ < head_.size() + body_.size()) {
    std::array<iovec, 2> parts{};
    std::size_t count = 0;
    const auto add = [&](const void* bytes, std::size_t size, std::size_t skip) {
      // iovec's pointer is not const because reads share the type; sendmsg only reads.
      if (skip < size)
        parts[count++] = {const_cast<char*>(static_cast<const char*>(bytes)) + skip, size - skip};
    };
    add(head_.data(), head_.size(), written_);
    add(body_.data(), body_.size(), written_ > head_.size() ? written_ - head_.size() : 0);
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    const ssize_t size = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      // A server may refuse a body before it has read it: its answer may still be there to read.
      if (errno == EPIPE || errno == ECONNRESET) break;
      fail(std::strerror(errno));
      return;
    }
    written_ += static_cast<std::size_t>(size);
  }
  is_written_ = true;
}

void HttpConnection::read() {
  for (;;) {
    const std::span<char> space = reader_.space();
    const ssize_t size = ::recv(descriptor_, space.data(), space.size(), 0);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      fail(std::strerror(errno));
      return;
    }
    if (state_ == State::kIdle) {
      fail(size == 0 ? "closed by the server" : "bytes that were not asked for");
      return;
    }
    is_ended_ = is_ended_ || size == 0;
    const HttpReader::State read =
        size == 0 ? reader_.finish() : reader_.commit(static_cast<std::size_t>(size));
    if (read == HttpReader::State::kComplete) {
      state_ = State::kAnswered;
      return;
    }
    if (read == HttpReader::State::kBroken) {
      fail(std::string("the answer is broken: ") + reader_.problem());
      return;
    }
  }
}

Result<HttpAnswer> http_get(const Endpoint& endpoint, std::string_view path, Duration patience) {
  return http_call(endpoint, "GET", path, "", patience);
}

Result<HttpAnswer> http_call(const Endpoint& endpoint, std::string_view method, std::string_view path,
                             std::string_view body, Duration patience) {
  HttpConnection connection;
  if (Status status = connection.open(endpoint); !status) return status.error();
  connection.head() = std::string(method) + " " + std::string(path) +
                      " HTTP/1.1\r\nHost: " + endpoint.authority + "\r\nConnection: close\r\n";
  if (!body.empty()) {
    connection.head() +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  connection.head() += "\r\n";
  connection.send(std::as_bytes(std::span(body)));
  const LoadClock clock;
  while (connection.state() != HttpConnection::State::kAnswered) {
    const Duration left = patience - clock.now().since_start();
    if (left <= Duration{0}) {
      return Error{ErrorCode::kUnavailable, "http://" + endpoint.authority + std::string(path) +
                                                ": no answer within " + std::to_string(patience / 1ms) +
                                                " ms"};
    }
    const bool is_writing = connection.state() == HttpConnection::State::kConnecting;
    pollfd waiting{connection.descriptor(), static_cast<short>(is_writing ? POLLIN | POLLOUT : POLLIN), 0};
    ::poll(&waiting, 1, static_cast<int>(left / 1ms) + 1);
    if (waiting.revents != 0 && connection.on_ready() == HttpConnection::State::kClosed) {
      return Error{ErrorCode::kUnavailable,
                   "expected a server at http://" + endpoint.authority + ", found: " + connection.problem()};
    }
  }
  return HttpAnswer{connection.answer().status(), std::string(connection.answer().body())};
}

}  // namespace laxity
