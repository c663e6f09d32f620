#include "base/rng.h"

#include <bit>

#include "base/check.h"

namespace laxity {
namespace {

std::uint64_t splitmix64(std::uint64_t& state) noexcept {
  state += 0x9e3779b97f4a7c15u;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

Rng::Rng(std::uint64_t seed) noexcept : state_{} {
  for (std::uint64_t& word : state_) word = splitmix64(seed);
}

std::uint64_t Rng::next() noexcept {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::int64_t Rng::uniform(std::int64_t low, std::int64_t high) noexcept {
  LAXITY_CHECK(low <= high);
  const std::uint64_t span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  if (span == 0) return static_cast<std::int64_t>(next());  // the whole range
  const std::uint64_t reject_below =
      (0 - span) % span;  // 2^64 mod span: draws below it would favour small values
  std::uint64_t draw = next();
  while (draw < reject_below) draw = next();
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + draw % span);
}

bool Rng::chance(std::uint64_t numerator, std::uint64_t denominator) noexcept {
  LAXITY_CHECK(denominator > 0);
  return static_cast<std::uint64_t>(uniform(0, static_cast<std::int64_t>(denominator) - 1)) < numerator;
}

double Rng::unit() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

Rng Rng::split(std::uint64_t index) const noexcept {
  std::uint64_t mix = state_[0] ^ std::rotl(state_[2], 23) ^ (index * 0xd1342543de82ef95u);
  return Rng(splitmix64(mix));
}

}  // namespace laxity
