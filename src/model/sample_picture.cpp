#include "model/sample_picture.h"

#include <spng.h>

#include <cstdlib>
#include <cstring>

#include "base/rng.h"

namespace laxity {

std::vector<std::byte> make_sample_png(std::uint32_t width, std::uint32_t height, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<unsigned char> pixels(std::size_t{3} * width * height);
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      unsigned char* pixel = &pixels[3 * (std::size_t{y} * width + x)];
      const std::uint32_t slope = (x * 255 / width + y * 255 / height) / 2;
      for (int c = 0; c < 3; ++c) {
        const auto noise = static_cast<std::uint32_t>(rng.uniform(0, 24));
        pixel[c] = static_cast<unsigned char>((slope + 60u * static_cast<unsigned>(c) + noise) & 0xffu);
      }
    }
  }
  spng_ctx* encoder = spng_ctx_new(SPNG_CTX_ENCODER);
  if (encoder == nullptr) return {};
  spng_ihdr header{};
  header.width = width;
  header.height = height;
  header.bit_depth = 8;
  header.color_type = SPNG_COLOR_TYPE_TRUECOLOR;
  std::vector<std::byte> png;
  if (spng_set_option(encoder, SPNG_ENCODE_TO_BUFFER, 1) == 0 && spng_set_ihdr(encoder, &header) == 0 &&
      spng_encode_image(encoder, pixels.data(), pixels.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE) == 0) {
    int error = 0;
    std::size_t size = 0;
    if (void* buffer = spng_get_png_buffer(encoder, &size, &error)) {
      png.resize(size);
      std::memcpy(png.data(), buffer, size);
      std::free(buffer);  // the encoder hands the buffer over
    }
  }
  spng_ctx_free(encoder);
  return png;
}

}  // namespace laxity
