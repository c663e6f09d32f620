// What only the emulated accelerator promises. How long a run really takes is measured by
// bench/engine_bench.cpp.
#include "engine/emulated_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace laxity {
namespace {

EmulatedOptions options_with(Duration time) {
  EmulatedOptions options;
  options.device = "rtx2080";
  Model model;
  model.name = "m";
  model.variants = {{"full", {}}};
  options.catalog.add_model(model, {1}, 8);
  options.table.set(CategoryId{0}, 4, {time, time, time, time, 100});
  options.stages = {
      {"m.onnx", CategoryId{0}, {{{"x", DataType::kFp32, {4}}}, {{"y", DataType::kFp32, {2}}}, true, true}}};
  return options;
}

TEST(EmulatedEngine, SaysThatItIsEmulated) {
  EXPECT_EQ(make_emulated_engine(options_with(1us))->version(), "emulated rtx2080");
}

TEST(EmulatedEngine, GivesZerosWhateverCameIn) {
  const auto engine = make_emulated_engine(options_with(1us));
  const auto runner = std::move(engine->load("m.onnx", {})).value();
  std::ranges::fill(runner->input(0, 1), std::byte{0x7f});
  ASSERT_TRUE(runner->run(2));
  for (const std::byte b : runner->output(0, 1)) EXPECT_EQ(b, std::byte{0});
}

TEST(EmulatedEngine, TheCapIsWhatTheTableHolds) {
  const auto engine = make_emulated_engine(options_with(1us));
  const auto runner = std::move(engine->load("m.onnx", {32, true})).value();
  EXPECT_TRUE(runner->run(4));
  EXPECT_DEATH((void)runner->run(5), "batch_size_max");
}

TEST(EmulatedEngine, AStageWithoutTimesIsRefused) {
  EmulatedOptions options = options_with(1us);
  options.table = LatencyTable();
  const auto engine = make_emulated_engine(std::move(options));
  const auto loaded = engine->load("m.onnx", {});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kFailedPrecondition);
}

TEST(EmulatedEngine, AnUnknownFileIsAnsweredWithTheNearest) {
  const auto engine = make_emulated_engine(options_with(1us));
  const auto loaded = engine->load("emulated:m/ful/0", {});
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("emulated:m/full/0"), std::string::npos) << loaded.error().message;
}

TEST(EmulatedEngine, ALongRunEndsWhenTerminated) {
  // The run would take an hour: that this test ends is the assertion.
  const auto engine = make_emulated_engine(options_with(3600s));
  const auto runner = std::move(engine->load("m.onnx", {})).value();
  Status status = Unit{};
  std::atomic<bool> has_ended = false;
  std::thread executor([&] {
    status = runner->run(1);
    has_ended = true;
  });
  while (!has_ended.load()) runner->terminate();
  executor.join();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace laxity
