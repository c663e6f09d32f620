#include "live/live_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/rng.h"
#include "tests/live_fixture.h"

namespace laxity {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ToyEngine;
using testing::ToyStore;
using testing::ToySystem;

// Deadlines that no scheduling delay of a loaded test machine reaches, where the test is not about deadlines.
constexpr Duration kFarDeadline = 600s;

class LiveRunnerTest : public ::testing::Test {
 protected:
  void start(const ToySystem& toy, const char* policy = "edf") {
    models = toy.models;
    store = std::make_unique<ToyStore>(toy.system.limits.queue_length_max);
    options.pin_threads = false;
    options.scheduler.audit = true;
    const std::vector<Engine*> engines(toy.system.executors.size(), &engine);
    auto started =
        LiveRunner::start(options, toy.system, make_policy(policy, {}).value(), models, engines, *store);
    ASSERT_TRUE(started) << started.error().message;
    runner = std::move(started).value();
  }

  std::optional<JobId> release(float value, std::uint32_t model = 0, bool may_run_inline = false) {
    const auto id = store->add(value);
    if (!id) return std::nullopt;
    Job job;
    job.id = *id;
    job.model = static_cast<ModelId>(model);
    job.kind = JobKind::kFirm;
    job.release = runner->now();
    job.absolute_deadline = job.release + kFarDeadline;
    if (runner->post(JobReleased{job}, may_run_inline)) return id;
    store->take_back(*id);
    return std::nullopt;
  }

