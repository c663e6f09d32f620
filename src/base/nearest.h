// "Did you mean …?": the known name that is closest to one that was typed.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace laxity {

/// Least edit distance (insert, delete, replace, swap neighbours); empty when `known` is empty. Ties to the
/// first.
std::string nearest(std::string_view name, std::span<const std::string_view> known);

}  // namespace laxity
