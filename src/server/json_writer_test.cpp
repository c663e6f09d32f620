#include "server/json_writer.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "server/base64.h"

namespace laxity {
namespace {

template <typename T>
std::string number(T value) {
  std::string out;
  append_json_number(out, value);
  return out;
}

TEST(JsonWriter, NumbersReadBackAsTheyWere) {
  EXPECT_EQ(number(0.1F), "0.1");
  EXPECT_EQ(number(-0.5), "-0.5");
  EXPECT_EQ(number(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(number(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(number(std::uint8_t{7}), "7");
  EXPECT_EQ(number(std::numeric_limits<float>::quiet_NaN()), "null");
  EXPECT_EQ(number(-std::numeric_limits<double>::infinity()), "null");
}

TEST(JsonWriter, StringsAreJsonWhateverTheBytes) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (const std::string& text : {all, std::string("plain"), std::string("quote \" slash \\ line \n é")}) {
    std::string out;
    append_json_string(out, text);
    const nlohmann::json parsed = nlohmann::json::parse(out, nullptr, false);
    ASSERT_TRUE(parsed.is_string()) << out;
    if (text != all) {
      EXPECT_EQ(parsed.get<std::string>(), text);
    }
  }
}

TEST(JsonWriter, MillisecondsKeepEveryNanosecond) {
  const std::pair<Duration, const char*> rows[] = {
      {Duration(0), "0"},
      {Duration(1), "0.000001"},
      {1ms, "1"},
      {1500us, "1.5"},
      {-1500us, "-1.5"},
      {Duration(12'345'678'900), "12345.6789"},
      {Duration(-1), "-0.000001"},
  };
  for (const auto& [value, text] : rows) {
    std::string out;
    append_json_milliseconds(out, value);
    EXPECT_EQ(out, text);
  }
}

TEST(Base64, KnownTextsAndWhatIsNone) {
  const auto decode = [](std::string_view text) -> std::optional<std::string> {
    std::vector<std::byte> out(base64_decoded_size_max(text.size()));
    const auto size = decode_base64(text, out);
    if (!size) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(out.data()), *size);
  };
  EXPECT_EQ(decode(""), "");
  EXPECT_EQ(decode("Zg=="), "f");
  EXPECT_EQ(decode("Zm8="), "fo");
  EXPECT_EQ(decode("Zm9v"), "foo");
  EXPECT_EQ(decode("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decode("/+8="), "\xff\xef");
  for (const char* bad : {"Z", "Zg", "Zg=", "Z===", "====", "Zm9v\n", "Zm 9", "Zm9-", "Z=9v", "Zg==Zg=="}) {
    EXPECT_EQ(decode(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace laxity
