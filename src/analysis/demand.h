// A proof for ever and for any phase: the processor-demand test for streams batched in time windows.
//
// Each group of streams of one category is batched at joints W apart (W = 0: every frame is a job of its
// own). A job released at a joint has relative deadline D' = min D - W, so a frame waits at most W, then at
// most D'. Jobs are run by non-preemptive earliest deadline first. The number of frames in i consecutive
// windows is bounded, and since a concave E makes equal shares the costliest split, so is their time:
//
//     N(x)   = sum over streams of ceil((x + J) / T)
//     Dm(i)  = k * E^(n / k),  n = N(i W), k = min(i, n)           E^: least concave majorant of E, E^(0) = 0
//     dbf(t) = Dm(floor((t - D') / W) + 1)  for t >= D'             (W > 0)
//            = E(1) * sum over streams with D <= t of (floor((t - D + J) / T) + 1)      (W = 0)
//     b(t)   = longest single batch among jobs of relative deadline > t, less one tick
//
// Sufficient, not exact: "yes" means no frame of any stream can ever miss, whatever the phases, for arrivals
// within jitter and executions within the table; "no" may be wrong. [demand bound for non-preemptive EDF:
// Jeffay, Stanat & Martel 1991; George, Rivierre & Spuri 1996; the windowed form is ours,
// docs/analysis/demand.md]
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/batch_times.h"
#include "base/time.h"

namespace laxity {

struct DemandStream {
  Duration min_inter_arrival{};   ///< T > 0
  Duration release_jitter_max{};  ///< J >= 0
  Duration relative_deadline{};   ///< D > 0
};

/// Streams of one category that are batched together.
struct DemandGroup {
  CategoryIndex category = 0;
  Duration window{};  ///< W >= 0 and W < min D; 0: no batching.
  std::vector<DemandStream> streams;

  /// D' = min D - W. Precondition: streams not empty.
  Duration job_deadline() const noexcept;
};

enum class DemandVerdict : std::uint8_t {
  kYes,
  kOverUtilised,  ///< U >= 1.
  kDemand,        ///< Demand and blocking exceed t at `at`.
  kUndecided,     ///< The busy period is longer than the step budget: treated as no.
};

struct DemandResult {
  DemandVerdict verdict = DemandVerdict::kYes;
  std::optional<Duration> at;  ///< The first t at which the demand exceeds it.
  /// Largest demand(t) + b(t) - t that was seen; negative: how much room there was. What window choice
  /// minimises.
  Duration worst{};
  explicit operator bool() const noexcept { return verdict == DemandVerdict::kYes; }
};

/// `blocking_min`: the longest best-effort batch that is let in as well (zero: none).
/// O(steps * groups), steps <= 200,000.
DemandResult demand_test(const BatchTimes& times, const std::vector<DemandGroup>& groups,
                         Duration blocking_min);

/// Σ dbf(at) + b(at): what demand_test compares with `at`. It stays so until the next step.
struct DemandStep {
  Duration at{};
  Duration demand{};
};
/// The steps in (0, until], in order, at most `steps_max`: for drawing. Empty without streams. O(steps *
/// groups).
std::vector<DemandStep> demand_curve(const BatchTimes& times, const std::vector<DemandGroup>& groups,
                                     Duration blocking_min, Duration until, std::size_t steps_max);

/// Chooses each group's window from {0, 20, 35, 50, 65, 80} % of its min D by coordinate descent on
/// DemandResult::worst, in place. Returns the verdict of the windows chosen.
DemandResult choose_windows(const BatchTimes& times, std::vector<DemandGroup>& groups, Duration blocking_min);

}  // namespace laxity
