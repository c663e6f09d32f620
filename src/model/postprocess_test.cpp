#include "model/postprocess.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace laxity {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> softmax_of(std::vector<float> logits, float temperature = 1.0F) {
  std::vector<float> probabilities(logits.size());
  softmax(logits, temperature, probabilities);
  return probabilities;
}

PostprocessSpec softmax_spec(std::vector<float> temperature = {}) {
  PostprocessSpec spec;
  spec.kind = PostprocessSpec::Kind::kSoftmax;
  spec.temperature = std::move(temperature);
  return spec;
}

TEST(Softmax, KnownValues) {
  const auto p = softmax_of({0.0F, std::log(3.0F)});
  EXPECT_FLOAT_EQ(p[0], 0.25F);
  EXPECT_FLOAT_EQ(p[1], 0.75F);
}

TEST(Softmax, TemperatureDividesTheLogits) {
  const auto p = softmax_of({0.0F, 2 * std::log(3.0F)}, 2.0F);
  EXPECT_FLOAT_EQ(p[1], 0.75F);
}

TEST(Softmax, LargeLogitsDoNotOverflow) {
  const auto p = softmax_of({3e38F, -3e38F, 3e38F});
  EXPECT_FLOAT_EQ(p[0], 0.5F);
  EXPECT_FLOAT_EQ(p[1], 0.0F);
}

TEST(Softmax, WhatIsNoNumberGivesZeros) {
  for (const auto& logits : {std::vector<float>{1, kNan, 2}, std::vector<float>{kInfinity, 0},
                             std::vector<float>{-kInfinity, -kInfinity}}) {
    for (const float p : softmax_of(logits)) EXPECT_EQ(p, 0.0F);
  }
}

TEST(Softmax, SumsToOneAndKeepsTheOrder_Property) {
  EXPECT_TRUE(rc::check([] {
    const auto raw = *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(-3000, 3000)));
    std::vector<float> logits;
    for (const int value : raw) logits.push_back(static_cast<float>(value) / 100);
    const auto p = softmax_of(logits, 0.5F);
    RC_ASSERT(std::abs(std::accumulate(p.begin(), p.end(), 0.0F) - 1) < 1e-4F);
    for (std::size_t i = 1; i < p.size(); ++i) RC_ASSERT(logits[i] < logits[0] || p[i] >= p[0]);
  }));
}

TEST(TopClasses, BestFirstAndTiesToTheSmallerIndex) {
  const std::array<float, 5> p = {0.1F, 0.4F, 0.1F, 0.4F, 0.0F};
  std::array<std::int64_t, 4> classes{};
  top_classes(p, classes);
  EXPECT_EQ(classes, (std::array<std::int64_t, 4>{1, 3, 0, 2}));
}

TEST(TopClasses, AllOfThemIsASort) {
  const std::array<float, 3> p = {0.2F, 0.5F, 0.3F};
  std::array<std::int64_t, 3> classes{};
  top_classes(p, classes);
  EXPECT_EQ(classes, (std::array<std::int64_t, 3>{1, 2, 0}));
}

TEST(ExitConfidence, IsTheLargestProbabilityOfItsExit) {
  const std::array<float, 2> logits = {0.0F, std::log(3.0F)};
  std::array<float, 2> scratch{};
  EXPECT_EQ(exit_confidence(softmax_spec(), 0, logits, scratch), 49151);                 // 0.75
  EXPECT_EQ(exit_confidence(softmax_spec({1.0F, 1000.0F}), 1, logits, scratch), 32786);  // nearly flat
}

TEST(ExitConfidence, WithoutSoftmaxThereIsNoDoubt) {
  EXPECT_EQ(exit_confidence(PostprocessSpec{}, 0, {}, {}), 65535);
}

TEST(ExitConfidence, OfNoNumberIsNone) {
  const std::array<float, 2> logits = {kNan, 1.0F};
  std::array<float, 2> scratch{};
  EXPECT_EQ(exit_confidence(softmax_spec(), 0, logits, scratch), 0);
}

}  // namespace
}  // namespace laxity
