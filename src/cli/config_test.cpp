#include "cli/config.h"

#include <gtest/gtest.h>

namespace laxity {
namespace {

TEST(Config, DefaultsNeedNoFile) {
  const ServeConfig config = default_config(2);
  EXPECT_EQ(config.http.address, "127.0.0.1");
  ASSERT_EQ(config.executors.size(), 1u);
  EXPECT_EQ(config.executors[0].cores, std::vector<int>{1});
}

TEST(Config, OneCoreStillHasAnExecutor) {
  const ServeConfig config = default_config(1);
  ASSERT_EQ(config.executors.size(), 1u);
  EXPECT_EQ(config.executors[0].cores, std::vector<int>{0});
}

TEST(Config, EightCoresGiveSevenExecutors) { EXPECT_EQ(default_config(8).executors.size(), 7u); }

TEST(Config, EveryTableIsRead) {
  const auto config = parse_config(R"(
models = "m"
policy = "fifo"
planning_bound = "max"
[http]
port = 0
body_size_max_mb = 8
[limits]
queue_length_max = 16
batch_size_max = 4
[threads]
busy_poll = true
inline_execution_max_us = 0
[[executor]]
name = "gpu"
kind = "emulated"
table = "t.json"
slots = 2
[[executor]]
name = "decode"
cores = [1]
segments_only = true
)",
                                   "x.toml", 2);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->models, "m");
  EXPECT_EQ(config->policy, "fifo");
  EXPECT_EQ(config->planning_bound, PlanningBound::kMax);
  EXPECT_EQ(config->http.port, 0);
  EXPECT_EQ(config->http.body_size_max_mb, 8u);
  EXPECT_EQ(config->limits.queue_length_max, 16u);
  EXPECT_EQ(config->limits.batch_size_max, 4u);
  EXPECT_TRUE(config->threads.busy_poll);
  EXPECT_EQ(config->threads.inline_execution_max_us, 0u);
  ASSERT_EQ(config->executors.size(), 2u);
  EXPECT_EQ(config->executors[0].kind, ExecutorKind::kEmulated);
  EXPECT_EQ(config->executors[0].slots, 2u);
  EXPECT_TRUE(config->executors[1].segments_only);
}

struct BadCase {
  const char* text;
  const char* words;  // in the message
};
class BadConfig : public testing::TestWithParam<BadCase> {};

TEST_P(BadConfig, IsRefusedWithWordsThatHelp) {
  const auto config = parse_config(GetParam().text, "x.toml", 2);
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find(GetParam().words), std::string::npos) << config.error().message;
  EXPECT_NE(config.error().message.find("x.toml"), std::string::npos) << config.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Config, BadConfig,
    testing::Values(BadCase{"polcy = \"edf\"", "policy"}, BadCase{"[http]\nprot = 1", "port"},
                    BadCase{"[http]\nport = 70000", "65535"}, BadCase{"[http]\nport = \"a\"", "port"},
                    BadCase{"[limits]\nbatch_size_max = 65", "64"}, BadCase{"policy = \"edff\"", "edf"},
                    BadCase{"[[executor]]\nkind = \"gpu\"", "cuda"},
                    BadCase{"[[executor]]\nkind = \"emulated\"", "table"},
                    BadCase{"[[executor]]\nsegments_only = true", "at least one executor"},
                    BadCase{"policy = ", "x.toml"}, BadCase{"planning_bound = \"p50\"", "p99"}));

}  // namespace
}  // namespace laxity
