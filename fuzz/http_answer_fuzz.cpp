// Answers from a hostile server: the same bytes in one piece and byte by byte are read alike, and what they
// carry is an answer or is not, without harm.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "load/http_reader.h"
#include "load/infer_codec.h"
#include "load/stream_codec.h"

namespace {

using State = laxity::HttpReader::State;

constexpr std::size_t kBodySizeMax = 1 << 16;
constexpr std::size_t kAnswersMax = 16;

struct Seen {
  std::vector<int> statuses;
  std::vector<std::string> bodies;
  bool is_broken = false;
  bool operator==(const Seen&) const = default;
};

Seen read(std::string_view bytes, std::size_t piece_size_max) {
  laxity::HttpReader reader(kBodySizeMax);
  Seen seen;
  const auto take = [&](State state) {
    while (state == State::kComplete && seen.statuses.size() < kAnswersMax) {
      LAXITY_CHECK(reader.json().size() + reader.binary().size() == reader.body().size());
      LAXITY_CHECK(reader.body().size() <= kBodySizeMax);
      (void)laxity::read_infer_answer(reader.status(), reader.json(), reader.binary());
      (void)laxity::read_model_metadata(reader.json());
      if (const auto reply = laxity::read_stream_reply(reader.status(), reader.json()); reply) {
        LAXITY_CHECK(reply->stream.size() <= laxity::kStreamNameMax);
        LAXITY_CHECK(reply->is_admitted != reply->stream.empty());
      }
      (void)laxity::read_stream_tally(reader.json());
      seen.statuses.push_back(reader.status());
      seen.bodies.emplace_back(reader.body());
      state = reader.next();
    }
    if (state == State::kBroken) seen.is_broken = true;
    return state == State::kNeedsMore;
  };
  while (!bytes.empty()) {
    const auto space = reader.space();
    LAXITY_CHECK(!space.empty());
    const std::size_t size = std::min({bytes.size(), space.size(), piece_size_max});
    std::copy_n(bytes.begin(), size, space.begin());
    bytes.remove_prefix(size);
    if (!take(reader.commit(size))) return seen;
  }
  (void)take(reader.finish());
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  LAXITY_CHECK(read(bytes, bytes.size() + 1) == read(bytes, 1));
  return 0;
}
