// Pictures from hostile clients: decoded into numbers or refused, whatever the bytes.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "model/preprocess.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using laxity::PreprocessSpec;
  static laxity::Preprocessor preprocessor;  // lives on, as in a server: one picture must not spoil the next
  PreprocessSpec spec;
  spec.height = 8;
  spec.width = 16;
  if (size > 0 && data[size - 1] % 2 == 1) spec.colour = PreprocessSpec::Colour::kGray;
  if (size > 0 && data[size - 1] % 4 >= 2) spec.layout = PreprocessSpec::Layout::kHwc;
  std::vector<float> out((spec.colour == PreprocessSpec::Colour::kGray ? 1 : 3) * 8 * 16, -1.0F);
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  if (!preprocessor.run(spec, std::span(bytes, size), out)) return 0;
  for (const float value : out) LAXITY_CHECK(value >= 0 && value <= 1.001F);
  return 0;
}
