// One suite over both drivers: what a scheduler is told and what its commands come to is the same in virtual
// and in real time. Scripts say who comes, who goes and when executors are held back; no test depends on how
// fast things are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "live/live_runner.h"
#include "policy/registry.h"
#include "sim/virtual_loop.h"
#include "tests/live_fixture.h"

namespace laxity {
namespace {

using ::testing::ElementsAre;
using testing::ToyEngine;
using testing::ToyStore;
using testing::ToySystem;

constexpr Duration kFar = 600s;

struct Step {
  enum class Kind {
    kRelease,       ///< `job` comes, with relative deadline `deadline` (none: best-effort).
    kCancel,        ///< `job`'s client goes.
    kHold,          ///< From now on `count` more batches pass, later ones wait inside the engine.
    kLetGo,         ///< Held batches go on.
    kAwaitHeld,     ///< Until a batch waits inside the engine.
    kAwaitSettled,  ///< Until `count` jobs are settled.
    kShutdown,      ///< The last step: nothing new; finish what has a chance.
  };
  Kind kind;
  std::size_t job = 0;
  std::uint32_t model = 0;
  std::optional<Duration> deadline;
  JobKind job_kind = JobKind::kFirm;
  std::size_t count = 0;
};

Step release(std::size_t job, std::optional<Duration> deadline, std::uint32_t model = 0,
             JobKind kind = JobKind::kFirm) {
  return {Step::Kind::kRelease, job, model, deadline, deadline ? kind : JobKind::kBestEffort, 0};
}
Step cancel(std::size_t job) { return {Step::Kind::kCancel, job, 0, {}, {}, 0}; }
Step hold_after(std::size_t batch_count) { return {Step::Kind::kHold, 0, 0, {}, {}, batch_count}; }
Step let_go() { return {Step::Kind::kLetGo, 0, 0, {}, {}, 0}; }
Step await_held() { return {Step::Kind::kAwaitHeld, 0, 0, {}, {}, 0}; }
Step await_settled(std::size_t count) { return {Step::Kind::kAwaitSettled, 0, 0, {}, {}, count}; }
Step shutdown() { return {Step::Kind::kShutdown, 0, 0, {}, {}, 0}; }

/// What a script came to. Jobs by their number in the script.
struct Told {
  std::map<std::size_t, std::vector<SettleJob>> settled;
  std::vector<std::size_t> forgotten;
  std::vector<std::vector<std::size_t>> batches;  ///< In order of start.
  std::size_t terminated_count = 0;

  const SettleJob& outcome_of(std::size_t job) { return settled.at(job).front(); }
};

/// Commands to what they came to, for either driver.
class Listener {
 public:
  void name(JobId id, std::size_t job) { names_[id] = job; }
  void hear(const Command& command) {
    if (const auto* settle = std::get_if<SettleJob>(&command)) {
      told.settled[names_.at(settle->job)].push_back(*settle);
    } else if (const auto* forget = std::get_if<ForgetJob>(&command)) {
      told.forgotten.push_back(names_.at(forget->job));
    } else if (const auto* start = std::get_if<StartBatch>(&command)) {
      std::vector<std::size_t>& jobs = told.batches.emplace_back();
      for (const JobId id : start->jobs) jobs.push_back(names_.at(id));
    } else if (std::holds_alternative<TerminateBatch>(command)) {
      ++told.terminated_count;
    }
  }
  Told told;

 private:
  std::map<JobId, std::size_t> names_;
};

/// Steps come a millisecond apart; waiting for outcomes takes as long as any deadline in these tests.
class SimDriver final : public World {
 public:
  static Told run(const ToySystem& toy, const std::string& policy, const std::vector<Step>& script) {
    SimDriver self(toy, script);
    VirtualLoop::Options options;
    options.audit = true;
    VirtualLoop loop(toy.system, make_policy(policy, {}).value(), self, options);
    for (std::size_t i = 0; i < script.size(); ++i) loop.at(self.times_[i], 3, static_cast<std::uint32_t>(i));
    loop.run();
    return self.listener_.told;
  }

