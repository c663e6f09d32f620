// A stream as the scheduler's books and the policy see it at one moment, for people.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "core/ids.h"

namespace laxity {

struct LiveStream {
  TaskId task{};
  bool is_known = false;                    ///< False: never asked for, refused or gone; the rest is empty.
  std::optional<Instant> first_release;     ///< r0; none until frame 0 has fixed it.
  std::optional<Instant> next_release;      ///< r of frame `next_frame`; none as above.
  std::optional<Instant> guaranteed_until;  ///< Frames released before it are promised; `latest`: all.
  std::uint64_t next_frame = 0;             ///< One past the highest number that has come.
  std::uint64_t accepted = 0;               ///< Frames.
  std::uint64_t early = 0;                  ///< Of these, before r: treated as if they came at r.
  std::uint64_t breaches = 0;               ///< Of these, after r + J: served without a promise.
  std::uint64_t reanchored = 0;             ///< So often its phase was moved after its clock.
  std::uint64_t too_fast = 0;               ///< Frames refused since they came faster than the contract.
};

}  // namespace laxity
