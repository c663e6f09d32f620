// What every engine promises, held against each of them: ONNX Runtime on small graphs, and the emulated
// accelerator.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "engine/emulated_engine.h"
#include "engine/engine.h"

namespace laxity {
namespace {

/// One engine with the files that the suite asks it for.
class EngineUnderTest {
 public:
  virtual ~EngineUnderTest() = default;
  virtual Engine& engine() = 0;
  virtual std::string small() const = 0;     // one FP32 input [3, 32, 32], one FP32 output [10], free batch
  virtual std::string identity() const = 0;  // four inputs, four outputs of other types, free batch
  virtual std::string fixed() const = 0;     // batch fixed to one: [8] to [3]
  virtual std::string missing() const = 0;
};

class Ort final : public EngineUnderTest {
 public:
  Ort() : engine_(std::move(make_ort_engine()).value()) {}
  Engine& engine() override { return *engine_; }
  std::string small() const override { return models() + "small/1/model.onnx"; }
  std::string identity() const override { return models() + "identity/1/model.onnx"; }
  std::string fixed() const override { return models() + "fixed_batch/model.onnx"; }
  std::string missing() const override { return models() + "absent.onnx"; }

 private:
  static std::string models() { return std::string(LAXITY_SOURCE_DIR) + "/tests/data/models/"; }
  std::unique_ptr<Engine> engine_;
};

class Emulated final : public EngineUnderTest {
 public:
  Emulated() {
    EmulatedOptions options;
    options.device = "test device";
    options.slot_count = 2;
    for (const char* name : {"small", "identity", "fixed"}) {
      Model model;
      model.name = name;
      model.variants = {{"only", {}}};
      options.catalog.add_model(model, {1}, 8);
    }
    for (std::uint32_t category = 0; category < 3; ++category) {
      for (const std::uint32_t batch_size : {1U, 8U}) {
        const Duration time = batch_size * 20us;
        options.table.set(CategoryId{category}, batch_size, {time, time, time, time, 100});
      }
    }
    options.stages = {
        {"small.onnx", CategoryId{0},
         spec({{"image", DataType::kFp32, {3, 32, 32}}}, {{"logits", DataType::kFp32, {10}}}, true)},
        {"identity.onnx", CategoryId{1},
         spec({{"in_fp32", DataType::kFp32, {4}},
               {"in_int64", DataType::kInt64, {3}},
               {"in_uint8", DataType::kUint8, {5}},
               {"in_bool", DataType::kBool, {2}}},
              {{"out_fp32", DataType::kFp32, {4}},
               {"out_int64", DataType::kInt64, {3}},
               {"out_uint8", DataType::kUint8, {5}},
               {"out_bool", DataType::kBool, {2}}},
              true)},
        {"fixed.onnx", CategoryId{2},
         spec({{"input", DataType::kFp32, {8}}}, {{"output", DataType::kFp32, {3}}}, false)}};
    engine_ = make_emulated_engine(std::move(options));
  }
  Engine& engine() override { return *engine_; }
  std::string small() const override { return "emulated:small/only/0"; }
  std::string identity() const override { return "identity.onnx"; }
  std::string fixed() const override { return "fixed.onnx"; }
  std::string missing() const override { return "absent.onnx"; }

