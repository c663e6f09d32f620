#include "base/toml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace laxity {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TomlTable parsed(std::string_view text) { return TomlTable::parse(text, "a.toml").value(); }

std::string complaint(TomlTable& table) {
  const Status status = table.finish();
  return status ? "" : status.error().message;
}

TEST(TomlReader, ReadsEveryType) {
  TomlTable root = parsed(
      "name = 'x'\nflag = true\ncount = 3\nratio = 0.5\nwhole = 2\nwords = ['a', 'b']\ncores = [0, 1]\n"
      "means = [0.5, 1]\n[http]\nport = 80\n[[executor]]\nname = 'a'\n[[executor]]\nname = 'b'\n");
  EXPECT_EQ(root.string("name"), "x");
  EXPECT_EQ(root.boolean("flag"), true);
  EXPECT_EQ(root.integer("count", 0, 10), 3);
  EXPECT_EQ(root.number("ratio", 0, 1), 0.5);
  EXPECT_EQ(root.number("whole", 0, 10), 2.0);
  EXPECT_THAT(root.strings("words"), ElementsAre("a", "b"));
  EXPECT_THAT(root.integers("cores", 0, 63), ElementsAre(0, 1));
  EXPECT_THAT(root.numbers("means"), ElementsAre(0.5, 1.0));
  ASSERT_NE(root.table("http"), nullptr);
  EXPECT_EQ(root.table("http")->integer("port", 0, 65535), 80);
  ASSERT_EQ(root.tables("executor").size(), 2u);
  EXPECT_EQ(root.tables("executor")[1]->string("name"), "b");
  EXPECT_EQ(root.tables("executor")[0]->string("name"), "a");
  EXPECT_EQ(complaint(root), "");
}

TEST(TomlReader, AbsentKeysAreNone) {
  TomlTable root = parsed("");
  EXPECT_EQ(root.string("name"), std::nullopt);
  EXPECT_EQ(root.number("ratio", 0, 1), std::nullopt);
  EXPECT_EQ(root.table("http"), nullptr);
  EXPECT_TRUE(root.tables("executor").empty());
  EXPECT_FALSE(root.has("name"));
  EXPECT_EQ(complaint(root), "");
}

TEST(TomlReader, UnknownKeyNamesTheNearestAndItsLine) {
  TomlTable root = parsed("name = 'x'\n\n[http]\nprot = 80\n");
  root.string("name");
  TomlTable* http = root.table("http");
  http->integer("port", 0, 65535);
  http->string("address");
  EXPECT_EQ(complaint(root), "a.toml:4: unknown key 'prot' in [http]; did you mean 'port'?");
}

TEST(TomlReader, UnknownKeyInsideAnArrayOfTables) {
  TomlTable root = parsed("[[task]]\nmodel = 'm'\n[[task]]\nmodle = 'm'\n");
  for (TomlTable* task : root.tables("task")) task->string("model");
  EXPECT_EQ(complaint(root), "a.toml:4: unknown key 'modle' in [task]; did you mean 'model'?");
}

TEST(TomlReader, TheFirstUnknownKeyInTheFileIsNamed) {
  TomlTable root = parsed("zz = 1\naa = 2\n");
  root.string("name");
  EXPECT_THAT(complaint(root), HasSubstr("a.toml:1: unknown key 'zz'"));
}

TEST(TomlReader, ATableThatNobodyAskedForIsUnknown) {
  TomlTable root = parsed("[htpp]\nport = 1\n");
  root.table("http");
  EXPECT_EQ(complaint(root), "a.toml:1: unknown key 'htpp'; did you mean 'http'?");
}

