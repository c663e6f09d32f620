#include "base/toml_reader.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "base/nearest.h"

// The foreign parser is used without exceptions, and from this file only.
// Its assertions are off: one of them fails on "[#", which the code below it reports as the error it is.
// NDEBUG must not be set either, or some compilers would take the assertions for promises.
#undef NDEBUG
#define TOML_ASSERT(condition) static_assert(true)
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

namespace laxity {
namespace {

// A configuration is some kilobytes; anything beyond this is the wrong file.
constexpr std::uintmax_t kFileSizeMax = 16u << 20;

const char* found_type(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "a boolean";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "a date or time";
    default:
      return "nothing";
  }
}

std::string shown(double value) {
  char text[32];
  (void)std::snprintf(text, sizeof text, "%.12g", value);
  return text;
}

std::string range_text(double minimum, double maximum) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kLargest = std::numeric_limits<double>::max();
  const bool is_bounded_below = minimum > -kLargest && minimum != -kInfinity;
  const bool is_bounded_above = maximum < kLargest && maximum != kInfinity;
  if (is_bounded_below && is_bounded_above) return " from " + shown(minimum) + " to " + shown(maximum);
  if (is_bounded_below) return " of at least " + shown(minimum);
  if (is_bounded_above) return " of at most " + shown(maximum);
  return "";
}

}  // namespace

struct TomlTable::Node {
  /// Belongs to the whole document.
  struct Document {
    std::string origin;
    toml::table root;
    std::optional<Error> complaint;
  };

  std::shared_ptr<Document> document;  // shared: a table may outlive the one it was taken from
  const toml::table* table = nullptr;
  std::string name;  // "" for the root, "executor", "http.tls"
  std::uint32_t line = 0;
  std::set<std::string, std::less<>> known;
  std::map<std::string, std::vector<std::unique_ptr<TomlTable>>, std::less<>> children;

  /// The value, or null when absent or when somebody has complained already. Counts the key as known.
  const toml::node* find(std::string_view key) {
    known.emplace(key);
    return document->complaint ? nullptr : table->get(key);
  }

  std::uint32_t line_of(std::string_view key) const {
    const auto found = table->find(key);
    if (found == table->end()) return line;
    const std::uint32_t key_line = found->first.source().begin.line;
    return key_line != 0 ? key_line : line;
  }

  void complain(std::uint32_t at_line, const std::string& message) {
    if (document->complaint) return;
    document->complaint =
        invalid_argument(document->origin + ":" + std::to_string(std::max(at_line, 1u)) + ": " + message);
  }

  void complain_type(std::string_view key, const std::string& expected, const toml::node& found) {
    complain(line_of(key),
             "'" + std::string(key) + "': expected " + expected + ", found " + found_type(found));
  }

  /// Element `i` of an array, for messages: "'cores'[2]".
  void complain_element(std::string_view key, std::size_t i, const std::string& expected,
                        const std::string& found) {
    complain(line_of(key), "'" + std::string(key) + "'[" + std::to_string(i) + "]: expected " + expected +
                               ", found " + found);
  }

  const toml::array* find_array(std::string_view key, const char* expected) {
    const toml::node* node = find(key);
    if (node == nullptr) return nullptr;
    if (!node->is_array()) complain_type(key, expected, *node);
    return node->as_array();
  }

  std::string child_name(std::string_view key) const {
    return name.empty() ? std::string(key) : name + "." + std::string(key);
  }

  std::unique_ptr<TomlTable> make_child(std::string_view key, const toml::table& child_table) const {
    auto child = std::make_unique<Node>();
    child->document = document;
    child->table = &child_table;
    child->name = child_name(key);
    child->line = child_table.source().begin.line != 0 ? child_table.source().begin.line : line_of(key);
    return std::unique_ptr<TomlTable>(new TomlTable(std::move(child)));
  }

  struct UnknownKey {
    std::uint32_t line = 0;
    std::string message;
  };

