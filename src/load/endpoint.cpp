#include "load/endpoint.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace laxity {
namespace {

Error bad_url(std::string_view url, std::string_view why) {
  return invalid_argument("expected a URL as in http://127.0.0.1:8000, found '" + std::string(url) +
                          "': " + std::string(why));
}

}  // namespace

Result<Endpoint> resolve_url(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return bad_url(url, "it does not begin with http://");
  std::string_view rest = url.substr(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@ \t\r\n") != std::string_view::npos) {
    return bad_url(url, "only a host and a port may follow http://");
  }
  std::string_view host = rest;
  std::string_view port_text = "80";
  const bool is_bracketed = rest.starts_with('[');
  const std::size_t bracket = is_bracketed ? rest.find(']') : std::string_view::npos;
  if (is_bracketed && bracket == std::string_view::npos) return bad_url(url, "']' is missing");
  const std::size_t colon = rest.find(':', is_bracketed ? bracket : 0);
  if (colon != std::string_view::npos) {
    host = rest.substr(0, colon);
    port_text = rest.substr(colon + 1);
  }
  if (is_bracketed) {
    if (host.back() != ']') return bad_url(url, "only a port may follow ']'");
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty()) return bad_url(url, "the host is missing");
  std::uint16_t port = 0;
  const char* end = port_text.data() + port_text.size();
  const auto [stop, code] = std::from_chars(port_text.data(), end, port);
  if (code != std::errc{} || stop != end || port == 0) return bad_url(url, "the port is not in 1 to 65535");

  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string host_text(host);
  const int status = getaddrinfo(host_text.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (status != 0) {
    return not_found("host '" + host_text + "' has no address: " + gai_strerror(status));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  Endpoint endpoint;
  endpoint.authority = std::string(rest);
  std::memcpy(&endpoint.address, found->ai_addr, found->ai_addrlen);
  endpoint.address_length = found->ai_addrlen;
  return endpoint;
}

Result<int> start_connect(const Endpoint& endpoint) {
  const int fd = ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return Error{ErrorCode::kResourceExhausted, std::string("cannot open a socket: ") + std::strerror(errno)};
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto* address = reinterpret_cast<const sockaddr*>(&endpoint.address);
  if (::connect(fd, address, endpoint.address_length) != 0 && errno != EINPROGRESS) {
    const int reason = errno;
    ::close(fd);
    return Error{ErrorCode::kUnavailable,
                 "expected a server at http://" + endpoint.authority + ", found: " + std::strerror(reason)};
  }
  return fd;
}

}  // namespace laxity