  std::optional<Instant> next_release() const override { return std::nullopt; }
  bool take_release(Instant, Event&) override { return false; }
  bool due(Instant now, std::uint32_t token, Event& event) override {
    const Step& step = script_[token];
    switch (step.kind) {
      case Step::Kind::kRelease: {
        Job job;
        job.id = make_job_id(step.job + 1, step.job);
        job.model = static_cast<ModelId>(step.model);
        job.kind = step.job_kind;
        job.release = now;
        if (step.deadline) job.absolute_deadline = now + *step.deadline;
        listener_.name(job.id, step.job);
        event = JobReleased{job};
        return true;
      }
      case Step::Kind::kCancel:
        event = JobCancelled{make_job_id(step.job + 1, step.job)};
        return true;
      case Step::Kind::kShutdown:
        event = ShutdownStarted{};
        return true;
      case Step::Kind::kHold:
        passes_ = step.count;
        return false;
      case Step::Kind::kLetGo:
        passes_.reset();
        return false;
      default:
        return false;
    }
  }
  WorkTime batch_time(Instant now, const StartBatch& batch, Duration) override {
    if (passes_ && *passes_ == 0) return {next_let_go(now) - now + batch.planned, 0ns};
    if (passes_) --*passes_;
    return {batch.planned, 0ns};
  }
  WorkTime segment_time(Instant, const StartSegment&) override { return {1us, 0ns}; }
  bool segment_succeeds(JobId) override { return true; }
  void fill_result(CategoryId, const FixedVector<JobId, kBatchSizeMax>& jobs,
                   BatchFinished& finished) override {
    finished.status = BatchStatus::kSucceeded;
    for (std::size_t i = 0; i < jobs.size(); ++i) finished.confidences.push_back(65535);
  }
  Duration plan_delay() override { return 1us; }
  void decided(Instant, const CommandBuffer& commands) override {
    for (const Command& command : commands) listener_.hear(command);
  }

 private:
  SimDriver(const ToySystem&, const std::vector<Step>& script) : script_(script) {
    Instant at;
    for (const Step& step : script) {
      times_.push_back(at);
      at = at + (step.kind == Step::Kind::kAwaitSettled ? 100s : 1ms);
    }
  }
  Instant next_let_go(Instant now) const {
    for (std::size_t i = 0; i < script_.size(); ++i) {
      if (script_[i].kind == Step::Kind::kLetGo && times_[i] >= now) return times_[i];
    }
    return now + kFar;  // never: the run ends by terminating it
  }

  const std::vector<Step>& script_;
  std::vector<Instant> times_;
  std::optional<std::size_t> passes_;
  Listener listener_;
};

/// Real threads; every wait is for an event.
class LiveDriver {
 public:
  static Told run(const ToySystem& toy, const std::string& policy, const std::vector<Step>& script) {
    Recorder recorder;
    ToyEngine engine;
    ToyStore store(toy.system.limits.queue_length_max);
    LiveOptions options;
    options.pin_threads = false;
    options.scheduler.audit = true;
    const std::vector<Engine*> engines(toy.system.executors.size(), &engine);
    auto runner = LiveRunner::start(options, toy.system, make_policy(policy, {}).value(), toy.models, engines,
                                    store, &recorder)
                      .value();
    std::map<std::size_t, JobId> ids;
    for (const Step& step : script) {
      switch (step.kind) {
        case Step::Kind::kRelease: {
          Job job;
          job.id = store.add(1).value();
          job.model = static_cast<ModelId>(step.model);
          job.kind = step.job_kind;
          job.release = runner->now();
          if (step.deadline) job.absolute_deadline = job.release + *step.deadline;
          ids[step.job] = job.id;
          recorder.name(job.id, step.job);
          EXPECT_TRUE(runner->post(JobReleased{job}));
          break;
        }
        case Step::Kind::kCancel:
          EXPECT_TRUE(runner->post(JobCancelled{ids.at(step.job)}));
          break;
        case Step::Kind::kHold:
          engine.gate.close_after(static_cast<int>(step.count));
          break;
        case Step::Kind::kLetGo:
          engine.gate.open();
          break;
        case Step::Kind::kAwaitHeld:
          engine.gate.wait_for_run();
          break;
        case Step::Kind::kAwaitSettled:
          store.wait_settled(step.count);
          break;
        case Step::Kind::kShutdown:
          runner->stop(kFar);
          break;
      }
    }
    runner->stop(kFar);
    runner.reset();
    EXPECT_EQ(store.free_count(), toy.system.limits.queue_length_max) << "a slot was not given back";
    return recorder.told();
  }

 private:
  class Recorder final : public TraceSink {
   public:
    void name(JobId id, std::size_t job) {
      const std::lock_guard lock(mutex_);
      listener_.name(id, job);
    }
    void record(Instant, const Event&, const CommandBuffer& commands) noexcept override {
      const std::lock_guard lock(mutex_);
      for (const Command& command : commands) listener_.hear(command);
    }
    Told told() {
      const std::lock_guard lock(mutex_);
      return listener_.told;
    }

