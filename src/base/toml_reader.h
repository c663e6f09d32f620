// Strict reading of TOML files: every key must be known, every value of the right type and inside its range.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace laxity {

/// One table of a TOML document. Getters record what they were asked for; `finish` then complains about every
/// key that nobody asked for and names the nearest known one. The first complaint is kept; later getters
/// return their defaults, so that a reader can be written straight through and checked once at the end:
///
///   TomlTable root = TomlTable::parse(text, "laxity.toml").value();
///   const std::string policy = root.string("policy").value_or("edf");
///   for (TomlTable& executor : root.tables("executor")) { … executor.finish() is called by root.finish() … }
///   if (Status status = root.finish(); !status) return status.error();
///
/// Messages: "laxity.toml:7: unknown key 'polcy' in [http]; did you mean 'policy'?".
class TomlTable {
 public:
  /// Errors: kInvalidArgument with line and column when `text` is not TOML.
  static Result<TomlTable> parse(std::string_view text, std::string_view origin);
  /// Errors: kNotFound when the file cannot be read; as parse.
  static Result<TomlTable> read_file(const std::string& path);

  ~TomlTable();
  TomlTable(TomlTable&&) noexcept;
  TomlTable& operator=(TomlTable&&) noexcept;

  bool has(std::string_view key) const;
  std::optional<std::string> string(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  /// Complains unless minimum <= value <= maximum.
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t minimum, std::int64_t maximum);
  /// Accepts integers too; complains about NaN, infinities and values outside [minimum, maximum].
  std::optional<double> number(std::string_view key, double minimum, double maximum);
  std::vector<std::string> strings(std::string_view key);
  std::vector<std::int64_t> integers(std::string_view key, std::int64_t minimum, std::int64_t maximum);
  std::vector<double> numbers(std::string_view key);
  /// The table under `key`, or none. It belongs to this one: its complaints arrive in this one's finish().
  TomlTable* table(std::string_view key);
  /// The array of tables under `key`; empty when absent.
  std::vector<TomlTable*> tables(std::string_view key);
  /// Names of all keys, for tables whose keys are data (policy_options). Counts them as known.
  std::vector<std::string> keys();
  /// True when the value under `key` is a table / a string: for keys that take several forms.
  bool is_table(std::string_view key) const;
  bool is_string(std::string_view key) const;

  /// "file:line" of the key, or of this table when there is no such key: for complaints of the caller.
  std::string where(std::string_view key = {}) const;
  /// A complaint of the caller, kept like the reader's own: "expected …, found …".
  void complain(std::string_view key, std::string message);

  /// The first complaint, or success.
  Status finish();

 private:
  struct Node;
  explicit TomlTable(std::unique_ptr<Node> node);
  std::unique_ptr<Node> node_;
};

}  // namespace laxity
