// What the HTTP server can be told: the `http` table of laxity.toml and the bounds behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace laxity {

struct ServerConfig {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8000;  ///< 0: any free one; Server::port() says which.
  std::size_t body_size_max = std::size_t{64} << 20;
  /// Of the JSON part alone: numbers in JSON cost ten times their size to parse, binary tensors cost nothing.
  std::size_t json_size_max = std::size_t{16} << 20;
  /// Bodies, decoded tensors and outputs of all living requests together; beyond it 503.
  std::size_t request_memory_max = std::size_t{512} << 20;
  std::size_t connections_max = 1024;
  Duration header_time_max = 10s;  ///< From the first byte of a request to the end of its header.
  Duration body_time_max = 30s;    ///< For the body, plus a second for each MiB of it.
  Duration idle_time_max = 120s;   ///< Between two requests of one connection.
  Duration write_time_max = 30s;   ///< For a client to take its reply.
  Duration stream_idle_min = 10s;  ///< A stream that sends nothing so long, and for ten periods, ends.
  std::size_t admissions_waiting_max = 64;  ///< Streams that may wait for their verdict.
  std::string engine;                       ///< For the state page: what runs the networks …
  bool is_emulated = false;                 ///< … and whether it only takes their time.
  bool busy_poll = false;  ///< The network thread never sleeps: a core for some microseconds less.
  /// Real-time priority of the network thread where the system permits it; 0, or with busy_poll: none.
  /// Whoever posts an event may hold the scheduler for a moment, and must not be put aside meanwhile.
  int realtime_priority = 0;
  std::vector<int> cores;  ///< Where the network thread may run; empty: anywhere.
};

}  // namespace laxity