   private:
    std::mutex mutex_;
    Listener listener_;
  };
};

template <typename Driver>
class DriverContract : public ::testing::Test {
 protected:
  static Told run(const ToySystem& toy, const std::string& policy, const std::vector<Step>& script) {
    return Driver::run(toy, policy, script);
  }
  static void expect_one_outcome_each(const Told& told, std::size_t job_count) {
    EXPECT_EQ(told.settled.size(), job_count);
    for (const auto& [job, settles] : told.settled) {
      EXPECT_EQ(settles.size(), 1U) << "job " << job;
      const auto forgets = std::count(told.forgotten.begin(), told.forgotten.end(), job);
      EXPECT_EQ(forgets, settles.front().is_last ? 0 : 1) << "job " << job;
    }
  }
};

class DriverNames {
 public:
  template <typename Driver>
  static std::string GetName(int) {
    return std::is_same_v<Driver, SimDriver> ? "sim" : "live";
  }
};
using Drivers = ::testing::Types<SimDriver, LiveDriver>;
TYPED_TEST_SUITE(DriverContract, Drivers, DriverNames);

TYPED_TEST(DriverContract, OneJob_IsAnsweredOnTime) {
  Told told = this->run(testing::toy_system({{"a"}}, 1, 1us), "edf", {release(0, kFar)});
  this->expect_one_outcome_each(told, 1);
  EXPECT_EQ(told.outcome_of(0).outcome, Outcome::kOnTime);
  EXPECT_TRUE(told.outcome_of(0).is_last);
}

TYPED_TEST(DriverContract, EveryStageRuns) {
  Told told = this->run(testing::toy_system({{"a", 3}}, 1, 1us), "edf", {release(0, kFar)});
  EXPECT_THAT(told.batches, ElementsAre(ElementsAre(0U), ElementsAre(0U), ElementsAre(0U)));
  EXPECT_EQ(told.outcome_of(0).exit_count, 3U);
  EXPECT_EQ(told.outcome_of(0).confidence, 65535);
}

TYPED_TEST(DriverContract, Edf_StartsByDeadlineWhateverTheOrderOfRelease) {
  Told told = this->run(testing::toy_system({{"a"}}, 1, 1us, 1), "edf",
                        {hold_after(0), release(0, kFar), await_held(), release(1, kFar + 3s),
                         release(2, kFar + 1s), release(3, kFar + 2s), let_go()});
  EXPECT_THAT(told.batches, ElementsAre(ElementsAre(0U), ElementsAre(2U), ElementsAre(3U), ElementsAre(1U)));
  this->expect_one_outcome_each(told, 4);
}

TYPED_TEST(DriverContract, Fifo_StartsByReleaseWhateverTheDeadlines) {
  Told told = this->run(testing::toy_system({{"a"}}, 1, 1us, 1), "fifo",
                        {hold_after(0), release(0, kFar), await_held(), release(1, kFar + 3s),
                         release(2, kFar + 1s), release(3, kFar + 2s), let_go()});
  EXPECT_THAT(told.batches, ElementsAre(ElementsAre(0U), ElementsAre(1U), ElementsAre(2U), ElementsAre(3U)));
}

TYPED_TEST(DriverContract, TwoExecutors_RunTwoBatchesAtOnce) {
  Told told =
      this->run(testing::toy_system({{"a"}}, 2, 1us, 1), "edf",
                {hold_after(0), release(0, kFar), await_held(), release(1, kFar), await_held(), let_go()});
  EXPECT_EQ(told.batches.size(), 2U);
  this->expect_one_outcome_each(told, 2);
}

TYPED_TEST(DriverContract, CancelOfAWaitingJob_SettlesItAtOnce) {
  Told told = this->run(testing::toy_system({{"a"}}, 1, 1us, 1), "edf",
                        {hold_after(0), release(0, kFar), await_held(), release(1, kFar), cancel(1),
                         await_settled(1), let_go()});
  this->expect_one_outcome_each(told, 2);
  EXPECT_EQ(told.outcome_of(1).outcome, Outcome::kCancelled);
  EXPECT_TRUE(told.outcome_of(1).is_last);
  EXPECT_EQ(told.outcome_of(0).outcome, Outcome::kOnTime);
  EXPECT_THAT(told.batches, ElementsAre(ElementsAre(0U)));
}

TYPED_TEST(DriverContract, CancelOfARunningJob_TerminatesItsBatch) {
  Told told = this->run(testing::toy_system({{"a"}}, 1, 1us, 1), "edf",
                        {hold_after(0), release(0, kFar), await_held(), cancel(0), await_settled(1), let_go(),
                         release(1, kFar)});
  this->expect_one_outcome_each(told, 2);
  EXPECT_EQ(told.outcome_of(0).outcome, Outcome::kCancelled);
  EXPECT_FALSE(told.outcome_of(0).is_last);
  EXPECT_EQ(told.outcome_of(1).outcome, Outcome::kOnTime);
  EXPECT_THAT(told.forgotten, ElementsAre(0U));
  EXPECT_EQ(told.terminated_count, 1U);
}

TYPED_TEST(DriverContract, CancelThatCrossesTheAnswer_IsIgnored) {
  Told told =
      this->run(testing::toy_system({{"a"}}, 1, 1us), "edf", {release(0, kFar), await_settled(1), cancel(0)});
  this->expect_one_outcome_each(told, 1);
  EXPECT_EQ(told.outcome_of(0).outcome, Outcome::kOnTime);
}

TYPED_TEST(DriverContract, FirmJobBehindALongBatch_IsDroppedAtItsDeadline) {
  Told told =
      this->run(testing::toy_system({{"a"}}, 1, 1us, 1), "edf",
                {hold_after(0), release(0, kFar), await_held(), release(1, 5ms), await_settled(1), let_go()});
  this->expect_one_outcome_each(told, 2);
  EXPECT_EQ(told.outcome_of(1).outcome, Outcome::kDropped);
  EXPECT_EQ(told.outcome_of(0).outcome, Outcome::kOnTime);
}

TYPED_TEST(DriverContract, StagedJobAtItsDeadline_IsAnsweredWithTheExitItHas) {
  // The time a reply takes is also the room for a timer that comes late on a busy machine.
  ToySystem toy = testing::toy_system({{"a", 3, 1}}, 1, 1us);
  toy.system.table.overheads.reply_p99 = 60s;
  constexpr Duration kDeadline = 61s;
  Told told =
      this->run(toy, "edf", {hold_after(1), release(0, kDeadline), await_held(), await_settled(1), let_go()});
  this->expect_one_outcome_each(told, 1);
  EXPECT_EQ(told.outcome_of(0).outcome, Outcome::kOnTime);
  EXPECT_EQ(told.outcome_of(0).exit_count, 1U);
  EXPECT_FALSE(told.outcome_of(0).is_last);
  EXPECT_THAT(told.forgotten, ElementsAre(0U));
}

TYPED_TEST(DriverContract, DeadlineBlindPolicy_AnswersLate) {
  Told told =
      this->run(testing::toy_system({{"a"}}, 1, 1us, 1), "fifo",
                {hold_after(0), release(0, 1ns), await_held(), release(1, 1ns), let_go(), await_settled(2)});
  this->expect_one_outcome_each(told, 2);
  EXPECT_EQ(told.outcome_of(0).outcome, Outcome::kLate);
  EXPECT_EQ(told.outcome_of(1).outcome, Outcome::kLate);
}

TYPED_TEST(DriverContract, Shutdown_FinishesWhatHasAChanceAndTurnsAwayTheRest) {
  Told told = this->run(testing::toy_system({{"a"}}, 1, 1us, 1), "edf",
                        {hold_after(1), release(0, kFar), await_settled(1), release(1, kFar),
                         release(2, kFar), await_held(), let_go(), shutdown()});
  this->expect_one_outcome_each(told, 3);
  for (std::size_t job = 0; job < 3; ++job) EXPECT_EQ(told.outcome_of(job).outcome, Outcome::kOnTime) << job;
}

TYPED_TEST(DriverContract, ManyJobs_EndOnceEach) {
  std::vector<Step> script = {hold_after(3)};
  for (std::size_t job = 0; job < 40; ++job) {
    script.push_back(release(job, job % 5 == 0 ? std::nullopt : std::optional(kFar), job % 2 == 0 ? 0 : 1,
                             job % 3 == 0 ? JobKind::kSoft : JobKind::kFirm));
    if (job % 4 == 3) script.push_back(cancel(job - 2));
  }
  script.push_back(let_go());
  for (const char* policy : {"fifo", "edf", "batch"}) {
    Told told = this->run(testing::toy_system({{"a", 2}, {"b", 1}}, 2, 1us), policy, script);
    this->expect_one_outcome_each(told, 40);
  }
}

}  // namespace
}  // namespace laxity
