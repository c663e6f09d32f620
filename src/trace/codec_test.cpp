#include "trace/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/rng.h"
#include "tests/trace_samples.h"

namespace laxity {
namespace {

using ::testing::HasSubstr;
using testing::sample_header;
using testing::TraceSamples;

std::string_view without_newline(const std::string& line) {
  return std::string_view(line).substr(0, line.size() - 1);
}

std::string error_of(std::string_view line) {
  const auto decoded = decode_trace_line(line);
  return decoded ? "accepted" : decoded.error().message;
}

TEST(Codec, EveryEntry_ComesBackEqual) {
  TraceSamples samples(1);
  TraceEncoder encoder(4);
  for (int i = 0; i < 20'000; ++i) {
    const TraceEntry entry = samples.entry();
    std::string line;
    encoder.entry(entry.at, entry.event, entry.commands, line);
    ASSERT_EQ(line.find('\n'), line.size() - 1);
    auto decoded = decode_trace_line(without_newline(line));
    ASSERT_TRUE(decoded) << decoded.error().message << "\n" << line;
    ASSERT_TRUE(std::get<TraceEntry>(*decoded) == entry) << line;
  }
}

TEST(Codec, Header_ComesBackAsTheSameBytes) {
  std::string line;
  TraceEncoder::header(sample_header(), line);
  auto decoded = decode_trace_line(without_newline(line));
  ASSERT_TRUE(decoded) << decoded.error().message;
  std::string again;
  TraceEncoder::header(std::get<TraceHeader>(*decoded), again);
  EXPECT_EQ(again, line);
  const SystemModel& system = std::get<TraceHeader>(*decoded).system;
  EXPECT_EQ(system.table.planned(CategoryId{0}, 2), 6us);
  EXPECT_EQ(system.catalog.category_name(CategoryId{4}), "a/full/2");
}

TEST(Codec, Table_ComesBackAsTheSameBytes) {
  const TraceHeader header = sample_header();
  std::string line;
  TraceEncoder::table(header.system.table, header.system.catalog, line);
  auto decoded = decode_trace_line(without_newline(line));
  ASSERT_TRUE(decoded) << decoded.error().message;
  std::string again;
  TraceEncoder::table(std::get<TraceTable>(*decoded).table, header.system.catalog, again);
  EXPECT_EQ(again, line);
}

TEST(Codec, End_ComesBack) {
  std::string line;
  TraceEncoder::end({12, 3, TraceEndReason::kSizeLimit}, line);
  EXPECT_EQ(line, "{\"kind\":\"end\",\"events\":12,\"dropped\":3,\"reason\":\"size_limit\"}\n");
  const auto decoded = decode_trace_line(without_newline(line));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<TraceEnd>(*decoded).reason, TraceEndReason::kSizeLimit);
}

TEST(Codec, FinishSaysWhatTheStartPredicted) {
  TraceEncoder encoder(1);
  StartBatch start{BatchId{1}, ExecutorId{0}, CategoryId{0}, {}, 50ns};
  start.jobs.push_back(JobId{7});
  const Command commands[] = {start};
  std::string line;
  encoder.entry(Instant::from_start(100ns), TimerFired{}, commands, line);
  EXPECT_EQ(line,
            "{\"at_ns\":100,\"kind\":\"timer_fired\",\"commands\":[{\"kind\":\"start_batch\",\"batch\":1,"
            "\"executor\":0,"
            "\"category\":0,\"jobs\":[7],\"planned_ns\":50,\"predicted_finish_ns\":150}]}\n");
  line.clear();
  encoder.entry(Instant::from_start(160ns), BatchFinished{BatchId{1}, ExecutorId{0}, {}, {}, {}, 0}, {},
                line);
  EXPECT_THAT(line, HasSubstr("\"predicted_finish_ns\":150,\"finish_ns\":160"));
}

TEST(Codec, BadLines_AreRefusedWithWords) {
  EXPECT_THAT(error_of(""), HasSubstr("expected a line of JSON"));
  EXPECT_THAT(error_of("{\"at_ns\":1"), HasSubstr("expected a line of JSON"));
  EXPECT_THAT(error_of("[]"), HasSubstr("expected an object, found array"));
  EXPECT_THAT(error_of("{}"), HasSubstr("expected 'kind'"));
  EXPECT_THAT(error_of(R"({"at_ns":1,"kind":"nap"})"), HasSubstr("found 'nap'"));
  EXPECT_THAT(error_of(R"({"kind":"timer_fired"})"), HasSubstr("expected 'at_ns'"));
  EXPECT_THAT(error_of(R"({"at_ns":1.5,"kind":"timer_fired"})"), HasSubstr("expected an integer"));
  EXPECT_THAT(error_of(R"({"at_ns":9223372036854775807,"kind":"timer_fired"})"),
              HasSubstr("expected an integer"));
  EXPECT_THAT(error_of(R"({"at_ns":1,"kind":"job_cancelled","job":-1})"), HasSubstr("found -1"));
  EXPECT_THAT(error_of(R"({"at_ns":1,"kind":"executor_lost","executor":4294967296})"),
              HasSubstr("4294967296"));
  EXPECT_THAT(error_of(R"({"at_ns":1,"kind":"timer_fired","commands":[{"kind":"dance"}]})"),
              HasSubstr("'dance'"));
  EXPECT_THAT(error_of(R"({"at_ns":1,"kind":"timer_fired","commands":{}})"), HasSubstr("expected a list"));
  EXPECT_THAT(error_of(R"({"schema":"laxity.trace/2"})"), HasSubstr("expected schema 'laxity.trace/1'"));
  EXPECT_THAT(error_of(R"({"kind":"end","events":1,"dropped":0,"reason":"bored"})"), HasSubstr("'bored'"));
}

TEST(Codec, HeaderThatPointsNowhere_IsRefused) {
  const auto error_with = [](auto&& change) {
    TraceHeader header = sample_header();
    change(header);
    std::string line;
    TraceEncoder::header(header, line);
    return error_of(without_newline(line));
  };
  EXPECT_EQ(error_with([](TraceHeader&) {}), "accepted");
  EXPECT_THAT(error_with([](TraceHeader& h) { h.system.catalog.models[0].mandatory_count = 9; }),
              HasSubstr("mandatory_count"));
  EXPECT_THAT(
      error_with([](TraceHeader& h) { h.system.catalog.models[0].variants[0].stages[0] = CategoryId{4}; }),
      HasSubstr("category 4"));
  EXPECT_THAT(error_with([](TraceHeader& h) { h.system.catalog.categories[1].variant = 7; }),
              HasSubstr("category 1"));
  EXPECT_THAT(error_with([](TraceHeader& h) { h.system.executors[0].runs_batches = false; }),
              HasSubstr("an executor that runs batches"));
  EXPECT_THAT(error_with([](TraceHeader& h) { h.system.limits.batch_size_max = 65; }), HasSubstr("limits"));
  EXPECT_THAT(error_with([](TraceHeader& h) { h.driver = "dream"; }), HasSubstr("driver"));
}

TEST(Codec, MutatedLines_NeverCrash) {
  TraceSamples samples(2);
  Rng rng(3);
  TraceEncoder encoder(4);
  std::string header;
  TraceEncoder::header(sample_header(), header);
  for (int i = 0; i < 5'000; ++i) {
    std::string line = header;
    if (i % 4 != 0) {
      line.clear();
      const TraceEntry entry = samples.entry();
      encoder.entry(entry.at, entry.event, entry.commands, line);
    }
    for (std::int64_t n = rng.uniform(1, 4); n > 0; --n) {
      const auto at = static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(line.size()) - 1));
      line[at] = static_cast<char>(rng.uniform(0, 255));
    }
    const auto decoded = decode_trace_line(line);
    EXPECT_TRUE(decoded || !decoded.error().message.empty());
  }
}

}  // namespace
}  // namespace laxity
