#include "load/json_fields.h"

namespace laxity {

using Json = nlohmann::json;

Json parse_json(std::string_view text) { return Json::parse(text.begin(), text.end(), nullptr, false); }

const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::uint64_t count_of(const Json& value) {
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

Reason reason_named(std::string_view wanted) noexcept {
  for (int i = 0; i < kReasonCount; ++i) {
    if (wanted == name(static_cast<Reason>(i))) return static_cast<Reason>(i);
  }
  return Reason::kNone;
}

}  // namespace laxity