 private:
  static StageSpec spec(std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs, bool batch_is_free) {
    return {std::move(inputs), std::move(outputs), batch_is_free, true};
  }
  std::unique_ptr<Engine> engine_;
};

template <typename T>
class EngineContract : public ::testing::Test {
 protected:
  // A forked child would inherit the engine without its threads, so bugs are provoked in a program started
  // anew.
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  std::unique_ptr<StageRunner> load(const std::string& file, std::size_t batch_size_max = 8) {
    return std::move(under_test.engine().load(file, {batch_size_max, true})).value();
  }
  T under_test;
};

struct Names {
  template <typename T>
  static std::string GetName(int) {
    return std::is_same_v<T, Ort> ? "OnnxRuntime" : "Emulated";
  }
};
using Engines = ::testing::Types<Ort, Emulated>;
TYPED_TEST_SUITE(EngineContract, Engines, Names);

TYPED_TEST(EngineContract, VersionSaysWhetherItIsEmulated) {
  const std::string version(this->under_test.engine().version());
  EXPECT_EQ(version.starts_with("emulated "), this->under_test.engine().is_emulated()) << version;
}

TYPED_TEST(EngineContract, InspectGivesNamesTypesAndShapesWithoutTheBatch) {
  const Result<StageSpec> spec = this->under_test.engine().inspect(this->under_test.small());
  ASSERT_TRUE(spec) << spec.error().message;
  ASSERT_EQ(spec->inputs.size(), 1U);
  EXPECT_EQ(spec->inputs[0].name, "image");
  EXPECT_EQ(spec->inputs[0].type, DataType::kFp32);
  EXPECT_EQ(spec->inputs[0].shape, (std::vector<std::int64_t>{3, 32, 32}));
  ASSERT_EQ(spec->outputs.size(), 1U);
  EXPECT_EQ(spec->outputs[0].name, "logits");
  EXPECT_EQ(spec->outputs[0].shape, (std::vector<std::int64_t>{10}));
  EXPECT_TRUE(spec->batch_is_free);
  EXPECT_TRUE(spec->has_batch_dimension);
}

TYPED_TEST(EngineContract, InspectAndLoadAgree) {
  const Result<StageSpec> spec = this->under_test.engine().inspect(this->under_test.identity());
  ASSERT_TRUE(spec) << spec.error().message;
  const auto runner = this->load(this->under_test.identity());
  ASSERT_EQ(runner->spec().inputs.size(), spec->inputs.size());
  for (std::size_t i = 0; i < spec->inputs.size(); ++i) {
    EXPECT_EQ(runner->spec().inputs[i].name, spec->inputs[i].name);
    EXPECT_EQ(runner->spec().inputs[i].type, spec->inputs[i].type);
  }
  EXPECT_EQ(spec->inputs[1].type, DataType::kInt64);
  EXPECT_EQ(spec->inputs[3].type, DataType::kBool);
}

TYPED_TEST(EngineContract, AMissingFileIsNotFoundAndNamed) {
  const Result<StageSpec> spec = this->under_test.engine().inspect(this->under_test.missing());
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().code, ErrorCode::kNotFound);
  EXPECT_NE(spec.error().message.find("absent.onnx"), std::string::npos) << spec.error().message;
  EXPECT_FALSE(this->under_test.engine().load(this->under_test.missing(), {}));
}

TYPED_TEST(EngineContract, JobsOfABatchLieSideBySide) {
  const auto runner = this->load(this->under_test.small());
  const std::size_t size = runner->spec().inputs[0].size_per_job();
  for (std::size_t job = 0; job < 8; ++job) {
    EXPECT_EQ(runner->input(0, job).size(), size);
    EXPECT_EQ(runner->input(0, job).data(), runner->input(0, 0).data() + job * size);
    EXPECT_EQ(runner->output(0, job).size(), runner->spec().outputs[0].size_per_job());
  }
}

TYPED_TEST(EngineContract, EveryBatchSizeUpToTheCapRuns) {
  const auto runner = this->load(this->under_test.small());
  for (std::size_t batch_size = 1; batch_size <= 8; ++batch_size) {
    const Status status = runner->run(batch_size);
    EXPECT_TRUE(status) << status.error().message;
  }
}

TYPED_TEST(EngineContract, AFixedBatchRunsOneJobACall) {
  const auto runner = this->load(this->under_test.fixed());
  EXPECT_FALSE(runner->spec().batch_is_free);
  EXPECT_TRUE(runner->spec().has_batch_dimension);
  EXPECT_EQ(runner->spec().inputs[0].shape, (std::vector<std::int64_t>{8}));
  EXPECT_EQ(runner->spec().outputs[0].shape, (std::vector<std::int64_t>{3}));
  EXPECT_TRUE(runner->run(1));
  EXPECT_DEATH(runner->input(0, 1), "job < batch_size_max_");
}

TYPED_TEST(EngineContract, BatchSizesOutsideTheCapAreBugs) {
  const auto runner = this->load(this->under_test.small(), 4);
  EXPECT_DEATH((void)runner->run(0), "batch_size >= 1");
  EXPECT_DEATH((void)runner->run(5), "batch_size <= batch_size_max_");
}

TYPED_TEST(EngineContract, SingleInputBindingHoldsForOneRun) {
  const auto runner = this->load(this->under_test.small());
  std::vector<float> picture(3 * 32 * 32, 0.5F);
  runner->bind_single_input(0, std::as_bytes(std::span(picture)));
  EXPECT_TRUE(runner->run(1));
  EXPECT_TRUE(runner->run(2)) << "the binding must be gone";
}

TYPED_TEST(EngineContract, SingleInputThatIsTakenBackDoesNotReachTheNextBatch) {
  const auto runner = this->load(this->under_test.small());
  std::vector<float> picture(3 * 32 * 32, 0.5F);
  runner->bind_single_input(0, std::as_bytes(std::span(picture)));
  runner->unbind_single_inputs();
  EXPECT_TRUE(runner->run(2)) << "the binding must be gone";
}

TYPED_TEST(EngineContract, TerminateWithoutARunDoesNotTouchTheNext) {
  const auto runner = this->load(this->under_test.small());
  runner->terminate();
  EXPECT_TRUE(runner->run(1));
  runner->terminate();
  EXPECT_TRUE(runner->run(3));
}

TYPED_TEST(EngineContract, TerminateFromOutsideEitherStopsARunOrLeavesItWhole) {
  // Whatever the two threads do to each other, a run that says it succeeded is one, and the runner stays
  // usable.
  const auto runner = this->load(this->under_test.small());
  std::atomic<bool> is_over = false;
  std::thread stopper([&] {
    while (!is_over.load()) runner->terminate();
  });
  for (int i = 0; i < 50; ++i) {
    const Status status = runner->run(8);
    if (status) continue;
    EXPECT_EQ(status.error().code, ErrorCode::kUnavailable) << status.error().message;
  }
  is_over = true;
  stopper.join();
  EXPECT_TRUE(runner->run(8));
}

TYPED_TEST(EngineContract, RunnersOfOneEngineRunSideBySide) {
  const auto first = this->load(this->under_test.small());
  const auto second = this->load(this->under_test.identity());
  std::thread other([&] {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(second->run(4));
  });
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(first->run(4));
  other.join();
}

TYPED_TEST(EngineContract, ARunnerOutlivesItsEngine) {
  std::unique_ptr<StageRunner> runner;
  {
    TypeParam scope;
    runner = std::move(scope.engine().load(scope.small(), {})).value();
  }
  EXPECT_TRUE(runner->run(1));
}

}  // namespace
}  // namespace laxity
