// The demand test: the paper-sized case by hand, and soundness against a simulation of what it is a claim
// about.
#include "analysis/demand.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"

namespace laxity {
namespace {

std::vector<Duration> ns_list(std::initializer_list<int> values) {
  std::vector<Duration> times;
  for (const int value : values) times.push_back(Duration(value));
  return times;
}

// docs/analysis/demand.md, the worked example (case 8 of the regression list).
struct Case8 {
  BatchTimes times;
  std::vector<DemandGroup> groups;
  explicit Case8(int jitter) {
    const auto a = times.add_category(ns_list({4, 6, 8, 10}));
    const auto b = times.add_category(ns_list({3}));
    const DemandStream stream{Duration(10), Duration(jitter), Duration(20)};
    groups.push_back({a, Duration(10), {stream, stream}});
    groups.push_back({b, Duration(0), {{Duration(20), Duration(0), Duration(12)}}});
  }
};

TEST(Demand, Case8_FitsWithoutJitter) {
  const Case8 c(0);
  const DemandResult result = demand_test(c.times, c.groups, Duration(0));
  EXPECT_EQ(result.verdict, DemandVerdict::kYes);
  EXPECT_EQ(result.worst, Duration(-2));
}

TEST(Demand, Case8_OneTickOfJitterBreaksIt) {
  const Case8 c(1);
  const DemandResult result = demand_test(c.times, c.groups, Duration(0));
  EXPECT_EQ(result.verdict, DemandVerdict::kDemand);
  EXPECT_EQ(result.worst, Duration(2));
  EXPECT_TRUE(result.at.has_value());
}

// The curve is what the test compares: its largest excess is the verdict's.
TEST(Demand, CurveOfCase8) {
  for (const int jitter : {0, 1}) {
    const Case8 c(jitter);
    const auto curve = demand_curve(c.times, c.groups, Duration(0), Duration(200), 1000);
    ASSERT_FALSE(curve.empty());
    Duration worst = Duration::min();
    for (std::size_t i = 0; i < curve.size(); ++i) {
      worst = std::max(worst, curve[i].demand - curve[i].at);
      EXPECT_GT(curve[i].at, i > 0 ? curve[i - 1].at : Duration(0));
    }
    EXPECT_EQ(worst, demand_test(c.times, c.groups, Duration(0)).worst);
    EXPECT_EQ(demand_curve(c.times, c.groups, Duration(0), Duration(200), 3).size(), 3u);
  }
  EXPECT_TRUE(demand_curve(BatchTimes(), std::vector<DemandGroup>{}, Duration(0), Duration(200), 10).empty());
}

TEST(Demand, NothingAskedFits) { EXPECT_TRUE(demand_test(BatchTimes(), {}, Duration(0))); }

TEST(Demand, FullUtilisationIsRefused) {
  BatchTimes times;
  const auto g = times.add_category(ns_list({5}));
  const std::vector<DemandGroup> groups = {{g, Duration(0), {{Duration(5), Duration(0), Duration(100)}}}};
  EXPECT_EQ(demand_test(times, groups, Duration(0)).verdict, DemandVerdict::kOverUtilised);
}

TEST(Demand, BestEffortBatchThatIsLetInCountsAsBlocking) {
  BatchTimes times;
  const auto g = times.add_category(ns_list({5}));
  const std::vector<DemandGroup> groups = {{g, Duration(0), {{Duration(100), Duration(0), Duration(10)}}}};
  EXPECT_TRUE(demand_test(times, groups, Duration(6)));  // 5 + (6 - 1) = 10
  EXPECT_FALSE(demand_test(times, groups, Duration(7)));
}

// --- Soundness: non-preemptive EDF over timer-driven joints, tick by tick in spirit, event by event in time.

struct Arrival {
  std::int64_t at;
  std::size_t group, stream;
  std::int64_t deadline;
};
struct Job {
  std::int64_t release, deadline;
  std::size_t group;
  std::vector<std::int64_t> frame_deadlines;
};

/// Runs the dispatcher that the test is about and returns the number of frames that miss.
int simulate(const BatchTimes& times, const std::vector<DemandGroup>& groups, Duration blocking, Rng& rng,
             bool full) {
  constexpr std::int64_t kHorizon = 600;
  std::vector<Job> jobs;
  for (std::size_t q = 0; q < groups.size(); ++q) {
    const DemandGroup& group = groups[q];
    std::vector<Arrival> arrivals;
    for (std::size_t m = 0; m < group.streams.size(); ++m) {
      const DemandStream& s = group.streams[m];
      for (std::int64_t r = rng.chance(1, 2) ? 0 : rng.uniform(0, s.min_inter_arrival.count()); r < kHorizon;
           r += s.min_inter_arrival.count()) {
        const std::int64_t a = r + rng.uniform(0, s.release_jitter_max.count());
        arrivals.push_back({a, q, m, a + s.relative_deadline.count()});
      }
    }
    const std::int64_t w = group.window.count(), d = group.job_deadline().count();
    if (w == 0) {
      for (const Arrival& a : arrivals) jobs.push_back({a.at, a.deadline, q, {a.deadline}});
      continue;
    }
    const std::int64_t phase = rng.uniform(0, w - 1);
    for (std::int64_t joint = phase; joint <= kHorizon + 2 * w; joint += w) {
      std::vector<std::int64_t> deadlines;  // frames in (joint - w, joint]
      for (const Arrival& a : arrivals) {
        if (a.at > joint - w && a.at <= joint) deadlines.push_back(a.deadline);
      }
      const std::size_t cap = times.cap(group.category);
      for (std::size_t first = 0; first < deadlines.size(); first += cap) {
        const std::size_t last = std::min(deadlines.size(), first + cap);
        jobs.push_back({joint, joint + d, q,
                        std::vector<std::int64_t>(deadlines.begin() + static_cast<std::ptrdiff_t>(first),
                                                  deadlines.begin() + static_cast<std::ptrdiff_t>(last))});
      }
    }
  }
  std::sort(jobs.begin(), jobs.end(), [](const Job& a, const Job& b) { return a.release < b.release; });
  int misses = 0;
  std::vector<bool> done(jobs.size());
  std::int64_t t = 0;
  for (std::size_t left = jobs.size(); left > 0;) {
    std::size_t best = jobs.size();
    std::int64_t next = INT64_MAX;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (done[i]) continue;
      if (jobs[i].release > t) {
        next = std::min(next, jobs[i].release);
      } else if (best == jobs.size() || jobs[i].deadline < jobs[best].deadline) {
        best = i;
      }
    }
    if (best == jobs.size()) {
      // Idle: best-effort work may just have begun, a tick before the next release.
      t = next;
      if (blocking > Duration(0) && rng.chance(1, 2)) t = std::max(t, next - 1 + blocking.count());
      continue;
    }
    const Job& job = jobs[best];
    const std::int64_t bound =
        times(groups[job.group].category, static_cast<std::uint32_t>(job.frame_deadlines.size())).count();
    t += full ? bound : rng.uniform(1, bound);
    for (const std::int64_t deadline : job.frame_deadlines) misses += t > deadline ? 1 : 0;
    done[best] = true;
    --left;
  }
  return misses;
}

std::vector<DemandGroup> random_groups(Rng& rng, BatchTimes& times) {
  std::vector<DemandGroup> groups;
  const std::int64_t count = rng.uniform(1, 3);
  for (std::int64_t q = 0; q < count; ++q) {
    std::vector<Duration> row = {Duration(rng.uniform(1, 6))};
    const std::int64_t cap = rng.uniform(1, 4);
    for (std::int64_t n = 1; n < cap; ++n)
      row.push_back(row.back() + Duration(rng.uniform(0, row.front().count())));
    DemandGroup group{times.add_category(row), {}, {}};
    std::int64_t least = INT64_MAX;
    for (std::int64_t m = rng.uniform(1, 3); m > 0; --m) {
      const DemandStream s{Duration(rng.uniform(10, 60)), Duration(rng.uniform(0, 3)),
                           Duration(rng.uniform(8, 80))};
      least = std::min(least, s.relative_deadline.count());
      group.streams.push_back(s);
    }
    group.window = rng.chance(1, 3) ? Duration(0) : Duration(rng.uniform(1, least - 1));
    groups.push_back(group);
  }
  return groups;
}

TEST(DemandProperty, AdmittedSetsNeverMiss) {
  int admitted = 0;
  for (std::uint64_t seed = 1; seed <= 6000; ++seed) {
    Rng rng(seed);
    BatchTimes times;
    std::vector<DemandGroup> groups = random_groups(rng, times);
    const Duration blocking(rng.chance(1, 2) ? 0 : rng.uniform(1, 6));
    if (!demand_test(times, groups, blocking)) continue;
    ++admitted;
    for (int run = 0; run < 4; ++run) {
      ASSERT_EQ(simulate(times, groups, blocking, rng, run < 2), 0) << "seed " << seed;
    }
  }
  EXPECT_GT(admitted, 800);
}

DemandGroupView view(const DemandGroup& group) {
  return {group.category, group.window, group.job_deadline(), group.streams};
}
std::vector<DemandGroupView> views(const std::vector<DemandGroup>& groups) {
  std::vector<DemandGroupView> list;
  for (const DemandGroup& group : groups) list.push_back(view(group));
  return list;
}

// The preallocated test says what the one with memory of its own says, and of a failure whose job is due.
TEST(DemandProperty, OneWorkspaceForManySets) {
  DemandTest test({});
  int refused = 0;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    Rng rng(seed);
    BatchTimes times;
    const std::vector<DemandGroup> groups = random_groups(rng, times);
    const DemandResult expected = demand_test(times, groups, Duration(3));
    const DemandResult found = test.run(times, views(groups), Duration(3));
    EXPECT_EQ(found.verdict, expected.verdict);
    EXPECT_EQ(found.worst, expected.worst);
    const DemandResult first = test.run(times, views(groups), Duration(3), DemandTest::Extent::kFirstFailure);
    EXPECT_EQ(first.verdict, expected.verdict);
    EXPECT_EQ(first.at, expected.at);
    if (!found.at) continue;
    ++refused;
    ASSERT_LT(found.group, groups.size());
    ASSERT_LT(found.stream, groups[found.group].streams.size());
    // Some job of that group is due at that t: with its jobs gone the demand there is less.
    std::vector<DemandGroup> without = groups;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(found.group));
    const auto demand_at = [&](const std::vector<DemandGroup>& set) {
      Duration last{};
      for (const DemandStep& step : demand_curve(times, set, Duration(0), *found.at, 100000))
        last = step.demand;
      return last;
    };
    EXPECT_LT(demand_at(without), demand_at(groups)) << "seed " << seed;
  }
  EXPECT_GT(refused, 500);
}

