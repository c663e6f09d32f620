// What readers of JSON bodies share: the words for what was expected and what was found.
#pragma once

#include <simdjson.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"

namespace laxity {

/// A name from outside in quotes, shortened so that a message stays readable.
std::string quoted(std::string_view text);

/// "an array", "a string", …
const char* kind_of(simdjson::dom::element element);

/// "<where>: expected <what>, found <kind>".
Error expected(std::string_view where, std::string_view what, simdjson::dom::element found);

/// "<where>: unknown key '<key>'; did you mean '<nearest of known>'?"
Error unknown_key(std::string_view where, std::string_view key,
                  std::initializer_list<std::string_view> known);

Result<std::string_view> string_of(simdjson::dom::element element, std::string_view where);

/// Parses `text`, behind which simdjson's padding must be readable, as one object. The result lives as long
/// as the parser parses nothing else. `what` names the text in a complaint.
Result<simdjson::dom::object> object_of(simdjson::dom::parser& parser, const char* text, std::size_t size,
                                        std::string_view what);

}  // namespace laxity
