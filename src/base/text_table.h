// Words in aligned columns, for tables that people read.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace laxity {

using TextRow = std::vector<std::string>;

/// One line a row, two spaces between columns, nothing behind the last word. `text_columns` are aligned left,
/// the others, numbers, right. Precondition: rows of equal length, at least one.
std::string aligned(const std::vector<TextRow>& rows, std::span<const std::size_t> text_columns);

}  // namespace laxity
