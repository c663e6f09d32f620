// E(n) of a model: what a promise charges for n frames that go through their mandatory stages as one.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"
#include "core/system_model.h"

namespace laxity {

/// Element n - 1: planned time (p99) of the mandatory stages of n frames back to back, decoding included
/// where it happens inside the batch, and one wake-up of a sleeping executor. Up to the largest batch that
/// all these stages can take; at least 1 ns each. O(cap * stages).
std::vector<Duration> mandatory_times(const SystemModel& system, ModelId model, std::uint32_t variant);

}  // namespace laxity
