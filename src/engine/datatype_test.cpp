#include <gtest/gtest.h>

#include "engine/engine.h"

namespace laxity {
namespace {

TEST(DataType, EveryNameReadsBack) {
  for (int i = 0; i <= static_cast<int>(DataType::kBytes); ++i) {
    const auto type = static_cast<DataType>(i);
    const Result<DataType> read = parse_data_type(name(type));
    ASSERT_TRUE(read) << name(type);
    EXPECT_EQ(*read, type);
  }
}

TEST(DataType, SizesAreThoseOfTheProtocol) {
  EXPECT_EQ(element_size(DataType::kBool), 1U);
  EXPECT_EQ(element_size(DataType::kFp16), 2U);
  EXPECT_EQ(element_size(DataType::kFp32), 4U);
  EXPECT_EQ(element_size(DataType::kInt64), 8U);
  EXPECT_EQ(element_size(DataType::kBytes), 0U);
}

TEST(DataType, AnUnknownNameIsAnsweredWithTheNearest) {
  const Result<DataType> read = parse_data_type("FP23");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(read.error().message.find("'FP23'"), std::string::npos) << read.error().message;
  EXPECT_NE(read.error().message.find("FP32"), std::string::npos) << read.error().message;
}

TEST(TensorSpec, SizeIsTheProductOfItsDimensions) {
  EXPECT_EQ((TensorSpec{"a", DataType::kFp32, {3, 32, 32}}.size_per_job()), 3U * 32 * 32 * 4);
  EXPECT_EQ((TensorSpec{"a", DataType::kInt64, {}}.size_per_job()), 8U);
  EXPECT_EQ((TensorSpec{"a", DataType::kUint8, {5, 0}}.size_per_job()), 0U);
}

}  // namespace
}  // namespace laxity