// B is the largest blocking that the set bears, but for the steps in which it is looked for: B passes, and
// what is larger by the tick does not where the first step decides.
TEST(DemandProperty, BlockingAllowanceIsBorneAndNoLessThanWhatPasses) {
  DemandTest test({});
  int admitted = 0, exact = 0;
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    Rng rng(seed);
    BatchTimes times;
    const std::vector<DemandGroup> groups = random_groups(rng, times);
    if (!test.run(times, views(groups), Duration(0))) continue;
    ++admitted;
    const Duration allowance = test.blocking_allowance(times, views(groups));
    // `run` counts blocking_min less one tick.
    ASSERT_TRUE(test.run(times, views(groups), allowance + Duration(1))) << "seed " << seed;
    exact += !test.run(times, views(groups), allowance + Duration(2));
    for (int i = 0; i < 3; ++i) ASSERT_EQ(simulate(times, groups, allowance + Duration(1), rng, true), 0);
  }
  EXPECT_GT(admitted, 600);
  EXPECT_GT(exact, admitted * 9 / 10);
}

TEST(Demand, BeyondItsBoundsNothingIsDecided) {
  BatchTimes times;
  const auto g = times.add_category(ns_list({5, 6}));
  const DemandStream stream{Duration(10), Duration(0), Duration(100)};
  const std::vector<DemandGroup> groups = {{g, Duration(50), {stream}}};
  DemandTest::Bounds bounds;
  EXPECT_EQ(DemandTest(bounds).run(times, views(groups), Duration(0)).verdict, DemandVerdict::kYes);
  bounds.window_frames_max = 5;  // five frames share a window: six entries
  EXPECT_EQ(DemandTest(bounds).run(times, views(groups), Duration(0)).verdict, DemandVerdict::kUndecided);
  bounds.window_frames_max = 6;
  EXPECT_EQ(DemandTest(bounds).run(times, views(groups), Duration(0)).verdict, DemandVerdict::kYes);
  bounds.work_max = 0;
  EXPECT_EQ(DemandTest(bounds).run(times, views(groups), Duration(0)).verdict, DemandVerdict::kUndecided);
  EXPECT_EQ(DemandTest(bounds).blocking_allowance(times, views(groups)), Duration(0));
}

