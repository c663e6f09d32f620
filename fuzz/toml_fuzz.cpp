// Configuration from hostile files: every getter on every key, of every type.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/toml_reader.h"

namespace {

constexpr int kDepthMax = 64;  // the parser's own limit is lower; deeper would be its bug, not ours

void read_all(laxity::TomlTable& table, int depth) {
  LAXITY_CHECK(depth < kDepthMax * 4);
  for (const std::string& key : table.keys()) {
    LAXITY_CHECK(table.has(key));
    if (table.is_table(key)) {
      if (laxity::TomlTable* inner = table.table(key)) read_all(*inner, depth + 1);
      continue;
    }
    switch (key.size() % 7) {
      case 0:
        (void)table.string(key);
        break;
      case 1:
        (void)table.boolean(key);
        break;
      case 2:
        if (const auto value = table.integer(key, -5, 1000)) LAXITY_CHECK(*value >= -5 && *value <= 1000);
        break;
      case 3:
        if (const auto value = table.number(key, 0.0, 1e6)) LAXITY_CHECK(*value >= 0.0 && *value <= 1e6);
        break;
      case 4:
        (void)table.strings(key);
        break;
      case 5:
        for (const std::int64_t value : table.integers(key, 0, 10)) LAXITY_CHECK(value >= 0 && value <= 10);
        break;
      default:
        for (laxity::TomlTable* inner : table.tables(key)) read_all(*inner, depth + 1);
    }
    (void)table.where(key);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto table =
      laxity::TomlTable::parse(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.toml");
  if (!table) return 0;
  read_all(*table, 0);
  (void)table->finish();
  return 0;
}
