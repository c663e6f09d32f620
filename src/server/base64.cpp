// Base64 (RFC 4648, section 4).
#include "server/base64.h"

#include <array>
#include <cstdint>

#include "base/check.h"

namespace laxity {
namespace {

constexpr std::uint8_t kNoDigit = 255;

constexpr std::array<std::uint8_t, 256> digit_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoDigit);
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr std::array<std::uint8_t, 256> kDigitValues = digit_values();

}  // namespace

std::optional<std::size_t> decode_base64(std::string_view text, std::span<std::byte> out) {
  LAXITY_CHECK(out.size() >= base64_decoded_size_max(text.size()));
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::size_t written = 0;
  std::uint32_t invalid = 0;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t bits = 0;
    const std::size_t digit_count = i + 4 == text.size() ? 4 - padding : 4;
    for (std::size_t d = 0; d < 4; ++d) {
      const std::uint8_t value = d < digit_count ? kDigitValues[static_cast<unsigned char>(text[i + d])] : 0;
      invalid |= value & 0xc0U;
      bits = bits << 6 | (value & 0x3fU);
    }
    for (std::size_t b = 0; b + 1 < digit_count; ++b) {
      out[written++] = static_cast<std::byte>(bits >> (16 - 8 * b) & 0xffU);
    }
  }
  if (invalid != 0) return std::nullopt;
  return written;
}

}  // namespace laxity
