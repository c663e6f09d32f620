#include "server/stream_table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/rng.h"
#include "server/sample_model.h"
#include "server/stream_pages.h"

namespace laxity {
namespace {

using nlohmann::json;

constexpr Instant at(Duration since_start) { return Instant::from_start(since_start); }

class StreamTableTest : public ::testing::Test {
 protected:
  StreamTableTest() { table_.emplace(4, 10s); }

  StreamAsk contract(Duration period = 20ms, std::optional<std::uint64_t> frames = std::nullopt) {
    StreamAsk ask;
    ask.codec = &codec_;
    ask.task.min_inter_arrival = ask.task.relative_deadline = period;
    ask.task.frame_count = frames;
    return ask;
  }
  Stream& admitted(const StreamAsk& ask, Instant now = at(0s)) {
    Stream* stream = table_->open(ask, now, this);
    EXPECT_NE(stream, nullptr);
    table_->admit(*stream, now);
    return *stream;
  }
  std::vector<std::string> due(Instant now) {
    std::vector<std::string> names;
    table_->take_due(now, [&](Stream& stream) { names.push_back(stream_name(stream.task.id)); });
    return names;
  }

  LoadedModel model_ = testing::two_input_model();
  ModelCodec codec_{model_};
  std::optional<StreamTable> table_;
};

TEST_F(StreamTableTest, FromQuestionToEnd) {
  Stream* stream = table_->open(contract(), at(1s), this);
  ASSERT_NE(stream, nullptr);
  const std::string name = stream_name(stream->task.id);
  EXPECT_EQ(table_->asked_count(), 1U);
  EXPECT_EQ(table_->find(stream->task.id), stream);
  EXPECT_EQ(table_->find_admitted(name), nullptr) << "not yet";
  EXPECT_FALSE(table_->how_ended(name));
  table_->admit(*stream, at(2s));
  EXPECT_EQ(table_->asked_count(), 0U);
  EXPECT_EQ(table_->find_admitted(name), stream);
  table_->leave(*stream, StreamEnd::kLeft);
  EXPECT_EQ(table_->find_admitted(name), nullptr);
  EXPECT_EQ(table_->how_ended(name), StreamEnd::kLeft);
  EXPECT_EQ(table_->open_count(), 1U) << "the scheduler is not told yet";
  EXPECT_EQ(due(at(2s)), std::vector<std::string>{name});
  table_->close(*stream, StreamEnd::kLeft);
  EXPECT_EQ(table_->open_count(), 0U);
  EXPECT_EQ(table_->how_ended(name), StreamEnd::kLeft);
  EXPECT_EQ(table_->find(TaskId{0}), nullptr);
  EXPECT_TRUE(due(at(1h)).empty());
}

TEST_F(StreamTableTest, AFullTableTakesNoMoreAndNamesAreNotSoonUsedAgain) {
  std::set<std::string> names;
  for (int round = 0; round < 100; ++round) {
    std::vector<Stream*> open;
    for (int i = 0; i < 4; ++i) {
      open.push_back(&admitted(contract()));
      EXPECT_TRUE(names.insert(stream_name(open.back()->task.id)).second) << round;
    }
    EXPECT_EQ(table_->open(contract(), at(0s), this), nullptr);
    for (Stream* stream : open) table_->close(*stream, StreamEnd::kIdle);
  }
  EXPECT_EQ(table_->counts.ended[static_cast<std::size_t>(StreamEnd::kIdle)], 400U);
}

TEST_F(StreamTableTest, IdsStayInTheirSlotsWhateverIsFreedFirst) {
  Rng rng(3);
  std::vector<Stream*> open;
  for (int round = 0; round < 5'000; ++round) {
    if (open.size() < 4 && rng.chance(1, 2)) {
      Stream& stream = admitted(contract());
      for (const Stream* other : open) EXPECT_NE(index(other->task.id) % 4, index(stream.task.id) % 4);
      open.push_back(&stream);
    } else if (!open.empty()) {
      const auto i = static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(open.size()) - 1));
      table_->close(*open[i], StreamEnd::kLeft);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
    }
    ASSERT_EQ(table_->open_count(), open.size()) << "seed 3 round " << round;
    for (Stream* stream : open) ASSERT_EQ(table_->find(stream->task.id), stream);
  }
}

