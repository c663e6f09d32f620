// The estimator on samples of distributions whose p99 is known.
#include "profile/tail_estimate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/rng.h"

namespace laxity {
namespace {

using Points = std::vector<std::vector<Duration>>;

/// A run of a network that takes `typical`, on a machine that sometimes takes longer: the slowness is
/// 1 + scale · Exp(1), so that its p99 is 1 + scale · ln 100, and its median 1 + scale · ln 2.
constexpr double kScale = 0.1;
const double kTrueP99 = 1 + kScale * std::log(100.0);

Duration draw(Rng& rng, double typical_us, double scale = kScale) {
  const double slowness = 1 - scale * std::log(1 - rng.unit());
  return Duration(static_cast<std::int64_t>(typical_us * slowness * 1000));
}

std::vector<Duration> samples_of(Rng& rng, double typical_us, std::size_t count) {
  std::vector<Duration> samples;
  for (std::size_t i = 0; i < count; ++i) samples.push_back(draw(rng, typical_us));
  return samples;
}

double relative(Duration bound, double typical_us) {
  return static_cast<double>(bound.count()) / (typical_us * 1000 * kTrueP99) - 1;
}

Duration own_p99(std::vector<Duration> samples) {
  std::sort(samples.begin(), samples.end());
  return nearest_rank(samples, 99);
}

/// Error and spread over many profiles of 30 points with 40 samples each, from 100 us to 3 ms.
struct Quality {
  double bias = 0, spread = 0, worst = 0;
};
Quality quality(const std::function<std::vector<Duration>(const Points&)>& estimate) {
  Quality q;
  double sum = 0, squares = 0;
  int count = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Rng rng(seed);
    Points points;
    std::vector<double> typical;
    for (int i = 0; i < 30; ++i) {
      typical.push_back(100 * std::pow(30.0, i / 29.0));
      points.push_back(samples_of(rng, typical.back(), 40));
    }
    const std::vector<Duration> bounds = estimate(points);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double error = relative(bounds[i], typical[i]);
      sum += error;
      squares += error * error;
      q.worst = std::max(q.worst, std::abs(error));
      ++count;
    }
  }
  q.bias = sum / count;
  q.spread = std::sqrt(squares / count - q.bias * q.bias);
  return q;
}

TEST(TailEstimate, IsNearTheTrueP99WithFewSamplesAPoint) {
  const Quality pooled = quality([](const Points& points) { return pooled_p99(points); });
  EXPECT_NEAR(pooled.bias, 0, 0.01);
  EXPECT_LT(pooled.spread, 0.04);
  EXPECT_LT(pooled.worst, 0.2);
  const Quality own = quality([](const Points& points) {
    std::vector<Duration> bounds;
    for (const auto& samples : points) bounds.push_back(own_p99(samples));
    return bounds;
  });
  EXPECT_LT(pooled.spread * 2, own.spread) << "than the largest of forty";
}

TEST(TailEstimate, APointWithEnoughSamplesSharesNobodys) {
  Rng rng(7);
  Points points = {samples_of(rng, 100, kPoolMin)};
  const Duration alone = own_p99(points[0]);
  for (int i = 0; i < 5; ++i) points.push_back(std::vector<Duration>(200, Duration(100us)));
  const Duration bound = pooled_p99(points)[0];
  EXPECT_GE(bound, alone);
  EXPECT_LE(bound, alone + alone / 100'000 + 2ns);  // rounded up
}

// A short run that an interrupt doubles says nothing of one a hundred times as long.
TEST(TailEstimate, RunsOfAnotherLengthAreNotShared) {
  Points points = {std::vector<Duration>(50, Duration(10ms)), std::vector<Duration>(50, Duration(100us))};
  for (std::size_t i = 0; i < 5; ++i) points[1][i] = 300us;
  const std::vector<Duration> bounds = pooled_p99(points);
  EXPECT_LE(bounds[0], 10ms + 1us);
  EXPECT_GE(bounds[1], 300us);
}

// A slow spell that strikes every point alike is in every point's bound, not in that of one.
TEST(TailEstimate, ASlowSpellIsSharedByAll) {
  Rng rng(3);
  Points points;
  for (int i = 0; i < 20; ++i) {
    points.push_back(std::vector<Duration>(60, Duration(1ms) + Duration(i * 1us)));
  }
  for (int hit = 0; hit < 24; ++hit) {  // 2 % of all samples, wherever they fall
    points[static_cast<std::size_t>(rng.uniform(0, 19))][static_cast<std::size_t>(rng.uniform(0, 59))] = 2ms;
  }
  for (const Duration bound : pooled_p99(points)) {
    EXPECT_GT(bound, 1900us);
    EXPECT_LT(bound, 2100us);
  }
}

TEST(TailEstimate, ExtremesStaySane) {
  EXPECT_TRUE(pooled_p99({}).empty());
  const std::vector<Duration> one = pooled_p99({{Duration(1)}});
  EXPECT_GE(one[0], Duration(1));
  EXPECT_LE(one[0], Duration(2));
  const std::vector<Duration> long_ones = pooled_p99({{24h, 24h}, {24h}});
  EXPECT_GE(long_ones[0], 24h);
  EXPECT_LE(long_ones[0], 24h + 1s);
}

}  // namespace
}  // namespace laxity
