// A picture made up on the spot, where decoding has to be timed or tested and none is at hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace laxity {

/// A PNG of smooth shapes with seeded noise: about as hard to decode as a photograph. Empty when the encoder
/// fails.
std::vector<std::byte> make_sample_png(std::uint32_t width, std::uint32_t height, std::uint64_t seed);

}  // namespace laxity
