// The nouns: rounding of latency tables, identities, the order of simultaneous events, planned times, names.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "core/catalog.h"
#include "core/command.h"
#include "core/event.h"
#include "core/job_id_allocator.h"
#include "core/latency_table.h"
#include "core/limits.h"
#include "core/outcome.h"
#include "core/system_model.h"
#include "core/task.h"

namespace laxity {
namespace {

ExecutionTime taking(Duration p99) { return {p99 / 2, p99, p99, p99, 100}; }

TEST(LatencyTable, UnmeasuredSizesRoundUpToTheNextMeasured) {
  LatencyTable table;
  const CategoryId category{0};
  table.set(category, 1, taking(2ms));
  table.set(category, 4, taking(5ms));
  const std::optional<Duration> none;
  const std::pair<std::uint32_t, std::optional<Duration>> kRows[] = {{0, none}, {1, 2ms}, {2, 5ms},
                                                                     {3, 5ms},  {4, 5ms}, {5, none}};
  for (const auto& [size, expected] : kRows) EXPECT_EQ(table.planned(category, size), expected) << size;
  EXPECT_EQ(table.typical(category, 3), 2500us);
  EXPECT_EQ(table.batch_size_max(category), 4u);
  EXPECT_FALSE(table.measured(category, 3).has_value());
  EXPECT_EQ(table.measured(category, 4)->p99, 5ms);
}

TEST(LatencyTable, NeverFallsWithTheBatchSize) {
  LatencyTable table;
  const CategoryId category{0};
  table.set(category, 2, taking(6ms));
  table.set(category, 3, taking(4ms));
  EXPECT_EQ(table.planned(category, 1), 6ms);
  EXPECT_EQ(table.planned(category, 3), 6ms);
}

TEST(LatencyTable, LaterValueWins) {
  LatencyTable table;
  table.set(CategoryId{1}, 1, taking(6ms));
  table.set(CategoryId{1}, 1, taking(3ms));
  EXPECT_EQ(table.planned(CategoryId{1}, 1), 3ms);
  EXPECT_EQ(table.planned(CategoryId{0}, 1), std::nullopt);
  EXPECT_EQ(table.planned(CategoryId{9}, 1), std::nullopt);
}

TEST(LatencyTable, PlansWithTheLargestTimeIfAsked) {
  LatencyTable table;
  const CategoryId category{0};
  table.set(category, 1, {1ms, 2ms, 7ms, 2ms, 9});
  EXPECT_EQ(table.planned(category, 1), 2ms);
  table.plan_with(PlanningBound::kMax);
  table.set(category, 2, {2ms, 3ms, 4ms, 3ms, 9});
  EXPECT_EQ(table.planned(category, 1), 7ms);
  EXPECT_EQ(table.planned(category, 2), 7ms);  // never falls
  EXPECT_EQ(table.measured(category, 1)->p99, 2ms);
}

TEST(LatencyTable, MissingSegmentsTakeNoTime) {
  LatencyTable table;
  table.set_segment(ModelId{1}, SegmentKind::kPreprocess, taking(90us));
  EXPECT_EQ(table.segment(ModelId{1}, SegmentKind::kPreprocess).p99, 90us);
  EXPECT_EQ(table.segment(ModelId{1}, SegmentKind::kPostprocess).p99, 0us);
  EXPECT_EQ(table.segment(ModelId{7}, SegmentKind::kPreprocess).p99, 0us);
}

TEST(JobId, CarriesItsSlotAndGrowsInOrderOfRelease) {
  JobIdAllocator ids(2);
  const JobId a = *ids.allocate();
  const JobId b = *ids.allocate();
  EXPECT_NE(slot(a), slot(b));
  EXPECT_LT(a, b);
  EXPECT_EQ(ids.allocate(), std::nullopt);
  ids.release(a);
  const JobId c = *ids.allocate();
  EXPECT_EQ(slot(c), slot(a));
  EXPECT_LT(b, c);
  EXPECT_EQ(ids.free_count(), 0u);
}

TEST(JobId, WhatIsReserved_OthersCannotTake) {
  JobIdAllocator ids(5);
  ASSERT_TRUE(ids.try_reserve(2));
  EXPECT_FALSE(ids.try_reserve(4));
  std::vector<JobId> others;
  while (const auto id = ids.allocate()) others.push_back(*id);
  EXPECT_EQ(others.size(), 3u);
  EXPECT_EQ(ids.unreserved_free_count(), 0u);
  EXPECT_FALSE(ids.try_reserve(1));  // not beside those that are alive
  const JobId a = *ids.allocate(true), b = *ids.allocate(true);
  EXPECT_EQ(ids.allocate(true), std::nullopt);
  ids.release(a);
  EXPECT_EQ(ids.allocate(), std::nullopt);  // the stream's next frame finds its slot
  // The stream ends while a frame of it runs on: that one counts as anybody's.
  ids.disown(b);
  ids.unreserve(2);
  EXPECT_EQ(ids.unreserved_free_count(), 1u);
  ASSERT_TRUE(ids.allocate());
  EXPECT_EQ(ids.allocate(), std::nullopt);
  ids.release(b);
  EXPECT_TRUE(ids.try_reserve(1));
}

TEST(JobId, AQuarterIsNeverReserved) {
  JobIdAllocator ids(8);
  EXPECT_FALSE(ids.try_reserve(7));
  EXPECT_TRUE(ids.try_reserve(6));
  EXPECT_FALSE(ids.try_reserve(1));
  EXPECT_TRUE(ids.allocate());
  JobIdAllocator one(1);
  EXPECT_TRUE(one.try_reserve(1));
}

TEST(JobId, RandomUse_NeverLeavesAReservedFrameWithoutASlot) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Rng rng(seed);
    const auto capacity = static_cast<std::size_t>(rng.uniform(1, 24));
    JobIdAllocator ids(capacity);
    struct Owner {
      std::size_t reserved = 0;
      std::vector<JobId> alive;
    };
    std::vector<Owner> streams;
    std::vector<JobId> others;
    for (int step = 0; step < 300; ++step) {
      const auto pick = [&](std::size_t size) {
        return static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(size) - 1));
      };
      switch (rng.uniform(0, 5)) {
        case 0: {
          const auto wanted = static_cast<std::size_t>(rng.uniform(0, 6));
          if (ids.try_reserve(wanted)) streams.push_back({wanted, {}});
          break;
        }
        case 1:
          if (const auto id = ids.allocate()) others.push_back(*id);
          break;
        case 2:
          if (others.empty()) break;
          ids.release(others.back());
          others.pop_back();
          break;
        case 3: {
          if (streams.empty()) break;
          Owner& stream = streams[pick(streams.size())];
          if (stream.alive.size() == stream.reserved) break;
          const auto id = ids.allocate(true);
          ASSERT_TRUE(id) << "seed " << seed << " step " << step;
          stream.alive.push_back(*id);
          break;
        }
        case 4: {
          if (streams.empty()) break;
          Owner& stream = streams[pick(streams.size())];
          if (stream.alive.empty()) break;
          ids.release(stream.alive.back());
          stream.alive.pop_back();
          break;
        }
        case 5: {
          if (streams.empty() || !rng.chance(30, 100)) break;
          const std::size_t i = pick(streams.size());
          for (const JobId id : streams[i].alive) {
            ids.disown(id);
            others.push_back(id);
          }
          ids.unreserve(streams[i].reserved);
          streams.erase(streams.begin() + static_cast<std::ptrdiff_t>(i));
          break;
        }
      }
      ASSERT_LE(ids.unreserved_free_count(), ids.free_count());
    }
  }
}