  LiveOptions options;
  ToyEngine engine;
  std::vector<LoadedModel> models;
  std::unique_ptr<ToyStore> store;
  std::unique_ptr<LiveRunner> runner;
};

TEST_F(LiveRunnerTest, OneJob_IsAnsweredWithItsOutput) {
  start(testing::toy_system({{"a"}}, 1, 1ms));
  const JobId id = release(41).value();
  store->wait_settled(1);
  EXPECT_EQ(store->settled()[0].outcome, Outcome::kOnTime);
  EXPECT_EQ(store->settled()[0].exit_count, 1U);
  EXPECT_FLOAT_EQ(store->answer(id), 42);
}

TEST_F(LiveRunnerTest, Stages_PassTheirFeaturesOn) {
  start(testing::toy_system({{"a", 3}}, 1, 1ms));
  const JobId id = release(10).value();
  store->wait_settled(1);
  EXPECT_EQ(store->settled()[0].exit_count, 3U);
  EXPECT_FLOAT_EQ(store->answer(id), 13);
}

TEST_F(LiveRunnerTest, JobsOfOneBatch_KeepTheirOwnValues) {
  start(testing::toy_system({{"a", 2}, {"b", 1}}, 1, 1ms), "fifo");
  engine.gate.close();
  (void)release(0, 1);
  engine.gate.wait_for_run();
  std::vector<JobId> ids;
  for (int i = 0; i < 9; ++i) ids.push_back(release(static_cast<float>(i * 10)).value());
  engine.gate.open();
  store->wait_settled(10);
  for (std::size_t i = 0; i < ids.size(); ++i)
    EXPECT_FLOAT_EQ(store->answer(ids[i]), static_cast<float>(i * 10 + 2));
}

TEST_F(LiveRunnerTest, ShortBatchOfTheOnlyJob_RunsOnThePoster) {
  start(testing::toy_system({{"a", 3}}, 1, 10us));
  const JobId id = release(1, 0, true).value();
  // No waiting: everything has happened inside post().
  ASSERT_EQ(store->settled().size(), 1U);
  EXPECT_FLOAT_EQ(store->answer(id), 4);
  EXPECT_EQ(runner->state().inline_batches, 3U);
}

TEST_F(LiveRunnerTest, LongBatch_IsNotRunOnThePoster) {
  start(testing::toy_system({{"a"}}, 1, 10ms));
  engine.gate.close();
  (void)release(1, 0, true);  // would never return
  engine.gate.open();
  store->wait_settled(1);
  EXPECT_EQ(runner->state().inline_batches, 0U);
}

TEST_F(LiveRunnerTest, EngineFailure_FailsItsJobsWithItsWords) {
  start(testing::toy_system({{"a"}}, 1, 1ms));
  const JobId bad = release(testing::kToyFailure - 1).value();
  store->wait_settled(1);
  EXPECT_EQ(store->settled()[0].outcome, Outcome::kFailed);
  EXPECT_EQ(store->settled()[0].reason, Reason::kEngineFailed);
  EXPECT_EQ(store->error(bad), "toy failure");
  const JobId good = release(1).value();
  store->wait_settled(2);
  EXPECT_FLOAT_EQ(store->answer(good), 2);
}

TEST_F(LiveRunnerTest, CorruptPicture_FailsAloneInItsBatch) {
  ToySystem toy = testing::toy_system({{"a", 2, 1, true}, {"b", 1}}, 1, 1ms);
  start(toy, "fifo");
  engine.gate.close();
  (void)release(0, 1);
  engine.gate.wait_for_run();
  const std::string text = "not a picture";
  Job job;
  job.id = store->add_encoded(std::as_bytes(std::span(text))).value();
  job.kind = JobKind::kFirm;
  job.release = runner->now();
  job.absolute_deadline = job.release + kFarDeadline;
  job.needs_preprocess = true;
  ASSERT_TRUE(runner->post(JobReleased{job}));
  const JobId neighbour = release(5).value();
  engine.gate.open();
  store->wait_settled(3);
  EXPECT_FLOAT_EQ(store->answer(neighbour), 7);
  EXPECT_THAT(store->error(job.id), ::testing::Not(IsEmpty()));
  for (const SettleJob& settled : store->settled()) {
    if (settled.job == job.id) {
      EXPECT_EQ(settled.outcome, Outcome::kFailed);
      EXPECT_EQ(settled.reason, Reason::kPreprocessFailed);
    }
  }
}

TEST_F(LiveRunnerTest, CorruptPicturesOnly_RunNothing) {
  start(testing::toy_system({{"a", 1, 1, true}}, 1, 1ms));
  engine.gate.close();  // a run would hang the test
  const std::string text = "not a picture";
  Job job;
  job.id = store->add_encoded(std::as_bytes(std::span(text))).value();
  job.needs_preprocess = true;
  ASSERT_TRUE(runner->post(JobReleased{job}));
  store->wait_settled(1);
  EXPECT_EQ(store->settled()[0].reason, Reason::kPreprocessFailed);
  engine.gate.open();
}

TEST_F(LiveRunnerTest, SegmentExecutor_DecodesApart) {
  ToySystem toy = testing::toy_system({{"a", 1, 1, true}}, 1, 1ms);
  toy.system.executors.push_back({"segments", ExecutorKind::kCpu, false, true});
  start(toy);
  const std::string text = "not a picture";
  Job job;
  job.id = store->add_encoded(std::as_bytes(std::span(text))).value();
  job.needs_preprocess = true;
  ASSERT_TRUE(runner->post(JobReleased{job}));
  store->wait_settled(1);
  EXPECT_EQ(store->settled()[0].reason, Reason::kPreprocessFailed);
  EXPECT_EQ(runner->state().scheduler.batches, 0U);
}

TEST_F(LiveRunnerTest, CancelOfARunningJob_StopsTheEngine) {
  start(testing::toy_system({{"a"}}, 1, 1ms));
  engine.gate.close();
  const JobId id = release(1).value();
  engine.gate.wait_for_run();
  ASSERT_TRUE(runner->post(JobCancelled{id}));
  store->wait_settled(1);
  EXPECT_EQ(store->settled()[0].outcome, Outcome::kCancelled);
  EXPECT_FALSE(store->settled()[0].is_last);
  runner->stop(kFarDeadline);  // returns although the gate stays closed: the run was terminated
  EXPECT_THAT(store->forgotten(), Contains(id));
  EXPECT_EQ(store->free_count(), 64U);
}

TEST_F(LiveRunnerTest, FullQueue_RefusesAndTheRestIsServed) {
  options.event_queue_length_max = 2;
  start(testing::toy_system({{"a"}}, 1, 1ms), "fifo");
  std::vector<std::thread> posters;
  std::atomic<std::size_t> accepted{0}, refused{0};
  for (int t = 0; t < 4; ++t) {
    posters.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const auto id = store->add(1);
        if (!id) continue;
        Job job;
        job.id = *id;
        job.release = runner->now();
        if (runner->post(JobReleased{job})) {
          ++accepted;
        } else {
          ++refused;
          store->take_back(*id);
        }
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  runner->stop(kFarDeadline);
  EXPECT_EQ(store->settled().size(), accepted.load());
  EXPECT_EQ(runner->state().refused, refused.load());
  EXPECT_EQ(store->free_count(), 64U);
}

TEST_F(LiveRunnerTest, Stop_FinishesWhatHasAChance) {
  start(testing::toy_system({{"a"}}, 1, 1ms));
  engine.gate.close();
  (void)release(1);
  engine.gate.wait_for_run();
  (void)release(2);
  std::thread opener([&] { engine.gate.open(); });
  runner->stop(kFarDeadline);
  opener.join();
  ASSERT_EQ(store->settled().size(), 2U);
  for (const SettleJob& settled : store->settled()) EXPECT_EQ(settled.outcome, Outcome::kOnTime);
  EXPECT_FALSE(release(3).has_value());
}

TEST_F(LiveRunnerTest, StopWithoutGrace_SettlesEveryJob) {
  start(testing::toy_system({{"a"}}, 1, 1ms));
  engine.gate.close();
  (void)release(1);
  engine.gate.wait_for_run();
  for (int i = 0; i < 5; ++i) (void)release(2);
  runner->stop(0s);
  EXPECT_EQ(store->settled().size(), 6U);
  EXPECT_EQ(store->free_count(), 64U);
}

TEST_F(LiveRunnerTest, ReplaceTable_IsUsedAndBounded) {
  ToySystem toy = testing::toy_system({{"a"}}, 1, 10ms, 2);
  toy.system.limits.batch_size_max = 8;
  toy.system.catalog.categories[0].batch_size_max = 8;
  start(toy);
  LatencyTable table = toy.system.table;
  table.set(CategoryId{0}, 1, {10us, 10us, 10us, 10us, 1});
  ASSERT_TRUE(runner->replace_table(table));
  (void)release(1, 0, true);
  EXPECT_EQ(store->settled().size(), 1U) << "the new time is short enough to run on the poster";
  table.set(CategoryId{0}, 4, {10us, 10us, 10us, 10us, 1});
  const Status refused = runner->replace_table(table);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("at most 2"));
}

TEST_F(LiveRunnerTest, State_ShowsWhatRunsAndWaits) {
  start(testing::toy_system({{"a", 2}}, 1, 1ms, 1));
  engine.gate.close();
  (void)release(1);
  engine.gate.wait_for_run();
  (void)release(2);
  const LiveState state = runner->state();
  EXPECT_EQ(state.policy, "edf");
  EXPECT_EQ(state.job_count, 2U);
  EXPECT_EQ(state.ready, (std::vector<std::size_t>{1, 0}));
  ASSERT_EQ(state.executors.size(), 1U);
  EXPECT_EQ(state.executors[0].category, CategoryId{0});
  EXPECT_EQ(state.executors[0].job_count, 1U);
  engine.gate.open();
}

TEST_F(LiveRunnerTest, UnknownCore_IsRefused) {
  const ToySystem toy = testing::toy_system({{"a"}}, 1, 1ms);
  ToyStore other(64);
  Engine* engines[] = {&engine};
  options.executor_cores = {{100000}};
  const auto started =
      LiveRunner::start(options, toy.system, make_policy("edf", {}).value(), toy.models, engines, other);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, HasSubstr("found 100000"));
}

