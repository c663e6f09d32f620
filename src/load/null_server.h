// A server that answers at once with whatever it is told to: for tests and for measuring the client alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

namespace laxity {

/// Raw bytes to send back, and what happens to the connection afterwards.
struct NullReply {
  enum class Then { kKeepOpen, kClose };
  std::string bytes;  ///< Empty: no answer at all.
  Then then = Then::kKeepOpen;
};

/// Listens on a free loopback port and answers each complete request with `responder(head, body)`, called on
/// the server's own thread. Not part of the product's library.
class NullServer {
 public:
  using Responder = std::function<NullReply(std::string_view head, std::string_view body)>;
  /// `port` 0: any free one. Checks that it can listen.
  explicit NullServer(Responder responder, std::uint16_t port = 0);
  ~NullServer();
  NullServer(const NullServer&) = delete;
  NullServer& operator=(const NullServer&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::uint64_t requests() const noexcept { return requests_.load(); }
  std::uint64_t connections() const noexcept { return connections_.load(); }

 private:
  void serve();

  Responder responder_;
  int listener_ = -1;
  int stop_ = -1;  // eventfd
  std::uint16_t port_ = 0;
  std::atomic<std::uint64_t> requests_{0};
  std::atomic<std::uint64_t> connections_{0};
  std::thread thread_;
};

/// "HTTP/1.1 <status> …" with the JSON body and its length.
std::string http_reply(int status, std::string_view json);

/// Answers metadata of a model with one input `x` FP32 [-1, 4], readiness, and every infer request with class
/// `answer` and `outcome` on_time.
NullReply reply_like_a_server(std::string_view head, int answer);

}  // namespace laxity
