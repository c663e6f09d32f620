#include "server/json_reading.h"

#include <algorithm>
#include <span>

#include "base/nearest.h"

namespace laxity {

namespace dom = simdjson::dom;

std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 80;
  std::string out = "'";
  std::size_t shown = std::min(text.size(), kShown);
  while (shown < text.size() && shown > 0 && (static_cast<unsigned char>(text[shown]) & 0xc0U) == 0x80U)
    --shown;
  out += text.substr(0, shown);
  if (shown < text.size()) out += "…";
  out += "'";
  return out;
}

const char* kind_of(dom::element element) {
  switch (element.type()) {
    case dom::element_type::ARRAY:
      return "an array";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
      return "an integer";
    case dom::element_type::DOUBLE:
      return "a number with a fraction";
    case dom::element_type::STRING:
      return "a string";
    case dom::element_type::BOOL:
      return "a boolean";
    case dom::element_type::NULL_VALUE:
      return "null";
  }
  return "something else";
}

Error expected(std::string_view where, std::string_view what, dom::element found) {
  return invalid_argument(std::string(where) + ": expected " + std::string(what) + ", found " +
                          kind_of(found));
}

Error unknown_key(std::string_view where, std::string_view key,
                  std::initializer_list<std::string_view> known) {
  const std::span<const std::string_view> names(known.begin(), known.size());
  return invalid_argument(std::string(where) + ": unknown key " + quoted(key) + "; did you mean '" +
                          nearest(key, names) + "'?");
}

Result<std::string_view> string_of(dom::element element, std::string_view where) {
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS) return expected(where, "a string", element);
  return text;
}

Result<dom::object> object_of(dom::parser& parser, const char* text, std::size_t size,
                              std::string_view what) {
  dom::element document;
  const simdjson::error_code error = parser.parse(text, size, false).get(document);
  if (error != simdjson::SUCCESS) {
    return invalid_argument(std::string(what) + " (" + std::to_string(size) +
                            " bytes): expected a JSON object, found: " + simdjson::error_message(error));
  }
  dom::object top;
  if (document.get(top) != simdjson::SUCCESS) return expected("body", "an object", document);
  return top;
}

}  // namespace laxity
