#include "sim/virtual_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/registry.h"

namespace laxity {
namespace {

using ::testing::ElementsAre;

/// Starts jobs one by one, but only after a plan that it asks for with the first of them has come back.
class WaitsForPlan final : public Policy {
 public:
  std::string_view name() const noexcept override { return "waits-for-plan"; }
  PolicyTraits traits() const noexcept override { return {false, false, false}; }
  void attach(const Books&) override {}
  void job_ready(JobIndex job, Instant) override { waiting_.push_back(job); }
  void job_gone(JobIndex, Instant) override {}
  Decision decide(ExecutorId, Instant) override {
    Decision decision;
    if (!has_plan_ || waiting_.empty()) return decision;
    decision.kind = Decision::Kind::kStart;
    decision.jobs.push_back(waiting_.front());
    waiting_.erase(waiting_.begin());
    return decision;
  }
  std::optional<std::uint64_t> request_plan(Instant) override {
    if (has_asked_ || waiting_.empty()) return std::nullopt;
    has_asked_ = true;
    return 7;
  }
  std::uint64_t compute_plan(std::uint64_t node_budget) override { return 100 + node_budget; }
  void plan_ready(Instant) override { has_plan_ = true; }

 private:
  std::vector<JobIndex> waiting_;
  bool has_asked_ = false;
  bool has_plan_ = false;
};

/// Releases one job at each of the given instants; every batch takes 2 ms and 100 us of hand-over.
class Releases final : public World {
 public:
  explicit Releases(std::vector<Duration> times) : times_(std::move(times)) {}

  std::optional<Instant> next_release() const override {
    if (next_ == times_.size()) return std::nullopt;
    return Instant::from_start(times_[next_]);
  }
  bool take_release(Instant now, Event& event) override {
    Job job;
    job.id = make_job_id(next_ + 1, next_);
    job.release = now;
    ++next_;
    event.emplace<JobReleased>(JobReleased{job});
    return true;
  }
  bool due(Instant, std::uint32_t, Event&) override { return false; }
  WorkTime batch_time(Instant, const StartBatch&, Duration idle) override {
    idle_times.push_back(idle);
    return {2ms, 100us};
  }
  WorkTime segment_time(Instant, const StartSegment&) override { return {1ms, 0ns}; }
  bool segment_succeeds(JobId) override { return true; }
  void fill_result(CategoryId, const FixedVector<JobId, kBatchSizeMax>& jobs,
                   BatchFinished& finished) override {
    execution_times.push_back(finished.execution_time);
    for (std::size_t i = 0; i < jobs.size(); ++i) finished.confidences.push_back(1);
  }
  Duration plan_delay() override { return 5ms; }
  void decided(Instant now, const CommandBuffer& commands) override {
    for (const Command& command : commands) {
      if (std::holds_alternative<StartBatch>(command)) starts.push_back(now.since_start());
      if (std::holds_alternative<SettleJob>(command)) finishes.push_back(now.since_start());
    }
  }

  std::vector<Duration> starts, finishes, idle_times, execution_times;

 private:
  std::vector<Duration> times_;
  std::size_t next_ = 0;
};

SystemModel one_executor() {
  SystemModel system;
  Model model;
  model.name = "m";
  model.variants.push_back({"full", {}});
  system.catalog.add_model(std::move(model), {1}, 1);
  system.table.set(CategoryId{0}, 1, {2ms, 2ms, 2ms, 2ms, 1});
  system.executors.push_back({"cpu0", ExecutorKind::kCpu, true, true});
  return system;
}

TEST(VirtualLoop, APlanArrivesAfterItsDelay) {
  Releases world({1ms, 2ms});
  VirtualLoop loop(one_executor(), std::make_unique<WaitsForPlan>(), world, {.audit = true});
  loop.run();
  EXPECT_THAT(world.starts, ElementsAre(6ms, 8100us));  // asked for at 1 ms, ready 5 ms later
  EXPECT_THAT(world.finishes, ElementsAre(8100us, 10200us));
}

TEST(VirtualLoop, HandOverCountsAsBusyButNotAsExecution) {
  Releases world({0ms, 10ms});
  VirtualLoop loop(one_executor(), make_policy("fifo", {}).value(), world, {.audit = true});
  loop.run();
  EXPECT_THAT(world.execution_times, ElementsAre(2ms, 2ms));
  EXPECT_EQ(loop.busy_time(), 4200us);
  EXPECT_THAT(world.idle_times, ElementsAre(0ms, 7900us));
  EXPECT_EQ(loop.now(), Instant::from_start(12100us));
}

TEST(VirtualLoop, TheTraceHoldsThePlansHash) {
  class Sink final : public TraceSink {
   public:
    void record(Instant, const Event& event, const CommandBuffer&) noexcept override {
      if (const auto* ready = std::get_if<PlanReady>(&event)) hash = ready->hash;
    }
    std::uint64_t hash = 0;
  };
  Sink sink;
  Releases world({0ms});
  VirtualLoop loop(one_executor(), std::make_unique<WaitsForPlan>(), world, {.trace = &sink});
  loop.run();
  EXPECT_EQ(sink.hash, 107u);
}

}  // namespace
}  // namespace laxity
