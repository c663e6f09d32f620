#include "load/load_client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "load/http_connection.h"
#include "load/null_server.h"

namespace laxity {
namespace {

constexpr Duration kAmple = 60s;  // a deadline that no machine misses
constexpr Duration kTight = 1ns;  // one that no machine meets

const RemoteModel kModel{"m", {{"x", "FP32", {-1, 4}}}, {}};

LoadPlan open_plan(const std::string& url, std::size_t count, std::optional<Duration> deadline,
                   Duration period = 100us) {
  LoadPlan plan;
  const Endpoint endpoint = resolve_url(url).value();
  SampleSet set = random_samples(kModel, 1, Rng(1)).value();
  set.samples[0].label = 3;
  plan.requests.push_back(
      prepare_request(kModel, endpoint.authority, set, set.samples[0], JobKind::kFirm, deadline.has_value())
          .value());
  for (std::size_t i = 0; i < count; ++i) {
    plan.open_jobs.push_back({Instant::from_start(period * static_cast<std::int64_t>(i)), 0, deadline, 0,
                              JobKind::kFirm, std::nullopt});
  }
  return plan;
}

LoadRun play_on(const NullServer& server, const LoadPlan& plan, LoadOptions options = {}) {
  Result<LoadRun> run = play(plan, resolve_url(server.url()).value(), options);
  EXPECT_TRUE(run) << (run ? "" : run.error().message);
  return run ? std::move(*run) : LoadRun{};
}

std::size_t count(const LoadRun& run, Outcome outcome) {
  return static_cast<std::size_t>(std::count_if(
      run.jobs.begin(), run.jobs.end(), [&](const JobRecord& job) { return job.outcome == outcome; }));
}

NullReply always(int status, std::string_view json, NullReply::Then then = NullReply::Then::kKeepOpen) {
  return {http_reply(status, json), then};
}

TEST(LoadClient, EveryAnswerIsCountedOnce) {
  NullServer server([](std::string_view head, std::string_view) { return reply_like_a_server(head, 3); });
  const LoadRun run = play_on(server, open_plan(server.url(), 500, kAmple));
  ASSERT_EQ(run.jobs.size(), 500U);
  EXPECT_EQ(server.requests(), 500U);
  EXPECT_EQ(count(run, Outcome::kOnTime), 500U);
  for (const JobRecord& job : run.jobs) {
    EXPECT_EQ(job.is_right, true);
    EXPECT_EQ(job.server_on_time, true);
    EXPECT_EQ(job.exit_count, 1U);
    EXPECT_EQ(job.batch_size, 1U);
    ASSERT_TRUE(job.response_time && job.lateness && job.send_lag);
    EXPECT_GT(*job.response_time, *job.send_lag);
    EXPECT_LT(*job.lateness, Duration{0});
  }
}

TEST(LoadClient, JudgesByItsOwnClock) {
  NullServer server([](std::string_view head, std::string_view) { return reply_like_a_server(head, 4); });
  const LoadRun run = play_on(server, open_plan(server.url(), 20, kTight));
  ASSERT_EQ(run.jobs.size(), 20U);
  for (const JobRecord& job : run.jobs) {
    EXPECT_EQ(job.outcome, Outcome::kLate);
    EXPECT_EQ(job.server_on_time, true);
    EXPECT_EQ(job.is_right, false);
    ASSERT_TRUE(job.lateness.has_value());
    EXPECT_GT(*job.lateness, Duration{0});
  }
}

TEST(LoadClient, StatusesBecomeOutcomes) {
  struct Case {
    int status;
    const char* json;
    Outcome outcome;
    Reason reason;
  };
  const std::vector<Case> cases = {
      {504, R"({"error":"e","reason":"dropped_hopeless"})", Outcome::kDropped, Reason::kDroppedHopeless},
      {504, "", Outcome::kDropped, Reason::kRanPastDeadline},
      {503, R"({"error":"e","reason":"queue_full"})", Outcome::kRejected, Reason::kQueueFull},
      {429, "{}", Outcome::kRejected, Reason::kOverloaded},
      {499, "{}", Outcome::kCancelled, Reason::kClientGone},
      {500, R"({"error":"boom","reason":"engine_failed"})", Outcome::kFailed, Reason::kEngineFailed},
      {502, "<html>", Outcome::kFailed, Reason::kEngineFailed},
      {400, R"({"error":"wrong shape"})", Outcome::kFailed, Reason::kNone},
      {404, R"({"error":"no model"})", Outcome::kFailed, Reason::kNone},
      {200, "not json", Outcome::kFailed, Reason::kNone},
      {200, R"({"outputs":3})", Outcome::kFailed, Reason::kNone}};
  for (const Case& one : cases) {
    NullServer server([&](std::string_view, std::string_view) { return always(one.status, one.json); });
    const LoadRun run = play_on(server, open_plan(server.url(), 5, kAmple));
    EXPECT_EQ(count(run, one.outcome), 5U) << one.status << " " << one.json;
    EXPECT_EQ(run.jobs[0].reason, one.reason) << one.status << " " << one.json;
    EXPECT_EQ(run.jobs[0].is_right, false);
    EXPECT_FALSE(run.jobs[0].response_time.has_value());
    EXPECT_EQ(run.stats.first_error.empty(), one.outcome != Outcome::kFailed);
  }
}

TEST(LoadClient, ClosedAfterEveryAnswer) {
  NullServer server([](std::string_view head, std::string_view) {
    NullReply reply = reply_like_a_server(head, 3);
    reply.bytes.insert(reply.bytes.find("\r\n"), "\r\nConnection: close");
    reply.then = NullReply::Then::kClose;
    return reply;
  });
  const LoadRun run = play_on(server, open_plan(server.url(), 50, kAmple));
  EXPECT_EQ(count(run, Outcome::kOnTime), 50U);
  EXPECT_EQ(run.stats.connections_lost, 0U);
  EXPECT_GE(server.connections(), 50U);
}

TEST(LoadClient, LostConnectionsAndHalfAnswersFail) {
  const std::vector<NullReply> replies = {
      {"", NullReply::Then::kClose},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"outp", NullReply::Then::kClose},
      {"HTTP/1.1 200 OK\r\nConte", NullReply::Then::kClose},
      {"220 mail.example ESMTP\r\n", NullReply::Then::kKeepOpen}};
  for (const NullReply& reply : replies) {
    NullServer server([&](std::string_view, std::string_view) { return reply; });
    const LoadRun run = play_on(server, open_plan(server.url(), 10, kAmple));
    EXPECT_EQ(count(run, Outcome::kFailed), 10U) << reply.bytes;
    EXPECT_EQ(run.stats.connections_lost, 10U) << reply.bytes;
    EXPECT_NE(run.stats.first_error.find("lost before its answer"), std::string::npos);
  }
}

TEST(LoadClient, OneLostConnectionCostsOneJob) {
  std::atomic<int> asked{0};
  NullServer server([&](std::string_view head, std::string_view) {
    if (++asked == 7) return NullReply{"", NullReply::Then::kClose};
    return reply_like_a_server(head, 3);
  });
  const LoadRun run = play_on(server, open_plan(server.url(), 40, kAmple));
  EXPECT_EQ(count(run, Outcome::kFailed), 1U);
  EXPECT_EQ(count(run, Outcome::kOnTime), 39U);
}

TEST(LoadClient, SilenceIsLateWithoutAnAnswer) {
  NullServer server([](std::string_view, std::string_view) { return NullReply{}; });
  LoadOptions options;
  options.grace = 1ms;
  options.connections_max = 8;
  const LoadRun run = play_on(server, open_plan(server.url(), 20, 1ms), options);
  ASSERT_EQ(run.jobs.size(), 20U);
  EXPECT_EQ(run.stats.unanswered + run.stats.unsent, 20U);
  EXPECT_GT(run.stats.unanswered, 0U);
  EXPECT_LE(run.stats.unanswered, 8U);
  EXPECT_EQ(count(run, Outcome::kLate), run.stats.unanswered);
  EXPECT_EQ(count(run, Outcome::kDropped), run.stats.unsent);
  for (const JobRecord& job : run.jobs) {
    EXPECT_FALSE(job.response_time.has_value());
    EXPECT_EQ(job.reason, job.outcome == Outcome::kLate ? Reason::kRanPastDeadline : Reason::kOverloaded);
  }
}

// The open loop: with no answer ever, every request still goes out.
TEST(LoadClient, NeverWaitsForAnEarlierAnswer) {
  NullServer server([](std::string_view, std::string_view) { return NullReply{}; });
  LoadOptions options;
  options.grace = 0ms;
  const LoadRun run = play_on(server, open_plan(server.url(), 100, std::nullopt), options);
  EXPECT_EQ(run.stats.unanswered, 100U);
  EXPECT_EQ(run.stats.unsent, 0U);
  EXPECT_EQ(count(run, Outcome::kFailed), 100U);
  EXPECT_TRUE(std::all_of(run.jobs.begin(), run.jobs.end(),
                          [](const JobRecord& job) { return job.send_lag.has_value(); }));
}

TEST(LoadClient, BoundedConnectionsServeAll) {
  NullServer server([](std::string_view head, std::string_view) { return reply_like_a_server(head, 3); });
  LoadOptions options;
  options.connections_max = 1;
  const LoadRun run = play_on(server, open_plan(server.url(), 100, kAmple, 0ns), options);
  EXPECT_EQ(count(run, Outcome::kOnTime), 100U);
  EXPECT_EQ(server.connections(), 1U);
}

// A camera has a connection of its own: requests that hang must not keep its frames from being sent.
TEST(LoadClient, FloodThatHangs_LeavesStreamsTheirConnections) {
  NullServer server([](std::string_view head, std::string_view body) {
    return body.find("\"s-7\"") == std::string_view::npos ? NullReply{} : reply_like_a_server(head, 3);
  });
  LoadPlan plan = open_plan(server.url(), 30, std::nullopt);
  const Endpoint endpoint = resolve_url(server.url()).value();
  const SampleSet set = random_samples(kModel, 1, Rng(1)).value();
  plan.requests.push_back(prepare_frame(kModel, endpoint.authority, set, set.samples[0]).value());
  plan.streams.push_back("s-7");
  for (std::uint32_t k = 0; k < 50; ++k) {
    LoadJob frame{Instant::from_start(4ms + k * 100us), 1, std::nullopt, 1, JobKind::kFirm, std::nullopt};
    frame.frame = StreamFrame{0, k, std::nullopt};
    plan.open_jobs.push_back(frame);
  }
  LoadOptions options;
  options.connections_max = 8;
  options.grace = 1s;  // the others' silence is waited for no longer
  const LoadRun run = play_on(server, plan, options);
  EXPECT_EQ(count(run, Outcome::kOnTime), 50U);
  EXPECT_EQ(run.stats.unanswered, 4U);
  EXPECT_EQ(run.stats.unsent, 26U);
}

TEST(LoadClient, LargeBodiesArriveWhole) {
  std::atomic<std::uint64_t> bytes{0};
  NullServer server([&](std::string_view head, std::string_view body) {
    bytes += body.size();
    return reply_like_a_server(head, 3);
  });
  LoadPlan plan;
  const RemoteModel model{"m", {{"x", "FP32", {-1, 500'000}}}, {}};
  const SampleSet set = random_samples(model, 1, Rng(1)).value();
  plan.requests.push_back(prepare_request(model, "h", set, set.samples[0], JobKind::kFirm, true).value());
  for (int i = 0; i < 4; ++i)
    plan.open_jobs.push_back({Instant(), 0, kAmple, 0, JobKind::kFirm, std::nullopt});
  const LoadRun run = play_on(server, plan);
  EXPECT_EQ(count(run, Outcome::kOnTime), 4U);
  const PreparedRequest& request = plan.requests[0];
  const std::size_t json_size = request.head.size() - request.head.find("\r\n\r\n") - 4;
  EXPECT_EQ(bytes.load(), 4 * (2'000'000 + json_size));
}

TEST(LoadClient, HangingUpCancelsTheOldest) {
  NullServer server([](std::string_view, std::string_view) { return NullReply{}; });
  LoadPlan plan = open_plan(server.url(), 5, 20ms);
  plan.hang_ups.push_back({Instant::from_start(1ms), 3});
  LoadOptions options;
  options.grace = 0ms;
  const LoadRun run = play_on(server, plan, options);
  ASSERT_EQ(run.jobs.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(run.jobs[i].outcome, i < 3 ? Outcome::kCancelled : Outcome::kLate) << i;
  }
  EXPECT_EQ(run.jobs[0].reason, Reason::kClientGone);
}

TEST(LoadClient, ClosedLoopAsksOneAtATime) {
  NullServer server([](std::string_view head, std::string_view) { return reply_like_a_server(head, 3); });
  LoadPlan plan = open_plan(server.url(), 0, kAmple);
  std::vector<int> left(3, 20);
  const auto job_of = [](std::uint32_t client, Instant at) {
    return LoadJob{at, client, kAmple, 0, JobKind::kFirm, client};
  };
  for (std::uint32_t client = 0; client < 3; ++client) plan.first_jobs.push_back(job_of(client, Instant()));
  plan.next_job = [&](std::uint32_t client, Instant now) -> std::optional<LoadJob> {
    if (--left[client] == 0) return std::nullopt;
    return job_of(client, now);
  };
  const LoadRun run = play_on(server, plan);
  ASSERT_EQ(run.jobs.size(), 60U);
  EXPECT_EQ(count(run, Outcome::kOnTime), 60U);
  for (std::uint32_t client = 0; client < 3; ++client) {
    Instant free;
    for (const JobRecord& job : run.jobs) {
      if (job.task != client) continue;
      EXPECT_GE(job.intended, free);
      free = job.intended + *job.response_time;
    }
  }
}

TEST(LoadClient, NobodyThereIsAnError) {
  std::string url;
  {
    NullServer server([](std::string_view, std::string_view) { return NullReply{}; });
    url = server.url();
  }
  const Result<LoadRun> run = play(open_plan(url, 1, kAmple), resolve_url(url).value(), {});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(run.error().message.find("expected a server at " + url), std::string::npos)
      << run.error().message;
}

TEST(HttpGet, AnswersAndFailures) {
  NullServer server([](std::string_view head, std::string_view) {
    if (head.starts_with("GET /close ")) return NullReply{"", NullReply::Then::kClose};
    if (head.starts_with("GET /silent ")) return NullReply{};
    return always(404, "{}");
  });
  const Endpoint endpoint = resolve_url(server.url()).value();
  const Result<HttpAnswer> found = http_get(endpoint, "/x", 60s);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->status, 404);
  EXPECT_EQ(found->body, "{}");
  EXPECT_FALSE(http_get(endpoint, "/close", 60s));
  EXPECT_FALSE(http_get(endpoint, "/silent", 1ms));
}

}  // namespace
}  // namespace laxity
