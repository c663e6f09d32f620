// The client's clock: the only place in load/ that knows the time.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace laxity {

/// Monotonic time since `restart` (at first: since construction). Owned by one thread.
class LoadClock {
 public:
  LoadClock() noexcept { restart(Duration{0}); }

  /// Makes the present instant `-lead`, so that instant 0 lies `lead` ahead.
  void restart(Duration lead) noexcept;

  Instant now() const noexcept;

 private:
  std::int64_t zero_ns_ = 0;
};

}  // namespace laxity