  /// The unknown key that stands first in the file, of this table and those taken from it.
  void first_unknown(std::optional<UnknownKey>& first) const {
    const std::vector<std::string_view> names(known.begin(), known.end());
    for (const auto& [key, value] : *table) {
      if (known.contains(key.str())) continue;
      const std::uint32_t at_line = line_of(key.str());
      if (first && first->line <= at_line) continue;
      std::string message = "unknown key '" + std::string(key.str()) + "'";
      if (!name.empty()) message += " in [" + name + "]";
      if (!names.empty()) message += "; did you mean '" + nearest(key.str(), names) + "'?";
      first = UnknownKey{at_line, std::move(message)};
    }
    for (const auto& [key, tables] : children) {
      for (const auto& child : tables) child->node_->first_unknown(first);
    }
  }
};

TomlTable::TomlTable(std::unique_ptr<Node> node) : node_(std::move(node)) {}
TomlTable::~TomlTable() = default;
TomlTable::TomlTable(TomlTable&&) noexcept = default;
TomlTable& TomlTable::operator=(TomlTable&&) noexcept = default;

Result<TomlTable> TomlTable::parse(std::string_view text, std::string_view origin) {
  toml::parse_result parsed = toml::parse(text, origin);
  if (!parsed) {
    const toml::source_position at = parsed.error().source().begin;
    return invalid_argument(std::string(origin) + ":" + std::to_string(at.line) + ":" +
                            std::to_string(at.column) +
                            ": expected TOML, found: " + std::string(parsed.error().description()));
  }
  auto node = std::make_unique<Node>();
  node->document = std::make_shared<Node::Document>();
  node->document->origin = origin;
  node->document->root = std::move(parsed).table();
  node->table = &node->document->root;
  node->line = 1;
  return TomlTable(std::move(node));
}

Result<TomlTable> TomlTable::read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char piece[1 << 14];
  while (file.read(piece, sizeof piece) || file.gcount() > 0) {
    text.append(piece, static_cast<std::size_t>(file.gcount()));
    if (text.size() > kFileSizeMax) {
      return Error{ErrorCode::kTooLarge,
                   path + ": expected at most " + std::to_string(kFileSizeMax) + " bytes"};
    }
  }
  if (!file.eof()) return not_found(path + ": expected a TOML file, found nothing that can be read");
  return parse(text, path);
}

bool TomlTable::has(std::string_view key) const { return node_->table->contains(key); }

std::optional<std::string> TomlTable::string(std::string_view key) {
  const toml::node* value = node_->find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* text = value->as_string()) return text->get();
  node_->complain_type(key, "a string", *value);
  return std::nullopt;
}

std::optional<bool> TomlTable::boolean(std::string_view key) {
  const toml::node* value = node_->find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* truth = value->as_boolean()) return truth->get();
  node_->complain_type(key, "true or false", *value);
  return std::nullopt;
}

std::optional<std::int64_t> TomlTable::integer(std::string_view key, std::int64_t minimum,
                                               std::int64_t maximum) {
  const toml::node* value = node_->find(key);
  if (value == nullptr) return std::nullopt;
  const std::string expected =
      "an integer from " + std::to_string(minimum) + " to " + std::to_string(maximum);
  const auto* integer = value->as_integer();
  if (integer == nullptr) {
    node_->complain_type(key, expected, *value);
    return std::nullopt;
  }
  if (integer->get() < minimum || integer->get() > maximum) {
    complain(key, "expected " + expected + ", found " + std::to_string(integer->get()));
    return std::nullopt;
  }
  return integer->get();
}

std::optional<double> TomlTable::number(std::string_view key, double minimum, double maximum) {
  const toml::node* value = node_->find(key);
  if (value == nullptr) return std::nullopt;
  const std::string expected = "a number" + range_text(minimum, maximum);
  if (!value->is_number()) {
    node_->complain_type(key, expected, *value);
    return std::nullopt;
  }
  const double number = value->is_integer() ? static_cast<double>(value->as_integer()->get())
                                            : value->as_floating_point()->get();
  if (!std::isfinite(number) || number < minimum || number > maximum) {
    complain(key, "expected " + expected + ", found " + shown(number));
    return std::nullopt;
  }
  return number;
}

std::vector<std::string> TomlTable::strings(std::string_view key) {
  const toml::array* array = node_->find_array(key, "an array of strings");
  std::vector<std::string> found;
  if (array == nullptr) return found;
  for (std::size_t i = 0; i < array->size(); ++i) {
    const auto* text = (*array)[i].as_string();
    if (text == nullptr) {
      node_->complain_element(key, i, "a string", found_type((*array)[i]));
      return {};
    }
    found.push_back(text->get());
  }
  return found;
}

