// Measuring covers every point and says so; what the numbers are is the machine's business.
#include "profile/measure.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <set>

#include "profile/profile_file.h"

namespace laxity {
namespace {

namespace fs = std::filesystem;

/// Hands everything on, and writes down what runs: "file:batch".
class WatchedRunner final : public StageRunner {
 public:
  WatchedRunner(std::unique_ptr<StageRunner> inner, std::string name, std::vector<std::string>& runs)
      : inner_(std::move(inner)), name_(std::move(name)), runs_(runs) {}
  const StageSpec& spec() const noexcept override { return inner_->spec(); }
  JobBytes input(std::size_t input, std::size_t job) override { return inner_->input(input, job); }
  void bind_single_input(std::size_t input, ConstJobBytes bytes) override {
    inner_->bind_single_input(input, bytes);
  }
  void unbind_single_inputs() override { inner_->unbind_single_inputs(); }
  Status run(std::size_t batch_size) override {
    runs_.push_back(name_ + ":" + std::to_string(batch_size));
    return inner_->run(batch_size);
  }
  ConstJobBytes output(std::size_t output, std::size_t job) const override {
    return inner_->output(output, job);
  }
  void terminate() noexcept override { inner_->terminate(); }

 private:
  std::unique_ptr<StageRunner> inner_;
  std::string name_;
  std::vector<std::string>& runs_;
};

class WatchedEngine final : public Engine {
 public:
  std::string_view version() const noexcept override { return inner_->version(); }
  bool is_emulated() const noexcept override { return false; }
  Result<StageSpec> inspect(const std::string& file) override { return inner_->inspect(file); }
  Result<std::unique_ptr<StageRunner>> load(const std::string& file, const RunnerOptions& options) override {
    auto runner = inner_->load(file, options);
    if (!runner) return runner.error();
    return std::unique_ptr<StageRunner>(
        std::make_unique<WatchedRunner>(std::move(*runner), fs::path(file).filename().string(), runs));
  }
  std::vector<std::string> runs;

 private:
  std::unique_ptr<Engine> inner_ = std::move(make_ort_engine()).value();
};

class Measure : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder = fs::path(::testing::TempDir()) / (std::string("laxity_measure_") + test->name());
    fs::remove_all(folder);
    const fs::path data = fs::path(LAXITY_SOURCE_DIR) / "tests" / "data" / "models";
    fs::create_directories(folder);
    fs::copy(data / "chain_good", folder / "chain", fs::copy_options::recursive);
    fs::copy_file(data / "fixed_batch" / "model.onnx", folder / "fixed.onnx");
    options.batch_size_max = 6;
    options.budget = 40ms;
  }
  void TearDown() override { fs::remove_all(folder); }

  Result<Profile> measure_all() {
    const Result<Repository> repository = Repository::load(folder.string(), *engine, 6);
    if (!repository) return repository.error();
    catalog = repository->catalog();
    return measure(*repository, *engine, {"a cpu", 2, std::string(engine->version()), false}, options,
                   [this](std::uint64_t done, std::uint64_t total, std::string_view) {
                     EXPECT_LE(last_done, done);
                     EXPECT_LT(done, total);
                     last_done = done;
                   });
  }

  std::unique_ptr<WatchedEngine> engine = std::make_unique<WatchedEngine>();
  MeasureOptions options;
  Catalog catalog;
  fs::path folder;
  std::uint64_t last_done = 0;
};

std::multiset<std::string> points_of(const Profile& profile) {
  std::multiset<std::string> points;
  for (const ProfiledBatch& entry : profile.execution) {
    points.insert(entry.model + "/" + std::to_string(entry.stage) + " x" + std::to_string(entry.batch_size));
  }
  return points;
}

TEST_F(Measure, EveryStageAtEveryBatchSizeOnce) {
  const Result<Profile> profile = measure_all();
  ASSERT_TRUE(profile) << profile.error().message;
  std::multiset<std::string> expected = {"fixed/0 x1"};
  for (const char* stage : {"chain_good/0 x", "chain_good/1 x"}) {
    for (int n = 1; n <= 6; ++n) expected.insert(stage + std::to_string(n));
  }
  EXPECT_EQ(points_of(*profile), expected);
  for (const ProfiledBatch& entry : profile->execution) {
    EXPECT_GT(entry.time.samples, 0U);
    EXPECT_GT(entry.time.p50, Duration::zero());
    EXPECT_LE(entry.time.p50, entry.time.p99);
    EXPECT_LE(entry.time.p99, entry.time.max);
  }
}

TEST_F(Measure, QuickTakesPowersOfTwoAndTheCap) {
  options.quick = true;
  options.models = {"chain_good"};
  const Result<Profile> profile = measure_all();
  ASSERT_TRUE(profile) << profile.error().message;
  std::multiset<std::string> expected;
  for (const char* stage : {"chain_good/0 x", "chain_good/1 x"}) {
    for (const int n : {1, 2, 4, 6}) expected.insert(stage + std::to_string(n));
  }
  EXPECT_EQ(points_of(*profile), expected);
}

TEST_F(Measure, ItsTableIsCompleteAndSurvivesTheFile) {
  const Result<Profile> profile = measure_all();
  ASSERT_TRUE(profile) << profile.error().message;
  const Result<Profile> read = parse_profile(to_json(*profile), "p.json");
  ASSERT_TRUE(read) << read.error().message;
  const Result<LatencyTable> table = to_table(*read, catalog);
  ASSERT_TRUE(table) << table.error().message;
  const auto chain = catalog.find_category("chain_good/full/1");
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(table->batch_size_max(*chain), 6U);
  EXPECT_GT(table->segment(catalog.find_model("chain_good").value(), SegmentKind::kPostprocess).p99,
            Duration::zero());
}

// A stage that runs again and again finds its weights in the core's caches, which it does not in a server.
TEST_F(Measure, OtherStagesRunBetweenTwoMeasuredBatches) {
  ASSERT_TRUE(measure_all());
  std::size_t large_count = 0;
  std::multiset<std::string> warm;
  for (std::size_t i = 2; i < engine->runs.size(); ++i) {
    const std::string& run = engine->runs[i];
    if (!run.ends_with(":6")) continue;  // only measured, never run between
    warm.insert(run);
    if (warm.count(run) <= 2) continue;  // the first two times are not measured
    ++large_count;
    const std::string stage = run.substr(0, run.find(':'));
    for (std::size_t back = 1; back <= 2; ++back) EXPECT_FALSE(engine->runs[i - back].starts_with(stage));
  }
  EXPECT_GT(large_count, 4u);
}

TEST_F(Measure, AnUnknownModelIsAnsweredWithTheNearest) {
  options.models = {"chain_god"};
  const Result<Profile> profile = measure_all();
  ASSERT_FALSE(profile);
  EXPECT_EQ(profile.error().code, ErrorCode::kNotFound);
  EXPECT_NE(profile.error().message.find("chain_good"), std::string::npos) << profile.error().message;
}

}  // namespace
}  // namespace laxity
