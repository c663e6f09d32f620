#include "analysis/demand.h"

#include <algorithm>

#include "base/check.h"

namespace laxity {
namespace {

constexpr std::int64_t kStepBudget =
    200'000;                         // keeps a verdict under about 100 ms; beyond it the answer is no
constexpr int kBusyRounds = 10'000;  // fixed-point rounds; each adds at least one job
constexpr std::int64_t kPartsPerUnit = 1'000'000'000;

std::int64_t div_ceil(std::int64_t a, std::int64_t b) { return a / b + (a % b > 0 ? 1 : 0); }

/// floor that also rounds down below zero.
std::int64_t div_floor(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/// N(x): most frames that can come within x.
std::int64_t frames_within(const DemandGroup& group, Duration x) {
  std::int64_t n = 0;
  for (const DemandStream& s : group.streams) {
    n += div_ceil((x + s.release_jitter_max).count(), s.min_inter_arrival.count());
  }
  return n;
}

/// E^ on 0 … n_max as integers rounded up: least concave majorant of the split table, through (0, 0).
std::vector<std::int64_t> concave_majorant(const BatchTimes& times, CategoryIndex g, std::int64_t n_max) {
  std::vector<std::int64_t> value(static_cast<std::size_t>(n_max) + 1);
  for (std::int64_t n = 0; n <= n_max; ++n) {
    value[static_cast<std::size_t>(n)] = times.split(g, static_cast<std::uint32_t>(n)).count();
  }
  // Upper hull by a monotone chain; then interpolate, rounding up.
  std::vector<std::int64_t> hull;
  const auto at = [&value](std::int64_t i) { return value[static_cast<std::size_t>(i)]; };
  for (std::int64_t n = 0; n <= n_max; ++n) {
    while (hull.size() >= 2) {
      const std::int64_t a = hull[hull.size() - 2], b = hull.back();
      const auto left = static_cast<__int128>(at(b) - at(a)) * (n - a);
      const auto right = static_cast<__int128>(at(n) - at(a)) * (b - a);
      if (left > right) break;  // b lies strictly above the chord
      hull.pop_back();
    }
    hull.push_back(n);
  }
  std::vector<std::int64_t> majorant(value.size());
  for (std::size_t h = 0; h + 1 < hull.size(); ++h) {
    const std::int64_t a = hull[h], b = hull[h + 1];
    for (std::int64_t n = a; n <= b; ++n) {
      majorant[static_cast<std::size_t>(n)] = at(a) + div_ceil((at(b) - at(a)) * (n - a), b - a);
    }
  }
  return majorant;
}

/// One group with what does not change while t runs.
struct Prepared {
  const DemandGroup* group;
  Duration job_deadline;
  Duration longest_batch;
  std::int64_t frames_per_window = 0;
  std::vector<std::int64_t> majorant;
};

/// Dm(i): most time of the jobs of i consecutive windows.
Duration windows_time(const Prepared& p, std::int64_t i) {
  const std::int64_t n = frames_within(*p.group, i * p.group->window);
  const std::int64_t k = std::min(i, n);
  if (k == 0) return Duration::zero();
  // n frames over k jobs as evenly as possible: exact for a piecewise linear E^ with integer knots. A share
  // never exceeds N(W), since N is subadditive up to its jitter; clamp for the rounding of the last share.
  const std::int64_t share = n / k, rest = n % k;
  const auto value = [&p](std::int64_t m) {
    return p
        .majorant[static_cast<std::size_t>(std::min(m, static_cast<std::int64_t>(p.majorant.size()) - 1))];
  };
  return Duration((k - rest) * value(share) + rest * value(share + 1));
}

Duration demand_bound(const BatchTimes& times, const Prepared& p, Duration t) {
  const DemandGroup& group = *p.group;
  if (group.window > Duration::zero()) {
    if (t < p.job_deadline) return Duration::zero();
    return windows_time(p, (t - p.job_deadline).count() / group.window.count() + 1);
  }
  std::int64_t jobs = 0;
  for (const DemandStream& s : group.streams) {
    const Duration slack = t - s.relative_deadline + s.release_jitter_max;
    if (t >= s.relative_deadline) jobs += slack.count() / s.min_inter_arrival.count() + 1;
  }
  return jobs * times(group.category, 1);
}

/// Most work released within [0, t): for the length of the busy period.
Duration work_within(const BatchTimes& times, const Prepared& p, Duration t) {
  const DemandGroup& group = *p.group;
  if (group.window > Duration::zero()) return windows_time(p, div_ceil(t.count(), group.window.count()));
  return frames_within(group, t) * times(group.category, 1);
}

/// Long-run share of the processor in parts per 10^9, rounded up.
std::int64_t utilisation(const BatchTimes& times, const Prepared& p) {
  const DemandGroup& group = *p.group;
  __int128 rate = 0;  // frames per 10^9 ns, times 10^9, rounded up
  for (const DemandStream& s : group.streams) {
    const __int128 parts = static_cast<__int128>(kPartsPerUnit) * kPartsPerUnit;
    rate += parts / s.min_inter_arrival.count() + 1;
  }
  const __int128 unit = kPartsPerUnit;
  if (group.window == Duration::zero())
    return static_cast<std::int64_t>(rate * times(group.category, 1).count() / unit) + 1;
  // Mean frames a window m = rate * W. Below one a window costs E^(1) a frame; else E^(m) / W, interpolated.
  const __int128 mean = rate * group.window.count() / unit + 1;  // times 10^9
  if (mean <= unit) return static_cast<std::int64_t>(rate * p.majorant[1] / unit) + 1;
  const auto whole = static_cast<std::size_t>(mean / unit);
  const __int128 part = mean % unit;
  const std::size_t last = p.majorant.size() - 1;
  const __int128 low = p.majorant[std::min(whole, last)], high = p.majorant[std::min(whole + 1, last)];
  const __int128 cost = low + ((high - low) * part + unit - 1) / unit;
  return static_cast<std::int64_t>(cost * unit / group.window.count()) + 1;
}

Duration blocking(const BatchTimes& times, const std::vector<Prepared>& prepared, Duration t,
                  Duration blocking_min) {
  Duration longest = blocking_min;
  for (const Prepared& p : prepared) {
    if (p.group->window > Duration::zero()) {
      if (p.job_deadline > t) longest = std::max(longest, p.longest_batch);
      continue;
    }
    for (const DemandStream& s : p.group->streams) {
      if (s.relative_deadline > t) longest = std::max(longest, times(p.group->category, 1));
    }
  }
  return longest == Duration::zero() ? longest : longest - Duration(1);
}

/// The next instant after t at which this group's demand steps up.
Duration next_step(const Prepared& p, Duration t) {
  const DemandGroup& group = *p.group;
  if (group.window > Duration::zero()) {
    if (t < p.job_deadline) return p.job_deadline;
    return p.job_deadline + ((t - p.job_deadline).count() / group.window.count() + 1) * group.window;
  }
  Duration next = Duration::max();
  for (const DemandStream& s : group.streams) {
    if (t < s.relative_deadline) {
      next = std::min(next, s.relative_deadline);
    } else {
      const std::int64_t k =
          div_floor((t - s.relative_deadline + s.release_jitter_max).count(), s.min_inter_arrival.count()) +
          1;
      next = std::min(next, s.relative_deadline - s.release_jitter_max + k * s.min_inter_arrival);
    }
  }
  return next;
}

std::vector<Prepared> prepare(const BatchTimes& times, const std::vector<DemandGroup>& groups) {
  std::vector<Prepared> prepared;
  for (const DemandGroup& group : groups) {
    if (group.streams.empty()) continue;
    LAXITY_CHECK(group.window >= Duration::zero());
    Prepared p{&group, group.job_deadline(), {}, 0, {}};
    LAXITY_CHECK(p.job_deadline > Duration::zero());
    if (group.window > Duration::zero()) {
      p.frames_per_window = frames_within(group, group.window);
      p.majorant = concave_majorant(times, group.category, p.frames_per_window);
      const auto most =
          static_cast<std::uint32_t>(std::min<std::int64_t>(p.frames_per_window, times.cap(group.category)));
      p.longest_batch = times(group.category, most);
    }
    prepared.push_back(std::move(p));
  }
  return prepared;
}

}  // namespace

Duration DemandGroup::job_deadline() const noexcept {
  Duration least = Duration::max();
  for (const DemandStream& s : streams) least = std::min(least, s.relative_deadline);
  return least - window;
}

DemandResult demand_test(const BatchTimes& times, const std::vector<DemandGroup>& groups,
                         Duration blocking_min) {
  const std::vector<Prepared> prepared = prepare(times, groups);
  std::int64_t total_utilisation = 0;
  for (const Prepared& p : prepared) total_utilisation += utilisation(times, p);
  DemandResult result;
  result.worst = Duration::min() / 2;
  if (prepared.empty()) return result;
  if (total_utilisation >= kPartsPerUnit) {
    result.verdict = DemandVerdict::kOverUtilised;
    result.worst = Duration::max() / 2;
    return result;
  }

  // Length of the longest busy period, blocking included.
  Duration busy = blocking(times, prepared, Duration(-1), blocking_min);
  for (int round = 0;; ++round) {
    Duration next = blocking(times, prepared, Duration(-1), blocking_min);
    for (const Prepared& p : prepared) next += work_within(times, p, std::max(busy, Duration(1)));
    if (next <= busy) break;
    busy = next;
    if (round == kBusyRounds) {
      result.verdict = DemandVerdict::kUndecided;
      result.worst = Duration::max() / 2;
      return result;
    }
  }

  Duration t{-1};
  for (std::int64_t step = 0;; ++step) {
    Duration next = Duration::max();
    for (const Prepared& p : prepared) next = std::min(next, next_step(p, t));
    t = next;
    // The first step is looked at even when it lies beyond the busy period: `worst` then says how much room
    // there is.
    if (t > busy && step > 0) return result;
    if (step == kStepBudget) {
      if (!result.at) result.verdict = DemandVerdict::kUndecided;
      return result;
    }
    Duration demand = blocking(times, prepared, t, blocking_min);
    for (const Prepared& p : prepared) demand += demand_bound(times, p, t);
    result.worst = std::max(result.worst, demand - t);
    if (demand > t && t <= busy && !result.at) {
      result.verdict = DemandVerdict::kDemand;
      result.at = t;  // the scan goes on: `worst` is over the whole busy period
    }
  }
}

std::vector<DemandStep> demand_curve(const BatchTimes& times, const std::vector<DemandGroup>& groups,
                                     Duration blocking_min, Duration until, std::size_t steps_max) {
  const std::vector<Prepared> prepared = prepare(times, groups);
  std::vector<DemandStep> steps;
  for (Duration t{-1}; steps.size() < steps_max;) {
    Duration next = Duration::max();
    for (const Prepared& p : prepared) next = std::min(next, next_step(p, t));
    if (next > until) break;
    t = next;
    Duration demand = blocking(times, prepared, t, blocking_min);
    for (const Prepared& p : prepared) demand += demand_bound(times, p, t);
    steps.push_back({t, demand});
  }
  return steps;
}

DemandResult choose_windows(const BatchTimes& times, std::vector<DemandGroup>& groups,
                            Duration blocking_min) {
  constexpr int kPercent[] = {0, 20, 35, 50, 65, 80};
  constexpr int kRounds = 3;  // coordinate descent settles within two; the third only confirms
  DemandResult best = demand_test(times, groups, blocking_min);
  for (int round = 0; round < kRounds; ++round) {
    bool changed = false;
    for (DemandGroup& group : groups) {
      if (group.streams.empty()) continue;
      const Duration least_deadline = group.job_deadline() + group.window;
      Duration kept = group.window;
      for (const int percent : kPercent) {
        group.window = least_deadline * percent / 100;
        const DemandResult tried = demand_test(times, groups, blocking_min);
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