TEST(TomlReader, WrongTypesSayExpectedAndFound) {
  struct Case {
    const char* text;
    void (*read)(TomlTable&);
    const char* message;
  };
  const Case cases[] = {
      {"x = 1", [](TomlTable& t) { t.string("x"); }, "a.toml:1: 'x': expected a string, found an integer"},
      {"x = 'a'", [](TomlTable& t) { t.boolean("x"); },
       "a.toml:1: 'x': expected true or false, found a string"},
      {"x = 1.5", [](TomlTable& t) { t.integer("x", 0, 9); },
       "a.toml:1: 'x': expected an integer from 0 to 9, found a number"},
      {"x = 10", [](TomlTable& t) { t.integer("x", 0, 9); },
       "a.toml:1: 'x': expected an integer from 0 to 9, found 10"},
      {"x = -1", [](TomlTable& t) { t.integer("x", 0, 9); },
       "a.toml:1: 'x': expected an integer from 0 to 9, found -1"},
      {"x = nan", [](TomlTable& t) { t.number("x", 0, 1); },
       "a.toml:1: 'x': expected a number from 0 to 1, found nan"},
      {"x = inf", [](TomlTable& t) { t.number("x", 0, std::numeric_limits<double>::infinity()); },
       "a.toml:1: 'x': expected a number of at least 0, found inf"},
      {"x = [1, 'a']", [](TomlTable& t) { t.integers("x", 0, 9); },
       "a.toml:1: 'x'[1]: expected an integer from 0 to 9, found a string"},
      {"x = [1, 11]", [](TomlTable& t) { t.integers("x", 0, 9); },
       "a.toml:1: 'x'[1]: expected an integer from 0 to 9, found 11"},
      {"x = ['a', 1]", [](TomlTable& t) { t.strings("x"); },
       "a.toml:1: 'x'[1]: expected a string, found an integer"},
      {"x = [1, nan]", [](TomlTable& t) { t.numbers("x"); },
       "a.toml:1: 'x'[1]: expected a finite number, found nan"},
      {"x = 1979-05-27", [](TomlTable& t) { t.table("x"); },
       "a.toml:1: 'x': expected a table, found a date or time"},
      {"[x]\ny = 1", [](TomlTable& t) { t.tables("x"); },
       "a.toml:1: 'x': expected an array of tables [[x]], found a table"},
      {"x = [{}, 3]", [](TomlTable& t) { t.tables("x"); },
       "a.toml:1: 'x'[1]: expected a table, found an integer"},
  };
  for (const Case& c : cases) {
    TomlTable root = parsed(c.text);
    c.read(root);
    EXPECT_EQ(complaint(root), c.message) << c.text;
  }
}

TEST(TomlReader, AfterAComplaintGettersReturnNothing) {
  TomlTable root = parsed("a = 1\nb = 'text'\n");
  EXPECT_EQ(root.string("a"), std::nullopt);
  EXPECT_EQ(root.string("b"), std::nullopt);
  EXPECT_THAT(complaint(root), HasSubstr("'a'"));
}

TEST(TomlReader, ComplaintsOfTheCallerAreKeptLikeItsOwn) {
  TomlTable root = parsed("a = 'x'\n[t]\nb = 'y'\n");
  root.string("a");
  root.table("t")->complain("b", "expected 'z', found 'y'");
  EXPECT_EQ(root.where("a"), "a.toml:1");
  EXPECT_EQ(root.table("t"), nullptr);
  EXPECT_EQ(complaint(root), "a.toml:3: 'b': expected 'z', found 'y'");
}

TEST(TomlReader, KeysAsDataAreKnown) {
  TomlTable root = parsed("policy_options = { a = 1, b = 2 }\n");
  TomlTable* options = root.table("policy_options");
  ASSERT_NE(options, nullptr);
  EXPECT_THAT(options->keys(), ElementsAre("a", "b"));
  EXPECT_EQ(complaint(root), "");
}

TEST(TomlReader, FormsOfAValue) {
  TomlTable root = parsed("deadline = { uniform = [1, 2] }\nname = 'x'\n");
  EXPECT_TRUE(root.is_table("deadline"));
  EXPECT_FALSE(root.is_table("name"));
  EXPECT_TRUE(root.is_string("name"));
  EXPECT_FALSE(root.is_string("absent"));
}

TEST(TomlReader, BrokenTomlNamesLineAndColumn) {
  const auto result = TomlTable::parse("a = 1\nb = \n", "a.toml");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(result.error().message, HasSubstr("a.toml:2:"));
}

TEST(TomlReader, RedefinedKeyIsAnError) { EXPECT_FALSE(TomlTable::parse("a = 1\na = 2\n", "a.toml")); }

TEST(TomlReader, MissingFileAndFolderAreNotFound) {
  const auto missing = TomlTable::read_file("no/such/file.toml");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("no/such/file.toml"));
  EXPECT_FALSE(TomlTable::read_file("."));
}

}  // namespace
}  // namespace laxity