TEST(Task, FramesAliveAtOnce) {
  Task task;
  task.kind = JobKind::kFirm;
  task.min_inter_arrival = 33ms;
  task.relative_deadline = 25ms;
  task.release_jitter_max = 3ms;
  EXPECT_EQ(frames_alive_max(task), 3u);
  task.relative_deadline = 100ms;
  EXPECT_EQ(frames_alive_max(task), 6u);
  task.frame_count = 2;
  EXPECT_EQ(frames_alive_max(task), 2u);
  task.frame_count.reset();
  task.relative_deadline = task.release_jitter_max = Duration::max();
  task.min_inter_arrival = 1ns;
  EXPECT_EQ(frames_alive_max(task), kStreamFramesMax);
  task.kind = JobKind::kBestEffort;
  EXPECT_EQ(frames_alive_max(task), 0u);
}

TEST(JobId, ReleasingTooManyIsABug) {
  JobIdAllocator ids(1);
  EXPECT_DEATH(ids.release(make_job_id(1, 0)), "check failed");
}

TEST(JobId, SlotUsesTwentyBits) {
  EXPECT_EQ(slot(make_job_id(5, kJobSlotMask)), kJobSlotMask);
  EXPECT_EQ(static_cast<std::uint64_t>(make_job_id(5, 0)), 5u << kJobSlotBits);
}

