// After start() neither executors nor whoever holds the strand allocate: every operator new of the process is
// counted while jobs with stages, deadlines and cancels go through. A program of its own: it replaces
// operator new.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "live/live_runner.h"
#include "tests/counting_new.h"
#include "tests/live_fixture.h"
#include "trace/jsonl_sink.h"

namespace laxity {
namespace {

/// Counts outcomes and keeps nothing. Slots come back through a flag each.
class CountingStore final : public JobStore {
 public:
  explicit CountingStore(std::size_t slot_count) : is_free_(slot_count) {
    for (std::atomic<bool>& flag : is_free_) flag.store(true);
    inputs_[0] = std::as_bytes(std::span(values_));
  }
  bool take(std::size_t slot) { return is_free_[slot].exchange(false); }
  void put_back(JobId job) { is_free_[slot(job)].store(true); }
  std::size_t settled() const { return settled_.load(); }

  std::span<const ConstJobBytes> inputs(JobId) override { return inputs_; }
  JobBytes output(JobId, std::size_t) override { return std::as_writable_bytes(std::span(result_)); }
  void note_error(JobId, std::string_view) override {}
  void settle(const SettleJob& command) override {
    if (command.is_last) put_back(command.job);
    settled_.fetch_add(1);
  }
  void forget(JobId job) override { put_back(job); }
  void answer_task(const AnswerTask&) override {}

 private:
  alignas(16) std::array<float, testing::kToyWidth> values_{};
  alignas(16) std::array<float, testing::kToyWidth> result_{};
  std::array<ConstJobBytes, 1> inputs_{};
  std::vector<std::atomic<bool>> is_free_;
  std::atomic<std::size_t> settled_{0};
};

/// Releases `count` jobs, waiting for slots.
void drive(LiveRunner& runner, CountingStore& store, std::size_t slot_count, std::uint64_t& sequence,
           std::size_t count) {
  Rng rng(1);
  std::size_t accepted = 0;
  while (accepted < count) {
    const auto place = static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(slot_count) - 1));
    if (!store.take(place)) {
      std::this_thread::yield();
      continue;
    }
    Job job;
    job.id = make_job_id(++sequence, place);
    job.model = static_cast<ModelId>(rng.uniform(0, 1));
    job.kind = static_cast<JobKind>(rng.uniform(0, 2));
    job.release = runner.now();
    if (job.kind != JobKind::kBestEffort)
      job.absolute_deadline = job.release + Duration(rng.uniform(0, 5'000'000));
    if (!runner.post(JobReleased{job}, rng.chance(1, 2))) {
      store.put_back(job.id);
      continue;
    }
    ++accepted;
    if (rng.chance(1, 4)) (void)runner.post(JobCancelled{job.id});
  }
}

void wait_for(const CountingStore& store, std::size_t count) {
  while (store.settled() < count) std::this_thread::yield();
}

class NoAllocation : public ::testing::TestWithParam<const char*> {};

TEST_P(NoAllocation, OfExecutorsAndStrand) {
  const testing::ToySystem toy = testing::toy_system({{"a", 3}, {"b", 1}}, 2, 20us);
  const std::size_t slot_count = toy.system.limits.queue_length_max;
  testing::ToyEngine engine;
  CountingStore store(slot_count);
  LiveOptions options;
  options.pin_threads = false;
  const std::vector<Engine*> engines(2, &engine);
  auto runner =
      LiveRunner::start(options, toy.system, make_policy(GetParam(), {}).value(), toy.models, engines, store)
          .value();
  std::uint64_t sequence = 0;
  drive(*runner, store, slot_count, sequence, 100);  // threads have started, first uses are over
  wait_for(store, 100);
  const std::size_t before = allocation_count.load();
  drive(*runner, store, slot_count, sequence, 1'000);
  wait_for(store, 1'100);
  EXPECT_EQ(allocation_count.load() - before, 0U);
  runner.reset();
  EXPECT_EQ(store.settled(), 1'100U);
}

INSTANTIATE_TEST_SUITE_P(Policies, NoAllocation, ::testing::Values("fifo", "edf", "deeprt"),
                         [](const auto& policy) { return std::string(policy.param); });

TEST(NoAllocationTrace, OfRecording) {
  TraceHeader header;
  header.driver = "live";
  header.system = testing::toy_system({{"a"}}, 1, 1ms).system;
  JsonlSinkOptions options;
  options.path = "/dev/null";
  auto sink = JsonlSink::open(options, header).value();
  CommandBuffer commands(header.system.limits);
  StartBatch start;
  for (std::uint64_t n = 0; n < kBatchSizeMax; ++n) start.jobs.push_back(static_cast<JobId>(n));
  commands.push(start);
  commands.push(SettleJob{});
  const std::size_t before = allocation_count.load();
  for (int i = 0; i < 1'000; ++i) sink->record(Instant::from_start(Duration(i)), JobReleased{}, commands);
  EXPECT_EQ(allocation_count.load() - before, 0U);
  EXPECT_EQ(sink->close().recorded, 1'000U);
}

}  // namespace
}  // namespace laxity
