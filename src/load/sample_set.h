// What the client sends: encoded pictures with their truth, or random tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace laxity {

struct Sample {
  std::vector<std::byte> bytes;
  std::optional<std::uint32_t> label;  ///< The right class; none: not known.
};

struct SampleSet {
  std::string name;
  bool is_encoded = false;      ///< Pictures (PNG or JPEG files); otherwise tensors, back to back.
  std::vector<Sample> samples;  ///< Never empty once read.
};

/// The PNG and JPEG files of `input`, which is a set's name under `samples_folder` or a folder of its own. A
/// labels.csv in it (columns `file` and `label`, a class index; others are ignored) says which pictures there
/// are, in its order, and their truth; without one every picture is taken, by name, and no truth is known.
/// Errors: kNotFound (no such folder, no pictures, a listed file is missing), kInvalidArgument (a wrong
/// labels.csv).
Result<SampleSet> read_sample_set(std::string_view input, const std::string& samples_folder);

}  // namespace laxity
