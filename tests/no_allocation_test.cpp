// After construction the scheduler does not allocate: a million events with each policy, every operator new
// counted.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "core/job_id_allocator.h"
#include "policy/registry.h"
#include "sched/scheduler.h"
#include "tests/counting_new.h"

namespace laxity {
namespace {

constexpr std::size_t kModels = 3;
constexpr std::size_t kExecutors = 2;

SystemModel staged_system() {
  SystemModel system;
  for (std::size_t m = 0; m < kModels; ++m) {
    Model model;
    model.name = std::string(1, static_cast<char>('a' + m));
    model.variants.push_back({"full", {}});
    const ModelId id = system.catalog.add_model(std::move(model), {static_cast<std::uint32_t>(m + 1)}, 16);
    for (const CategoryId category : system.catalog.model(id).variants[0].stages) {
      for (std::uint32_t n = 1; n <= 16; ++n) {
        const Duration time = 800us + n * 200us;
        system.table.set(category, n, {time, time, time, time, 1});
      }
    }
  }
  for (std::size_t e = 0; e < kExecutors; ++e)
    system.executors.push_back({"cpu", ExecutorKind::kCpu, true, true});
  system.limits.queue_length_max = 512;
  return system;
}

// A driver that lives in arrays: releases at random, finishes what runs, cancels now and then, obeys the
// timer.
class ArrayDriver {
 public:
  ArrayDriver(std::string_view policy, std::uint64_t seed)
      : system_(staged_system()),
        scheduler_(system_, std::move(make_policy(policy, {})).value()),
        commands_(system_.limits),
        ids_(system_.limits.queue_length_max),
        rng_(seed),
        last_(JobId{}) {}

