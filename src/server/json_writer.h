// Appends JSON to a string that is reused, so that a warm reply allocates nothing.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace laxity {

/// Appends `text` as a JSON string with its quotes. Bytes that are no valid UTF-8 become '?'.
void append_json_string(std::string& out, std::string_view text);

/// Shortest form that reads back to the same value; NaN and infinities, which JSON cannot say, become null.
void append_json_number(std::string& out, double value);
void append_json_number(std::string& out, float value);
void append_json_number(std::string& out, std::int64_t value);
void append_json_number(std::string& out, std::uint64_t value);
template <std::integral T>
void append_json_number(std::string& out, T value) {
  if constexpr (std::is_signed_v<T>) {
    append_json_number(out, static_cast<std::int64_t>(value));
  } else {
    append_json_number(out, static_cast<std::uint64_t>(value));
  }
}

/// Milliseconds with the microseconds and nanoseconds behind the point: 1.234567.
void append_json_milliseconds(std::string& out, Duration value);

/// The body of every error: {"error": …, "reason": …}.
std::string error_json(std::string_view error, std::string_view reason);

}  // namespace laxity
