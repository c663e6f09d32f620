// A plain blocking HTTP client for tests: sends any bytes, reads one reply at a time.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace laxity::testing {

struct Reply {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< Names in lower case.
  std::string body;
};

class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // A test that waits for a reply that never comes must fail, not hang.
    const timeval patience{30, 0};
    (void)::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const int yes = 1;
    (void)::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~HttpClient() { close(); }
  HttpClient(HttpClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        is_connected_(other.is_connected_),
        received_(std::move(other.received_)) {}
  HttpClient& operator=(HttpClient&&) = delete;

  bool is_connected() const { return is_connected_; }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  /// Closes with a reset, as the system does for a killed process with unread data.
  void reset() {
    const linger hard{1, 0};
    (void)::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }

  /// The system keeps little of what comes and is not read.
  void keep_little() {
    const int size = 4096;
    (void)::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t size = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }

  /// The next reply; none when the connection ended before it was whole. `has_body`: false after HEAD.
  std::optional<Reply> receive(bool has_body = true) {
    std::size_t head_end = 0;
    while ((head_end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) return std::nullopt;
    }
    Reply reply;
    const std::string head = received_.substr(0, head_end + 2);
    if (head.rfind("HTTP/1.1 ", 0) != 0) return std::nullopt;
    reply.status = std::atoi(head.c_str() + 9);
    std::size_t line = head.find("\r\n") + 2;
    while (line < head.size()) {
      const std::size_t line_end = head.find("\r\n", line);
      const std::size_t colon = head.find(": ", line);
      std::string name = head.substr(line, colon - line);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      reply.headers[name] = head.substr(colon + 2, line_end - colon - 2);
      line = line_end + 2;
    }
    received_.erase(0, head_end + 4);
    if (!has_body || reply.status == 100) return reply;
    const auto length = reply.headers.find("content-length");
    if (length == reply.headers.end()) return std::nullopt;
    const std::size_t size = std::strtoull(length->second.c_str(), nullptr, 10);
    while (received_.size() < size) {
      if (!read_more()) return std::nullopt;
    }
    reply.body = received_.substr(0, size);
    received_.erase(0, size);
    return reply;
  }

  /// Everything up to and with the next `mark`, whatever it is; none when the connection ended before.
  std::optional<std::string> receive_until(std::string_view mark) {
    std::size_t found = 0;
    while ((found = received_.find(mark)) == std::string::npos) {
      if (!read_more()) return std::nullopt;
    }
    std::string text = received_.substr(0, found + mark.size());
    received_.erase(0, text.size());
    return text;
  }

  /// True when the server closes without sending anything more.
  bool is_closed_by_server() { return received_.empty() && !read_more(); }

  std::optional<Reply> exchange(std::string_view request) {
    if (!send(request)) return std::nullopt;
    return receive();
  }
  std::optional<Reply> get(std::string_view target) {
    return exchange("GET " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n\r\n");
  }

 private:
  bool read_more() {
    char bytes[16384];
    const ssize_t size = ::recv(socket_, bytes, sizeof bytes, 0);
    if (size <= 0) return false;
    received_.append(bytes, static_cast<std::size_t>(size));
    return true;
  }

  int socket_ = -1;
  bool is_connected_ = false;
  std::string received_;
};

inline std::string post(std::string_view target, std::string_view body, std::string_view more_headers = {}) {
  return "POST " + std::string(target) +
         " HTTP/1.1\r\nHost: test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more_headers) + "\r\n" + std::string(body);
}

/// A request whose body is JSON and binary tensors behind it.
inline std::string post_binary(std::string_view target, std::string_view json, std::string_view binary) {
  return post(target, std::string(json) + std::string(binary),
              "Inference-Header-Content-Length: " + std::to_string(json.size()) + "\r\n");
}

}  // namespace laxity::testing
