#include "sim/oracle.h"

#include <lzma.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <memory>

#include "base/check.h"

namespace laxity {
namespace {

constexpr std::size_t kUnpackedSizeMax = 64u << 20;
constexpr std::uint32_t kExitsMax = 64;

/// Unpacks .xz. Foreign library, no exceptions; everything it allocates is bounded by its memory limit.
Result<std::string> unpack(std::string_view packed, const std::string& origin) {
  lzma_stream stream = LZMA_STREAM_INIT;
  if (lzma_stream_decoder(&stream, kUnpackedSizeMax * 2, LZMA_CONCATENATED) != LZMA_OK) {
    return Error{ErrorCode::kInternal, origin + ": the xz decoder could not be set up"};
  }
  const std::unique_ptr<lzma_stream, void (*)(lzma_stream*)> closing(&stream, lzma_end);
  stream.next_in = reinterpret_cast<const std::uint8_t*>(packed.data());
  stream.avail_in = packed.size();
  std::string text;
  std::uint8_t piece[1 << 14];
  for (;;) {
    stream.next_out = piece;
    stream.avail_out = sizeof piece;
    const lzma_ret status = lzma_code(&stream, LZMA_FINISH);
    text.append(reinterpret_cast<const char*>(piece), sizeof piece - stream.avail_out);
    if (text.size() > kUnpackedSizeMax) {
      return Error{ErrorCode::kTooLarge, origin + ": expected at most 64 MiB unpacked"};
    }
    if (status == LZMA_STREAM_END) return text;
    if (status != LZMA_OK) {
      return invalid_argument(origin + ": expected an xz file, found one that the decoder refuses (code " +
                              std::to_string(static_cast<int>(status)) + ")");
    }
  }
}

/// Takes the text up to the next `end` off the front of `rest`.
std::string_view take(std::string_view& rest, char end) {
  const std::size_t at = rest.find(end);
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return taken;
}

struct Column {
  enum class Kind { kOther, kConfidence, kRight } kind = Kind::kOther;
  std::uint32_t exit = 0;
};

Column column_of(std::string_view name) {
  Column column;
  if (name.starts_with("confidence_")) column.kind = Column::Kind::kConfidence;
  if (name.starts_with("right_")) column.kind = Column::Kind::kRight;
  if (column.kind == Column::Kind::kOther) return column;
  const std::string_view number = name.substr(name.find('_') + 1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), column.exit);
  const bool is_exit =
      error == std::errc() && end == number.data() + number.size() && column.exit < kExitsMax;
  return is_exit ? column : Column{};
}

bool read_cell(std::string_view cell, const Column& column, OracleTable::Exit& exit) {
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size()) return false;
  if (column.kind == Column::Kind::kRight) {
    exit.is_right = value == 1;
    return value == 0 || value == 1;
  }
  if (!(value >= 0 && value <= 1)) return false;
  exit.confidence = static_cast<Confidence>(std::lround(value * 65535));
  return true;
}

Error cell_error(std::string_view origin, std::size_t line, std::size_t column, std::string_view found) {
  return invalid_argument(
      std::string(origin) + ":" + std::to_string(line) + ": column " + std::to_string(column + 1) +
      ": expected a confidence from 0 to 1 or a right of 0 or 1, found '" + std::string(found) + "'");
}

}  // namespace

const OracleTable::Exit& OracleTable::at(std::uint64_t input, std::uint32_t exit) const {
  LAXITY_CHECK(exit < exit_count && !exits.empty());
  return exits[input % input_count() * exit_count + exit];
}

Result<OracleTable> parse_oracle(std::string_view csv, std::string_view origin) {
  std::vector<Column> columns;
  OracleTable table;
  std::uint32_t confidence_count = 0;
  std::uint32_t right_count = 0;
  for (std::string_view header = take(csv, '\n'); !header.empty();) {
    std::string_view name = take(header, ',');
    if (name.ends_with('\r')) name.remove_suffix(1);
    columns.push_back(column_of(name));
    if (columns.back().kind == Column::Kind::kOther) continue;
    ++(columns.back().kind == Column::Kind::kRight ? right_count : confidence_count);
    table.exit_count = std::max(table.exit_count, columns.back().exit + 1);
  }
  if (table.exit_count == 0 || confidence_count != table.exit_count || right_count != table.exit_count) {
    return invalid_argument(std::string(origin) +
                            ":1: expected columns confidence_k and right_k for k = 0, 1, …, found others");
  }
  for (std::size_t line = 2; !csv.empty(); ++line) {
    std::string_view rest = take(csv, '\n');
    if (rest.ends_with('\r')) rest.remove_suffix(1);
    if (rest.empty()) continue;
    const std::size_t row = table.exits.size();
    table.exits.resize(row + table.exit_count);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string_view cell = take(rest, ',');
      if (columns[i].kind == Column::Kind::kOther) continue;
      if (!read_cell(cell, columns[i], table.exits[row + columns[i].exit]))
        return cell_error(origin, line, i, cell);
    }
  }
  if (table.exits.empty())
    return invalid_argument(std::string(origin) + ": expected at least one input, found none");
  return table;
}

Result<OracleTable> read_oracle(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes;
  char piece[1 << 14];
  while (file.read(piece, sizeof piece) || file.gcount() > 0) {
    bytes.append(piece, static_cast<std::size_t>(file.gcount()));
    if (bytes.size() > kUnpackedSizeMax)
      return Error{ErrorCode::kTooLarge, path + ": expected at most 64 MiB"};
  }
  if (!file.eof()) return not_found(path + ": expected an oracle table, found nothing that can be read");
  if (!path.ends_with(".xz")) return parse_oracle(bytes, path);
  const auto text = unpack(bytes, path);
  if (!text) return text.error();
  return parse_oracle(*text, path);
}

}  // namespace laxity
