// Appends JSON to a string that is reused.
#include "server/json_writer.h"

#include <simdjson.h>

#include <charconv>
#include <cmath>

namespace laxity {
namespace {

template <typename T>
void append_chars(std::string& out, T value) {
  char digits[40];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, error == std::errc{} ? end : digits);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  const bool is_utf8 = simdjson::validate_utf8(text.data(), text.size());
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      static constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += byte >= 0x80 && !is_utf8 ? '?' : c;
    }
  }
  out += '"';
}

void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
  } else {
    append_chars(out, value);
  }
}

void append_json_number(std::string& out, float value) {
  if (!std::isfinite(value)) {
    out += "null";
  } else {
    append_chars(out, value);
  }
}

void append_json_number(std::string& out, std::int64_t value) { append_chars(out, value); }
void append_json_number(std::string& out, std::uint64_t value) { append_chars(out, value); }

void append_json_milliseconds(std::string& out, Duration value) {
  auto ns = static_cast<std::uint64_t>(value.count());
  if (value < Duration::zero()) {
    out += '-';
    ns = 0 - ns;
  }
  append_json_number(out, ns / 1'000'000);
  std::uint64_t fraction = ns % 1'000'000;
  if (fraction == 0) return;
  out += '.';
  for (std::uint64_t digit = 100'000; fraction > 0; fraction %= digit, digit /= 10) {
    out += static_cast<char>('0' + fraction / digit);
  }
}

std::string error_json(std::string_view error, std::string_view reason) {
  std::string out = "{\"error\":";
  append_json_string(out, error);
  out += ",\"reason\":";
  append_json_string(out, reason);
  out += "}";
  return out;
}

}  // namespace laxity
