#include "load/http_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/rng.h"

namespace laxity {
namespace {

using State = HttpReader::State;

State feed(HttpReader& reader, std::string_view text) {
  State state = State::kNeedsMore;
  while (!text.empty() && state == State::kNeedsMore) {
    const std::span<char> space = reader.space();
    const std::size_t size = std::min(space.size(), text.size());
    std::copy_n(text.begin(), size, space.begin());
    text.remove_prefix(size);
    state = reader.commit(size);
  }
  return state;
}

TEST(HttpReader, ReadsAWholeAnswer) {
  HttpReader reader;
  ASSERT_EQ(
      feed(reader,
           "HTTP/1.1 200 OK\r\ncontent-LENGTH:  7 \r\nInference-Header-Content-Length: 4\r\n\r\n{  }abc"),
      State::kComplete);
  EXPECT_EQ(reader.status(), 200);
  EXPECT_EQ(reader.body(), "{  }abc");
  EXPECT_EQ(reader.json(), "{  }");
  EXPECT_EQ(reader.binary(), "abc");
  EXPECT_TRUE(reader.keeps_open());
  EXPECT_EQ(reader.next(), State::kNeedsMore);
  EXPECT_FALSE(reader.has_partial());
}

TEST(HttpReader, ReadsByteByByte) {
  const std::string text =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 504 Gateway Timeout\r\nContent-Length: 2\r\n\r\nno";
  HttpReader reader;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    ASSERT_EQ(feed(reader, text.substr(i, 1)), State::kNeedsMore) << i;
  }
  ASSERT_EQ(feed(reader, text.substr(text.size() - 1)), State::kComplete);
  EXPECT_EQ(reader.status(), 504);
  EXPECT_EQ(reader.body(), "no");
}

TEST(HttpReader, BodiesLongerThanTheBuffer) {
  const std::string body(300'000, 'x');
  HttpReader reader;
  ASSERT_EQ(feed(reader, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body), State::kComplete);
  EXPECT_EQ(reader.body(), body);
}

TEST(HttpReader, TwoAnswersInOnePiece) {
  HttpReader reader;
  ASSERT_EQ(feed(reader,
                 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"),
            State::kComplete);
  EXPECT_EQ(reader.body(), "a");
  ASSERT_EQ(reader.next(), State::kComplete);
  EXPECT_EQ(reader.status(), 503);
  EXPECT_EQ(reader.body(), "");
}

TEST(HttpReader, EndOfConnection) {
  HttpReader until_end;
  ASSERT_EQ(feed(until_end, "HTTP/1.0 200 OK\r\n\r\npart"), State::kNeedsMore);
  ASSERT_EQ(until_end.finish(), State::kComplete);
  EXPECT_EQ(until_end.body(), "part");
  EXPECT_FALSE(until_end.keeps_open());

  HttpReader cut;
  ASSERT_EQ(feed(cut, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"), State::kNeedsMore);
  EXPECT_EQ(cut.finish(), State::kBroken);

  HttpReader nothing;
  EXPECT_EQ(nothing.finish(), State::kBroken);
}

TEST(HttpReader, ConnectionHeader) {
  HttpReader closing;
  ASSERT_EQ(feed(closing, "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n"),
            State::kComplete);
  EXPECT_FALSE(closing.keeps_open());
  HttpReader old;
  ASSERT_EQ(feed(old, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), State::kComplete);
  EXPECT_FALSE(old.keeps_open());
}

TEST(HttpReader, RefusesGarbage) {
  const std::string big_head = "HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x');
  for (const std::string& text :
       {std::string("SSH-2.0-OpenSSH\r\n"), std::string("\0\0\0", 3), std::string("HTTP/2 200\r\n\r\n"),
        std::string("HTTP/1.1 2x0 OK\r\n\r\n"), std::string("HTTP/1.1 20\r\n\r\n"),
        std::string("HTTP/1.1 2000 OK\r\n\r\n"), std::string("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 900000000000\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nInference-Header-Content-Length: 2\r\n\r\nx"),
        big_head}) {
    HttpReader reader;
    EXPECT_EQ(feed(reader, text), State::kBroken) << text.substr(0, 80);
    EXPECT_STRNE(reader.problem(), "");
  }
}

// Cuts and flips must end in one of the three states; the sanitizer build watches the memory.
TEST(HttpReader, MutationsNeverConfuseIt) {
  const std::string good =
      "HTTP/1.1 200 OK\r\nInference-Header-Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}abc";
  Rng rng(7);
  int complete = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (std::int64_t flips = rng.uniform(0, 3); flips > 0; --flips) {
      text[static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(text.size()) - 1))] =
          static_cast<char>(rng.uniform(0, 255));
    }
    text.resize(static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(text.size()))));
    HttpReader reader;
    State state = feed(reader, text);
    if (state == State::kNeedsMore) state = reader.finish();
    if (state != State::kComplete) continue;
    ++complete;
    EXPECT_LE(reader.json().size() + reader.binary().size(), text.size());
  }
  EXPECT_GT(complete, 0);
}

}  // namespace
}  // namespace laxity
