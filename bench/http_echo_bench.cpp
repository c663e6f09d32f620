// The round trip of a bare Boost.Beast server on loopback: the floor under the latency numbers of the server.
//
//   http_echo_bench [exchanges] [body bytes]

#include "bench/echo_server.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/e2e/http_client.h"

int main(int argument_count, char** arguments) {
  const int exchange_count = argument_count > 1 ? std::atoi(arguments[1]) : 20000;
  const std::size_t body_size = argument_count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 256;
  laxity::bench::EchoServer server;
  laxity::testing::HttpClient client(server.port());
  const std::string request = laxity::testing::post("/", std::string(body_size, 'x'));
  std::vector<double> microseconds;
  for (int i = 0; i < exchange_count; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto reply = client.exchange(request);
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    if (!reply || reply->body.size() != body_size) {
      std::fprintf(stderr, "http_echo_bench: expected %zu bytes back, found another reply\n", body_size);
      return 3;
    }
    microseconds.push_back(time.count());
  }
  std::sort(microseconds.begin(), microseconds.end());
  const auto at = [&](double part) {
    return microseconds.empty()
               ? 0.0
               : microseconds[static_cast<std::size_t>(part * static_cast<double>(microseconds.size() - 1))];
  };
  std::printf("bare echo, %zu bytes: p10 %.1f us, p50 %.1f us, p99 %.1f us\n", body_size, at(0.1), at(0.5),
              at(0.99));
  return 0;
}
