#include "load/endpoint.h"

#include <gtest/gtest.h>

#include <cstring>

namespace laxity {
namespace {

std::uint16_t port_of(const Endpoint& endpoint) {
  sockaddr_in address{};
  std::memcpy(&address, &endpoint.address, sizeof address);
  return ntohs(address.sin_port);
}

TEST(Endpoint, ReadsHostAndPort) {
  const Result<Endpoint> plain = resolve_url("http://127.0.0.1:8123");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->authority, "127.0.0.1:8123");
  EXPECT_EQ(port_of(*plain), 8123);
  const Result<Endpoint> slash = resolve_url("http://127.0.0.1:8123/");
  ASSERT_TRUE(slash);
  EXPECT_EQ(slash->authority, "127.0.0.1:8123");
  const Result<Endpoint> bare = resolve_url("http://127.0.0.1");
  ASSERT_TRUE(bare);
  EXPECT_EQ(port_of(*bare), 80);
}

TEST(Endpoint, RefusesWhatIsNoUrl) {
  for (const char* url : {"", "127.0.0.1:8000", "https://127.0.0.1", "http://", "http://:80", "http://h:0",
                          "http://h:", "http://h:65536", "http://h:80x", "http://h/path", "http://h:80?x",
                          "http://u@h", "http://h\r\nX: y", "http://[::1", "http://[::1]x"}) {
    const Result<Endpoint> endpoint = resolve_url(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().code, ErrorCode::kInvalidArgument) << url;
  }
}

}  // namespace
}  // namespace laxity
