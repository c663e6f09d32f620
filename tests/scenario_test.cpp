// Every file under scenarios/ is read; those with expected decisions must be decided so, by the production
// scheduler and policies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "sim/scenario.h"
#include "sim/simulator.h"
#include "sim/text_scenario.h"

namespace laxity {
namespace {

std::vector<std::string> files_ending(const std::string& extension) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(LAXITY_SOURCE_DIR "/scenarios")) {
    if (entry.path().extension() == extension) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& file) {
  return std::filesystem::path(file.param).stem().string();
}

class TextScenarioFile : public ::testing::TestWithParam<std::string> {};

TEST_P(TextScenarioFile, IsDecidedAsExpected) {
  const AnyScenario any = load_scenario(GetParam()).value();
  const auto& scenario = std::get<TextScenario>(any);
  EXPECT_FALSE(scenario.expected.empty()) << "a scenario that expects nothing tests nothing";
  const auto found = run_text_scenario(scenario).value();
  EXPECT_EQ(difference(scenario, found), "")
      << "expected -, found +; `laxity simulate --update` rewrites the file";
}

TEST_P(TextScenarioFile, IsWrittenAsUpdateWouldWriteIt) {
  std::ifstream file(GetParam(), std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const TextScenario scenario = parse_text_scenario(text, GetParam()).value();
  EXPECT_EQ(updated(scenario, scenario.expected), text);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, TextScenarioFile, ::testing::ValuesIn(files_ending(".scenario")),
                         test_name);

class TomlScenarioFile : public ::testing::TestWithParam<std::string> {};

TEST_P(TomlScenarioFile, IsReadAndRunsUnderEveryPolicyIfItBringsItsSystem) {
  const AnyScenario any = load_scenario(GetParam()).value();
  Scenario scenario = std::get<Scenario>(any);
  EXPECT_FALSE(scenario.tasks.empty());
  if (!scenario.system) return;
  scenario.duration = std::min<Duration>(scenario.duration, 500ms);
  for (const PolicyInfo& policy : policies()) {
    SimulationOptions options;
    options.audit = true;
    const auto output = simulate(scenario, *scenario.system, policy.name, {}, scenario.seed, options);
    ASSERT_TRUE(output) << output.error().message;
    EXPECT_GT(totals(output->result).outcomes[static_cast<int>(Outcome::kOnTime)], 0u) << policy.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Scenarios, TomlScenarioFile, ::testing::ValuesIn(files_ending(".toml")), test_name);

}  // namespace
}  // namespace laxity
