#include "analysis/demand.h"

#include <algorithm>

#include "base/check.h"

namespace laxity {
namespace {

constexpr std::int64_t kStepBudget = 200'000;    // of demand_test: a verdict within about 100 ms
constexpr std::int64_t kBusyRoundsMax = 10'000;  // fixed-point rounds; each adds at least one job
constexpr std::int64_t kWindowFramesMax = std::int64_t{1} << 22;  // of demand_test, over all groups
constexpr std::int64_t kPartsPerUnit = 1'000'000'000;
constexpr Duration kHuge = Duration::max() / 2;

std::int64_t div_ceil(std::int64_t a, std::int64_t b) { return a / b + (a % b > 0 ? 1 : 0); }

/// floor that also rounds down below zero.
std::int64_t div_floor(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/// N(x): most frames that can come within x.
std::int64_t frames_within(std::span<const DemandStream> streams, Duration x) {
  std::int64_t n = 0;
  for (const DemandStream& s : streams) {
    n += div_ceil((x + s.release_jitter_max).count(), s.min_inter_arrival.count());
  }
  return n;
}

DemandGroupView view(const DemandGroup& group) {
  return {group.category, group.window, group.streams.empty() ? Duration::zero() : group.job_deadline(),
          group.streams};
}

std::vector<DemandGroupView> views(const std::vector<DemandGroup>& groups) {
  std::vector<DemandGroupView> list;
  for (const DemandGroup& group : groups) list.push_back(view(group));
  return list;
}

/// Enough for these groups, with their windows or with any that is shorter than their deadlines.
DemandTest::Bounds bounds_for(std::span<const DemandGroupView> groups, bool any_window) {
  std::int64_t frames = 1, streams = 0;
  for (const DemandGroupView& group : groups) {
    if (group.streams.empty()) continue;
    const Duration longest = any_window ? group.job_deadline + group.window : group.window;
    frames = std::min(frames + frames_within(group.streams, longest) + 1, kWindowFramesMax);
    streams += static_cast<std::int64_t>(group.streams.size());
  }
  return {std::max<std::size_t>(groups.size(), 1), static_cast<std::size_t>(frames), kStepBudget * streams};
}

}  // namespace

Duration DemandGroup::job_deadline() const noexcept {
  Duration least = Duration::max();
  for (const DemandStream& s : streams) least = std::min(least, s.relative_deadline);
  return least - window;
}

DemandTest::DemandTest(const Bounds& bounds) : bounds_(bounds) {
  prepared_.reserve(bounds.groups_max);
  majorants_.reserve(bounds.window_frames_max);
  hull_.reserve(bounds.window_frames_max);
}

/// Ê on 0 … n_max as integers rounded up: least concave majorant of the split table, through (0, 0).
void DemandTest::append_majorant(const BatchTimes& times, CategoryIndex category, std::int64_t n_max) {
  const std::size_t first = majorants_.size();
  for (std::int64_t n = 0; n <= n_max; ++n) {
    majorants_.push_back(times.split(category, static_cast<std::uint32_t>(n)).count());
  }
  const auto at = [&](std::int64_t n) -> std::int64_t& {
    return majorants_[first + static_cast<std::size_t>(n)];
  };
  // Upper hull by a monotone chain; then interpolate between its corners, rounding up.
  hull_.clear();
  for (std::int64_t n = 0; n <= n_max; ++n) {
    while (hull_.size() >= 2) {
      const std::int64_t a = hull_[hull_.size() - 2], b = hull_.back();
      const auto left = static_cast<__int128>(at(b) - at(a)) * (n - a);
      const auto right = static_cast<__int128>(at(n) - at(a)) * (b - a);
      if (left > right) break;  // b lies strictly above the chord
      hull_.pop_back();
    }
    hull_.push_back(n);
  }
  for (std::size_t h = 0; h + 1 < hull_.size(); ++h) {
    const std::int64_t a = hull_[h], b = hull_[h + 1];
    for (std::int64_t n = a + 1; n < b; ++n) at(n) = at(a) + div_ceil((at(b) - at(a)) * (n - a), b - a);
  }
}

// False: more frames may share a window than there is room for.
bool DemandTest::prepare(const BatchTimes& times, std::span<const DemandGroupView> groups) {
  LAXITY_CHECK(groups.size() <= bounds_.groups_max);
  prepared_.clear();
  majorants_.clear();
  stream_count_ = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const DemandGroupView& group = groups[i];
    if (group.streams.empty()) continue;
    LAXITY_CHECK(group.window >= Duration::zero());
    stream_count_ += static_cast<std::int64_t>(group.streams.size());
    Prepared p;
    p.group = group;
    p.index = i;
    if (group.window > Duration::zero()) {
      LAXITY_CHECK(group.job_deadline > Duration::zero());
      const std::int64_t n = frames_within(group.streams, group.window);
      if (n >= static_cast<std::int64_t>(bounds_.window_frames_max - majorants_.size())) return false;
      p.majorant_first = static_cast<std::int64_t>(majorants_.size());
      append_majorant(times, group.category, n);
      p.majorant_last = static_cast<std::int64_t>(majorants_.size()) - 1;
      const auto most = static_cast<std::uint32_t>(std::min<std::int64_t>(n, times.cap(group.category)));
      p.longest_batch = times(group.category, most);
    }
    prepared_.push_back(p);
  }
  return true;
}

std::int64_t DemandTest::majorant(const Prepared& p, std::int64_t n) const {
  return majorants_[static_cast<std::size_t>(std::min(p.majorant_first + n, p.majorant_last))];
}

/// Dm(i): most time of the jobs of `count` consecutive windows.
Duration DemandTest::windows_time(const Prepared& p, std::int64_t count) const {
  const std::int64_t n = frames_within(p.group.streams, count * p.group.window);
  const std::int64_t k = std::min(count, n);
  if (k == 0) return Duration::zero();
  // n frames over k jobs as evenly as possible: exact for a piecewise linear Ê with integer knots. A share
  // never exceeds N(W), since N is subadditive up to its jitter; `majorant` clamps the rounding of the last.
  const std::int64_t share = n / k, rest = n % k;
  return Duration((k - rest) * majorant(p, share) + rest * majorant(p, share + 1));
}

Duration DemandTest::demand_bound(const BatchTimes& times, const Prepared& p, Duration t) const {
  const DemandGroupView& group = p.group;
  if (group.window > Duration::zero()) {
    if (t < group.job_deadline) return Duration::zero();
    return windows_time(p, (t - group.job_deadline).count() / group.window.count() + 1);
  }
  std::int64_t jobs = 0;
  for (const DemandStream& s : group.streams) {
    const Duration slack = t - s.relative_deadline + s.release_jitter_max;
    if (t >= s.relative_deadline) jobs += slack.count() / s.min_inter_arrival.count() + 1;
  }
  return jobs * times(group.category, 1);
}

/// Most work released within [0, t): for the length of the busy period.
Duration DemandTest::work_within(const BatchTimes& times, const Prepared& p, Duration t) const {
  const DemandGroupView& group = p.group;
  if (group.window > Duration::zero()) return windows_time(p, div_ceil(t.count(), group.window.count()));
  return frames_within(group.streams, t) * times(group.category, 1);
}

/// Long-run share of the processor in parts per 10^9, rounded up.
std::int64_t DemandTest::utilisation(const BatchTimes& times, const Prepared& p) const {
  const DemandGroupView& group = p.group;
  __int128 rate = 0;  // frames per 10^9 ns, times 10^9, rounded up
  for (const DemandStream& s : group.streams) {
    const __int128 parts = static_cast<__int128>(kPartsPerUnit) * kPartsPerUnit;
    rate += parts / s.min_inter_arrival.count() + 1;
  }
  const __int128 unit = kPartsPerUnit;
  const auto bounded = [](__int128 share) {
    return static_cast<std::int64_t>(std::min<__int128>(share, 1'000 * kPartsPerUnit)) + 1;
  };
  if (group.window == Duration::zero()) return bounded(rate * times(group.category, 1).count() / unit);
  // Mean frames a window m = rate * W. Below one a window costs Ê(1) a frame; else Ê(m) / W, interpolated.
  const __int128 mean = rate * group.window.count() / unit + 1;  // times 10^9
  if (mean <= unit) return bounded(rate * majorant(p, 1) / unit);
  const auto whole = static_cast<std::int64_t>(mean / unit);
  const __int128 part = mean % unit;
  const __int128 low = majorant(p, whole), high = majorant(p, whole + 1);
  const __int128 cost = low + ((high - low) * part + unit - 1) / unit;
  return bounded(cost * unit / group.window.count());
}

Duration DemandTest::blocking(const BatchTimes& times, Duration t, Duration blocking_min) const {
  Duration longest = blocking_min;
  for (const Prepared& p : prepared_) {
    if (p.group.window > Duration::zero()) {
      if (p.group.job_deadline > t) longest = std::max(longest, p.longest_batch);
      continue;
    }
    for (const DemandStream& s : p.group.streams) {
      if (s.relative_deadline > t) longest = std::max(longest, times(p.group.category, 1));
    }
  }
  return longest == Duration::zero() ? longest : longest - Duration(1);
}

/// The next instant after t at which a group's demand steps up.
Duration DemandTest::next_step(Duration t) const {
  Duration next = Duration::max();
  for (const Prepared& p : prepared_) {
    const DemandGroupView& group = p.group;
    if (group.window > Duration::zero()) {
      const std::int64_t passed =
          t < group.job_deadline ? 0 : (t - group.job_deadline).count() / group.window.count() + 1;
      next = std::min(next, group.job_deadline + passed * group.window);
      continue;
    }
    for (const DemandStream& s : group.streams) {
      if (t < s.relative_deadline) {
        next = std::min(next, s.relative_deadline);
        continue;
      }
      const std::int64_t k =
          div_floor((t - s.relative_deadline + s.release_jitter_max).count(), s.min_inter_arrival.count()) +
          1;
      next = std::min(next, s.relative_deadline - s.release_jitter_max + k * s.min_inter_arrival);
    }
  }
  return next;
}

Duration DemandTest::demand(const BatchTimes& times, Duration t) const {
  Duration sum{};
  for (const Prepared& p : prepared_) sum += demand_bound(times, p, t);
  return sum;
}

/// Length of the longest busy period that begins with `blocked`. None: too many rounds.
std::optional<Duration> DemandTest::busy_period(const BatchTimes& times, Duration blocked) const {
  Duration busy = blocked;
  for (std::int64_t round = 0; round < std::min(kBusyRoundsMax, steps_max()); ++round) {
    Duration next = blocked;
    for (const Prepared& p : prepared_) next += work_within(times, p, std::max(busy, Duration(1)));
    if (next <= busy) return busy;
    busy = next;
  }
  return std::nullopt;
}

std::int64_t DemandTest::steps_max() const {
  return bounds_.work_max / std::max<std::int64_t>(stream_count_, 1);
}

DemandResult DemandTest::run(const BatchTimes& times, std::span<const DemandGroupView> groups,
                             Duration blocking_min, Extent extent) {
  DemandResult result;
  const auto without_proof = [&result](DemandVerdict verdict) {
    result.verdict = verdict;
    result.worst = kHuge;
    return result;
  };
  if (!prepare(times, groups)) return without_proof(DemandVerdict::kUndecided);
  result.worst = -kHuge;
  if (prepared_.empty()) return result;
  std::int64_t total_utilisation = 0;
  for (const Prepared& p : prepared_) total_utilisation += utilisation(times, p);
  if (total_utilisation >= kPartsPerUnit) return without_proof(DemandVerdict::kOverUtilised);
  const auto busy = busy_period(times, blocking(times, Duration(-1), blocking_min));
  if (!busy) return without_proof(DemandVerdict::kUndecided);

  Duration t{-1};
  for (std::int64_t step = 0;; ++step) {
    t = next_step(t);
    // The first step is looked at even when it lies beyond the busy period: `worst` then says how much room
    // there is.
    if (t > *busy && step > 0) return result;
    if (step >= steps_max()) {
      if (!result.at) result.verdict = DemandVerdict::kUndecided;
      return result;
    }
    const Duration needed = demand(times, t) + blocking(times, t, blocking_min);
    result.worst = std::max(result.worst, needed - t);
    if (needed <= t || t > *busy || result.at) continue;
    result.verdict = DemandVerdict::kDemand;
    result.at = t;
    for (const Prepared& p : prepared_) {
      if (demand_bound(times, p, t) == demand_bound(times, p, t - Duration(1))) continue;
      result.group = p.index;
      const auto tightest = std::min_element(p.group.streams.begin(), p.group.streams.end(),
                                             [](const DemandStream& a, const DemandStream& b) {
                                               return a.relative_deadline < b.relative_deadline;
                                             });
      result.stream = static_cast<std::size_t>(tightest - p.group.streams.begin());
      break;
    }
    if (extent == Extent::kFirstFailure) return result;  // else `worst` is to be over the whole busy period
  }
}

Duration DemandTest::blocking_allowance(const BatchTimes& times, std::span<const DemandGroupView> groups) {
  if (!prepare(times, groups) || prepared_.empty()) return Duration::zero();
  const Duration jobs = blocking(times, Duration(-1), Duration::zero());
  // No more than what the first step leaves. A busy period that begins with more is longer: what holds
  // throughout it holds throughout that of any smaller B.
  const Duration first = next_step(Duration(-1));
  for (Duration tried = first - demand(times, first); tried > Duration::zero(); tried /= 4) {
    const auto busy = busy_period(times, std::max(tried, jobs));
    if (!busy) continue;
    Duration least = tried;
    std::int64_t step = 0;
    for (Duration t = first; t <= *busy && step <= steps_max(); t = next_step(t), ++step) {
      least = std::min(least, t - demand(times, t));
    }
    if (step <= steps_max()) return std::max(least, Duration::zero());
  }
  return Duration::zero();
}

DemandResult demand_test(const BatchTimes& times, const std::vector<DemandGroup>& groups,
                         Duration blocking_min) {
  const std::vector<DemandGroupView> viewed = views(groups);
  return DemandTest(bounds_for(viewed, false)).run(times, viewed, blocking_min);
}

std::vector<DemandStep> demand_curve(const BatchTimes& times, const std::vector<DemandGroup>& groups,
                                     Duration blocking_min, Duration until, std::size_t steps_max) {
  return demand_curve(times, views(groups), blocking_min, until, steps_max);
}

std::vector<DemandStep> demand_curve(const BatchTimes& times, std::span<const DemandGroupView> groups,
                                     Duration blocking_min, Duration until, std::size_t steps_max) {
  DemandTest test(bounds_for(groups, false));
  std::vector<DemandStep> steps;
  if (!test.prepare(times, groups) || groups.empty()) return steps;
  for (Duration t{-1}; steps.size() < steps_max;) {
    t = test.next_step(t);
    if (t > until) break;
    steps.push_back({t, test.demand(times, t) + test.blocking(times, t, blocking_min)});
  }
  return steps;
}

DemandResult choose_windows(const BatchTimes& times, std::vector<DemandGroup>& groups,
                            Duration blocking_min) {
  constexpr int kRounds = 3;  // coordinate descent settles within two; the third only confirms
  DemandTest test(bounds_for(views(groups), true));
  DemandResult best = test.run(times, views(groups), blocking_min);
  for (int round = 0; round < kRounds; ++round) {
    bool changed = false;
    for (DemandGroup& group : groups) {
      if (group.streams.empty()) continue;
      const Duration least_deadline = group.job_deadline() + group.window;
      Duration kept = group.window;
      for (const int percent : kWindowPercent) {
        group.window = least_deadline * percent / 100;
        const DemandResult tried = test.run(times, views(groups), blocking_min);
        const bool better = (tried && !best) ||
                            (static_cast<bool>(tried) == static_cast<bool>(best) && tried.worst < best.worst);
        if (!better) continue;
        best = tried;
        kept = group.window;
        changed = true;
      }
      group.window = kept;
    }
    if (!changed) break;
  }
  return best;
}

}  // namespace laxity
