// A recorded run, live or simulated, fed to a fresh scheduler gives the same commands, byte for byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "cli/replay.h"
#include "live/live_runner.h"
#include "sim/simulator.h"
#include "tests/live_fixture.h"
#include "trace/jsonl_sink.h"

namespace laxity {
namespace {

using ::testing::HasSubstr;
using testing::ToyEngine;
using testing::ToyStore;
using testing::ToySystem;

class ReplayTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    for (char& c : name) c = c == '/' ? '_' : c;
    options.path =
        ::testing::TempDir() + "laxity_replay_" + std::to_string(::getpid()) + "_" + name + ".jsonl";
  }
  void TearDown() override { (void)::unlink(options.path.c_str()); }

  TraceHeader header_of(const char* driver, const ToySystem& toy, const std::string& policy) const {
    TraceHeader header;
    header.driver = driver;
    header.policy = policy;
    header.system = toy.system;
    return header;
  }

  // Real threads, random jobs with deadlines from hopeless to far, random cancels, a new table in between;
  // streams that ask, send in time or not, and leave.
  TraceCounters record_live(const std::string& policy, int job_count) {
    const ToySystem toy = testing::toy_system({{"a", 3}, {"b", 1}, {"c", 2, 2}}, 2, 30us);
    auto sink = JsonlSink::open(options, header_of("live", toy, policy)).value();
    ToyEngine engine;
    ToyStore store(toy.system.limits.queue_length_max);
    LiveOptions live;
    live.pin_threads = false;
    const std::vector<Engine*> engines(2, &engine);
    auto runner = LiveRunner::start(live, toy.system, make_policy(policy, {}).value(), toy.models, engines,
                                    store, sink.get())
                      .value();
    std::vector<std::thread> posters;
    for (std::uint64_t t = 0; t < 2; ++t) {
      posters.emplace_back([&, t] {
        Rng rng(t + 7);
        // Each poster has four of the eight places for streams; asked for by turns, each time by a new name.
        std::array<std::uint32_t, 4> generation{};
        std::array<bool, 4> is_open{};
        for (int released = 0; released < job_count;) {
          const auto place = static_cast<std::size_t>(rng.uniform(0, 3));
          const auto stream =
              static_cast<TaskId>(8 * generation[place] + 4 * static_cast<std::uint32_t>(t) + place);
          if (!is_open[place]) {
            is_open[place] = runner->post(TaskSubmitted{random_contract(rng, stream, runner->now())});
          } else if (rng.chance(1, 12) && runner->post(TaskRemoved{stream})) {
            is_open[place] = false;
            ++generation[place];
          }
          const auto id = store.add(1);
          if (!id) {
            std::this_thread::yield();
            continue;
          }
          Job job;
          job.id = *id;
          job.model = static_cast<ModelId>(rng.uniform(0, 2));
          job.kind = static_cast<JobKind>(rng.uniform(0, 2));
          job.release = runner->now();
          if (job.kind != JobKind::kBestEffort) {
            job.absolute_deadline = job.release + Duration(rng.uniform(0, 20'000'000));
          }
          if (is_open[place] && rng.chance(1, 2)) {
            job.task = stream;
            job.model = static_cast<ModelId>(place % 3);
          }
          if (!runner->post(JobReleased{job}, rng.chance(1, 2))) {
            store.take_back(*id);
            continue;
          }
          ++released;
          if (rng.chance(1, 3)) (void)runner->post(JobCancelled{*id});
        }
      });
    }
    LatencyTable slower = toy.system.table;
    slower.set(CategoryId{0}, 1, {50us, 50us, 50us, 50us, 9});
    EXPECT_TRUE(runner->replace_table(slower));
    for (std::thread& poster : posters) poster.join();
    runner->stop(5ms);
    runner.reset();
    return sink->close();
  }

