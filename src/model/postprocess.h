// Logits to probabilities, classes and the confidence of an exit.
#pragma once

#include <cstdint>
#include <span>

#include "core/event.h"
#include "model/repository.h"

namespace laxity {

/// Softmax of `logits` / temperature into `probabilities` (same length), numerically safe; NaN logits
/// give zeros.
void softmax(std::span<const float> logits, float temperature, std::span<float> probabilities);

/// Indices of the `classes.size()` largest, best first; ties to the smaller index.
void top_classes(std::span<const float> probabilities, std::span<std::int64_t> classes);

/// Calibrated confidence of exit `exit`: the largest probability, in fixed point. `scratch` is as long as
/// `logits`.
/// Models without softmax post-processing have no confidence: 65535.
Confidence exit_confidence(const PostprocessSpec& spec, std::uint32_t exit, std::span<const float> logits,
                           std::span<float> scratch);

}  // namespace laxity