TEST(DemandProperty, SustainableWithFixedWindows) {
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    Rng rng(seed);
    BatchTimes times;
    std::vector<DemandGroup> groups = random_groups(rng, times);
    if (!demand_test(times, groups, Duration(0))) continue;
    // A longer period or less jitter; the windows and job deadlines stay.
    for (DemandGroup& group : groups) {
      for (DemandStream& s : group.streams) {
        s.min_inter_arrival += Duration(rng.uniform(0, 20));
        s.release_jitter_max = Duration(rng.uniform(0, s.release_jitter_max.count()));
      }
    }
    ASSERT_TRUE(demand_test(times, groups, Duration(0))) << "seed " << seed;
  }
}

TEST(DemandProperty, ChosenWindowsAreAtLeastAsGoodAsNone) {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    Rng rng(seed);
    BatchTimes times;
    std::vector<DemandGroup> groups = random_groups(rng, times);
    for (DemandGroup& group : groups) group.window = Duration(0);
    const bool none = static_cast<bool>(demand_test(times, groups, Duration(0)));
    const bool chosen = static_cast<bool>(choose_windows(times, groups, Duration(0)));
    ASSERT_TRUE(chosen || !none) << "seed " << seed;
    ASSERT_EQ(chosen, static_cast<bool>(demand_test(times, groups, Duration(0))));
  }
}

}  // namespace
}  // namespace laxity