TEST_F(StreamTableTest, SilenceEndsAStream) {
  Stream& quick = admitted(contract(20ms));
  Stream& slow = admitted(contract(3s));
  const std::string quick_name = stream_name(quick.task.id), slow_name = stream_name(slow.task.id);
  EXPECT_TRUE(due(at(10s - 1ns)).empty());
  EXPECT_EQ(due(at(10s)), std::vector<std::string>{quick_name}) << "never sooner than the least";
  table_->frame_sent(quick, at(9s));
  EXPECT_TRUE(due(at(60s)).size() == 1 && due(at(60s))[0] == slow_name) << "a frame is under way";
  table_->frame_ended(quick, Outcome::kOnTime, Reason::kNone);
  EXPECT_TRUE(due(at(19s - 1ns)).empty());
  EXPECT_EQ(due(at(19s)), std::vector<std::string>{quick_name});
  EXPECT_TRUE(due(at(30s - 1ns)).size() == 1) << "ten periods of the slow one are not over";
}

TEST_F(StreamTableTest, AStreamThatStartsLaterIsNotIdleBefore) {
  StreamAsk ask = contract();
  ask.start_in = 1h;
  Stream& stream = admitted(ask, at(5s));
  EXPECT_EQ(stream.task.first_release, at(1h + 5s));
  EXPECT_TRUE(due(at(1h + 15s - 1ns)).empty());
  table_->frame_sent(stream, at(6s));
  table_->frame_ended(stream, Outcome::kRejected, Reason::kFasterThanContract);
  EXPECT_TRUE(due(at(1h + 15s - 1ns)).empty()) << "an early frame does not bring the end nearer";
  EXPECT_EQ(due(at(1h + 15s)).size(), 1U);
}

TEST_F(StreamTableTest, AFiniteStreamEndsWithItsLastAnswer) {
  Stream& stream = admitted(contract(20ms, 3));
  for (int i = 0; i < 4; ++i) table_->frame_sent(stream, at(0s));
  EXPECT_FALSE(table_->frame_ended(stream, Outcome::kOnTime, Reason::kNone));
  EXPECT_FALSE(table_->frame_ended(stream, Outcome::kRejected, Reason::kFasterThanContract));
  EXPECT_FALSE(table_->frame_ended(stream, Outcome::kDropped, Reason::kDroppedHopeless));
  EXPECT_TRUE(table_->frame_ended(stream, Outcome::kCancelled, Reason::kClientGone));
  EXPECT_EQ(stream.too_fast, 1U);
  EXPECT_EQ(stream.done(), 3U);
}

class StreamPages : public StreamTableTest {
 protected:
  Stream& promised(Guarantee guarantee, std::optional<Instant> until) {
    Stream& stream = admitted(contract());
    StreamNews news;
    news.latest.task = stream.task.id;
    news.latest.admitted = true;
    news.latest.guarantee = guarantee;
    news.latest.guaranteed_until = until;
    news.latest.response_time_bound = 20ms;
    news.verdict = news.latest;
    table_->note(stream, news);
    return stream;
  }
  json page(const Stream& stream, const LiveStream& live, Instant now) {
    std::string out;
    append_stream(out, stream, live, table_->idle_end(stream), now);
    return json::parse(out);
  }
};

TEST_F(StreamPages, InstantsAreToldFromNow) {
  const Stream& stream = promised(Guarantee::kPlanRolling, at(7s));
  const json verdict = json::parse(admitted_json(stream, at(2s)));
  EXPECT_EQ(verdict["guaranteed_until_ms"], 5000);
  EXPECT_EQ(verdict["response_time_bound_ms"], 20);
  EXPECT_EQ(verdict["contract"]["period_ms"], 20);
  EXPECT_EQ(verdict["contract"]["frames"], nullptr);
  LiveStream live;
  live.first_release = at(1s);
  live.guaranteed_until = at(9s);
  live.next_frame = 5;
  live.next_release = at(1100ms);
  live.breaches = 2;
  const json found = page(stream, live, at(3s));
  EXPECT_EQ(found["guaranteed_until_ms"], 6000);
  EXPECT_EQ(found["phase"]["first_release_ms"], -2000);
  EXPECT_EQ(found["phase"]["next_release_ms"], -1900);
  EXPECT_EQ(found["frames"]["breaches"], 2);
  EXPECT_EQ(found["idle_end_ms"], 7000);
  EXPECT_EQ(found["lost"], nullptr);
}

