#include "trace/jsonl_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/trace_samples.h"

namespace laxity {
namespace {

using ::testing::HasSubstr;
using testing::sample_header;
using testing::TraceSamples;

class JsonlSinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options.path = ::testing::TempDir() + "laxity_sink_" + std::to_string(::getpid()) + "_" +
                   ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".jsonl";
  }
  void TearDown() override { (void)::unlink(options.path.c_str()); }

  std::unique_ptr<JsonlSink> open() {
    auto opened = JsonlSink::open(options, sample_header());
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(opened).value();
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::ifstream file(options.path);
    for (std::string line; std::getline(file, line);) all.push_back(line);
    return all;
  }
  static void record(JsonlSink& sink, const TraceEntry& entry) {
    CommandBuffer commands{Limits{}};
    for (const Command& command : entry.commands) commands.push(command);
    sink.record(entry.at, entry.event, commands);
  }
  void expect_file_holds(const std::vector<TraceEntry>& entries) {
    const std::vector<std::string> all = lines();
    ASSERT_EQ(all.size(), entries.size() + 2);
    EXPECT_TRUE(std::holds_alternative<TraceHeader>(decode_trace_line(all.front()).value()));
    for (std::size_t i = 0; i < entries.size(); ++i) {
      EXPECT_TRUE(std::get<TraceEntry>(decode_trace_line(all[i + 1]).value()) == entries[i]);
    }
    EXPECT_EQ(std::get<TraceEnd>(decode_trace_line(all.back()).value()).reason, TraceEndReason::kComplete);
  }

  JsonlSinkOptions options;
};

TEST_F(JsonlSinkTest, RecordedEntries_AreInTheFile) {
  options.ring_size = 16 * 1024;  // wraps around many times
  auto sink = open();
  TraceSamples samples(5);
  std::vector<TraceEntry> entries;
  for (int i = 0; i < 500; ++i) {
    entries.push_back(samples.entry());
    record(*sink, entries.back());
    if (sink->wants_flush()) sink->flush();
  }
  const TraceCounters counters = sink->close();
  EXPECT_EQ(counters.recorded, 500U);
  EXPECT_EQ(counters.dropped, 0U);
  expect_file_holds(entries);
}

TEST_F(JsonlSinkTest, Synchronous_NeedsNoFlusher) {
  options.synchronous = true;
  auto sink = open();
  TraceSamples samples(6);
  std::vector<TraceEntry> entries;
  for (int i = 0; i < 300; ++i) {
    entries.push_back(samples.entry());
    record(*sink, entries.back());
  }
  EXPECT_FALSE(sink->wants_flush());
  (void)sink->close();
  expect_file_holds(entries);
}

TEST_F(JsonlSinkTest, FullRing_DropsCountsAndSaysSoAtTheEnd) {
  options.ring_size = 4096;
  auto sink = open();
  TraceSamples samples(7);
  for (int i = 0; i < 200; ++i) record(*sink, samples.entry());
  const TraceCounters counters = sink->close();
  EXPECT_GT(counters.dropped, 0U);
  EXPECT_EQ(counters.recorded + counters.dropped, 200U);
  const TraceEnd end = std::get<TraceEnd>(decode_trace_line(lines().back()).value());
  EXPECT_EQ(end.reason, TraceEndReason::kDropped);
  EXPECT_EQ(end.dropped_count, counters.dropped);
}

TEST_F(JsonlSinkTest, SizeLimit_StopsRecordingOnAWholeLine) {
  options.size_max = 8 * 1024;
  auto sink = open();
  TraceSamples samples(8);
  for (int i = 0; i < 200; ++i) {
    record(*sink, samples.entry());
    sink->flush();
  }
  const TraceCounters counters = sink->close();
  EXPECT_LE(counters.size, options.size_max);
  EXPECT_EQ(counters.recorded + counters.dropped, 200U);
  EXPECT_EQ(lines().size(), counters.recorded + 2);
  EXPECT_EQ(std::get<TraceEnd>(decode_trace_line(lines().back()).value()).reason, TraceEndReason::kSizeLimit);
}

TEST_F(JsonlSinkTest, FullDisk_StopsRecordingAndCounts) {
  options.path = "/dev/full";
  auto sink = open();
  TraceSamples samples(9);
  for (int i = 0; i < 50; ++i) {
    record(*sink, samples.entry());
    sink->flush();
  }
  const TraceCounters counters = sink->close();
  EXPECT_TRUE(counters.has_write_error);
  EXPECT_EQ(counters.dropped, 50U);
  EXPECT_EQ(counters.size, 0U);
  options.path.clear();
}

TEST_F(JsonlSinkTest, NewTable_StandsBeforeTheEventThatAnnouncesIt) {
  auto sink = open();
  LatencyTable table = sample_header().system.table;
  table.set(CategoryId{1}, 1, {1ms, 2ms, 3ms, 4ms, 5});
  sink->note_table(table);
  record(*sink, {Instant::from_start(1s), TablesChanged{}, {}});
  (void)sink->close();
  ASSERT_EQ(lines().size(), 4U);
  const auto read = std::get<TraceTable>(decode_trace_line(lines()[1]).value());
  EXPECT_EQ(read.table.planned(CategoryId{1}, 1), 2ms);
}

TEST_F(JsonlSinkTest, UnwritablePath_IsAnError) {
  options.path = "/nonexistent/trace.jsonl";
  const auto opened = JsonlSink::open(options, sample_header());
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("/nonexistent/trace.jsonl"));
  options.path.clear();
}

}  // namespace
}  // namespace laxity
