// One client: HTTP/1.1 in, replies out, in the order of its requests.
//
// A request is read in two steps. Its header goes to a small buffer that the connection owns. Its body is
// read straight into the memory of a `Request`, placed so that the first binary tensor is aligned: what the
// socket delivers is what the engine reads. While a job lives, one read stays pending, because a hang-up is
// only seen by reading: end of file cancels the job, bytes are the next request and are kept. Replies are
// written at once where the socket takes them, without a turn through the event loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "server/oip_codec.h"
#include "server/request_table.h"
#include "server/routes.h"

namespace laxity {

class HttpServer;

/// Owned by the HttpServer, used on the network thread. Lives until its socket is closed and no operation is
/// pending.
class Connection {
 public:
  using Socket =
      boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

  Connection(HttpServer& server, Socket socket);

  void start();
  /// Answers 503 and closes: there are too many connections.
  void refuse();

  /// Sends `head` with the body that was put into reply(). Precondition: a request waits for its answer.
  void send(const ReplyHead& head);
  ReplyBody& reply() noexcept { return reply_; }
  /// Goes on with what the client has sent behind the request that was just answered.
  void resume();
  /// The request has been taken away by the server (answered or cancelled).
  void detach_request() noexcept { request_ = nullptr; }
  /// The verdict on this stream will be the answer.
  void wait_for(TaskId stream) noexcept { asked_stream_ = stream; }
  void detach_stream() noexcept { asked_stream_.reset(); }

  /// Sends one event to a client that listens; one that leaves too many unread is closed.
  void push_event(std::string_view event);

  /// The clock's hand has moved: closes or answers 408 where patience has ended.
  void on_tick();
  /// The server is closing for good: what has no job is sent away.
  void on_final_stop();
  /// Keeps a read pending while a job lives. Called when the job was not done on the spot.
  void watch_for_hang_up();

  std::size_t index = 0;  ///< Where the server keeps this connection.

 private:
  enum class State : std::uint8_t {
    kHead,       // between requests, or in a header
    kBody,       // a body is being read for a job
    kDiscard,    // the answer is known, the body is only read to get past it
    kWaiting,    // a job lives, or a stream waits for its verdict
    kWriting,    // the client is slow to take its reply
    kListening,  // events are sent as they happen, until one side closes
    kLingering,  // the last reply is sent; bytes are thrown away until the client closes
    kClosed,
  };
  using Parser = boost::beast::http::request_parser<boost::beast::http::empty_body>;
  using ErrorCodeType = boost::system::error_code;

  void advance();
  bool parse_head();
  void on_head();
  bool wants_continue() const;
  std::optional<std::uint64_t> inference_header_length(std::string& complaint) const;
  void start_body(std::uint64_t size, std::optional<std::uint64_t> header_length);
  bool read_body();
  void on_body_complete();
  void arm_read();
  void on_read(ErrorCodeType error, std::size_t size);
  void on_hang_up();

  /// Answers without a job. `and_close`: what follows on the wire cannot be understood or is not wanted.
  void start_listening();
  void fail(int status, std::string_view reason, std::string_view message, bool and_close);
  void write_some();
  void on_writable(ErrorCodeType error);
  void after_reply();
  void give_up_request();
  void close();
  void set_patience(Duration patience);

  HttpServer& server_;
  Socket socket_;
  State state_ = State::kHead;
  bool read_pending_ = false;
  bool read_is_direct_ = false;  // into the body
  bool write_pending_ = false;
  bool keep_alive_ = true;
  bool is_head_request_ = false;
  bool is_http_1_0_ = false;
  bool is_in_head_ = false;  // some bytes of a header have come
  bool is_buried_ = false;
  std::uint64_t patience_ends_ = 0;  // tick

  std::unique_ptr<char[]> buffer_;
  std::size_t buffer_begin_ = 0, buffer_end_ = 0;
  std::optional<Parser> parser_;

  Request* request_ = nullptr;
  std::optional<TaskId> asked_stream_;
  std::optional<std::uint64_t> header_length_;
  std::size_t body_filled_ = 0;
  std::uint64_t discard_left_ = 0;
  ReplyHead discard_head_;

  ReplyBody reply_;
  std::string head_text_;
  std::size_t written_ = 0;
};

}  // namespace laxity
