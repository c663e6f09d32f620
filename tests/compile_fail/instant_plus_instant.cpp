// Two points in time have no sum.
// error: no match for .operator\+|invalid operands
#include "base/time.h"

laxity::Instant sum(laxity::Instant a, laxity::Instant b) {
#ifdef FAIL
  return a + b;
#else
  return a + (b - laxity::Instant());
#endif
}
