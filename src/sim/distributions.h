// Random variates that come out bit by bit the same on every machine: seeded by base/rng.h, computed with
// additions, multiplications, divisions and square roots only, which IEEE 754 fixes to the last bit. The
// mathematics library's own logarithm may differ in the last bit between versions and processors, hence ours.
#pragma once

#include "base/rng.h"

namespace laxity {

/// Natural logarithm, relative error below 1e-14. Precondition: x > 0 and finite.
double natural_logarithm(double x) noexcept;
/// e^x, relative error below 1e-13. Precondition: |x| <= 700.
double exponential_function(double x) noexcept;

/// Exponential with mean 1.
double draw_exponential(Rng& rng) noexcept;

/// Normal with mean 0 and deviation 1. [Marsaglia & Bray 1964], the polar method; the second variate is
/// thrown away.
double draw_normal(Rng& rng) noexcept;

/// Gamma with mean `shape` and variance `shape`. [Marsaglia & Tsang 2000]; below shape 1 by their boost
/// G(shape) = G(shape + 1) U^(1/shape). Precondition: 0.001 <= shape <= 1e9.
double draw_gamma(Rng& rng, double shape) noexcept;

}  // namespace laxity
