// Profiles: reading what was written, refusing what is wrong, and the tables and capacities that follow.
#include "profile/profile.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "profile/capacity.h"
#include "profile/profile_file.h"
#include "profile/wake_cost.h"

namespace laxity {
namespace {

Catalog one_model(std::uint32_t stages) {
  Catalog catalog;
  Model model;
  model.name = "m";
  model.variants = {{"full", {}}};
  catalog.add_model(std::move(model), {stages}, 8);
  return catalog;
}

Profile small_profile() {
  Profile profile;
  profile.machine = {"some cpu", 2, "engine 1.0", false};
  profile.made_at = "2026-01-01T00:00:00Z";
  profile.overheads = {3us, 200us, 80us};
  profile.wake_p50 = 20us;
  profile.execution = {{"m", "full", 0, {3, 8, 8}, 1, {100us, 120us, 150us, 200us, 50}},
                       {"m", "full", 0, {3, 8, 8}, 4, {300us, 330us, 340us, 400us, 20}}};
  profile.segments = {{"m", SegmentKind::kPreprocess, {50us, 60us, 70us, {}, 9}}};
  profile.slowdown = {{"m/full/0", "m/full/0", 1'300'000}};
  return profile;
}

TEST(ProfileFile, ReadsWhatItWrote) {
  const Profile profile = small_profile();
  const auto read = parse_profile(to_json(profile), "p.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_json(*read), to_json(profile));
  EXPECT_EQ(read->overheads.wake_p99, 200us);
  EXPECT_EQ(read->slowdown[0].factor, 1'300'000u);
}

TEST(EmulatedSystem, HasTheNetworksThatTheProfileNames) {
  Profile profile = small_profile();
  profile.execution.push_back({"n", "small", 0, {3, 8, 8}, 1, {10us, 12us, 15us, 20us, 1}});
  profile.execution.push_back({"n", "large", 0, {3, 8, 8}, 1, {20us, 22us, 25us, 30us, 1}});
  profile.execution.push_back({"n", "large", 1, {3, 8, 8}, 1, {30us, 32us, 35us, 40us, 1}});
  const auto system = emulated_system(profile, "device");
  ASSERT_TRUE(system) << system.error().message;
  ASSERT_EQ(system->catalog.models.size(), 2u);
  EXPECT_TRUE(system->catalog.models[0].has_preprocess);
  EXPECT_EQ(system->catalog.models[1].variants.size(), 2u);
  EXPECT_EQ(system->catalog.stage_count(ModelId{1}, 1), 2u);
  const CategoryId m = *system->catalog.find_category("m/full/0");
  EXPECT_EQ(system->batch_size_max(m), 4u);
  EXPECT_EQ(system->table.overheads.dispatch, 3us);
  EXPECT_EQ(system->table.segment(ModelId{0}, SegmentKind::kPreprocess).p99, 60us);
  EXPECT_EQ(system->executors.size(), 1u);
}

TEST(EmulatedSystem, RefusesGapsAndNothing) {
  Profile profile = small_profile();
  profile.execution.push_back({"n", "full", 1, {3, 8, 8}, 1, {10us, 12us, 15us, 20us, 1}});
  const auto gap = emulated_system(profile, "device");
  ASSERT_FALSE(gap);
  EXPECT_EQ(gap.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(gap.error().message.find("expected stage 0"), std::string::npos) << gap.error().message;
  profile.execution.clear();
  EXPECT_FALSE(emulated_system(profile, "device"));
}

TEST(ProfileFile, WritesIntoFoldersThatAreMissing) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "laxity-profile-test" / "a" / "b";
  const std::string path = (folder / "p.json").string();
  ASSERT_TRUE(write_profile(small_profile(), path));
  EXPECT_TRUE(read_profile(path));
  std::filesystem::remove_all(folder.parent_path().parent_path());
}

TEST(ProfileFile, MissingFileIsNotFound) {
  const auto read = read_profile("/nowhere/p.json");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kNotFound);
}

struct BadCase {
  const char* from;
  const char* to;
  const char* words;
};
class BadProfile : public testing::TestWithParam<BadCase> {};
TEST_P(BadProfile, IsRefusedWithWordsThatHelp) {
  std::string text = to_json(small_profile());
  const auto place = text.find(GetParam().from);
  ASSERT_NE(place, std::string::npos);
  text.replace(place, std::string(GetParam().from).size(), GetParam().to);
  const auto read = parse_profile(text, "p.json");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(read.error().message.find(GetParam().words), std::string::npos) << read.error().message;
}
INSTANTIATE_TEST_SUITE_P(Profile, BadProfile,
                         testing::Values(BadCase{"laxity.profile/1", "laxity.profile/9", "laxity.profile/1"},
                                         BadCase{"\"p99_us\": 120.0", "\"p99_us\": -1", "p99_us"},
                                         BadCase{"\"p99_us\": 120.0", "\"p99_us\": 1e300", "p99_us"},
                                         BadCase{"\"p50_us\": 100.0", "\"p50_us\": 999", "p50"},
                                         BadCase{"\"batch\": 1", "\"batch\": 0", "batch"},
                                         BadCase{"\"batch\": 1", "\"batch\": 100000", "64"},
                                         BadCase{"\"model\": \"m\"", "\"model\": 7", "model"},
                                         BadCase{"\"preprocess\"", "\"prepro\"", "postprocess"},
                                         BadCase{"\"factor\": 1.3", "\"factor\": 0.5", "factor"},
                                         BadCase{"{", "", "JSON"}));

TEST(Profile, AnotherMachinesTableIsRefusedWithASentence) {
  const Profile profile = small_profile();
  EXPECT_TRUE(check_machine(profile, profile.machine));
  MachineInfo other = profile.machine;
  other.cpu = "other cpu";
  const Status cpu = check_machine(profile, other);
  ASSERT_FALSE(cpu);
  EXPECT_EQ(cpu.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(cpu.error().message.find("laxity profile"), std::string::npos);
  other = profile.machine;
  other.engine = "engine 2.0";
  EXPECT_FALSE(check_machine(profile, other));
}

TEST(Profile, TablesFromTheLiteratureFitAnyMachine) {
  Profile profile = small_profile();
  profile.source = "a paper, table 1";
  EXPECT_TRUE(check_machine(profile, {"other cpu", 64, "engine 9", false}));
}

TEST(Profile, TableHasWhatWasMeasuredAndRoundsUp) {
  const Catalog catalog = one_model(1);
  const auto table = to_table(small_profile(), catalog);
  ASSERT_TRUE(table) << table.error().message;
  const auto category = static_cast<CategoryId>(0);
  EXPECT_EQ(table->planned(category, 1), 120us);
  EXPECT_EQ(table->planned(category, 2), 330us);  // the next larger size
  EXPECT_EQ(table->planned(category, 5), std::nullopt);
  EXPECT_EQ(table->segment(static_cast<ModelId>(0), SegmentKind::kPreprocess).p99, 60us);
}

TEST(Profile, ProfileOfOtherNetworksIsRefused) {
  const auto table = to_table(small_profile(), one_model(2));
  ASSERT_FALSE(table);
  EXPECT_NE(table.error().message.find("m/full/1"), std::string::npos);
}

TEST(Capacity, TakesTheBestBatchThatFits) {
  SystemModel system;
  system.catalog = one_model(1);
  system.table = *to_table(small_profile(), system.catalog);
  system.table.overheads = {};
  system.executors = {{"a", ExecutorKind::kCpu, true, true}, {"b", ExecutorKind::kCpu, true, true}};
  const auto model = static_cast<ModelId>(0);
  EXPECT_NEAR(capacity_per_s(system, model, 1ms, false), 2 * 4 / 300e-6, 1e-6);
  EXPECT_NEAR(capacity_per_s(system, model, 200us, false), 2 * 1 / 100e-6, 1e-6);
  EXPECT_NEAR(capacity_per_s(system, model, 200us, true), 2 * 1 / 150e-6, 1e-6);  // 50 us of decoding
  EXPECT_EQ(capacity_per_s(system, model, 50us, false), 0);
}

TEST(WakeCost, MeasuresSomething) {
  const Percentiles wake = measure_wake(std::nullopt, std::nullopt, 5);
  EXPECT_GT(wake.p50, 0ns);
  EXPECT_LE(wake.p50, wake.p99);
  EXPECT_LE(wake.p99, wake.max);
  const Percentiles sent = measure_send(100, 5);
  EXPECT_GT(sent.p50, 0ns);
}

}  // namespace
}  // namespace laxity