TEST_F(StreamPages, APlanThatDoesNotReachIntoTheFuturePromisesNothing) {
  Stream& stream = promised(Guarantee::kPlanRolling, at(7s));
  LiveStream live;
  live.guaranteed_until = at(7s);
  EXPECT_EQ(page(stream, live, at(6s))["guarantee"], "plan-rolling");
  EXPECT_EQ(page(stream, live, at(7s))["guarantee"], "none");
  EXPECT_EQ(page(stream, live, at(7s))["guaranteed_until_ms"], nullptr);
  live.guaranteed_until.reset();
  EXPECT_EQ(page(stream, live, at(1s))["guarantee"], "none");
  stream.news.latest.is_provisional = true;
  EXPECT_EQ(page(stream, live, at(1s))["guarantee"], "plan-rolling") << "and says that it is provisional";
  const Stream& for_life = promised(Guarantee::kPlan, std::nullopt);
  live.guaranteed_until = Instant::latest();
  EXPECT_EQ(page(for_life, live, at(1h))["guarantee"], "plan");
  EXPECT_EQ(page(for_life, live, at(1h))["guaranteed_until_ms"], nullptr);
  const Stream& nominal = promised(Guarantee::kNominal, std::nullopt);
  EXPECT_EQ(page(nominal, {}, at(1h))["guarantee"], "nominal");
}

TEST_F(StreamPages, ARefusalSaysWhatAndWhoseAndWhatWouldDo) {
  Stream* stream = table_->open(contract(), at(1s), this);
  AnswerTask refusal;
  refusal.task = stream->task.id;
  refusal.reason = Reason::kAdmissionPlan;
  json body = json::parse(refused_json(*stream, refusal));
  EXPECT_EQ(body["reason"], "admission_plan");
  EXPECT_EQ(body["admitted"], false);
  EXPECT_TRUE(body["would_admit"].empty());
  EXPECT_NE(body["error"].get<std::string>().find("no smaller contract found on the grid"),
            std::string::npos);
  EXPECT_FALSE(body.contains("failing_stream"));
  refusal.failing_task = stream->task.id;
  refusal.failing_at = at(1500ms);
  refusal.deadline_offer = 55'000'001ns;
  body = json::parse(refused_json(*stream, refusal));
  EXPECT_EQ(body["failing_stream"], "asked");
  EXPECT_EQ(body["error"].get<std::string>().find("no smaller contract"), std::string::npos);
  EXPECT_EQ(body["failing_at_ms"], 500);
  EXPECT_EQ(body["would_admit"], json::parse(R"([{"deadline_ms":55.000001}])"));
  refusal.failing_task = TaskId{17};
  refusal.period_offer = 41'700us;
  body = json::parse(refused_json(*stream, refusal));
  EXPECT_EQ(body["failing_stream"], "s-17");
  EXPECT_NE(body["error"].get<std::string>().find("'s-17' would be late"), std::string::npos);
  EXPECT_EQ(body["would_admit"], json::parse(R"([{"deadline_ms":55.000001},{"period_ms":41.7}])"));
}

TEST_F(StreamPages, LossesAreCountedOnce) {
  Stream& stream = promised(Guarantee::kPlanRolling, at(7s));
  StreamNews news = stream.news;
  news.latest.reason = Reason::kAdmissionPlan;
  news.loss_count = 3;
  news.return_count = 2;
  table_->note(stream, news);
  table_->note(stream, news);
  const json found = json::parse(streams_state_json(*table_, 64));
  EXPECT_EQ(found["promises_lost"], 3);
  EXPECT_EQ(found["promises_returned"], 2);
  EXPECT_EQ(found["without_their_promise"], 1);
  EXPECT_EQ(found["guarantees"]["plan-rolling"], 1);
  EXPECT_EQ(found["open_max"], 4);
  EXPECT_EQ(page(stream, {}, at(8s))["lost"], "admission_plan");
}

TEST_F(StreamPages, AnUnknownNameIsToldWhatIsKnownOfIt) {
  EXPECT_EQ(unknown_stream_text("s-9", std::nullopt), "unknown stream 's-9'");
  for (int end = 0; end < kStreamEndCount; ++end) {
    const std::string text = unknown_stream_text("s-9", static_cast<StreamEnd>(end));
    EXPECT_NE(text.find("'s-9'"), std::string::npos);
    EXPECT_NE(text, "unknown stream 's-9'") << end;
    EXPECT_STRNE(name(static_cast<StreamEnd>(end)), "unknown");
  }
  EXPECT_LT(unknown_stream_text(std::string(10'000, 'x'), std::nullopt).size(), 200U);
}

}  // namespace
}  // namespace laxity
