// The network thread: one event loop, its connections, and the jobs that they wait for.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "core/limits.h"
#include "model/repository.h"
#include "server/connection.h"
#include "server/event_port.h"
#include "server/request_table.h"
#include "server/routes.h"
#include "server/server_config.h"
#include "server/stream_table.h"

namespace laxity {

class HttpServer {
 public:
  HttpServer(const ServerConfig& config, std::span<const LoadedModel> models, const Limits& limits);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Errors: kFailedPrecondition: port taken or not allowed; kInvalidArgument: not an address.
  Status listen();
  std::uint16_t port() const noexcept { return port_; }
  RequestTable& table() noexcept { return table_; }

  /// The network thread's body: serves until finish(). `port` must outlive it.
  void run(EventPort& port);
  /// Takes no new connection and no new job. Any thread.
  void begin_stop();
  /// Every job is settled: sends what is left and ends run(). Any thread.
  void finish();

  // What connections use, on the network thread.

  const ServerConfig& config() const noexcept { return config_; }
  const Router& router() const noexcept { return router_; }
  bool is_stopping() const noexcept { return is_stopping_; }
  bool is_finishing() const noexcept { return is_finishing_; }
  std::uint64_t tick() const noexcept { return tick_; }
  Duration tick_period() const noexcept { return tick_period_; }
  Instant now() const { return port_to_live_->now(); }
  std::string state_json();
  /// Fills in what a page that is not fixed says.
  void answer_page(Route& route);

  /// Decodes a complete body and releases its jobs. The answer follows by Connection::send, possibly at once.
  void infer(Connection& connection, Request& request, std::optional<std::uint64_t> header_length,
             Instant received);
  /// Decodes a complete body and asks for the stream. The answer follows by Connection::send.
  void ask_stream(Connection& connection, Request& request, Instant received);
  /// Its client has gone before the verdict.
  void abandon_stream(TaskId id);
  /// False: enough clients listen to events.
  bool add_listener(Connection& connection);
  void remove_listener(Connection& connection);
  /// Its client has gone: cancels the jobs that still live.
  void cancel(Request& request);
  /// The job was not done before its release returned; look after its client when the handler ends.
  void watch_later(Connection& connection) { to_watch_.push_back(&connection); }
  void bury(Connection& connection) { graveyard_.push_back(&connection); }
  /// Every handler's last act: answers what was settled meanwhile, frees what was closed.
  void end_of_handler();

 private:
  using Timer = boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                                  boost::asio::wait_traits<std::chrono::steady_clock>,
                                                  boost::asio::io_context::executor_type>;
  using Acceptor =
      boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

  void accept();
  void on_accept(Connection::Socket socket);
  void start_timer();
  void on_tick();
  void wake();
  void answer(Request& request);
  void retry_cancels();
  bool post_cancels(Request& request);
  void end_if_finished();

  // Streams: http_streams.cpp.
  void publish(std::string_view event, std::string_view data);
  void publish_change(const Stream& stream, const StreamNews& news, Instant now);
  void keep_listeners_awake();
  void close_stream(Stream& stream, StreamEnd end);
  void on_news(const StreamNews& news);
  void reply_to_asker(Stream& stream, const ReplyHead& head, std::string body);
  void end_stream(Stream& stream, StreamEnd end);
  void end_idle_streams();
  void refuse_waiting_streams();
  /// Makes the request's job a frame of the stream it names. Errors: kNotFound: no such stream;
  /// kInvalidArgument: it is for another model, or the request is a batch.
  Status bind_to_stream(Request& request, Job& job);
  void frame_ended(TaskId task, Outcome outcome, Reason reason);
  /// Says in the body of a frame that got no answer which one it was, and what was agreed upon.
  void add_contract(std::string& body, const Request& request, const SettleJob& settled, ReplyHead& head);
  std::string streams_json(std::size_t page_begin);

  template <typename T>
  friend class WakeAllocator;

  // One handler's memory, so that waking this thread allocates nothing. Outlives the loop that holds the
  // handler.
  alignas(std::max_align_t) std::array<std::byte, 256> wake_memory_;
  std::atomic<bool> wake_memory_is_taken_{false};

  ServerConfig config_;
  Router router_;
  boost::asio::io_context loop_;
  RequestTable table_;
  Acceptor acceptor_;
  Timer timer_;
  InferDecoder decoder_;
  StreamDecoder stream_decoder_;
  StreamTable streams_;
  EventPort* port_to_live_ = nullptr;
  std::function<void(Request&)> on_answer_;

  std::uint16_t port_ = 0;
  Duration tick_period_{};
  std::uint64_t tick_ = 0;
  std::uint64_t finish_by_ = 0;
  std::atomic<bool> is_stopping_{false};  // set by whoever stops, before the driver refuses jobs
  bool is_finishing_ = false;
  bool is_accepting_ = false;
  bool posted_from_here_ = false;
  const void* last_client_ = nullptr;  ///< Whose request came last: only compared.

  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> to_watch_;
  std::vector<Connection*> listeners_;
  std::vector<Connection*> graveyard_;
  std::vector<Request*> uncancelled_;
};

}  // namespace laxity
