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
//     b(t)   = longest single batch among jobs of relative deadline > t, or `blocking_min`, less one tick
//
// Sufficient, not exact: "yes" means no frame of any stream can ever miss, whatever the phases, for arrivals
// within jitter and executions within the table; "no" may be wrong. [demand bound for non-preemptive EDF:
// Jeffay, Stanat & Martel 1991; George, Rivierre & Spuri 1996; the windowed form is ours,
// docs/analysis/demand.md]
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
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

/// The same, kept elsewhere, with a job deadline of its own.
struct DemandGroupView {
  CategoryIndex category = 0;
  Duration window{};
  Duration job_deadline{};  ///< 0 < D' <= min D - W; not used when W = 0.
  std::span<const DemandStream> streams;
};

enum class DemandVerdict : std::uint8_t {
  kYes,
  kOverUtilised,  ///< U >= 1.
  kDemand,        ///< Demand and blocking exceed t at `at`.
  kUndecided,     ///< Longer than the bounds of the test allow to look: treated as no.
};

struct DemandResult {
  DemandVerdict verdict = DemandVerdict::kYes;
  std::optional<Duration> at;  ///< The first t at which the demand exceeds it.
  std::size_t group = 0;       ///< With `at`: a group, and a stream of it, with a job that is due then.
  std::size_t stream = 0;
  /// Largest demand(t) + b(t) - t that was seen; negative: how much room there was. What window choice
  /// minimises.
  Duration worst{};
  explicit operator bool() const noexcept { return verdict == DemandVerdict::kYes; }
};

/// Σ dbf(at) + b(at): what demand_test compares with `at`. It stays so until the next step.
struct DemandStep {
  Duration at{};
  Duration demand{};
};

/// The test with all memory that it needs, allocated once. Owned by one thread.
class DemandTest {
 public:
  struct Bounds {
    std::size_t groups_max = 64;
    /// Sum over the groups of the frames that one window may hold: entries of Ê. More: undecided.
    std::size_t window_frames_max = std::size_t{1} << 16;
    /// Steps times streams that one verdict may look at. More: undecided.
    std::int64_t work_max = 1'000'000;
  };
  enum class Extent : std::uint8_t {
    kWhole,         ///< `worst` is over the whole busy period.
    kFirstFailure,  ///< Ends at the first t that fails: enough for a yes or no.
  };

  explicit DemandTest(const Bounds& bounds);

  /// `blocking_min`: the longest other work that may just have begun when a job is released (zero: none); it
  /// counts less one tick. Groups without streams count nothing. Precondition: groups.size() <= groups_max.
  /// O(steps * streams), within the bounds; does not allocate.
  DemandResult run(const BatchTimes& times, std::span<const DemandGroupView> groups, Duration blocking_min,
                   Extent extent = Extent::kWhole);

  /// The largest B found such that the set bears it if every busy interval begins with other work that lasts
  /// B after the first release: Σ dbf(t) + B <= t at each step of the busy period that begins with B.
  /// Zero when none is found. Precondition: run() said yes to the set. Does not allocate.
  Duration blocking_allowance(const BatchTimes& times, std::span<const DemandGroupView> groups);

 private:
  friend std::vector<DemandStep> demand_curve(const BatchTimes&, std::span<const DemandGroupView>, Duration,
                                              Duration, std::size_t);
  /// One group with what does not change while t runs.
  struct Prepared {
    DemandGroupView group;
    std::size_t index = 0;  // in the caller's list
    Duration longest_batch{};
    std::int64_t majorant_first = 0, majorant_last = 0;  // Ê(0) … Ê(N(W)) in majorants_
  };

  bool prepare(const BatchTimes& times, std::span<const DemandGroupView> groups);
  void append_majorant(const BatchTimes& times, CategoryIndex category, std::int64_t n_max);
  std::int64_t majorant(const Prepared& p, std::int64_t n) const;
  Duration windows_time(const Prepared& p, std::int64_t count) const;
  Duration demand_bound(const BatchTimes& times, const Prepared& p, Duration t) const;
  Duration work_within(const BatchTimes& times, const Prepared& p, Duration t) const;
  std::int64_t utilisation(const BatchTimes& times, const Prepared& p) const;
  Duration blocking(const BatchTimes& times, Duration t, Duration blocking_min) const;
  Duration next_step(Duration t) const;
  Duration demand(const BatchTimes& times, Duration t) const;
  std::optional<Duration> busy_period(const BatchTimes& times, Duration blocked) const;
  std::int64_t steps_max() const;

  const Bounds bounds_;
  std::vector<Prepared> prepared_;
  std::vector<std::int64_t> majorants_;
  std::vector<std::int64_t> hull_;
  std::int64_t stream_count_ = 0;
};

/// The same in one call, with memory of its own. Looks at up to 200,000 steps.
DemandResult demand_test(const BatchTimes& times, const std::vector<DemandGroup>& groups,
                         Duration blocking_min);

/// The steps in (0, until], in order, at most `steps_max`: for drawing. Empty without streams. O(steps *
/// streams).
std::vector<DemandStep> demand_curve(const BatchTimes& times, std::span<const DemandGroupView> groups,
                                     Duration blocking_min, Duration until, std::size_t steps_max);
std::vector<DemandStep> demand_curve(const BatchTimes& times, const std::vector<DemandGroup>& groups,
                                     Duration blocking_min, Duration until, std::size_t steps_max);

/// Windows that are tried: so many percent of a deadline.
inline constexpr int kWindowPercent[] = {0, 20, 35, 50, 65, 80};

/// Chooses each group's window from kWindowPercent of its min D by coordinate descent on DemandResult::worst,
/// in place. Returns the verdict of the windows chosen.
DemandResult choose_windows(const BatchTimes& times, std::vector<DemandGroup>& groups, Duration blocking_min);

}  // namespace laxity
