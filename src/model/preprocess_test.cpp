#include "model/preprocess.h"

#include <gtest/gtest.h>
#include <turbojpeg.h>

#include <cmath>
#include <string>
#include <vector>

#include "model/sample_picture.h"

namespace laxity {
namespace {

/// A PNG of our own making, so that its pixels are known: stored without compression, filter 0.
class Png {
 public:
  Png(std::uint32_t width, std::uint32_t height, unsigned char colour_type,
      const std::vector<unsigned char>& pixels) {
    append({0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
    std::vector<unsigned char> header = big_endian(width);
    for (const unsigned char byte : big_endian(height)) header.push_back(byte);
    header.insert(header.end(), {8, colour_type, 0, 0, 0});
    chunk("IHDR", header);
    const std::size_t row_size = pixels.size() / height;
    std::vector<unsigned char> rows;
    for (std::size_t y = 0; y < height; ++y) {
      rows.push_back(0);
      rows.insert(rows.end(), pixels.begin() + static_cast<std::ptrdiff_t>(y * row_size),
                  pixels.begin() + static_cast<std::ptrdiff_t>((y + 1) * row_size));
    }
    chunk("IDAT", stored(rows));
    chunk("IEND", {});
  }
  std::vector<std::byte> bytes() const {
    const auto* start = reinterpret_cast<const std::byte*>(bytes_.data());
    return {start, start + bytes_.size()};
  }

 private:
  static std::vector<unsigned char> big_endian(std::uint32_t value) {
    return {static_cast<unsigned char>(value >> 24U), static_cast<unsigned char>(value >> 16U),
            static_cast<unsigned char>(value >> 8U), static_cast<unsigned char>(value)};
  }
  static std::uint32_t crc(const std::vector<unsigned char>& bytes) {
    std::uint32_t value = 0xffffffff;
    for (const unsigned char byte : bytes) {
      value ^= byte;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1U) ^ (value & 1U ? 0xedb88320U : 0U);
    }
    return ~value;
  }
  static std::vector<unsigned char> stored(const std::vector<unsigned char>& raw) {
    const auto length = static_cast<std::uint16_t>(raw.size());
    std::vector<unsigned char> out = {0x78,
                                      0x01,
                                      1,
                                      static_cast<unsigned char>(length & 0xffU),
                                      static_cast<unsigned char>(length >> 8U),
                                      static_cast<unsigned char>(~length & 0xff),
                                      static_cast<unsigned char>((~length >> 8) & 0xff)};
    out.insert(out.end(), raw.begin(), raw.end());
    std::uint32_t a = 1, b = 0;
    for (const unsigned char byte : raw) {
      a = (a + byte) % 65521;
      b = (b + a) % 65521;
    }
    for (const unsigned char byte : big_endian((b << 16U) | a)) out.push_back(byte);
    return out;
  }
  void append(const std::vector<unsigned char>& bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void chunk(const std::string& type, const std::vector<unsigned char>& data) {
    append(big_endian(static_cast<std::uint32_t>(data.size())));
    std::vector<unsigned char> checked(type.begin(), type.end());
    checked.insert(checked.end(), data.begin(), data.end());
    append(checked);
    append(big_endian(crc(checked)));
  }
  std::vector<unsigned char> bytes_;
};

std::vector<std::byte> jpeg_of_one_colour(int width, int height, unsigned char r, unsigned char g,
                                          unsigned char b) {
  std::vector<unsigned char> pixels;
  for (int i = 0; i < width * height; ++i) pixels.insert(pixels.end(), {r, g, b});
  tjhandle encoder = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;
  EXPECT_EQ(tjCompress2(encoder, pixels.data(), width, 0, height, TJPF_RGB, &out, &size, TJSAMP_444, 95, 0),
            0);
  const auto* start = reinterpret_cast<const std::byte*>(out);
  std::vector<std::byte> encoded(start, start + size);
  tjFree(out);
  tjDestroy(encoder);
  return encoded;
}

PreprocessSpec spec_of(std::uint32_t height, std::uint32_t width) {
  PreprocessSpec spec;
  spec.height = height;
  spec.width = width;
  spec.scale = 1;
  return spec;
}

std::vector<float> run(const PreprocessSpec& spec, const std::vector<std::byte>& encoded) {
  const std::size_t channels = spec.colour == PreprocessSpec::Colour::kGray ? 1 : 3;
  std::vector<float> out(channels * spec.height * spec.width, -1);
  Preprocessor preprocessor;
  const Status status = preprocessor.run(spec, encoded, out);
  EXPECT_TRUE(status) << status.error().message;
  return out;
}

Error error_of(const std::vector<std::byte>& encoded) {
  std::vector<float> out(3 * 2 * 2);
  Preprocessor preprocessor;
  const Status status = preprocessor.run(spec_of(2, 2), encoded, out);
  EXPECT_FALSE(status);
  return status ? Error{} : status.error();
}

// Two by one: red (200, 10, 20), then blue (0, 40, 250).
std::vector<std::byte> two_pixels() { return Png(2, 1, 2, {200, 10, 20, 0, 40, 250}).bytes(); }

TEST(Preprocess, PlanesOfChannels) {
  EXPECT_EQ(run(spec_of(1, 2), two_pixels()), (std::vector<float>{200, 0, 10, 40, 20, 250}));
}

TEST(Preprocess, ChannelsLast) {
  PreprocessSpec spec = spec_of(1, 2);
  spec.layout = PreprocessSpec::Layout::kHwc;
  EXPECT_EQ(run(spec, two_pixels()), (std::vector<float>{200, 10, 20, 0, 40, 250}));
}

TEST(Preprocess, BlueFirst) {
  PreprocessSpec spec = spec_of(1, 2);
  spec.colour = PreprocessSpec::Colour::kBgr;
  EXPECT_EQ(run(spec, two_pixels()), (std::vector<float>{20, 250, 10, 40, 200, 0}));
}

TEST(Preprocess, GreyIsLuma) {
  PreprocessSpec spec = spec_of(1, 2);
  spec.colour = PreprocessSpec::Colour::kGray;
  // 0.299 R + 0.587 G + 0.114 B, rounded.
  EXPECT_EQ(run(spec, two_pixels()), (std::vector<float>{68, 52}));
}

TEST(Preprocess, ScaleMeanAndDeviationPerChannel) {
  PreprocessSpec spec = spec_of(1, 2);
  spec.scale = 0.1F;
  spec.mean = {1, 2, 3};
  spec.deviation = {1, 0.5F, 2};
  const std::vector<float> expected = {19, -1, -2, 4, -0.5F, 11};
  const std::vector<float> out = run(spec, two_pixels());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(out[i], expected[i], 1e-5F) << i;
}

TEST(Preprocess, BilinearPlacesCentresAtHalves) {
  // Grey 0, 100 stretched to four: positions -0.25 (clamped), 0.25, 0.75, 1.25 (clamped).
  PreprocessSpec spec = spec_of(1, 4);
  spec.colour = PreprocessSpec::Colour::kGray;
  EXPECT_EQ(run(spec, Png(2, 1, 0, {0, 100}).bytes()), (std::vector<float>{0, 25, 75, 100}));
}

TEST(Preprocess, BilinearBlendsRowsToo) {
  PreprocessSpec spec = spec_of(1, 1);
  spec.colour = PreprocessSpec::Colour::kGray;
  EXPECT_EQ(run(spec, Png(2, 2, 0, {0, 100, 40, 60}).bytes()), (std::vector<float>{50}));
}

TEST(Preprocess, NearestTakesThePixelUnderTheCentre) {
  PreprocessSpec spec = spec_of(1, 2);
  spec.colour = PreprocessSpec::Colour::kGray;
  spec.resize = PreprocessSpec::Resize::kNearest;
  // Centres at 1 and 3 of four pixels.
  EXPECT_EQ(run(spec, Png(4, 1, 0, {10, 20, 30, 40}).bytes()), (std::vector<float>{20, 40}));
}

TEST(Preprocess, TransparencyIsDropped) {
  EXPECT_EQ(run(spec_of(1, 1), Png(1, 1, 6, {7, 8, 9, 0}).bytes()), (std::vector<float>{7, 8, 9}));
}

TEST(Preprocess, JpegOfOneColourComesThrough) {
  const std::vector<float> out = run(spec_of(2, 2), jpeg_of_one_colour(17, 9, 120, 60, 200));
  const float expected[] = {120, 60, 200};
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], expected[i / 4], 3) << i;
}

TEST(Preprocess, OnePreprocessorServesPicturesOfAllSizesAndSpecs) {
  Preprocessor preprocessor;
  for (const std::uint32_t side : {64U, 8U, 33U}) {
    PreprocessSpec spec = spec_of(16, 16);
    if (side == 8) spec.colour = PreprocessSpec::Colour::kGray;
    const std::vector<std::byte> picture = make_sample_png(side, side, side);
    std::vector<float> out((side == 8 ? 1 : 3) * 16 * 16);
    ASSERT_TRUE(preprocessor.run(spec, picture, out)) << side;
    EXPECT_EQ(out, run(spec, picture)) << side;
  }
}

TEST(PreprocessErrors, NeitherJpegNorPngSaysWhatWasFound) {
  const std::vector<std::byte> gif = {std::byte{'G'}, std::byte{'I'}, std::byte{'F'}, std::byte{'8'},
                                      std::byte{'9'}};
  const Error error = error_of(gif);
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_NE(error.message.find("47 49 46 38"), std::string::npos) << error.message;
  EXPECT_EQ(error_of({}).code, ErrorCode::kInvalidArgument);
}

TEST(PreprocessErrors, EveryTruncationIsAnError) {
  const std::vector<std::byte> jpeg = jpeg_of_one_colour(40, 40, 1, 200, 3);
  const std::vector<std::byte> png = make_sample_png(20, 20, 1);
  for (const auto& whole : {jpeg, png}) {
    // The last bytes of a PNG (its end mark) and of a JPEG carry no pixels.
    for (std::size_t length = 1; length + 16 < whole.size(); length += 7) {
      const Error error = error_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)});
      EXPECT_EQ(error.code, ErrorCode::kInvalidArgument) << length;
    }
  }
}

TEST(PreprocessErrors, ACorruptPictureDoesNotSpoilTheNext) {
  Preprocessor preprocessor;
  std::vector<std::byte> broken = jpeg_of_one_colour(40, 40, 1, 200, 3);
  broken.resize(broken.size() / 2);
  std::vector<float> out(12);
  EXPECT_FALSE(preprocessor.run(spec_of(2, 2), broken, out));
  ASSERT_TRUE(preprocessor.run(spec_of(2, 2), jpeg_of_one_colour(40, 40, 50, 50, 50), out));
  for (const float value : out) EXPECT_NEAR(value, 50, 2);
}

TEST(PreprocessErrors, AHugePictureIsRefusedByItsHeader) {
  const std::vector<std::byte> bomb = Png(1 << 20, 1 << 20, 2, std::vector<unsigned char>(1 << 20)).bytes();
  const Error error = error_of(bomb);
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
}

TEST(PreprocessErrors, APictureOfMoreThan64MegapixelsNamesTheLimit) {
  const std::vector<std::byte> big = Png(8193, 8193, 2, std::vector<unsigned char>(8193)).bytes();
  EXPECT_NE(error_of(big).message.find("64000000"), std::string::npos) << error_of(big).message;
}

}  // namespace
}  // namespace laxity
