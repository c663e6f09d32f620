// Plans against brute force: following a valid plan never misses, and on small sets the search finds nearly
// all there is.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "analysis/plan.h"
#include "analysis/plan_generator.h"
#include "analysis/plan_search.h"
#include "base/rng.h"

namespace laxity {
namespace {

constexpr std::uint64_t kSeeds = 20'000;
Instant tick(std::int64_t t) { return Instant::from_start(Duration(t)); }

/// A random small problem. Frame i: r, J, D in ticks; its true arrival is drawn later.
struct Problem {
  BatchTimes times;
  std::vector<PlanFrame> frames;       // with latest arrivals, in order of arrives_before
  std::vector<std::int64_t> earliest;  // r of each
};

Problem random_problem(Rng& rng, std::int64_t frames_max, std::int64_t categories_max) {
  Problem problem;
  const std::int64_t categories = rng.uniform(1, categories_max);
  for (std::int64_t g = 0; g < categories; ++g) {
    std::vector<Duration> row = {Duration(rng.uniform(1, 8))};
    const std::int64_t cap = rng.uniform(1, 4);
    for (std::int64_t n = 1; n < cap; ++n)
      row.push_back(row.back() + Duration(rng.uniform(0, row.front().count())));
    problem.times.add_category(row);
  }
  struct Raw {
    PlanFrame frame;
    std::int64_t earliest;
  };
  std::vector<Raw> raws;
  const std::int64_t count = rng.uniform(1, frames_max);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto g = static_cast<CategoryIndex>(rng.uniform(0, categories - 1));
    const std::int64_t r = rng.uniform(0, 30), jitter = rng.uniform(0, 3);
    const std::int64_t d = r + jitter + problem.times(g, 1).count() + rng.uniform(0, 25);
    raws.push_back({{static_cast<std::uint32_t>(i), 0, g, tick(r + jitter), tick(d)}, r});
  }
  std::sort(raws.begin(), raws.end(),
            [](const Raw& a, const Raw& b) { return arrives_before(a.frame, b.frame); });
  for (const Raw& raw : raws) {
    problem.frames.push_back(raw.frame);
    problem.earliest.push_back(raw.earliest);
  }
  return problem;
}

/// The oracle's run: the order is followed, arrivals and executions are drawn; best-effort work runs in gaps.
/// Returns the number of frames that finish after their deadline.
int follow(const Problem& problem, const Plan& plan, Rng& rng, bool full_times, bool with_gaps) {
  std::map<std::uint32_t, Instant> arrival;
  for (std::size_t i = 0; i < problem.frames.size(); ++i) {
    const std::int64_t latest = problem.frames[i].arrival.since_start().count();
    arrival[problem.frames[i].stream] =
        tick(full_times && rng.chance(1, 2) ? latest : rng.uniform(problem.earliest[i], latest));
  }
  int misses = 0;
  Instant free = tick(0);
  for (std::size_t j = 0; j < plan.batch_count(); ++j) {
    const PlanBatch& batch = plan.batch(j);
    Instant start = free;
    for (const PlanFrame& frame : plan.frames(batch)) start = std::max(start, arrival[frame.stream]);
    if (with_gaps && rng.chance(1, 2) && free <= batch.latest_start) {
      // The gap move: anything that ends by L_1; and the wait move: any instant up to L_1.
      const Instant until = free + Duration(rng.uniform(0, (batch.latest_start - free).count()));
      start = std::max(start, until);
    }
    const std::int64_t bound = problem.times(batch.category, batch.count).count();
    free = start + Duration(full_times ? bound : rng.uniform(1, bound));
    for (const PlanFrame& frame : plan.frames(batch)) misses += free > frame.deadline ? 1 : 0;
  }
  return misses;
}

void expect_serves_each_frame_once(const Problem& problem, const Plan& plan) {
  std::set<std::uint32_t> seen;
  for (std::size_t j = 0; j < plan.batch_count(); ++j) {
    ASSERT_LE(plan.batch(j).count, problem.times.cap(plan.batch(j).category));
    for (const PlanFrame& frame : plan.frames(plan.batch(j))) ASSERT_TRUE(seen.insert(frame.stream).second);
  }
  ASSERT_EQ(seen.size(), problem.frames.size());
}

constexpr PlanMethod kMethods[] = {PlanMethod::kGated, PlanMethod::kRollout, PlanMethod::kDefer25,
                                   PlanMethod::kDefer50, PlanMethod::kDefer75};

TEST(PlanProperty, FollowingAValidPlanNeverMisses) {
  std::uint64_t valid_count = 0;
  PlanGenerator generator(64, 8);
  PlanSearch search(64, 8);
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Rng rng(seed);
    const Problem problem = random_problem(rng, 12, 3);
    Plan plan(64);
    const std::int64_t which = rng.uniform(0, 5);
    const bool made =
        which == 5 ? search.search(problem.times, tick(0), problem.frames, PlanSearch::kNodeBudget, plan)
                   : generator.generate(problem.times, tick(0), problem.frames, kMethods[which], plan);
    if (!made) continue;
    plan.settle(problem.times);
    ASSERT_TRUE(plan.is_valid(tick(0)))
        << "seed " << seed << ": a generator that succeeds makes a valid plan";
    expect_serves_each_frame_once(problem, plan);
    ++valid_count;
    for (int run = 0; run < 4; ++run) {
      ASSERT_EQ(follow(problem, plan, rng, run % 2 == 0, run >= 2), 0) << "seed " << seed;
    }
  }
  EXPECT_GT(valid_count, kSeeds / 4);
}

