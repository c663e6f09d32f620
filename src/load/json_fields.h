// Reading the JSON of a server's answers: what is missing or of another type reads as nothing, for an answer
// that is not understood is judged by its status alone.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/outcome.h"

namespace laxity {

/// Discarded where `text` is no JSON; then every member of it is null.
nlohmann::json parse_json(std::string_view text);

/// The member `key` of `object`, or null.
const nlohmann::json& member(const nlohmann::json& object, const char* key);

/// Empty where `value` is no string.
std::string text_of(const nlohmann::json& value);

/// Zero where `value` is no natural number.
std::uint64_t count_of(const nlohmann::json& value);

/// kNone where no reason has this name.
Reason reason_named(std::string_view wanted) noexcept;

}  // namespace laxity
