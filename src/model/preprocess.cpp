// Decoding by libturbojpeg and libspng, then resizing and normalising in one pass.
//
// Resizing places pixel centres at half coordinates, as image libraries and training frameworks do by
// default: output pixel i looks at (i + 0.5) * source / target - 0.5, clamped to the picture. Bilinear means
// four neighbours; there is no averaging when shrinking. Interpolated values are not rounded back to bytes.
#include "model/preprocess.h"

#include <spng.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

namespace laxity {
namespace {

constexpr std::uint64_t kPixelCountMax = 64'000'000;
// Metadata beyond this is not worth a camera's frame; it bounds what a hostile file can make us hold.
constexpr std::size_t kPngChunkSizeMax = 1 << 20;

constexpr std::array<unsigned char, 8> kPngSignature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

const unsigned char* bytes_of(std::span<const std::byte> encoded) {
  return reinterpret_cast<const unsigned char*>(encoded.data());
}

bool is_png(std::span<const std::byte> encoded) {
  return encoded.size() >= kPngSignature.size() &&
         std::memcmp(encoded.data(), kPngSignature.data(), kPngSignature.size()) == 0;
}

bool is_jpeg(std::span<const std::byte> encoded) {
  const unsigned char* bytes = bytes_of(encoded);
  return encoded.size() >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

Status check_size(const char* format, std::uint64_t width, std::uint64_t height) {
  if (width > 0 && height > 0 && width * height <= kPixelCountMax) return Unit{};
  return invalid_argument(std::string(format) + ": expected a picture of 1 to " +
                          std::to_string(kPixelCountMax) + " pixels, found " + std::to_string(width) + " x " +
                          std::to_string(height));
}

/// Weights of the two source pixels that an output pixel looks at, along one axis.
struct Tap {
  std::size_t first = 0, second = 0;
  float second_weight = 0;  // the first has the rest
};

void fill_taps(std::vector<Tap>& taps, std::size_t source, std::size_t target,
               PreprocessSpec::Resize resize) {
  taps.resize(target);
  const double ratio = static_cast<double>(source) / static_cast<double>(target);
  for (std::size_t i = 0; i < target; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * ratio;
    Tap& tap = taps[i];
    if (resize == PreprocessSpec::Resize::kNearest) {
      tap.first = tap.second = std::min(source - 1, static_cast<std::size_t>(centre));
      tap.second_weight = 0;
      continue;
    }
    const double position = std::clamp(centre - 0.5, 0.0, static_cast<double>(source - 1));
    tap.first = static_cast<std::size_t>(position);
    tap.second = std::min(source - 1, tap.first + 1);
    tap.second_weight = static_cast<float>(position - static_cast<double>(tap.first));
  }
}

/// out = pixel * factor + offset, per output channel; `source` is where the channel lies in the decoded
/// pixel.
struct ChannelMap {
  std::size_t source = 0;
  float factor = 1, offset = 0;
};

}  // namespace

struct Preprocessor::Scratch {
  struct DestroyDecoder {
    void operator()(void* decoder) const noexcept { tjDestroy(decoder); }
  };
  std::unique_ptr<void, DestroyDecoder> jpeg_decoder;
  std::vector<unsigned char> pixels;  // rows of `channels` bytes a pixel, no padding
  std::size_t width = 0, height = 0, channels = 3;
  std::vector<Tap> columns, rows;

  void reserve() { pixels.resize(std::max(pixels.size(), width * height * channels)); }

  Status decode(std::span<const std::byte> encoded) {
    if (is_jpeg(encoded)) return decode_jpeg(encoded);
    if (is_png(encoded)) return decode_png(encoded);
    std::array<char, 16> found{};
    for (std::size_t i = 0; i < std::min<std::size_t>(4, encoded.size()); ++i) {
      std::snprintf(found.data() + 3 * i, 4, "%02x ", static_cast<unsigned>(encoded[i]));
    }
    return invalid_argument("expected a JPEG or PNG picture, found " + std::to_string(encoded.size()) +
                            " bytes that begin with '" + found.data() + "'");
  }

