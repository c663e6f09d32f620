// One keep-alive connection of the client: non-blocking, one request at a time.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "load/endpoint.h"
#include "load/http_reader.h"

namespace laxity {

/// Sends a request (head and body, not owned, until it is out) and gathers its answer. All calls return at
/// once; who owns it waits for the descriptor and calls on_ready(). Owned by one thread.
class HttpConnection {
 public:
  enum class State {
    kConnecting,
    kIdle,      ///< Ready for a request.
    kBusy,      ///< A request is out or on its way.
    kAnswered,  ///< The whole answer is there: read it, then release().
    kClosed,    ///< Lost, or broken: problem() says why.
  };

  HttpConnection() = default;
  ~HttpConnection() { close(); }
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  /// Precondition: kClosed. Errors: as start_connect.
  Status open(const Endpoint& endpoint);
  void close() noexcept;

  /// Precondition: kConnecting or kIdle. A connection that is still connecting sends as soon as it can.
  /// `body` must outlive the request; `head` is copied by the caller into head().
  void send(std::span<const std::byte> body);
  /// Where the caller writes the head of the next request; its memory is reused.
  std::string& head() noexcept { return head_; }

  /// The descriptor became readable or writable; `is_ended`: the peer will send nothing more, as the poller
  /// saw. Returns the state it led to. Leaves nothing unread unless an answer is complete, so edges may be
  /// watched.
  State on_ready(bool is_ended = false);
  /// Precondition: kAnswered. Idle again, or closed when the server wants that.
  State release();

  State state() const noexcept { return state_; }
  int descriptor() const noexcept { return descriptor_; }
  const HttpReader& answer() const noexcept { return reader_; }
  const std::string& problem() const noexcept { return problem_; }

 private:
  State fail(std::string problem);
  void write();
  void read();

  int descriptor_ = -1;
  State state_ = State::kClosed;
  bool has_request_ = false;  // while connecting: one waits to be written
  bool is_written_ = false;
  bool is_ended_ = false;  // the peer has sent its end of file: of no use after this answer
  std::string head_;
  std::span<const std::byte> body_;
  std::size_t written_ = 0;  // of head and body together
  HttpReader reader_;
  std::string problem_;
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// One request on a connection of its own, for control requests before and after a run. `body`: JSON, or
/// empty for none. Blocks at most `patience`. Errors: kUnavailable (no server, no answer in time), kInternal
/// (a broken answer).
Result<HttpAnswer> http_call(const Endpoint& endpoint, std::string_view method, std::string_view path,
                             std::string_view body, Duration patience);
/// http_call with GET.
Result<HttpAnswer> http_get(const Endpoint& endpoint, std::string_view path, Duration patience);

}  // namespace laxity
