// A stream contract: what a client asks to have promised.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "core/ids.h"
#include "core/job.h"

namespace laxity {

struct Task {
  TaskId id{};
  ModelId model{};
  std::uint32_t lowest_variant = 0;  ///< Index into Model::variants.
  JobKind kind = JobKind::kFirm;
  Duration min_inter_arrival{};   ///< T > 0: minimum inter-arrival; the period when arrivals are periodic.
  Duration release_jitter_max{};  ///< J >= 0: frame k arrives in [r0 + kT, r0 + kT + J].
  Duration relative_deadline{};   ///< D > 0.
  std::optional<Instant> first_release;      ///< r0; none until frame 0 anchors it.
  std::optional<std::uint64_t> frame_count;  ///< None: endless.
  std::uint32_t miss_rate_bound_ppm = 0;     ///< zeta in parts per million.

  bool operator==(const Task&) const = default;
};

}  // namespace laxity
