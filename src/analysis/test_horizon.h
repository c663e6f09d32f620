// How far phase 2 looks.
#pragma once

#include <cstdint>

#include "analysis/window_load.h"

namespace laxity {

struct TestHorizon {
  Instant end = Instant::latest();  ///< Frames expected before it are played.
  bool is_cut = false;              ///< Frames beyond it are in no test.
};

/// Finite streams: to their last frame. Where some are endless: twice the least common multiple of their
/// periods, from when all have begun (the paper's rule); `with_windows`: and of their window lengths, which
/// the pattern of batches needs to repeat. Cut where this would be more than `frames_max` frames; periods of
/// real cameras seldom have a small common multiple. O(streams), at most 64 times.
TestHorizon test_horizon(const WindowLoad& load, std::uint64_t frames_max, bool with_windows);

}  // namespace laxity
