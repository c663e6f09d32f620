#include "model/postprocess.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace laxity {
namespace {

constexpr Confidence kCertain = 65535;

// NaN when there is one among `values`, or nothing at all.
float largest(std::span<const float> values) {
  float largest = -std::numeric_limits<float>::infinity();
  for (const float value : values) {
    if (std::isnan(value)) return value;
    largest = std::max(largest, value);
  }
  return values.empty() ? std::numeric_limits<float>::quiet_NaN() : largest;
}

}  // namespace

void softmax(std::span<const float> logits, float temperature, std::span<float> probabilities) {
  LAXITY_CHECK(logits.size() == probabilities.size() && temperature > 0);
  const float top = largest(logits);
  if (!std::isfinite(top)) {
    std::ranges::fill(probabilities, 0.0F);
    return;
  }
  float sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    probabilities[i] = std::exp((logits[i] - top) / temperature);
    sum += probabilities[i];
  }
  for (float& probability : probabilities) probability /= sum;  // sum >= 1: the largest contributes exp(0)
}

void top_classes(std::span<const float> probabilities, std::span<std::int64_t> classes) {
  LAXITY_CHECK(classes.size() <= probabilities.size());
  // Keeps the best so far in order; both lengths are small, and nothing is allocated.
  std::size_t count = 0;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    std::size_t place = count;
    while (place > 0 && probabilities[i] > probabilities[static_cast<std::size_t>(classes[place - 1])])
      --place;
    if (place == classes.size()) continue;
    count = std::min(count + 1, classes.size());
    for (std::size_t k = count - 1; k > place; --k) classes[k] = classes[k - 1];
    classes[place] = static_cast<std::int64_t>(i);
  }
}

Confidence exit_confidence(const PostprocessSpec& spec, std::uint32_t exit, std::span<const float> logits,
                           std::span<float> scratch) {
  if (spec.kind == PostprocessSpec::Kind::kNone) return kCertain;
  const float temperature = exit < spec.temperature.size() ? spec.temperature[exit] : 1.0F;
  softmax(logits, temperature, scratch);
  const float probability = scratch.empty() ? 0.0F : *std::ranges::max_element(scratch);
  return static_cast<Confidence>(std::lround(probability * static_cast<float>(kCertain)));
}

}  // namespace laxity
