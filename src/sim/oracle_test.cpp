#include "sim/oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lzma.h>

#include <cstdio>
#include <fstream>
#include <vector>

namespace laxity {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kCsv =
    "index,label,confidence_0,class_0,right_0,confidence_1,class_1,right_1\n"
    "0,3,0.5000,3,1,1.0000,3,1\n"
    "1,8,0.0000,1,0,0.7500,8,1\n";

TEST(Oracle, ReadsConfidencesAndTruthPerExit) {
  const OracleTable table = parse_oracle(kCsv, "o").value();
  EXPECT_EQ(table.exit_count, 2u);
  EXPECT_EQ(table.input_count(), 2u);
  EXPECT_EQ(table.at(0, 0), (OracleTable::Exit{32768, true}));
  EXPECT_EQ(table.at(1, 0), (OracleTable::Exit{0, false}));
  EXPECT_EQ(table.at(1, 1), (OracleTable::Exit{49151, true}));
  EXPECT_EQ(table.at(3, 1), table.at(1, 1));  // modulo the inputs
}

TEST(Oracle, WrongTablesSayWhere) {
  EXPECT_THAT(parse_oracle("", "o").error().message, HasSubstr("o:1: expected columns"));
  EXPECT_THAT(parse_oracle("confidence_0\n0.5\n", "o").error().message, HasSubstr("expected columns"));
  EXPECT_THAT(parse_oracle("confidence_1,right_1\n0.5,1\n", "o").error().message,
              HasSubstr("expected columns"));
  EXPECT_THAT(parse_oracle("confidence_0,right_0\n", "o").error().message, HasSubstr("at least one input"));
  EXPECT_THAT(parse_oracle("confidence_0,right_0\n0.5,2\n", "o").error().message, HasSubstr("o:2: column 2"));
  EXPECT_THAT(parse_oracle("confidence_0,right_0\n0.5,1\n1.5,1\n", "o").error().message,
              HasSubstr("o:3: column 1"));
  EXPECT_THAT(parse_oracle("confidence_0,right_0\n0.5\n", "o").error().message, HasSubstr("column 2"));
  EXPECT_THAT(parse_oracle("confidence_0,right_0\nnan,1\n", "o").error().message, HasSubstr("column 1"));
}

std::string packed(std::string_view text) {
  std::vector<std::uint8_t> out(lzma_stream_buffer_bound(text.size()));
  std::size_t size = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr,
                                    reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                                    out.data(), &size, out.size()),
            LZMA_OK);
  return {reinterpret_cast<const char*>(out.data()), size};
}

class OracleFile : public ::testing::Test {
 protected:
  ~OracleFile() override { (void)std::remove(path_.c_str()); }
  void write(std::string_view bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  std::string path_ = ::testing::TempDir() + "oracle-" +
                      ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".csv.xz";
};

TEST_F(OracleFile, UnpacksXz) {
  write(packed(kCsv));
  EXPECT_EQ(read_oracle(path_).value().exits, parse_oracle(kCsv, "o").value().exits);
}

TEST_F(OracleFile, TruncatedAndForeignFilesAreRefused) {
  const std::string whole = packed(kCsv);
  write(std::string_view(whole).substr(0, whole.size() / 2));
  EXPECT_EQ(read_oracle(path_).error().code, ErrorCode::kInvalidArgument);
  write("this is no xz file");
  EXPECT_EQ(read_oracle(path_).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(OracleFile, ABombIsTooLarge) {
  const std::string mebibyte = packed(std::string(1u << 20, 'x'));
  std::string bomb;
  for (int i = 0; i < 65; ++i) bomb += mebibyte;  // streams one after the other unpack as one
  write(bomb);
  EXPECT_EQ(read_oracle(path_).error().code, ErrorCode::kTooLarge);
}

TEST(Oracle, AMissingFileIsNotFound) { EXPECT_EQ(read_oracle("no/such").error().code, ErrorCode::kNotFound); }

}  // namespace
}  // namespace laxity
