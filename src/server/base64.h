// Base64 (RFC 4648, section 4), for encoded pictures in JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace laxity {

/// An upper bound of what decode_base64 writes.
constexpr std::size_t base64_decoded_size_max(std::size_t text_size) noexcept {
  return text_size / 4 * 3 + 3;
}

/// Decodes strictly (no blanks, padding required) and returns the number of bytes written; none when `text`
/// is not base64. Precondition: `out` holds base64_decoded_size_max(text.size()) bytes.
std::optional<std::size_t> decode_base64(std::string_view text, std::span<std::byte> out);

}  // namespace laxity
