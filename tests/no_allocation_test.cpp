// After construction the scheduler does not allocate: a million events with each policy, every operator new
// counted.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "base/rng.h"
#include "core/job_id_allocator.h"
#include "policy/registry.h"
#include "sched/scheduler.h"

namespace {
std::size_t allocation_count = 0;

void* counted(std::size_t size) {
  ++allocation_count;
  void* memory = std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) std::abort();
  return memory;
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

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

}  // namespace
}  // namespace laxity