  void step() {
    now_ = now_ + Duration(rng_.uniform(0, 300'000));
    if (timer_ && *timer_ <= now_) {
      timer_.reset();
      feed(TimerFired{});
      return;
    }
    for (Running& running : running_) {
      if (!running.is_busy || running.finish > now_) continue;
      running.is_busy = false;
      feed(running.finished);
      return;
    }
    if (rng_.chance(1, 20) && last_ != JobId{}) {
      feed(JobCancelled{last_});
      return;
    }
    const auto id = ids_.allocate();
    if (!id) {
      feed(TimerFired{});
      return;
    }
    last_ = *id;
    Job job;
    job.id = *id;
    job.model = static_cast<ModelId>(rng_.uniform(0, kModels - 1));
    job.kind = static_cast<JobKind>(rng_.uniform(0, 2));
    job.release = now_;
    if (job.kind != JobKind::kBestEffort)
      job.absolute_deadline = now_ + Duration(rng_.uniform(1, 50)) * 1'000'000;
    feed(JobReleased{job});
  }

  const SchedulerCounters& counters() const { return scheduler_.counters(); }

 private:
  struct Running {
    bool is_busy = false;
    Instant finish;
    BatchFinished finished;
  };

  void feed(const Event& event) {
    commands_.clear();
    scheduler_.handle(now_, event, commands_);
    for (const Command& command : commands_) {
      if (const auto* start = std::get_if<StartBatch>(&command)) {
        Running& running = running_[index(start->executor)];
        running.is_busy = true;
        running.finish = now_ + start->planned;
        running.finished = {start->batch, start->executor, BatchStatus::kSucceeded, start->planned, {}, 0};
        for (std::size_t i = 0; i < start->jobs.size(); ++i) running.finished.confidences.push_back(1);
      } else if (const auto* settle = std::get_if<SettleJob>(&command)) {
        if (settle->is_last) ids_.release(settle->job);
      } else if (const auto* forget = std::get_if<ForgetJob>(&command)) {
        ids_.release(forget->job);
      } else if (const auto* timer = std::get_if<SetTimer>(&command)) {
        timer_ = timer->at;
      }
    }
  }

  SystemModel system_;
  Scheduler scheduler_;
  CommandBuffer commands_;
  JobIdAllocator ids_;
  Rng rng_;
  Instant now_;
  JobId last_;
  std::optional<Instant> timer_;
  Running running_[kExecutors];
};

TEST(NoAllocation, TheCounterCounts) {
  const std::size_t before = allocation_count;
  auto* number = new volatile int(3);
  delete number;
  EXPECT_EQ(allocation_count, before + 1);
}

TEST(NoAllocation, MillionEventsWithEachPolicy) {
  for (const PolicyInfo& info : policies()) {
    ArrayDriver driver(info.name, 1);
    const std::size_t before = allocation_count;
    for (int i = 0; i < 1'000'000; ++i) driver.step();
    EXPECT_EQ(allocation_count - before, 0u) << info.name;
    EXPECT_GT(driver.counters().batches, 10'000u) << info.name;
    EXPECT_GE(driver.counters().events, 1'000'000u) << info.name;
  }
}

// Streams that ask, send and leave, verdicts, counter-offers and tests of what remains: neither the strand
// nor the planner allocates.
void expect_streams_do_not_allocate(std::string_view policy, const PolicyOptions& options,
                                    Guarantee guarantee) {
  const SystemModel system = staged_system();
  Scheduler scheduler(system, std::move(make_policy(policy, options)).value());
  CommandBuffer commands(system.limits);
  JobIdAllocator ids(system.limits.queue_length_max);
  Rng rng(1);
  Instant now;
  std::optional<Instant> timer;
  std::optional<std::pair<Instant, BatchFinished>> running[kExecutors];
  std::size_t admitted = 0, refused = 0, batches = 0;
  std::optional<TaskId> heard;  // the last that was admitted
  const auto feed = [&](const Event& event, const auto& again) -> void {
    commands.clear();
    scheduler.handle(now, event, commands);
    std::optional<PlanId> plan;
    for (const Command& command : commands) {
      if (const auto* start = std::get_if<StartBatch>(&command)) {
        BatchFinished finished{start->batch, start->executor, BatchStatus::kSucceeded, start->planned, {}, 0};
        for (std::size_t i = 0; i < start->jobs.size(); ++i) finished.confidences.push_back(1);
        running[index(start->executor)] = {now + start->planned, finished};
        ++batches;
      } else if (const auto* settle = std::get_if<SettleJob>(&command)) {
        if (settle->is_last) ids.release(settle->job);
      } else if (const auto* forget = std::get_if<ForgetJob>(&command)) {
        ids.release(forget->job);
      } else if (const auto* set = std::get_if<SetTimer>(&command)) {
        timer = set->at;
      } else if (const auto* compute = std::get_if<ComputePlan>(&command)) {
        plan = compute->plan;
      } else if (const auto* answer = std::get_if<AnswerTask>(&command)) {
        ++(answer->admitted ? admitted : refused);
        if (answer->admitted) heard = answer->task;
      }
    }
    if (plan) again(PlanReady{*plan, scheduler.compute_plan(*plan)}, again);
  };
  const std::size_t before = allocation_count;
  for (int i = 0; i < 60'000; ++i) {
    now = now + Duration(rng.uniform(0, 400'000));
    if (timer && *timer <= now) {
      timer.reset();
      feed(TimerFired{}, feed);
    }
    for (auto& batch : running) {
      if (!batch || batch->first > now) continue;
      const BatchFinished finished = batch->second;
      batch.reset();
      feed(finished, feed);
    }
    if (i % 40 == 0) {
      const auto slot = static_cast<std::uint32_t>(rng.uniform(0, 11));
      if (scheduler.books().stream(static_cast<TaskId>(slot)) != nullptr) {
        feed(TaskRemoved{static_cast<TaskId>(slot)}, feed);
        if (heard == static_cast<TaskId>(slot)) heard.reset();
      } else {
        Task task;
        task.id = static_cast<TaskId>(slot);
        task.model = static_cast<ModelId>(rng.uniform(0, kModels - 1));
        task.min_inter_arrival = Duration(rng.uniform(2, 20)) * 1'000'000;
        task.relative_deadline = Duration(rng.uniform(1, 30)) * 1'000'000;
        task.first_release = now;
        task.guarantee = guarantee;
        if (rng.chance(1, 2)) task.frame_count = static_cast<std::uint64_t>(rng.uniform(1, 500));
        feed(TaskSubmitted{task}, feed);
      }
    }
    if (!heard) continue;
    if (const auto id = ids.allocate()) {
      Job job;
      job.id = *id;
      job.task = heard;
      job.model = scheduler.books().stream(*heard)->task.model;
      job.release = now;
      job.kind = JobKind::kFirm;
      job.absolute_deadline = now + 1s;
      feed(JobReleased{job}, feed);
    }
  }
  EXPECT_EQ(allocation_count - before, 0u);
  EXPECT_GT(admitted, 100u);
  EXPECT_GT(refused, 20u);
  EXPECT_GT(batches, 1'000u);
}

TEST(NoAllocation, StreamsOfDeepRt) {
  expect_streams_do_not_allocate("deeprt", {{"admission", 3}, {"admission_frames_max", 2'000}},
                                 Guarantee::kNone);
}

TEST(NoAllocation, StreamsOfTheDemandTest) {
  expect_streams_do_not_allocate("laxity", {}, Guarantee::kDemand);
}

}  // namespace
}  // namespace laxity
