#include "sim/distributions.h"

#include <cmath>

#include "base/check.h"

namespace laxity {
namespace {
constexpr double kLogarithmOf2 = 0x1.62e42fefa39efp-1;
constexpr double kSquareRootOfHalf = 0x1.6a09e667f3bcdp-1;
}  // namespace

double natural_logarithm(double x) noexcept {
  LAXITY_CHECK(x > 0 && std::isfinite(x));
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)), and ln m = 2 artanh(s) = 2 (s + s^3/3 + s^5/5 + …), |s| <
  // 0.172.
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);
  if (mantissa < kSquareRootOfHalf) {
    mantissa *= 2;
    --exponent;
  }
  const double s = (mantissa - 1) / (mantissa + 1);
  const double square = s * s;
  double sum = 0;
  for (int k = 21; k >= 1; k -= 2)
    sum = sum * square + 1.0 / k;  // the next term is below 0.172^23 / 23 = 1e-19
  return exponent * kLogarithmOf2 + 2 * s * sum;
}

double exponential_function(double x) noexcept {
  LAXITY_CHECK(x >= -700 && x <= 700);
  // e^x = 2^n e^r with |r| <= ln(2)/2, and e^r by its series.
  const double n = std::floor(x / kLogarithmOf2 + 0.5);
  const double r = x - n * kLogarithmOf2;
  double sum = 1;
  for (int k = 14; k >= 1; --k) sum = 1 + r * sum / k;  // the next term is below 0.347^15 / 15! = 1e-19
  return std::ldexp(sum, static_cast<int>(n));
}

double draw_exponential(Rng& rng) noexcept {
  return -natural_logarithm(1 - rng.unit());
}  // 1 - unit() is never 0

double draw_normal(Rng& rng) noexcept {
  for (;;) {
    const double u = 2 * rng.unit() - 1;
    const double v = 2 * rng.unit() - 1;
    const double square = u * u + v * v;
    if (square > 0 && square < 1) return u * std::sqrt(-2 * natural_logarithm(square) / square);
  }
}

double draw_gamma(Rng& rng, double shape) noexcept {
  LAXITY_CHECK(shape >= 0.001 && shape <= 1e9);
  if (shape < 1) {
    // ln U / shape can fall below what e^x can show: the variate is zero to any precision that a duration
    // has.
    const double power = natural_logarithm(1 - rng.unit()) / shape;
    const double larger = draw_gamma(rng, shape + 1);
    return power < -700 ? 0 : larger * exponential_function(power);
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / (3 * std::sqrt(d));
  for (;;) {
    const double x = draw_normal(rng);
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    const double u = 1 - rng.unit();
    if (natural_logarithm(u) < 0.5 * x * x + d - d * v + d * natural_logarithm(v)) return d * v;
  }
}

}  // namespace laxity
