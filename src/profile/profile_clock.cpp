#include "profile/profile_clock.h"

namespace laxity {

Instant profile_clock_now() noexcept {
  return Instant::from_start(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace laxity
