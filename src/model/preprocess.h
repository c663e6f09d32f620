// Encoded picture to input tensor: the CPU segment before stage 0.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "model/repository.h"

namespace laxity {

/// Decodes JPEG and PNG. Holds its scratch memory, which grows to the largest picture seen (at most
/// 64 megapixels) and stays. Owned by one thread.
class Preprocessor {
 public:
  Preprocessor();
  ~Preprocessor();
  Preprocessor(Preprocessor&&) noexcept;
  Preprocessor& operator=(Preprocessor&&) noexcept;

  /// Writes channels x height x width (or height x width x channels) floats. Precondition: `out` has that
  /// length.
  /// Errors: kInvalidArgument: neither JPEG nor PNG, corrupt, too large; the decoder's words.
  Status run(const PreprocessSpec& spec, std::span<const std::byte> encoded, std::span<float> out);

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace laxity
