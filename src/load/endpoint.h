// Where the server under load listens.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace laxity {

/// A resolved http:// address.
struct Endpoint {
  std::string authority;  ///< "127.0.0.1:8000", as the Host header says it.
  sockaddr_storage address{};
  socklen_t address_length = 0;
};

/// Reads "http://host[:port][/]" (port 80 when absent; IPv6 hosts in brackets) and resolves the host.
/// Errors: kInvalidArgument (not such a URL), kNotFound (the host has no address). May block in the resolver.
Result<Endpoint> resolve_url(std::string_view url);

/// A non-blocking socket on its way to `endpoint`, with small writes not delayed.
/// Errors: kResourceExhausted (no descriptors left), kUnavailable (refused at once).
Result<int> start_connect(const Endpoint& endpoint);

}  // namespace laxity
