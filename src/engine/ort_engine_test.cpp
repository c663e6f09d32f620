// What only a real engine can be asked for: arithmetic, other types, files that are no graphs.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "engine/engine.h"

namespace laxity {
namespace {

const std::string kData = std::string(LAXITY_SOURCE_DIR) + "/tests/data/";

std::unique_ptr<Engine> engine() { return std::move(make_ort_engine()).value(); }

template <typename T>
void write(JobBytes bytes, const std::vector<T>& values) {
  ASSERT_EQ(bytes.size(), values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
}

template <typename T>
std::vector<T> read(ConstJobBytes bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<float> picture(float seed) {
  std::vector<float> values(3 * 32 * 32);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = seed * static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 50.0F;
  }
  return values;
}

TEST(OrtEngine, SaysItsVersion) { EXPECT_TRUE(engine()->version().starts_with("onnxruntime 1.")); }

TEST(OrtEngine, AMissingLibraryIsASentence) {
  const auto made = make_ort_engine("/nowhere/libonnxruntime.so");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(made.error().message.find("/nowhere/libonnxruntime.so"), std::string::npos)
      << made.error().message;
}

TEST(OrtEngine, ALibraryOfSomethingElseIsASentence) {
  // In a program of its own: the outcome depends on no engine having been opened before.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const auto made = make_ort_engine("libm.so.6");
        std::fputs(made ? "opened" : made.error().message.c_str(), stderr);
        std::_Exit(made ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "libm.so.6");
}

TEST(OrtEngine, EveryTypeComesThroughUnchanged) {
  const auto runner = std::move(engine()->load(kData + "models/identity/1/model.onnx", {})).value();
  for (std::size_t job = 0; job < 3; ++job) {
    const auto k = static_cast<int>(job);
    write<float>(runner->input(0, job), {1.5F + static_cast<float>(k), -2.0F, 0.0F, 4.0F});
    write<std::int64_t>(runner->input(1, job), {-1 - k, 1LL << 40, 0});
    write<std::uint8_t>(runner->input(2, job), {255, 0, 1, static_cast<std::uint8_t>(k), 3});
    write<std::uint8_t>(runner->input(3, job), {1, static_cast<std::uint8_t>(k % 2)});
  }
  ASSERT_TRUE(runner->run(3));
  for (std::size_t job = 0; job < 3; ++job) {
    const auto k = static_cast<int>(job);
    EXPECT_EQ(read<float>(runner->output(0, job)),
              (std::vector<float>{1.5F + static_cast<float>(k), -2.0F, 0.0F, 4.0F}));
    EXPECT_EQ(read<std::int64_t>(runner->output(1, job)), (std::vector<std::int64_t>{-1 - k, 1LL << 40, 0}));
    EXPECT_EQ(read<std::uint8_t>(runner->output(2, job))[3], k);
    EXPECT_EQ(read<std::uint8_t>(runner->output(3, job)),
              (std::vector<std::uint8_t>{1, static_cast<std::uint8_t>(k % 2)}));
  }
}

TEST(OrtEngine, ThreeWaysToRunAJobGiveTheSameBits) {
  const auto runner = std::move(engine()->load(kData + "models/small/1/model.onnx", {})).value();
  const std::vector<float> mine = picture(0.7F);

  write<float>(runner->input(0, 0), mine);
  ASSERT_TRUE(runner->run(1));
  const auto gathered = read<float>(runner->output(0, 0));

  write<float>(runner->input(0, 0), picture(-0.3F));  // what a wrong binding would read
  runner->bind_single_input(0, std::as_bytes(std::span(mine)));
  ASSERT_TRUE(runner->run(1));
  EXPECT_EQ(read<float>(runner->output(0, 0)), gathered);

  write<float>(runner->input(0, 0), picture(-0.3F));
  write<float>(runner->input(0, 5), mine);
  ASSERT_TRUE(runner->run(6));
  EXPECT_EQ(read<float>(runner->output(0, 5)), gathered);
  EXPECT_NE(read<float>(runner->output(0, 0)), gathered);
}

TEST(OrtEngine, UnboundRunsGiveTheSameBits) {
  const std::string file = kData + "models/small/1/model.onnx";
  const auto bound = std::move(engine()->load(file, {4, true, true})).value();
  const auto unbound = std::move(engine()->load(file, {4, true, false})).value();
  for (StageRunner* runner : {bound.get(), unbound.get()}) {
    for (std::size_t job = 0; job < 3; ++job) {
      write<float>(runner->input(0, job), picture(static_cast<float>(job)));
    }
    ASSERT_TRUE(runner->run(3));
  }
  for (std::size_t job = 0; job < 3; ++job) {
    EXPECT_EQ(read<float>(bound->output(0, job)), read<float>(unbound->output(0, job)));
  }
}

TEST(OrtEngine, SeveralInputsCanBeBoundOutside) {
  const auto runner = std::move(engine()->load(kData + "models/identity/1/model.onnx", {})).value();
  const std::vector<float> outside = {1, 2, 3, 4};
  const std::vector<std::int64_t> other_outside = {7, 8, 9};
  write<float>(runner->input(0, 0), {0, 0, 0, 0});
  write<std::uint8_t>(runner->input(2, 0), {9, 8, 7, 6, 5});
  runner->bind_single_input(0, std::as_bytes(std::span(outside)));
  runner->bind_single_input(1, std::as_bytes(std::span(other_outside)));
  ASSERT_TRUE(runner->run(1));
  EXPECT_EQ(read<float>(runner->output(0, 0)), outside);
  EXPECT_EQ(read<std::int64_t>(runner->output(1, 0)), other_outside);
  EXPECT_EQ(read<std::uint8_t>(runner->output(2, 0)), (std::vector<std::uint8_t>{9, 8, 7, 6, 5}));

  // The next run reads the batch buffer again, also when it binds only the other input.
  runner->bind_single_input(1, std::as_bytes(std::span(other_outside)));
  ASSERT_TRUE(runner->run(1));
  EXPECT_EQ(read<float>(runner->output(0, 0)), (std::vector<float>{0, 0, 0, 0}));
}

TEST(OrtEngine, FilesThatAreNoGraphsAreRefusedByName) {
  for (const char* file : {"bad/truncated.onnx", "bad/not_onnx.onnx"}) {
    const Result<StageSpec> spec = engine()->inspect(kData + file);
    ASSERT_FALSE(spec) << file;
    EXPECT_EQ(spec.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(spec.error().message.find(file), std::string::npos) << spec.error().message;
    EXPECT_NE(spec.error().message.find("expected an ONNX graph"), std::string::npos) << spec.error().message;
  }
}

}  // namespace
}  // namespace laxity
