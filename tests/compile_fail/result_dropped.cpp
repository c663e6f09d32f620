// A result that may be an error cannot be thrown away unseen.
// error: ignoring return
#include "base/result.h"

laxity::Status save();

void shut_down() {
#ifdef FAIL
  save();
#else
  (void)save();
#endif
}
