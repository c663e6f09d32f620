#include "load/sample_set.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace laxity {
namespace {

class SampleSetTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        testing::TempDir() + "/samples_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/signs");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/signs/" + name, std::ios::binary) << text;
  }
  std::string folder_;
};

TEST_F(SampleSetTest, ListedPicturesWithTruth) {
  write("b.png", "BB");
  write("a.png", "A");
  write("labels.csv", "file,name,label\nb.png,stop,14\r\na.png,yield,0\n");
  const Result<SampleSet> set = read_sample_set("signs", folder_);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_TRUE(set->is_encoded);
  ASSERT_EQ(set->samples.size(), 2U);
  EXPECT_EQ(set->samples[0].bytes, (std::vector<std::byte>{std::byte{'B'}, std::byte{'B'}}));
  EXPECT_EQ(set->samples[0].label, 14U);
  EXPECT_EQ(set->samples[1].label, 0U);
}

TEST_F(SampleSetTest, FolderWithoutTruth) {
  write("z.JPG", "1");
  write("y.jpeg", "22");
  write("notes.txt", "not a picture");
  const Result<SampleSet> set = read_sample_set(folder_ + "/signs", "no_such_folder");
  ASSERT_TRUE(set) << set.error().message;
  ASSERT_EQ(set->samples.size(), 2U);
  EXPECT_EQ(set->samples[0].bytes.size(), 2U);
  EXPECT_FALSE(set->samples[0].label.has_value());
}

TEST_F(SampleSetTest, SaysWhatIsWrong) {
  const auto message = [this](const std::string& list) {
    write("labels.csv", list);
    const Result<SampleSet> set = read_sample_set("signs", folder_);
    return set ? std::string("read") : set.error().message;
  };
  write("a.png", "A");
  EXPECT_NE(message("name,label\n").find("expected columns 'file' and 'label'"), std::string::npos);
  EXPECT_NE(message("file,label\na.png\n").find("labels.csv:2: expected 2 fields, found 1"),
            std::string::npos);
  EXPECT_NE(message("file,label\na.png,cat\n").find("expected a class index as label, found 'cat'"),
            std::string::npos);
  EXPECT_NE(message("file,label\nb.png,1\n").find("'b.png' cannot be read"), std::string::npos);
  EXPECT_NE(message("file,label\n").find("found none"), std::string::npos);
  EXPECT_NE(read_sample_set("nowhere", folder_).error().message.find("input 'nowhere'"), std::string::npos);
}

}  // namespace
}  // namespace laxity
