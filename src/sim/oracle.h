// What a network would answer, tabled: per input of its test set and exit, how sure it is and whether it is
// right.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/event.h"

namespace laxity {

struct OracleTable {
  struct Exit {
    Confidence confidence = 0;
    bool is_right = false;
    bool operator==(const Exit&) const = default;
  };
  std::uint32_t exit_count = 0;
  std::vector<Exit> exits;  ///< [input * exit_count + exit]

  std::size_t input_count() const noexcept { return exit_count == 0 ? 0 : exits.size() / exit_count; }
  /// `input` is taken modulo the input count. Precondition: not empty, exit < exit_count.
  const Exit& at(std::uint64_t input, std::uint32_t exit) const;
};

/// Reads `models/<model>/oracle.csv.xz`: columns confidence_k (0 to 1) and right_k (0 or 1) for k = 0, 1, …;
/// others are ignored. Errors: kNotFound; kInvalidArgument with line, expected and found; kTooLarge (64 MiB
/// unpacked).
Result<OracleTable> read_oracle(const std::string& path);
Result<OracleTable> parse_oracle(std::string_view csv, std::string_view origin);

}  // namespace laxity