TEST(Event, TiesAreFinishCancelOthersReleaseTimer) {
  EXPECT_LT(tie_rank(BatchFinished{}), tie_rank(JobCancelled{}));
  EXPECT_EQ(tie_rank(BatchFinished{}), tie_rank(SegmentFinished{}));
  EXPECT_LT(tie_rank(JobCancelled{}), tie_rank(PlanReady{}));
  EXPECT_LT(tie_rank(PlanReady{}), tie_rank(JobReleased{}));
  EXPECT_LT(tie_rank(JobReleased{}), tie_rank(TimerFired{}));
}

SystemModel two_stage_system() {
  SystemModel system;
  Model model;
  model.name = "net";
  model.variants.push_back({"full", {}});
  system.catalog.add_model(std::move(model), {2}, 8);
  system.table.set(CategoryId{0}, 1, taking(1ms));
  system.table.set(CategoryId{0}, 16, taking(9ms));
  system.table.overheads.dispatch = 10us;
  system.table.set_segment(ModelId{0}, SegmentKind::kPreprocess, taking(100us));
  system.table.set_segment(ModelId{0}, SegmentKind::kPostprocess, taking(7us));
  system.executors.push_back({"cpu0", ExecutorKind::kCpu, true, true});
  return system;
}

TEST(SystemModel, PlannedTimeAddsDispatchDecodingAndPostprocessing) {
  const SystemModel system = two_stage_system();
  EXPECT_EQ(system.planned(CategoryId{0}, 1, 0), 1ms + 10us + 7us);
  EXPECT_EQ(system.planned(CategoryId{0}, 4, 3), 9ms + 10us + 300us + 28us);
  EXPECT_EQ(system.planned(CategoryId{1}, 1, 1), 0ns);  // never measured
}

TEST(SystemModel, BatchCapIsTheLeastOfGraphLimitAndTable) {
  SystemModel system = two_stage_system();
  EXPECT_EQ(system.batch_size_max(CategoryId{0}), 8u);  // the graph's, although the table goes to 16
  EXPECT_EQ(system.batch_size_max(CategoryId{1}), 1u);  // unmeasured work runs alone
  system.limits.batch_size_max = 5;
  EXPECT_EQ(system.batch_size_max(CategoryId{0}), 5u);
}

TEST(SystemModel, DecodesInlineUnlessAnExecutorIsSetApart) {
  SystemModel system = two_stage_system();
  EXPECT_TRUE(system.preprocesses_inline());
  system.executors.push_back({"cpu1", ExecutorKind::kCpu, false, true});
  EXPECT_FALSE(system.preprocesses_inline());
}

TEST(Catalog, FindsWhatItNames) {
  const SystemModel system = two_stage_system();
  EXPECT_EQ(system.catalog.category_name(CategoryId{1}), "net/full/1");
  EXPECT_EQ(system.catalog.find_category("net/full/1"), CategoryId{1});
  EXPECT_EQ(system.catalog.find_category("net/full/2"), std::nullopt);
  EXPECT_EQ(system.catalog.find_model("net"), ModelId{0});
  EXPECT_EQ(system.catalog.find_model("nets"), std::nullopt);
  EXPECT_EQ(system.catalog.stage_count(ModelId{0}, 0), 2u);
}

TEST(Names, AreDistinctAndKnown) {
  std::set<std::string> reasons;
  for (int i = 0; i < kReasonCount; ++i) reasons.insert(name(static_cast<Reason>(i)));
  EXPECT_EQ(reasons.size(), static_cast<std::size_t>(kReasonCount));
  EXPECT_FALSE(reasons.contains("unknown"));
  std::set<std::string> outcomes;
  for (int i = 0; i < kOutcomeCount; ++i) outcomes.insert(name(static_cast<Outcome>(i)));
  EXPECT_EQ(outcomes.size(), static_cast<std::size_t>(kOutcomeCount));
  EXPECT_FALSE(outcomes.contains("unknown"));
}

TEST(Job, WithoutDeadlineComesAfterAllOthers) {
  Job job;
  EXPECT_EQ(job.deadline_key(), Instant::latest());
  job.absolute_deadline = Instant::from_start(1ms);
  EXPECT_EQ(job.deadline_key(), Instant::from_start(1ms));
}

TEST(CommandBuffer, HoldsTheWorstEventAndNoMore) {
  const Limits limits{4, 1, 0, 0};
  CommandBuffer commands(limits);
  for (std::size_t i = 0; i < 2 * 4 + 64; ++i) commands.push(ForgetJob{});
  EXPECT_EQ(commands.size(), 72u);
  EXPECT_DEATH(commands.push(ForgetJob{}), "check failed");
  commands.clear();
  EXPECT_TRUE(commands.empty());
}

}  // namespace
}  // namespace laxity
