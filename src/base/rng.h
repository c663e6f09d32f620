// Seeded random numbers that are the same on every machine and standard library.
#pragma once

#include <array>
#include <cstdint>

namespace laxity {

/// xoshiro256** seeded by splitmix64. [Blackman & Vigna 2018] Not for cryptography.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) noexcept;

  /// Uniform over all 64-bit values.
  std::uint64_t next() noexcept;

  /// Uniform in [low, high], both ends included, without modulo bias. Precondition: low <= high.
  std::int64_t uniform(std::int64_t low, std::int64_t high) noexcept;

  /// True with probability numerator / denominator. Precondition: denominator > 0.
  bool chance(std::uint64_t numerator, std::uint64_t denominator) noexcept;

  /// Uniform in [0, 1) with 53 random bits: for workload models only, never for a verdict.
  double unit() noexcept;

  /// An independent stream for part `index`, so that adding draws in one part does not shift another.
  Rng split(std::uint64_t index) const noexcept;

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace laxity