TEST(PlanProperty, AnInvalidPlanCanMiss) {
  // The test is exact for following: at the latest arrivals and full times, an invalid plan misses.
  std::uint64_t invalid_count = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Rng rng(seed);
    const Problem problem = random_problem(rng, 6, 2);
    Plan plan(64);  // an arbitrary order of single frames
    std::vector<PlanFrame> order = problem.frames;
    for (std::size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1],
                order[static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(i) - 1))]);
    }
    for (const PlanFrame& frame : order) plan.append(frame.category, std::span(&frame, 1));
    plan.settle(problem.times);
    Instant free = tick(0);
    bool misses = false;
    for (const PlanFrame& frame : order) {
      free = std::max(free, frame.arrival) + problem.times(frame.category, 1);
      misses = misses || free > frame.deadline;
    }
    ASSERT_EQ(plan.is_valid(tick(0)), !misses) << "seed " << seed;
    invalid_count += misses ? 1 : 0;
  }
  EXPECT_GT(invalid_count, 1000u);
}

TEST(PlanProperty, SustainableOnAFixedPlan) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Rng rng(seed);
    const Problem problem = random_problem(rng, 10, 3);
    Plan plan(64);
    PlanGenerator generator(64, 8);
    if (!generator.generate(problem.times, tick(0), problem.frames, PlanMethod::kGated, plan)) continue;
    plan.settle(problem.times);
    // Frames leave or arrive early, in any order: the plan stays valid and serves the rest.
    for (const PlanFrame& frame : problem.frames) {
      if (rng.chance(1, 3)) {
        ASSERT_TRUE(plan.remove(frame.stream, frame.number, problem.times));
      } else if (rng.chance(1, 2)) {
        const Instant earlier = frame.arrival - Duration(rng.uniform(0, 3));
        ASSERT_TRUE(plan.arrived(frame.stream, frame.number, earlier, frame.deadline, problem.times));
      }
      ASSERT_TRUE(plan.is_valid(tick(0))) << "seed " << seed;
    }
  }
}

/// Exhaustive: is there any order of batches that serves all? The slow, obvious way: from each state try to
/// serve each category's most urgent n arrived frames, or to wait for the next arrival.
bool any_plan_exists(const Problem& problem, Instant t, std::uint32_t served) {
  const std::uint32_t all = (1u << problem.frames.size()) - 1;
  if (served == all) return true;
  for (CategoryIndex g = 0; g < problem.times.category_count(); ++g) {
    std::vector<std::uint32_t> here;
    for (std::uint32_t i = 0; i < problem.frames.size(); ++i) {
      if ((served >> i & 1u) == 0 && problem.frames[i].category == g && problem.frames[i].arrival <= t) {
        here.push_back(i);
      }
    }
    // Every subset, so that the oracle does not share the generators' belief in serving the most urgent
    // first.
    for (std::uint32_t subset = 1; subset < 1u << here.size(); ++subset) {
      std::uint32_t n = 0, next = served;
      Instant deadline = Instant::latest();
      for (std::size_t i = 0; i < here.size(); ++i) {
        if ((subset >> i & 1u) == 0) continue;
        ++n;
        next |= 1u << here[i];
        deadline = std::min(deadline, problem.frames[here[i]].deadline);
      }
      if (n > problem.times.cap(g)) continue;
      const Instant f = t + problem.times(g, n);
      if (f <= deadline && any_plan_exists(problem, f, next)) return true;
    }
  }
  for (const PlanFrame& frame : problem.frames) {
    if (frame.arrival > t) return any_plan_exists(problem, frame.arrival, served);
  }
  return false;
}

TEST(PlanProperty, SearchFindsNearlyEveryPlanThatExists) {
  int exist = 0, gated = 0, searched = 0;
  PlanGenerator generator(16, 4);
  PlanSearch search(16, 4);
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    Rng rng(seed);
    const Problem problem = random_problem(rng, 6, 2);
    Plan a(16), b(16);
    const bool by_gate = generator.generate(problem.times, tick(0), problem.frames, PlanMethod::kGated, a);
    const bool by_search = search.search(problem.times, tick(0), problem.frames, PlanSearch::kNodeBudget, b);
    const bool exists = any_plan_exists(problem, tick(0), 0);
    ASSERT_TRUE(exists || (!by_gate && !by_search)) << "seed " << seed;
    exist += exists ? 1 : 0;
    gated += by_gate ? 1 : 0;
    searched += by_search ? 1 : 0;
  }
  RecordProperty("exist", exist);
  RecordProperty("gated", gated);
  RecordProperty("searched", searched);
  EXPECT_GE(searched * 100, exist * 98)
      << "exist " << exist << ", gated " << gated << ", searched " << searched;
  EXPECT_GE(gated * 100, exist * 80) << "exist " << exist << ", gated " << gated << ", searched " << searched;
}

}  // namespace
}  // namespace laxity