  static Task random_contract(Rng& rng, TaskId id, Instant now) {
    Task task;
    task.id = id;
    task.model = static_cast<ModelId>(static_cast<std::uint32_t>(id) % 4 % 3);
    task.kind = static_cast<JobKind>(rng.uniform(0, 2));
    task.min_inter_arrival = Duration(rng.uniform(100'000, 5'000'000));
    task.release_jitter_max = Duration(rng.uniform(0, 1'000'000));
    task.relative_deadline = Duration(rng.uniform(10'000, 50'000'000));
    if (rng.chance(1, 2)) task.first_release = now + Duration(rng.uniform(0, 1'000'000));
    if (rng.chance(1, 2)) task.frame_count = static_cast<std::uint64_t>(rng.uniform(1, 50));
    return task;
  }

  ReplayReport replayed() {
    auto report = replay_trace_file(options.path);
    EXPECT_TRUE(report) << report.error().message;
    return std::move(report).value();
  }
  std::string read_file() const {
    std::ifstream file(options.path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  static std::string error_of(const std::string& text) {
    std::istringstream stream(text);
    const auto report = replay_trace(stream, "t");
    return report ? "accepted" : report.error().message;
  }

  JsonlSinkOptions options;
};

TEST_P(ReplayTest, LiveRun_ReplaysToTheSameCommands) {
  const TraceCounters recorded = record_live(GetParam(), 400);
  ASSERT_EQ(recorded.dropped, 0U);
  const ReplayReport report = replayed();
  if (report.difference) {
    FAIL() << "line " << report.difference->line << "\nexpected " << report.difference->expected
           << "\nfound    " << report.difference->found;
  }
  EXPECT_EQ(report.events, recorded.recorded);
  EXPECT_GT(report.events, 500U);
  EXPECT_EQ(report.tables, 1U);
  EXPECT_EQ(report.end, TraceEndReason::kComplete);
}

TEST_P(ReplayTest, SimulatedRun_ReplaysToTheSameCommands) {
  const ToySystem toy = testing::toy_system({{"a", 3}, {"b", 1}}, 2, 2ms);
  Scenario scenario;
  scenario.name = "toy";
  scenario.duration = 2s;
  for (int i = 0; i < 6; ++i) {
    TaskSpec task;
    task.name = "t" + std::to_string(i);
    task.model = i % 2 == 0 ? "a" : "b";
    task.arrival = i < 3 ? Arrival::kPeriodic : Arrival::kPoisson;
    task.period = 20ms + std::chrono::milliseconds(i);
    task.jitter = 3ms;
    task.rate_per_s = 60;
    if (i != 5) task.deadline = DeadlineRange{10ms, 60ms};
    task.kind = i == 5 ? JobKind::kBestEffort : (i == 4 ? JobKind::kSoft : JobKind::kFirm);
    scenario.tasks.push_back(task);
  }
  options.synchronous = true;
  auto sink = JsonlSink::open(options, header_of("sim", toy, GetParam())).value();
  SimulationOptions simulation;
  simulation.trace = sink.get();
  const auto output = simulate(scenario, toy.system, GetParam(), {}, 3, simulation);
  ASSERT_TRUE(output) << output.error().message;
  const TraceCounters recorded = sink->close();
  const ReplayReport report = replayed();
  if (report.difference) FAIL() << "line " << report.difference->line << ": " << report.difference->found;
  EXPECT_EQ(report.events, recorded.recorded);
  EXPECT_EQ(report.events, output->counters.events);
  EXPECT_GT(report.commands, report.events / 2);
}

INSTANTIATE_TEST_SUITE_P(Policies, ReplayTest,
                         ::testing::Values("fifo", "edf", "deeprt", "batch-delay", "laxity"),
                         [](const auto& policy) {
                           std::string name = policy.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

using ReplayFaultTest = ReplayTest;

TEST_F(ReplayFaultTest, AnotherPolicy_DiffersAndSaysWhere) {
  (void)record_live("edf", 300);
  std::string text = read_file();
  text.replace(text.find("\"policy\":\"edf\""), 14, "\"policy\":\"fifo\"");
  std::istringstream stream(text);
  const auto report = replay_trace(stream, "t");
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_TRUE(report->difference.has_value());
  EXPECT_GT(report->difference->line, 1U);
  EXPECT_NE(report->difference->expected, report->difference->found);
}

TEST_F(ReplayFaultTest, OneChangedCommand_IsFoundInItsLine) {
  (void)record_live("fifo", 100);
  std::string text = read_file();
  const std::size_t at = text.find("\"kind\":\"start_batch\",\"batch\":1,");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, 31, "\"kind\":\"start_batch\",\"batch\":9,");
  std::istringstream stream(text);
  const auto report = replay_trace(stream, "t");
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_TRUE(report->difference.has_value());
  EXPECT_EQ(static_cast<std::int64_t>(report->difference->line),
            1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
  EXPECT_THAT(report->difference->expected, HasSubstr("\"batch\":9"));
  EXPECT_THAT(report->difference->found, HasSubstr("\"batch\":1"));
}

TEST_F(ReplayFaultTest, TraceWithHoles_IsRefused) {
  options.ring_size = 4096;  // far too small on purpose: no flusher can keep up with it for ever
  TraceHeader header = header_of("live", testing::toy_system({{"a"}}, 1, 1ms), "fifo");
  auto sink = JsonlSink::open(options, header).value();
  CommandBuffer commands(header.system.limits);
  for (int i = 0; i < 1'000; ++i) sink->record(Instant::from_start(Duration(i)), TimerFired{}, commands);
  ASSERT_GT(sink->close().dropped, 0U);
  const auto report = replay_trace_file(options.path);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("recording dropped"));
}

TEST_F(ReplayFaultTest, BrokenOffTrace_IsComparedUpToItsLastWholeLine) {
  (void)record_live("edf", 200);
  const std::string text = read_file();
  std::istringstream stream(text.substr(0, text.size() / 2));
  const auto report = replay_trace(stream, "t");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->difference.has_value());
  EXPECT_FALSE(report->end.has_value());
  EXPECT_GT(report->events, 50U);
}

TEST_F(ReplayFaultTest, WhatCannotHaveHappened_IsRefusedNotABug) {
  const TraceHeader header = header_of("live", testing::toy_system({{"a"}}, 1, 1ms), "edf");
  std::string head;
  TraceEncoder::header(header, head);
  const auto with = [&](const std::vector<TraceEntry>& entries) {
    std::string text = head;
    TraceEncoder encoder(1);
    for (const TraceEntry& entry : entries) encoder.entry(entry.at, entry.event, entry.commands, text);
    return error_of(text);
  };
  const auto at = [](Duration d) { return Instant::from_start(d); };
  Job job;
  job.id = make_job_id(1, 1);
  Job unknown_model = job;
  unknown_model.model = ModelId{5};
  Job unknown_variant = job;
  unknown_variant.variant = 3;
  Job without_deadline = job;
  without_deadline.kind = JobKind::kFirm;
  BatchFinished finished;
  finished.batch = BatchId{3};
  EXPECT_THAT(error_of(""), HasSubstr("empty file"));
  EXPECT_THAT(error_of("{\"at_ns\":1,\"kind\":\"timer_fired\"}\n"), HasSubstr("expected the header"));
  EXPECT_THAT(with({{at(5ns), TimerFired{}, {}}, {at(4ns), TimerFired{}, {}}}),
              HasSubstr("t:3: expected times"));
  EXPECT_THAT(with({{at(1ns), JobReleased{unknown_model}, {}}}), HasSubstr("a model below 1, found 5"));
  EXPECT_THAT(with({{at(1ns), JobReleased{unknown_variant}, {}}}), HasSubstr("a variant below 1, found 3"));
  EXPECT_THAT(with({{at(1ns), JobReleased{without_deadline}, {}}}), HasSubstr("a deadline"));
  EXPECT_THAT(with({{at(1ns), finished, {}}}), HasSubstr("the batch that runs there, found 3"));
  EXPECT_THAT(with({{at(1ns), ExecutorLost{ExecutorId{1}}, {}}}), HasSubstr("an executor below 1"));
  EXPECT_THAT(with({{at(1ns), PlanReady{PlanId{1}, 0}, {}}}), HasSubstr("the plan asked for"));
  EXPECT_THAT(with({{at(1ns), TaskSubmitted{}, {}}}), HasSubstr("a period and a deadline above 0"));
  EXPECT_THAT(error_of(head + head), HasSubstr("second header"));
}

}  // namespace
}  // namespace laxity
