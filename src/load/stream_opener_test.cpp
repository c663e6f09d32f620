// Streams against a server that promises what it is told to: what is asked, what is sent, what is counted.
#include "load/stream_opener.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "load/load_runner.h"
#include "load/null_server.h"

namespace laxity {
namespace {

using Json = nlohmann::json;

/// Admits a stream whose deadline is at least `deadline_min_ms` and whose period is at least `period_min_ms`,
/// and offers these to the others.
class StreamServer {
 public:
  explicit StreamServer(double deadline_min_ms = 0, double period_min_ms = 0)
      : deadline_min_ms_(deadline_min_ms),
        period_min_ms_(period_min_ms),
        server_([this](auto head, auto body) {
          return NullReply{http_reply_to(head, body), NullReply::Then::kKeepOpen};
        }) {}

  std::string url() const { return server_.url(); }
  std::vector<Json> wishes() const { return copy(wishes_); }
  std::set<std::string> open() const { return copy(open_); }
  std::map<std::string, std::vector<std::uint64_t>> frames() const { return copy(frames_); }
  std::vector<Json> without_stream() const { return copy(plain_); }
  void refuse_with(int status, std::string json) {
    const std::lock_guard lock(mutex_);
    refusal_ = {status, std::move(json)};
  }

 private:
  template <typename T>
  T copy(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  std::string http_reply_to(std::string_view head, std::string_view body) {
    const std::lock_guard lock(mutex_);
    if (head.starts_with("POST /v2/streams ")) return verdict(Json::parse(body));
    if (head.starts_with("DELETE /v2/streams/")) {
      const std::string_view path = head.substr(19, head.find(' ', 19) - 19);
      if (open_.erase(std::string(path)) == 0) return http_reply(404, "{}");
      return http_reply(200, R"({"promises_lost":1,"frames":{"breaches":2}})");
    }
    if (head.starts_with("POST ")) {
      const std::string_view json = body.substr(0, body.find("}}") + 2);
      const Json parameters = Json::parse(json)["parameters"];
      if (parameters.contains("stream")) {
        frames_[parameters["stream"]].push_back(parameters["frame"].get<std::uint64_t>());
      } else {
        plain_.push_back(parameters);
      }
    }
    return reply_like_a_server(head, 1).bytes;
  }

  std::string verdict(const Json& wish) {
    wishes_.push_back(wish);
    if (refusal_.first != 0) return http_reply(refusal_.first, refusal_.second);
    if (wish["deadline_ms"] < deadline_min_ms_ || wish["period_ms"] < period_min_ms_) {
      Json offers = Json::array();
      if (wish["deadline_ms"] < deadline_min_ms_) offers.push_back({{"deadline_ms", deadline_min_ms_}});
      if (wish["period_ms"] < period_min_ms_) offers.push_back({{"period_ms", period_min_ms_}});
      return http_reply(503,
                        Json{{"error", "e"}, {"reason", "admission_plan"}, {"would_admit", offers}}.dump());
    }
    const std::string name = "s-" + std::to_string(open_.size());
    open_.insert(name);
    return http_reply(201, Json{{"stream", name},
                                {"admitted", true},
                                {"guarantee", "plan"},
                                {"response_time_bound_ms", wish["deadline_ms"]}}
                               .dump());
  }

  double deadline_min_ms_, period_min_ms_;
  mutable std::mutex mutex_;
  std::vector<Json> wishes_, plain_;
  std::set<std::string> open_;
  std::map<std::string, std::vector<std::uint64_t>> frames_;
  std::pair<int, std::string> refusal_{};
  NullServer server_;  // last: its thread uses the others
};

Scenario scenario_of(const std::string& more, const std::string& deadline_ms = "1000") {
  return parse_toml_scenario(
             "name = \"s\"\nduration_s = 0.1\nseed = 3\n[[task]]\nname = \"cam\"\ncount = 2\n"
             "model = \"m\"\nframes = 1000\nperiod_ms = 5\njitter_ms = 1\nadmission = "
             "\"stream\"\ndeadline_ms = " +
                 deadline_ms + "\n" + more,
             "test.toml", "")
      .value();
}

LoadReport loaded(const StreamServer& server, const Scenario& scenario, const LoadOptions& options = {}) {
  Result<LoadReport> report = run_load(scenario, server.url(), options);
  EXPECT_TRUE(report) << (report ? "" : report.error().message);
  return report ? std::move(*report) : LoadReport{};
}

std::uint64_t count(const LoadReport& report, Outcome outcome) {
  return totals(report.run).outcomes[static_cast<std::size_t>(outcome)];
}

TEST(StreamLoad, AsksFirstSendsItsFramesAndLeaves) {
  const StreamServer server;
  LoadOptions options;
  options.stream_margin = 2ms;
  const LoadReport report = loaded(server, scenario_of(""), options);
  const std::vector<Json> wishes = server.wishes();
  ASSERT_EQ(wishes.size(), 2U);
  EXPECT_EQ(wishes[0]["model"], "m");
  EXPECT_EQ(wishes[0]["period_ms"], 5.0);
  EXPECT_EQ(wishes[0]["jitter_ms"], 3.0);      // the margin is the client's own,
  EXPECT_EQ(wishes[0]["deadline_ms"], 998.0);  // and comes off what the server may take
  EXPECT_EQ(wishes[0]["frames"], 20);
  EXPECT_GT(wishes[0]["start_in_ms"], 0.0);
  EXPECT_TRUE(server.open().empty());
  const auto frames = server.frames();
  ASSERT_EQ(frames.size(), 2U);
  for (auto [stream, numbers] : frames) {
    std::sort(numbers.begin(), numbers.end());
    ASSERT_EQ(numbers.size(), 20U) << stream;
    for (std::uint64_t k = 0; k < 20; ++k) EXPECT_EQ(numbers[k], k);
  }
  EXPECT_EQ(report.run.tasks_asked, 2U);
  EXPECT_EQ(report.run.tasks_admitted, 2U);
  ASSERT_EQ(report.run.verdicts.size(), 2U);
  EXPECT_EQ(report.run.verdicts[0].guarantee, Guarantee::kPlan);
  EXPECT_EQ(report.run.verdicts[0].response_time_bound, 1000ms);
  EXPECT_EQ(count(report, Outcome::kOnTime), 40U);
  // A frame that this machine sent too late was promised nothing; all others were, and were kept.
  EXPECT_EQ(totals(report.run).promised + report.stats.sent_too_late, 40U);
  EXPECT_EQ(totals(report.run).kept, totals(report.run).promised);
  EXPECT_EQ(report.streams.breaches, 4U);  // of two streams, as the server says
  EXPECT_EQ(report.streams.promises_lost, 2U);
}

TEST(StreamLoad, EndlessStreamsHaveNoLastFrame) {
  const StreamServer server;
  Scenario scenario = scenario_of("");
  for (TaskSpec& task : scenario.tasks) task.frames.reset();
  loaded(server, scenario);
  EXPECT_FALSE(server.wishes().at(0).contains("frames"));
}

TEST(StreamLoad, RefusedFramesAreNotSentAndCountAsRejected) {
  const StreamServer server(2000);
  const LoadReport report = loaded(server, scenario_of("[[task]]\nmodel = \"m\"\nperiod_ms = 50\n"
                                                       "deadline_ms = 60000\n"));
  EXPECT_EQ(report.run.tasks_admitted, 0U);
  EXPECT_EQ(count(report, Outcome::kRejected), 40U);
  EXPECT_EQ(count(report, Outcome::kOnTime), 2U);
  EXPECT_EQ(server.without_stream().size(), 2U);
  EXPECT_EQ(report.run.verdicts[0].answer, TaskAnswer::kRefused);
  EXPECT_EQ(report.run.verdicts[0].refusal, Reason::kAdmissionPlan);
  EXPECT_EQ(report.run.verdicts[0].deadline_offer, 2001ms);  // with the margin, as the client counts
  EXPECT_EQ(report.run.verdicts[2].answer, TaskAnswer::kNotAsked);
  EXPECT_EQ(totals(report.run).promised, 0U);
}

TEST(StreamLoad, AnOfferedDeadlineIsTaken) {
  const StreamServer server(2000);
  const LoadReport report = loaded(server, scenario_of("on_refusal = \"take-offer\"\n"));
  const std::vector<Json> wishes = server.wishes();
  ASSERT_EQ(wishes.size(), 4U);
  EXPECT_EQ(wishes[1]["deadline_ms"], 2000.0);
  EXPECT_EQ(report.run.tasks_admitted, 2U);
  EXPECT_TRUE(report.run.verdicts[0].took_offer);
  for (const JobRecord& job : report.run.jobs) {
    EXPECT_EQ(*job.response_time - *job.lateness, 2001ms);  // judged by the deadline that was agreed upon
  }
}

TEST(StreamLoad, AnOfferedPeriodIsTakenWhereNoDeadlineIs) {
  const StreamServer server(0, 10);
  LoadOptions options;
  options.on_refusal = OnRefusal::kTakeOffer;
  const LoadReport report = loaded(server, scenario_of(""), options);
  EXPECT_EQ(server.wishes().at(1)["frames"], 10);
  EXPECT_EQ(report.run.jobs.size(), 20U);
  EXPECT_EQ(count(report, Outcome::kOnTime), 20U);
}

TEST(StreamLoad, ARefusedStreamMaySendBestEffort) {
  const StreamServer server(2000);
  const LoadReport report = loaded(server, scenario_of("on_refusal = \"best-effort\"\n"));
  const std::vector<Json> sent = server.without_stream();
  ASSERT_EQ(sent.size(), 40U);
  for (const Json& parameters : sent) {
    EXPECT_EQ(parameters["kind"], "best-effort");
    EXPECT_FALSE(parameters.contains("deadline_ms"));
  }
  EXPECT_EQ(count(report, Outcome::kOnTime), 40U);
  EXPECT_TRUE(report.run.jobs[0].lateness.has_value());  // the client still knows when it wanted them
  EXPECT_EQ(totals(report.run).promised, 0U);
}

TEST(StreamLoad, AskingMayStopAtTheFirstRefusal) {
  const StreamServer server(2000);
  LoadOptions options;
  options.stops_asking_when_refused = true;
  options.on_refusal = OnRefusal::kTakeOffer;
  const LoadReport report = loaded(server, scenario_of(""), options);
  EXPECT_EQ(server.wishes().size(), 2U);  // the first one's wish, and what it was offered
  EXPECT_EQ(report.run.tasks_asked, 1U);
  EXPECT_EQ(report.run.jobs.size(), 20U);
  EXPECT_EQ(report.run.verdicts[1].answer, TaskAnswer::kNotAsked);
}

// A server that offers what was asked for, or less, is not asked again.
TEST(StreamLoad, AnOfferThatIsNoneIsNotTaken) {
  StreamServer server;
  server.refuse_with(
      503, R"({"reason":"admission_plan","would_admit":[{"deadline_ms":0.000001},{"period_ms":5}]})");
  const LoadReport report = loaded(server, scenario_of("on_refusal = \"take-offer\"\n"));
  EXPECT_EQ(server.wishes().size(), 2U);
  EXPECT_EQ(count(report, Outcome::kRejected), 40U);
  EXPECT_FALSE(report.run.verdicts[0].deadline_offer.has_value());
  EXPECT_FALSE(report.run.verdicts[0].period_offer.has_value());
}

// A stream that is answered after its first frames were due begins with the next one.
TEST(StreamOpener, PassedFramesAreSkipped) {
  const StreamServer server;
  const Endpoint endpoint = resolve_url(server.url()).value();
  LoadClock clock;
  clock.restart(-50ms);  // instant 0 lies 50 ms back
  StreamOpener opener(endpoint, clock, 0ms);
  const Scenario scenario = scenario_of("");
  const OpenedStream opened = opener.open(scenario.tasks[0], 10s).value();
  EXPECT_GE(opened.spec.phase, 50ms);
  EXPECT_EQ(opened.spec.phase % 5ms, 0ns);
  EXPECT_GE(server.wishes().at(0)["start_in_ms"], 0.0);
  EXPECT_EQ(server.wishes().at(0)["frames"], 1000 - opened.spec.phase / 5ms);
  EXPECT_EQ(server.open().size(), 1U);
  EXPECT_EQ(opener.close_all().breaches, 2U);
  EXPECT_EQ(opener.close_all().breaches, 0U);
}

TEST(StreamLoad, SaysWhatItCannotDo) {
  StreamServer server;
  server.refuse_with(404, R"({"error":"no such path"})");
  const Result<LoadReport> none = run_load(scenario_of(""), server.url(), {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  EXPECT_NE(none.error().message.find("task 'cam-0'"), std::string::npos) << none.error().message;
  EXPECT_NE(none.error().message.find("no such path"), std::string::npos) << none.error().message;
  server.refuse_with(400, R"({"error":"jitter_ms: too much"})");
  EXPECT_EQ(run_load(scenario_of(""), server.url(), {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(run_load(scenario_of("", "0.5"), server.url(), {}).error().code, ErrorCode::kInvalidArgument);
}

// Whatever ends the run, what was opened is closed.
TEST(StreamLoad, AnErrorClosesWhatWasOpened) {
  const StreamServer server;
  Scenario scenario = scenario_of("");
  scenario.tasks[1].deadline = DeadlineRange{500us, 500us};  // under the client's margin
  EXPECT_FALSE(run_load(scenario, server.url(), {}));
  EXPECT_EQ(server.wishes().size(), 1U);
  EXPECT_TRUE(server.open().empty());
}

}  // namespace
}  // namespace laxity