std::vector<std::int64_t> TomlTable::integers(std::string_view key, std::int64_t minimum,
                                              std::int64_t maximum) {
  const toml::array* array = node_->find_array(key, "an array of integers");
  std::vector<std::int64_t> found;
  if (array == nullptr) return found;
  const std::string expected =
      "an integer from " + std::to_string(minimum) + " to " + std::to_string(maximum);
  for (std::size_t i = 0; i < array->size(); ++i) {
    const auto* integer = (*array)[i].as_integer();
    if (integer == nullptr || integer->get() < minimum || integer->get() > maximum) {
      node_->complain_element(key, i, expected,
                              integer == nullptr ? found_type((*array)[i]) : std::to_string(integer->get()));
      return {};
    }
    found.push_back(integer->get());
  }
  return found;
}

std::vector<double> TomlTable::numbers(std::string_view key) {
  const toml::array* array = node_->find_array(key, "an array of numbers");
  std::vector<double> found;
  if (array == nullptr) return found;
  for (std::size_t i = 0; i < array->size(); ++i) {
    const toml::node& element = (*array)[i];
    const std::optional<double> number =
        element.is_integer()          ? std::optional(static_cast<double>(element.as_integer()->get()))
        : element.is_floating_point() ? std::optional(element.as_floating_point()->get())
                                      : std::nullopt;
    if (!number || !std::isfinite(*number)) {
      node_->complain_element(key, i, "a finite number", number ? shown(*number) : found_type(element));
      return {};
    }
    found.push_back(*number);
  }
  return found;
}

TomlTable* TomlTable::table(std::string_view key) {
  const toml::node* value = node_->find(key);
  if (value == nullptr) return nullptr;
  const toml::table* table = value->as_table();
  if (table == nullptr) {
    node_->complain_type(key, "a table", *value);
    return nullptr;
  }
  auto& children = node_->children[std::string(key)];
  if (children.empty()) children.push_back(node_->make_child(key, *table));
  return children.front().get();
}

std::vector<TomlTable*> TomlTable::tables(std::string_view key) {
  const toml::node* value = node_->find(key);
  if (value == nullptr) return {};
  const std::string expected = "an array of tables [[" + node_->child_name(key) + "]]";
  const toml::array* array = value->as_array();
  if (array == nullptr) {
    node_->complain_type(key, expected, *value);
    return {};
  }
  for (std::size_t i = 0; i < array->size(); ++i) {
    if ((*array)[i].is_table()) continue;
    node_->complain_element(key, i, "a table", found_type((*array)[i]));
    return {};
  }
  auto& children = node_->children[std::string(key)];
  std::vector<TomlTable*> found;
  for (std::size_t i = 0; i < array->size(); ++i) {
    if (i == children.size()) children.push_back(node_->make_child(key, *(*array)[i].as_table()));
    found.push_back(children[i].get());
  }
  return found;
}

std::vector<std::string> TomlTable::keys() {
  std::vector<std::string> names;
  for (const auto& [key, value] : *node_->table) {
    node_->known.emplace(key.str());
    names.emplace_back(key.str());
  }
  return names;
}

bool TomlTable::is_table(std::string_view key) const {
  const toml::node* value = node_->table->get(key);
  return value != nullptr && value->is_table();
}

bool TomlTable::is_string(std::string_view key) const {
  const toml::node* value = node_->table->get(key);
  return value != nullptr && value->is_string();
}

std::string TomlTable::where(std::string_view key) const {
  return node_->document->origin + ":" + std::to_string(std::max(node_->line_of(key), 1u));
}

void TomlTable::complain(std::string_view key, std::string message) {
  if (!key.empty()) message = "'" + std::string(key) + "': " + message;
  node_->complain(node_->line_of(key), message);
}

Status TomlTable::finish() {
  if (!node_->document->complaint) {
    std::optional<Node::UnknownKey> unknown;
    node_->first_unknown(unknown);
    if (unknown) node_->complain(unknown->line, unknown->message);
  }
  if (node_->document->complaint) return *node_->document->complaint;
  return Unit{};
}

}  // namespace laxity