  Status decode_jpeg(std::span<const std::byte> encoded) {
    if (!jpeg_decoder) jpeg_decoder.reset(tjInitDecompress());
    if (!jpeg_decoder) return Error{ErrorCode::kInternal, "JPEG: the decoder cannot be made"};
    int jpeg_width = 0, jpeg_height = 0, subsampling = 0, colour_space = 0;
    if (tjDecompressHeader3(jpeg_decoder.get(), bytes_of(encoded), encoded.size(), &jpeg_width, &jpeg_height,
                            &subsampling, &colour_space) != 0) {
      return jpeg_error();
    }
    if (Status status = check_size("JPEG", static_cast<std::uint64_t>(std::max(jpeg_width, 0)),
                                   static_cast<std::uint64_t>(std::max(jpeg_height, 0)));
        !status) {
      return status;
    }
    width = static_cast<std::size_t>(jpeg_width);
    height = static_cast<std::size_t>(jpeg_height);
    reserve();
    // Half a picture filled up with grey would get a confident answer: a warning is an error here.
    if (tjDecompress2(jpeg_decoder.get(), bytes_of(encoded), encoded.size(), pixels.data(), jpeg_width, 0,
                      jpeg_height, channels == 1 ? TJPF_GRAY : TJPF_RGB,
                      TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0) {
      return jpeg_error();
    }
    return Unit{};
  }

  // The decoder is not usable after a warning that stopped it: the next picture gets a new one.
  Status jpeg_error() {
    Status status = invalid_argument(std::string("JPEG: ") + tjGetErrorStr2(jpeg_decoder.get()));
    jpeg_decoder.reset();
    return status;
  }

  Status decode_png(std::span<const std::byte> encoded) {
    const std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)> context(spng_ctx_new(0), spng_ctx_free);
    if (!context) return Error{ErrorCode::kInternal, "PNG: the decoder cannot be made"};
    spng_set_chunk_limits(context.get(), kPngChunkSizeMax, kPngChunkSizeMax);
    spng_ihdr header{};
    int error = spng_set_png_buffer(context.get(), encoded.data(), encoded.size());
    if (error == 0) error = spng_get_ihdr(context.get(), &header);
    if (error != 0) return png_error(error);
    if (Status status = check_size("PNG", header.width, header.height); !status) return status;
    width = header.width;
    height = header.height;
    const std::size_t wanted = channels;
    channels = 3;  // the decoder gives grey for grey pictures only, so grey is made from colours below
    reserve();
    const std::size_t size = width * height * channels;
    error = spng_decode_image(context.get(), pixels.data(), size, SPNG_FMT_RGB8, 0);
    if (error != 0) return png_error(error);
    if (wanted == 1) turn_grey();
    return Unit{};
  }

  static Status png_error(int error) { return invalid_argument(std::string("PNG: ") + spng_strerror(error)); }

  // Rec. 601 luma, which is what JPEG stores: in sixteenths of a bit, rounded.
  void turn_grey() {
    for (std::size_t i = 0; i < width * height; ++i) {
      const unsigned char* rgb = &pixels[3 * i];
      pixels[i] =
          static_cast<unsigned char>((19595U * rgb[0] + 38470U * rgb[1] + 7471U * rgb[2] + 32768U) >> 16U);
    }
    channels = 1;
  }

  void resize_and_normalise(const PreprocessSpec& spec, std::span<const ChannelMap> maps,
                            std::span<float> out) {
    const bool is_planar = spec.layout == PreprocessSpec::Layout::kChw;
    const std::size_t plane = std::size_t{spec.height} * spec.width;
    const std::size_t pixel_stride = is_planar ? 1 : maps.size();
    const std::size_t channel_stride = is_planar ? plane : 1;
    if (width == spec.width && height == spec.height) {
      for (std::size_t c = 0; c < maps.size(); ++c) {
        const ChannelMap& map = maps[c];
        const unsigned char* source = pixels.data() + map.source;
        float* target = out.data() + c * channel_stride;
        for (std::size_t i = 0; i < plane; ++i) {
          target[i * pixel_stride] = static_cast<float>(source[i * channels]) * map.factor + map.offset;
        }
      }
      return;
    }
    fill_taps(columns, width, spec.width, spec.resize);
    fill_taps(rows, height, spec.height, spec.resize);
    for (std::size_t y = 0; y < spec.height; ++y) {
      const Tap& row = rows[y];
      const unsigned char* upper = pixels.data() + row.first * width * channels;
      const unsigned char* lower = pixels.data() + row.second * width * channels;
      for (std::size_t c = 0; c < maps.size(); ++c) {
        const ChannelMap& map = maps[c];
        float* target = out.data() + c * channel_stride + y * spec.width * pixel_stride;
        for (std::size_t x = 0; x < spec.width; ++x) {
          const Tap& column = columns[x];
          const std::size_t left = column.first * channels + map.source;
          const std::size_t right = column.second * channels + map.source;
          const float top = blend(upper[left], upper[right], column.second_weight);
          const float bottom = blend(lower[left], lower[right], column.second_weight);
          target[x * pixel_stride] = (top + (bottom - top) * row.second_weight) * map.factor + map.offset;
        }
      }
    }
  }

  static float blend(unsigned char a, unsigned char b, float weight) {
    return static_cast<float>(a) + static_cast<float>(static_cast<int>(b) - static_cast<int>(a)) * weight;
  }
};

Preprocessor::Preprocessor() : scratch_(std::make_unique<Scratch>()) {}
Preprocessor::~Preprocessor() = default;
Preprocessor::Preprocessor(Preprocessor&&) noexcept = default;
Preprocessor& Preprocessor::operator=(Preprocessor&&) noexcept = default;

Status Preprocessor::run(const PreprocessSpec& spec, std::span<const std::byte> encoded,
                         std::span<float> out) {
  const std::size_t channel_count = spec.colour == PreprocessSpec::Colour::kGray ? 1 : 3;
  LAXITY_CHECK(out.size() == channel_count * spec.height * spec.width);
  std::array<ChannelMap, 3> maps;
  for (std::size_t c = 0; c < channel_count; ++c) {
    const float mean = c < spec.mean.size() ? spec.mean[c] : 0.0F;
    const float deviation = c < spec.deviation.size() ? spec.deviation[c] : 1.0F;
    maps[c].source = spec.colour == PreprocessSpec::Colour::kBgr ? 2 - c : c;
    maps[c].factor = spec.scale / deviation;
    maps[c].offset = -mean / deviation;
  }
  scratch_->channels = channel_count;
  if (Status status = scratch_->decode(encoded); !status) return status;
  scratch_->resize_and_normalise(spec, std::span(maps).first(channel_count), out);
  return Unit{};
}

}  // namespace laxity
