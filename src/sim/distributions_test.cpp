#include "sim/distributions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace laxity {
namespace {

struct Moments {
  double mean = 0, variance = 0;
};

Moments moments(std::uint64_t count, const std::function<double()>& draw) {
  double sum = 0;
  double squares = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  const double mean = sum / static_cast<double>(count);
  return {mean, squares / static_cast<double>(count) - mean * mean};
}

TEST(Distributions, LogarithmMatchesTheLibrary) {
  for (double x = 1e-300; x < 1e300; x *= 1.7) {
    EXPECT_NEAR(natural_logarithm(x), std::log(x), 1e-14 * std::max(1.0, std::abs(std::log(x)))) << x;
  }
  EXPECT_EQ(natural_logarithm(1), 0);
}

TEST(Distributions, ExponentialFunctionMatchesTheLibrary) {
  for (double x = -690; x < 690; x += 0.37) EXPECT_NEAR(exponential_function(x) / std::exp(x), 1, 1e-13) << x;
  EXPECT_EQ(exponential_function(0), 1);
}

// The variates themselves, so that a change of any bit on any machine is seen.
TEST(Distributions, FirstVariatesNeverChange) {
  Rng rng(1);
  EXPECT_EQ(draw_exponential(rng), 0x1.36b8f97874d67p+0);
  EXPECT_EQ(draw_normal(rng), 0x1.7484ae0a45002p-1);
  EXPECT_EQ(draw_gamma(rng, 0.25), 0x1.8a8f5c6691015p-3);
  EXPECT_EQ(draw_gamma(rng, 4), 0x1.8ca1c2b1a6fdap+1);
}

TEST(Distributions, ExponentialHasMeanAndVarianceOne) {
  Rng rng(1);
  const Moments m = moments(200'000, [&] { return draw_exponential(rng); });
  EXPECT_NEAR(m.mean, 1, 0.01);
  EXPECT_NEAR(m.variance, 1, 0.03);
}

TEST(Distributions, NormalHasMeanZeroAndVarianceOne) {
  Rng rng(2);
  const Moments m = moments(200'000, [&] { return draw_normal(rng); });
  EXPECT_NEAR(m.mean, 0, 0.01);
  EXPECT_NEAR(m.variance, 1, 0.02);
}

TEST(Distributions, GammaHasMeanAndVarianceOfItsShape) {
  for (const double shape : {0.05, 0.25, 1.0, 4.0, 100.0}) {
    Rng rng(3);
    const Moments m = moments(100'000, [&] { return draw_gamma(rng, shape); });
    EXPECT_NEAR(m.mean / shape, 1, 0.03) << shape;
    EXPECT_NEAR(m.variance / shape, 1, 0.06) << shape;
  }
}

}  // namespace
}  // namespace laxity