// Every accepted job ends exactly once, whatever crosses what; the audit watches the books meanwhile.
TEST_F(LiveRunnerTest, ManyPostersAndCancels_SettleEveryJobOnce) {
  start(testing::toy_system({{"a", 3}, {"b", 1}}, 2, 20us));
  std::atomic<std::size_t> accepted{0};
  std::vector<std::thread> posters;
  for (std::uint64_t t = 0; t < 3; ++t) {
    posters.emplace_back([&, t] {
      Rng rng(t + 1);
      for (int i = 0; i < 2000; ++i) {
        const auto id = release(1, static_cast<std::uint32_t>(rng.uniform(0, 1)), rng.chance(1, 2));
        if (!id) continue;
        ++accepted;
        if (rng.chance(1, 3)) (void)runner->post(JobCancelled{*id}, rng.chance(1, 2));
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  runner->stop(kFarDeadline);
  std::vector<SettleJob> settled = store->settled();
  EXPECT_EQ(settled.size(), accepted.load());
  std::sort(settled.begin(), settled.end(),
            [](const SettleJob& a, const SettleJob& b) { return a.job < b.job; });
  const auto twice = std::adjacent_find(
      settled.begin(), settled.end(), [](const SettleJob& a, const SettleJob& b) { return a.job == b.job; });
  EXPECT_EQ(twice, settled.end());
  EXPECT_EQ(store->free_count(), 64U);
}

}  // namespace
}  // namespace laxity
