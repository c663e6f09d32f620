#include "load/null_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <map>
#include <utility>

#include "base/check.h"

namespace laxity {
namespace {

/// Bytes of the first complete request in `text`, head and body; zeros when there is none yet.
std::pair<std::size_t, std::size_t> request_sizes(std::string_view text) {
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return {0, 0};
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  const std::size_t at = text.substr(0, end).find(kLength);
  std::size_t length = 0;
  if (at != std::string_view::npos) {
    std::from_chars(text.data() + at + kLength.size(), text.data() + end, length);
  }
  const std::size_t head = end + 4;
  if (text.size() < head + length) return {0, 0};
  return {head, length};
}

/// Sends everything or reports that the peer has gone. The replies are small, so waiting here is a corner
/// case.
bool send_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && errno != EINTR) return false;
    if (size > 0) bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace

NullServer::NullServer(Responder responder, std::uint16_t port) : responder_(std::move(responder)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  LAXITY_CHECK(listener_ >= 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  LAXITY_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  LAXITY_CHECK(::listen(listener_, 1024) == 0);
  socklen_t length = sizeof address;
  LAXITY_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  port_ = ntohs(address.sin_port);
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  LAXITY_CHECK(stop_ >= 0);
  thread_ = std::thread([this] { serve(); });
}

NullServer::~NullServer() {
  const std::uint64_t one = 1;
  LAXITY_CHECK(::write(stop_, &one, sizeof one) == sizeof one);
  thread_.join();
  ::close(stop_);
  ::close(listener_);
}

void NullServer::serve() {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [epoll](int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
  };
  watch(listener_);
  watch(stop_);
  std::map<int, std::string> unread;
  std::array<char, 65536> chunk;
  std::array<epoll_event, 64> events;
  for (bool is_running = true; is_running;) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
      if (descriptor == stop_) {
        is_running = false;
        continue;
      }
      if (descriptor == listener_) {
        const int accepted = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (accepted < 0) continue;
        const int on = 1;
        ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        unread[accepted].clear();
        ++connections_;
        watch(accepted);
        continue;
      }
      const ssize_t size = ::recv(descriptor, chunk.data(), chunk.size(), 0);
      bool is_open = size > 0;
      std::string& text = unread[descriptor];
      if (is_open) text.append(chunk.data(), static_cast<std::size_t>(size));
      while (is_open) {
        const auto [head, body] = request_sizes(text);
        if (head == 0) break;
        ++requests_;
        const std::string_view request = text;
        const NullReply reply = responder_(request.substr(0, head), request.substr(head, body));
        is_open = send_all(descriptor, reply.bytes) && reply.then == NullReply::Then::kKeepOpen;
        text.erase(0, head + body);
      }
      if (!is_open) {
        unread.erase(descriptor);
        ::close(descriptor);
      }
    }
  }
  for (const auto& [descriptor, text] : unread) ::close(descriptor);
  ::close(epoll);
}

std::string http_reply(int status, std::string_view json) {
  return "HTTP/1.1 " + std::to_string(status) +
         " Words\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(json.size()) +
         "\r\n\r\n" + std::string(json);
}

NullReply reply_like_a_server(std::string_view head, int answer) {
  if (head.starts_with("POST ")) {
    return {
        http_reply(
            200, R"({"model_name":"m","outputs":[{"name":"class","datatype":"INT64","shape":[1,1],"data":[)" +
                     std::to_string(answer) +
                     R"(]}],"parameters":{"outcome":"on_time","exit":0,"batch_size":1}})"),
        NullReply::Then::kKeepOpen};
  }
  if (head.starts_with("GET /v2/health/ready ")) return {http_reply(200, ""), NullReply::Then::kKeepOpen};
  if (head.starts_with("GET /v2/models/")) {
    return {
        http_reply(200, R"({"name":"m","platform":"onnxruntime","inputs":[{"name":"x","datatype":"FP32",)"
                        R"("shape":[-1,4]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,10]}]})"),
        NullReply::Then::kKeepOpen};
  }
  return {http_reply(404, R"({"error":"no such thing"})"), NullReply::Then::kKeepOpen};
}

}  // namespace laxity
