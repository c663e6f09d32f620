// The seam for planning beside the scheduler, proved with a toy: a policy that follows a computed order of
// jobs.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"
#include "sched/tiny_driver.h"

namespace laxity {
namespace {

using tiny::at;
using tiny::TinyDriver;
using tiny::toy_job;
using tiny::toy_system;

/// Runs jobs in the order of the last plan, longest deadline first (so that it differs from every simple
/// order); jobs that no plan has seen wait for the next. A plan is adopted without the jobs that have gone
/// meanwhile.
class ToyPlanner final : public Policy {
 public:
  std::string_view name() const noexcept override { return "toy-planner"; }
  PolicyTraits traits() const noexcept override { return {true, false, true}; }
  void attach(const Books& books) override {
    books_ = &books;
    for (std::vector<JobId>* buffer : {&unplanned_, &snapshot_, &plan_, &adopted_})
      buffer->reserve(books.capacity());
  }
  void job_ready(JobIndex job, Instant) override { unplanned_.push_back(books_->entry(job).job.id); }
  void job_gone(JobIndex job, Instant) override {
    const JobId id = books_->entry(job).job.id;
    std::erase(unplanned_, id);
    std::erase(adopted_, id);
  }
  Decision decide(ExecutorId, Instant) override {
    Decision decision;
    if (adopted_.empty()) return decision;
    decision.kind = Decision::Kind::kStart;
    decision.jobs.push_back(static_cast<JobIndex>(slot(adopted_.front())));
    adopted_.erase(adopted_.begin());
    return decision;
  }

  std::optional<std::uint64_t> request_plan(Instant) override {
    if (unplanned_.empty()) return std::nullopt;
    snapshot_ = unplanned_;
    for (const JobId id : snapshot_)
      deadlines_[slot(id)] = books_->entry(static_cast<JobIndex>(slot(id))).job.deadline_key();
    return snapshot_.size();
  }
  std::uint64_t compute_plan(std::uint64_t node_budget) override {
    plan_.assign(snapshot_.begin(), snapshot_.begin() + static_cast<std::ptrdiff_t>(node_budget));
    std::sort(plan_.begin(), plan_.end(),
              [&](JobId a, JobId b) { return deadlines_[slot(a)] > deadlines_[slot(b)]; });
    std::uint64_t hash = 1469598103934665603u;
    for (const JobId id : plan_) hash = (hash ^ static_cast<std::uint64_t>(id)) * 1099511628211u;
    return hash;
  }
  void plan_ready(Instant) override {
    for (const JobId id : plan_) {
      const bool is_here = std::find(unplanned_.begin(), unplanned_.end(), id) != unplanned_.end();
      if (!is_here) continue;
      std::erase(unplanned_, id);
      adopted_.push_back(id);
    }
  }

 private:
  const Books* books_ = nullptr;
  std::vector<JobId> unplanned_, snapshot_, plan_, adopted_;
  std::array<Instant, 64> deadlines_{};
};

TEST(PlannerSeam, FollowsThePlanOnceItHasArrived) {
  TinyDriver driver(toy_system({{{2ms}}}), std::make_unique<ToyPlanner>());
  driver.plan_delay = 5ms;
  driver.release(toy_job(0, 0ms, 50ms));  // the first plan, of this one alone, arrives at 5 ms
  driver.release(toy_job(0, 1ms, 60ms));  // the second is asked for then, and arrives at 10 ms
  driver.release(toy_job(0, 2ms, 70ms));
  driver.run();
  EXPECT_EQ(driver.schedule(), "5000:0 10000:2 12000:1");
  EXPECT_EQ(driver.count<ComputePlan>(), 2u);
}

TEST(PlannerSeam, PlanWithoutWhatHasGoneMeanwhile) {
  TinyDriver driver(toy_system({{{2ms}}}), std::make_unique<ToyPlanner>());
  driver.plan_delay = 5ms;
  driver.release(toy_job(0, 0ms, 50ms));
  driver.cancel(at(1ms), 0);
  driver.release(toy_job(0, 1ms, 60ms));  // takes the cancelled job's slot, but not its place in the plan
  driver.run();
  EXPECT_EQ(driver.schedule(), "10000:1");
}

TEST(PlannerSeam, AnswerToAnotherPlanIsABug) {
  TinyDriver driver(toy_system({{{2ms}}}), std::make_unique<ToyPlanner>());
  CommandBuffer commands(driver.scheduler.books().system().limits);
  EXPECT_DEATH(driver.scheduler.handle(at(0ms), PlanReady{PlanId{1}, 0}, commands), "check failed");
  EXPECT_DEATH(driver.scheduler.compute_plan(PlanId{1}), "check failed");
}

/// Runs a random load; returns every event the scheduler was told, with what it answered.
struct Recording {
  std::vector<std::pair<Instant, Event>> events;
  std::vector<std::pair<Instant, Command>> commands;
};

Recording record(std::uint64_t seed) {
  Rng rng(seed);
  TinyDriver driver(toy_system({{{2ms}}, {{3ms, 1ms}}}, 2), std::make_unique<ToyPlanner>());
  Recording recording;
  driver.on_event = [&](Instant now, const Event& event) { recording.events.emplace_back(now, event); };
  driver.plan_delay = Duration(rng.uniform(0, 5'000'000));
  for (std::size_t n = 0; n < 30; ++n) {
    const Duration release(rng.uniform(0, 40) * 1'000'000);
    driver.release(toy_job(static_cast<std::uint32_t>(rng.uniform(0, 1)), release,
                           release + Duration(rng.uniform(1, 60) * 1'000'000)));
    if (rng.chance(1, 5)) driver.cancel(at(Duration(rng.uniform(0, 60) * 1'000'000)), n);
  }
  driver.run();
  recording.commands = driver.log;
  return recording;
}

TEST(PlannerSeam, ReplayComputesThePlansAgainAndGetsTheSameCommands) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Recording recording = record(seed);
    const SystemModel system = toy_system({{{2ms}}, {{3ms, 1ms}}}, 2);
    Scheduler fresh(system, std::make_unique<ToyPlanner>(), {.audit = true});
    CommandBuffer commands(system.limits);
    std::size_t next = 0;
    for (const auto& [now, event] : recording.events) {
      if (const auto* ready = std::get_if<PlanReady>(&event)) {
        ASSERT_EQ(fresh.compute_plan(ready->plan), ready->hash) << "seed " << seed;
      }
      commands.clear();
      fresh.handle(now, event, commands);
      for (const Command& command : commands) {
        ASSERT_LT(next, recording.commands.size());
        ASSERT_TRUE(recording.commands[next].second == command) << "seed " << seed << ", command " << next;
        ++next;
      }
    }
    ASSERT_EQ(next, recording.commands.size());
  }
}

}  // namespace
}  // namespace laxity
