// First come, first served.
#pragma once

#include <compare>

#include "base/time.h"
#include "core/ids.h"

namespace laxity {

/// Order of release; jobs released together by id.
struct ReleaseKey {
  Instant release;
  JobId id{};
  auto operator<=>(const ReleaseKey&) const = default;
};

}  // namespace laxity
