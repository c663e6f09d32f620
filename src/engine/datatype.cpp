// Names and sizes of element types, as the Open Inference Protocol spells them.
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/nearest.h"
#include "engine/engine.h"

namespace laxity {
namespace {

struct Row {
  DataType type;
  const char* name;
  std::size_t size;
};

constexpr std::array<Row, 13> kRows = {{{DataType::kBool, "BOOL", 1},
                                        {DataType::kUint8, "UINT8", 1},
                                        {DataType::kUint16, "UINT16", 2},
                                        {DataType::kUint32, "UINT32", 4},
                                        {DataType::kUint64, "UINT64", 8},
                                        {DataType::kInt8, "INT8", 1},
                                        {DataType::kInt16, "INT16", 2},
                                        {DataType::kInt32, "INT32", 4},
                                        {DataType::kInt64, "INT64", 8},
                                        {DataType::kFp16, "FP16", 2},
                                        {DataType::kFp32, "FP32", 4},
                                        {DataType::kFp64, "FP64", 8},
                                        {DataType::kBytes, "BYTES", 0}}};

constexpr bool rows_are_in_order_of_the_enumeration() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].type) != i) return false;
  }
  return true;
}
static_assert(rows_are_in_order_of_the_enumeration());

}  // namespace

const char* name(DataType type) noexcept { return kRows[static_cast<std::size_t>(type)].name; }

std::size_t element_size(DataType type) noexcept { return kRows[static_cast<std::size_t>(type)].size; }

Result<DataType> parse_data_type(std::string_view name) {
  std::array<std::string_view, kRows.size()> known;
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == name) return kRows[i].type;
    known[i] = kRows[i].name;
  }
  return invalid_argument("expected a datatype such as FP32, found '" + std::string(name) +
                          "'; did you mean '" + nearest(name, known) + "'?");
}

std::size_t TensorSpec::size_per_job() const noexcept {
  std::size_t size = element_size(type);
  for (const std::int64_t dimension : shape) {
    LAXITY_CHECK(dimension >= 0);
    size *= static_cast<std::size_t>(dimension);
  }
  return size;
}

}  // namespace laxity
