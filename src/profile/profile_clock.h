// The clock that measurements are made with.
#pragma once

#include "base/time.h"

namespace laxity {

/// Monotonic; only differences mean anything. Any thread.
Instant profile_clock_now() noexcept;

}  // namespace laxity
