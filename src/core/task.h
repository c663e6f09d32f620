// A stream contract: what a client asks to have promised.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "core/ids.h"
#include "core/job.h"

namespace laxity {

/// What an admitted stream may rely on (docs/analysis/).
enum class Guarantee : std::uint8_t {
  kNone,     ///< Nothing was promised: the policy has no admission, or the promise was lost.
  kNominal,  ///< Holds when execution times equal the table and frames come as predicted (DeepRT's test).
  kPlan,     ///< A plan serves all its frames, for arrivals within jitter and executions within the table.
  kPlanRolling,  ///< As kPlan, up to `guaranteed_until`, which moves on; a loss is told beforehand.
  kDemand,       ///< Proved for ever and for any phase.
};
inline constexpr int kGuaranteeCount = 5;
/// "none", "nominal", "plan", "plan-rolling", "demand".
const char* name(Guarantee guarantee) noexcept;

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
  Guarantee guarantee = Guarantee::kNone;    ///< What is asked for; kNone: whatever the policy gives.

  bool operator==(const Task&) const = default;
};

/// How many frames of the stream that may rely on its promise can be alive at once: one may come a period
/// early, lives until its deadline, and in a batch that runs a little longer; kStreamFramesMax at most. 0 for
/// best effort: nothing is promised.
std::size_t frames_alive_max(const Task& task) noexcept;

}  // namespace laxity
