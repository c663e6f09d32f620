// The machine's clock is not the scheduler's time line: a driver subtracts the start of the run first.
// error: could not convert|no viable conversion|conversion from
#include "base/time.h"

laxity::Instant to_instant(std::chrono::steady_clock::time_point at,
                           std::chrono::steady_clock::time_point start) {
#ifdef FAIL
  (void)start;
  return at;
#else
  return laxity::Instant::from_start(at - start);
#endif
}
