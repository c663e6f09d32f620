// One identity cannot stand in for another.
// error: cannot convert|no matching function|cannot initialize
#include "core/ids.h"

bool is_first(laxity::ExecutorId executor) { return executor == laxity::ExecutorId{0}; }

bool check(laxity::JobId job, laxity::ExecutorId executor) {
  (void)job;
  (void)executor;
#ifdef FAIL
  return is_first(job);
#else
  return is_first(executor);
#endif
}
