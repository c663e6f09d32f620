#include "base/text_table.h"

#include <algorithm>

#include "base/check.h"

namespace laxity {

std::string aligned(const std::vector<TextRow>& rows, std::span<const std::size_t> text_columns) {
  LAXITY_CHECK(!rows.empty());
  std::vector<std::size_t> widths(rows.front().size());
  for (const TextRow& row : rows) {
    LAXITY_CHECK(row.size() == widths.size());
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const TextRow& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      const bool is_text = std::find(text_columns.begin(), text_columns.end(), i) != text_columns.end();
      if (i > 0) line += "  ";
      line += is_text ? row[i] + padding : padding + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace laxity
