// Streams over real sockets: asked for, promised or refused, policed, lost, left and forgotten.
//
// Nothing here depends on how fast the machine is: periods are long where a frame must be too early,
// deadlines are late where a plan must hold that took its time, and what takes its time is waited for.

#include <atomic>
#include <set>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/e2e/http_fixture.h"

namespace laxity {
namespace {

using nlohmann::json;
using testing::first_value;
using testing::HttpClient;
using testing::infer;
using testing::infer_json;
using testing::kInfer;
using testing::post;
using testing::Reply;

/// Frames a minute apart: the third one sent at once is too fast.
constexpr const char* kSlow = R"({"model":"a","period_ms":60000,"jitter_ms":1000,"deadline_ms":30000})";
/// Always some frames within the plan's horizon.
constexpr const char* kBusy = R"({"model":"a","period_ms":2000,"jitter_ms":1000,"deadline_ms":30000})";

std::string ask(std::string_view contract) { return post("/v2/streams", contract); }
std::string leave(const std::string& name) {
  return "DELETE /v2/streams/" + name + " HTTP/1.1\r\nHost: test\r\n\r\n";
}
std::string frame(float value, const std::string& stream, int number = -1) {
  json parameters = {{"stream", stream}};
  if (number >= 0) parameters["frame"] = number;
  return infer(value, parameters.dump());
}
std::string error_of(const Reply& reply) { return json::parse(reply.body)["error"]; }
std::string reason_of(const Reply& reply) { return json::parse(reply.body)["reason"]; }

class StreamE2e : public testing::HttpE2e {
 protected:
  StreamE2e() { default_policy = "laxity"; }

  /// Asks for a stream that must be admitted.
  json admit(HttpClient& c, std::string_view contract) {
    const auto reply = c.exchange(ask(contract));
    EXPECT_TRUE(reply && reply->status == 201) << (reply ? reply->body : "no reply");
    return json::parse(reply->body);
  }
  json page(HttpClient& c, const std::string& name) {
    const auto reply = c.get("/v2/streams/" + name);
    EXPECT_TRUE(reply && reply->status == 200) << (reply ? reply->body : "no reply");
    return json::parse(reply->body);
  }
  /// Asks for the stream's page until `is_so`.
  template <typename IsSo>
  json wait_for_page(HttpClient& c, const std::string& name, IsSo&& is_so) {
    for (;;) {
      json found = page(c, name);
      if (is_so(found)) return found;
      std::this_thread::yield();
    }
  }
};

TEST_F(StreamE2e, AdmittedServedAndLeft) {
  start();
  HttpClient c = client();
  const json verdict = admit(c, kSlow);
  const std::string name = verdict["stream"];
  EXPECT_EQ(verdict["admitted"], true);
  EXPECT_EQ(verdict["guarantee"], "plan-rolling");
  EXPECT_EQ(verdict["provisional"], true) << "the phase is not known before frame 0";
  EXPECT_GT(verdict["guaranteed_until_ms"], 0);
  EXPECT_EQ(verdict["response_time_bound_ms"], 30000);
  EXPECT_EQ(verdict["contract"]["lowest_variant"], "full");

  for (int number = 0; number < 2; ++number) {
    const auto reply = c.exchange(frame(41, name));
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->status, 200) << reply->body;
    EXPECT_EQ(first_value(*reply), 42);
    const json parameters = json::parse(reply->body)["parameters"];
    EXPECT_EQ(parameters["stream"], name);
    EXPECT_EQ(parameters["frame"], number);
    EXPECT_EQ(parameters["outcome"], "on_time");
    EXPECT_GT(parameters["slack_ms"], 0);
  }
  const json frames = page(c, name)["frames"];
  EXPECT_EQ(frames["received"], 2);
  EXPECT_EQ(frames["answered"], 2);
  EXPECT_EQ(frames["on_time"], 2);
  EXPECT_EQ(frames["early"], 1) << "frame 1 came a minute before its release";
  EXPECT_EQ(frames["breaches"], 0);
  const json list = json::parse(c.get("/v2/streams")->body);
  ASSERT_EQ(list["streams"].size(), 1U);
  EXPECT_EQ(list["streams"][0]["stream"], name);
  EXPECT_EQ(list["next"], nullptr);

  const auto left = c.exchange(leave(name));
  ASSERT_TRUE(left);
  EXPECT_EQ(left->status, 200);
  EXPECT_EQ(json::parse(left->body)["frames"]["on_time"], 2);
  const auto after = c.exchange(frame(1, name));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->status, 404);
  EXPECT_EQ(reason_of(*after), "unknown_stream");
  EXPECT_NE(error_of(*after).find("has left"), std::string::npos);
  EXPECT_EQ(c.get("/v2/streams/" + name)->status, 404);
  EXPECT_EQ(c.exchange(leave(name))->status, 404);
  const json streams = state()["streams"];
  EXPECT_EQ(streams["open"], 0);
  EXPECT_EQ(streams["ended"]["left"], 1);
}

TEST_F(StreamE2e, FrameZeroFixesThePhase) {
  start();
  HttpClient c = client();
  const std::string name = admit(c, kBusy)["stream"];
  EXPECT_EQ(page(c, name)["phase"]["is_fixed"], false);
  ASSERT_EQ(c.exchange(frame(1, name, 0))->status, 200);
  const json fixed = wait_for_page(c, name, [](const json& p) { return p["provisional"] == false; });
  EXPECT_EQ(fixed["phase"]["is_fixed"], true);
  EXPECT_EQ(fixed["phase"]["next_frame"], 1);
  EXPECT_LE(fixed["phase"]["first_release_ms"], -1000) << "its arrival less the jitter";
  EXPECT_EQ(fixed["guarantee"], "plan-rolling");
  EXPECT_GT(fixed["guaranteed_until_ms"], 0);
  EXPECT_EQ(fixed["lost"], nullptr);
}

TEST_F(StreamE2e, AFiniteStreamWithAStartIsPromisedForLifeAndEndsByItself) {
  start();
  HttpClient c = client();
  const json verdict = admit(
      c, R"({"model":"a","period_ms":1000,"jitter_ms":1000,"deadline_ms":30000,"start_in_ms":0,"frames":2})");
  const std::string name = verdict["stream"];
  EXPECT_EQ(verdict["guarantee"], "plan");
  EXPECT_EQ(verdict["guaranteed_until_ms"], nullptr);
  EXPECT_EQ(verdict["provisional"], false);
  EXPECT_EQ(c.exchange(frame(1, name, 0))->status, 200);
  EXPECT_EQ(page(c, name)["guarantee"], "plan");
  EXPECT_EQ(c.exchange(frame(1, name, 1))->status, 200);
  const auto gone = c.get("/v2/streams/" + name);
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->status, 404);
  EXPECT_NE(error_of(*gone).find("has sent all its frames"), std::string::npos) << gone->body;
  EXPECT_EQ(state()["streams"]["ended"]["finished"], 1);
}

// An executor that rests on the demand test gives that guarantee to whoever asks for less, too.
TEST_F(StreamE2e, AProofForEverIsGivenToWhoAsks) {
  start();
  HttpClient c = client();
  json contract = {{"model", "a"},
                   {"period_ms", 1000},
                   {"jitter_ms", 900},
                   {"deadline_ms", 10000},
                   {"guarantee", "demand"}};
  const json verdict = admit(c, contract.dump());
  const std::string name = verdict["stream"];
  EXPECT_EQ(verdict["guarantee"], "demand");
  EXPECT_EQ(verdict["guaranteed_until_ms"], nullptr);
  EXPECT_EQ(verdict["provisional"], false) << "it holds for any phase";
  EXPECT_EQ(verdict["contract"]["guarantee"], "demand");
  contract.erase("guarantee");
  EXPECT_EQ(admit(c, contract.dump())["guarantee"], "demand");
  for (int number = 0; number < 2; ++number) {
    const auto reply = c.exchange(frame(41, name));
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->status, 200) << reply->body;
    EXPECT_EQ(json::parse(reply->body)["parameters"]["outcome"], "on_time");
  }
  EXPECT_EQ(page(c, name)["guarantee"], "demand");
  EXPECT_EQ(page(c, name)["lost"], nullptr);
}

// The execution time is 10 ms: what the demand test refuses says so, and what would do.
TEST_F(StreamE2e, TheDemandTestMakesOffersToo) {
  start(nullptr, 1, 64, 10ms);
  HttpClient c = client();
  json contract = {
      {"model", "a"}, {"period_ms", 1000}, {"jitter_ms", 0}, {"deadline_ms", 5}, {"guarantee", "demand"}};
  const auto refused = c.exchange(ask(contract.dump()));
  ASSERT_TRUE(refused);
  ASSERT_EQ(refused->status, 503) << refused->body;
  const json body = json::parse(refused->body);
  EXPECT_EQ(body["reason"], "admission_demand");
  EXPECT_EQ(body["failing_stream"], "asked");
  ASSERT_FALSE(body["would_admit"].empty()) << body;
  EXPECT_GE(body["would_admit"][0]["deadline_ms"], 10);
  contract.update(body["would_admit"][0]);
  EXPECT_EQ(admit(c, contract.dump())["guarantee"], "demand");
}

// Its frames begin only later, so there is time to ask twice.
TEST_F(StreamE2e, ARefusalMakesAnOfferThatIsKept) {
  start(nullptr, 1, 64, 10ms);
  HttpClient c = client();
  json contract = {{"model", "a"},       {"period_ms", 10000}, {"jitter_ms", 0},
                   {"deadline_ms", 4.5}, {"frames", 3},        {"start_in_ms", 30000}};
  const auto refused = c.exchange(ask(contract.dump()));
  ASSERT_TRUE(refused);
  ASSERT_EQ(refused->status, 503) << refused->body;
  const json body = json::parse(refused->body);
  EXPECT_EQ(body["reason"], "admission_plan");
  EXPECT_EQ(body["admitted"], false);
  EXPECT_EQ(body["failing_stream"], "asked");
  EXPECT_GE(body["failing_at_ms"], 30004.5) << "r + D of a frame";
  EXPECT_EQ(refused->headers.at("retry-after"), "1");
  ASSERT_FALSE(body["would_admit"].empty()) << body;
  const json offer = body["would_admit"][0];
  EXPECT_GE(offer["deadline_ms"], 10) << "the execution time";
  contract.update(offer);
  const json verdict = admit(c, contract.dump());
  EXPECT_EQ(verdict["response_time_bound_ms"], offer["deadline_ms"]);
  EXPECT_EQ(verdict["guarantee"], "plan");
  // A millisecond less was tried, and did not fit.
  contract["deadline_ms"] = offer["deadline_ms"].get<double>() - 1.0;
  EXPECT_EQ(c.exchange(ask(contract.dump()))->status, 503);
}

TEST_F(StreamE2e, WhoSendsTooFastIsToldAndHurtsNobody) {
  start();
  HttpClient fast = client(), fair = client();
  const std::string hasty = admit(fast, kSlow)["stream"], calm = admit(fair, kSlow)["stream"];
  ASSERT_NE(hasty, calm);
  ASSERT_EQ(fast.exchange(frame(0, hasty))->status, 200);
  ASSERT_EQ(fast.exchange(frame(0, hasty))->status, 200);
  for (int i = 0; i < 200; ++i) {
    const auto reply = fast.exchange(frame(0, hasty));
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->status, 429) << reply->body;
    EXPECT_EQ(reply->headers.at("retry-after"), "60");
    const json body = json::parse(reply->body);
    EXPECT_EQ(body["reason"], "faster_than_contract");
    EXPECT_EQ(body["contract"]["period_ms"], 60000);
    EXPECT_EQ(body["stream"], hasty);
    if (i == 0) {
      EXPECT_EQ(fair.exchange(frame(7, calm))->status, 200);
    }
  }
  EXPECT_EQ(fast.exchange(frame(0, hasty, 0))->status, 429) << "sent before";
  const auto reply = fair.exchange(frame(8, calm));
  ASSERT_TRUE(reply);
  EXPECT_EQ(first_value(*reply), 9);
  EXPECT_EQ(json::parse(reply->body)["parameters"]["outcome"], "on_time");
  EXPECT_EQ(page(fair, calm)["frames"]["too_fast"], 0);
  EXPECT_EQ(page(fair, hasty)["frames"]["too_fast"], 201);
  EXPECT_EQ(page(fair, hasty)["frames"]["answered"], 2);
}

TEST_F(StreamE2e, FramesOutOfOrderTwiceAndMissing) {
  start("edf");
  HttpClient c = client();
  const std::string name = admit(c, kSlow)["stream"];
  EXPECT_EQ(c.exchange(frame(1, name, 4))->status, 200) << "the first that comes fixes the phase";
  EXPECT_EQ(c.exchange(frame(1, name, 2))->status, 200) << "an earlier one is late, and served";
  EXPECT_EQ(c.exchange(frame(1, name, 2))->status, 429) << "twice";
  EXPECT_EQ(c.exchange(frame(1, name, 6))->status, 429) << "two minutes early";
  const auto next = c.exchange(frame(1, name));
  ASSERT_TRUE(next);
  EXPECT_EQ(json::parse(next->body)["parameters"]["frame"], 5) << "one more than the highest";
  const json found = page(c, name);
  EXPECT_EQ(found["frames"]["answered"], 3);
  EXPECT_EQ(found["frames"]["breaches"], 1);
  EXPECT_EQ(found["frames"]["too_fast"], 2);
  EXPECT_EQ(found["phase"]["next_frame"], 6);
}

TEST_F(StreamE2e, AFrameMustFitItsStream) {
  start();
  HttpClient c = client();
  const std::string name = admit(c, kSlow)["stream"];
  struct Row {
    std::string request;
    int status;
    const char* said;
  };
  const auto with = [&](const char* more) { return infer(1, R"({"stream":")" + name + "\"" + more + "}"); };
  const Row rows[] = {
      {frame(1, "s-7"), 404, "unknown stream 's-7'"},
      {frame(1, "s-00"), 404, "unknown stream 's-00'"},
      {frame(1, "s-4294967296"), 404, "unknown stream"},
      {frame(1, "camera"), 404, "unknown stream 'camera'"},
      {frame(1, std::string(300, 'x')), 404, "unknown stream 'xxx"},
      {infer(1, R"({"stream":""})"), 400, "expected a stream's name"},
      {infer(1, R"({"stream":7})"), 400, "expected a string"},
      {infer(1, R"({"frame":7})"), 400, "expected 'stream' beside it"},
      {with(R"(,"frame":-1)"), 400, "an integer from 0"},
      {with(R"(,"frame":4294967296)"), 400, "an integer from 0 to 4294967295"},
      {with(R"(,"frame":1.5)"), 400, "an integer from 0"},
      {with(R"(,"deadline_ms":5)"), 400, "'deadline_ms'"},
      {with(R"(,"kind":"soft")"), 400, "'kind'"},
      {with(R"(,"timeout":5)"), 400, "'timeout'"},
      {post(kInfer, infer_json({1, 2}, R"({"stream":")" + name + "\"}")), 400, "found a batch of 2"},
      {post("/v2/models/picture/infer", infer_json({1}, R"({"stream":")" + name + "\"}")), 400,
       "expected a frame for model 'a'"},
  };
  for (const Row& row : rows) {
    const auto reply = c.exchange(row.request);
    ASSERT_TRUE(reply) << row.request;
    EXPECT_EQ(reply->status, row.status) << row.request << "\n" << reply->body;
    EXPECT_NE(error_of(*reply).find(row.said), std::string::npos) << row.request << "\n" << reply->body;
    EXPECT_EQ(reason_of(*reply), row.status == 404 ? "unknown_stream" : "invalid_argument");
  }
  EXPECT_EQ(page(c, name)["frames"]["received"], 0) << "none of them was taken for a frame";
  EXPECT_EQ(c.exchange(frame(1, name))->status, 200);
}

TEST_F(StreamE2e, PoliciesWithoutAdmissionTakeStreamsAndPromiseNothing) {
  for (const char* policy : {"edf", "fifo"}) {
    SCOPED_TRACE(policy);
    start(policy);
    HttpClient c = client();
    const json verdict = admit(c, kSlow);
    EXPECT_EQ(verdict["guarantee"], "none");
    EXPECT_EQ(verdict["guaranteed_until_ms"], nullptr);
    EXPECT_EQ(verdict["response_time_bound_ms"], nullptr);
    const std::string name = verdict["stream"];
    EXPECT_EQ(c.exchange(frame(1, name))->status, 200);
    EXPECT_EQ(c.exchange(frame(1, name))->status, 200);
    EXPECT_EQ(c.exchange(frame(1, name))->status, 429) << "policing is the same under every policy";
    json wanting = json::parse(kSlow);
    wanting["guarantee"] = "plan-rolling";
    const auto refused = c.exchange(ask(wanting.dump()));
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->status, 503);
    EXPECT_EQ(reason_of(*refused), "guarantee_not_given");
    EXPECT_EQ(json::parse(refused->body)["would_admit"][0]["guarantee"], "none");
    EXPECT_EQ(state()["streams"]["open"], 1) << "the one that was refused is gone";
    server->stop(1s);
  }
}

TEST_F(StreamE2e, DeepRtPromisesNominally) {
  start("deeprt");
  HttpClient c = client();
  const json verdict = admit(c, kSlow);
  EXPECT_EQ(verdict["guarantee"], "nominal");
  EXPECT_EQ(page(c, verdict["stream"])["guarantee"], "nominal");
  json contract = json::parse(kSlow);
  contract["guarantee"] = "plan";
  const auto refused = c.exchange(ask(contract.dump()));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503) << "what its test cannot give is not promised under another name";
  EXPECT_EQ(reason_of(*refused), "admission_plan");
  EXPECT_EQ(c.exchange(leave(verdict["stream"]))->status, 200);
}

TEST_F(StreamE2e, ASilentStreamEndsAndMayComeBack) {
  config.stream_idle_min = 40ms;
  start("edf");
  HttpClient c = client();
  const std::string contract = R"({"model":"a","period_ms":1,"jitter_ms":1,"deadline_ms":60000,"frames":30})";
  std::set<std::string> names;
  for (int round = 0; round < 3; ++round) {
    const std::string name = admit(c, contract)["stream"];
    EXPECT_TRUE(names.insert(name).second) << "a name is not soon that of another";
    EXPECT_EQ(c.exchange(frame(1, name))->status, 200);
    auto gone = c.get("/v2/streams/" + name);
    while (gone && gone->status == 200) gone = c.get("/v2/streams/" + name);
    ASSERT_TRUE(gone);
    EXPECT_EQ(gone->status, 404);
    EXPECT_NE(error_of(*gone).find("sent nothing for too long"), std::string::npos) << gone->body;
    EXPECT_EQ(c.exchange(frame(1, name))->status, 404);
  }
  EXPECT_EQ(state()["streams"]["ended"]["idle"], 3);
  EXPECT_EQ(state()["streams"]["open"], 0);
}

TEST_F(StreamE2e, AFrameThatRunsKeepsItsStream) {
  config.stream_idle_min = 40ms;
  options.inline_execution_max = Duration::zero();
  start("fifo");
  HttpClient c = client(), other = client();
  const std::string name = admit(c, R"({"model":"a","period_ms":1,"jitter_ms":1,"kind":"soft"})")["stream"];
  const std::string silent = admit(c, R"({"model":"a","period_ms":1,"jitter_ms":1})")["stream"];
  engine.gate.close();
  ASSERT_TRUE(c.send(frame(1, name)));
  engine.gate.wait_for_run();
  // The other one has come to its end by now and more; that the first has not is no matter of luck.
  while (other.get("/v2/streams/" + silent)->status == 200) std::this_thread::yield();
  EXPECT_EQ(page(other, name)["frames"]["in_flight"], 1);
  engine.gate.open();
  EXPECT_EQ(c.receive()->status, 200);
}

TEST_F(StreamE2e, EveryPlaceTakenIsSaidSo) {
  start("edf");
  HttpClient c = client();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < toy.system.limits.streams_max; ++i) names.push_back(admit(c, kSlow)["stream"]);
  for (int i = 0; i < 3; ++i) {
    const auto reply = c.exchange(ask(kSlow));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->status, 503);
    EXPECT_EQ(reason_of(*reply), "too_many_streams");
    EXPECT_EQ(reply->headers.at("retry-after"), "1");
  }
  EXPECT_EQ(json::parse(c.get("/v2/streams")->body)["streams"].size(), names.size());
  EXPECT_EQ(json::parse(c.get("/v2/streams?from=5")->body)["streams"].size(), names.size() - 5);
  EXPECT_EQ(c.exchange(leave(names[3]))->status, 200);
  EXPECT_EQ(c.exchange(frame(1, admit(c, kSlow)["stream"]))->status, 200);
  EXPECT_EQ(state()["streams"]["too_many_streams"], 3);
}

// Ten thousand admissions at once, far more than can be looked at: each is answered, with a verdict or with
// why there is none.
TEST_F(StreamE2e, AFloodOfAdmissionsIsAnswered) {
  config.admissions_waiting_max = 2;
  start();
  constexpr int kClients = 6, kAsks = 1'700;
  std::atomic<int> admitted{0}, refused{0}, wrong{0};
  std::vector<std::thread> askers;
  for (int k = 0; k < kClients; ++k) {
    askers.emplace_back([&] {
      HttpClient c = client();
      std::string asks;
      for (int i = 0; i < kAsks; ++i) asks += ask(kSlow);
      std::thread sender([&] { EXPECT_TRUE(c.send(asks)); });
      for (int i = 0; i < kAsks; ++i) {
        const auto reply = c.receive();
        if (reply && reply->status == 201) {
          ++admitted;
        } else if (reply && reply->status == 503 &&
                   std::set<std::string>{"admission_busy", "too_many_streams", "admission_plan", "overloaded"}
                       .contains(reason_of(*reply))) {
          ++refused;
        } else {
          ++wrong;
        }
      }
      sender.join();
    });
  }
  for (std::thread& asker : askers) asker.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(admitted, static_cast<int>(toy.system.limits.streams_max)) << "they are all alike, and fit";
  EXPECT_EQ(admitted + refused, kClients * kAsks);
  const json streams = state()["streams"];
  EXPECT_EQ(streams["waiting"], 0);
  EXPECT_EQ(streams["admitted"], admitted.load());
  expect_served();
}

TEST_F(StreamE2e, WithoutRoomToWaitEveryAdmissionIsBusy) {
  config.admissions_waiting_max = 0;
  start();
  HttpClient c = client();
  const auto reply = c.exchange(ask(kSlow));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 503);
  EXPECT_EQ(reason_of(*reply), "admission_busy");
  EXPECT_EQ(reply->headers.at("retry-after"), "1");
  EXPECT_EQ(state()["streams"]["admission_busy"], 1);
}

TEST_F(StreamE2e, BadContractsAreRefusedWithWords) {
  start();
  HttpClient c = client();
  struct Row {
    const char* contract;
    int status;
    const char* said;
  };
  const Row rows[] = {
      {"", 400, "expected a JSON object"},
      {"[]", 400, "expected an object, found an array"},
      {"{}", 400, "expected the key 'model'"},
      {R"({"model":"a"})", 400, "expected the key 'period_ms'"},
      {R"({"model":"b","period_ms":10})", 404, "did you mean 'a'"},
      {R"({"model":"a","period_ms":0})", 400, "from 0.1 to 86400000"},
      {R"({"model":"a","period_ms":-5})", 400, "from 0.1"},
      {R"({"model":"a","period_ms":NaN})", 400, "expected a JSON object"},
      {R"({"model":"a","period_ms":1e300})", 400, "from 0.1"},
      {R"({"model":"a","period_ms":1e999})", 400, "expected a JSON object"},
      {R"({"model":"a","period_ms":"33"})", 400, "found a string"},
      {R"({"model":"a","period_ms":33,"deadline_ms":0})", 400, "deadline_ms: expected a number from"},
      {R"({"model":"a","period_ms":33,"frames":0})", 400, "from 1"},
      {R"({"model":"a","period_ms":33,"frames":-1})", 400, "from 1"},
      {R"({"model":"a","period_ms":33,"frames":1.5})", 400, "from 1"},
      {R"({"model":"a","period_ms":33,"dedline_ms":5})", 400, "did you mean 'deadline_ms'"},
      {R"({"model":"a","period_ms":33,"period_ms":5})", 400, "found twice"},
      {R"({"model":"a","period_ms":33,"kind":"frim"})", 400, "did you mean 'firm'"},
      {R"({"model":"a","period_ms":33,"guarantee":"plam"})", 400, "did you mean 'plan'"},
      {R"({"model":"a","period_ms":33,"lowest_variant":"fill"})", 400, "did you mean 'full'"},
      {R"({"model":"a","period_ms":33,"response_time_ms":34})", 400, "at most the deadline, 33, found 34"},
      {R"({"model":"a","period_ms":33,"kind":"best-effort","guarantee":"plan"})", 400, "found plan"},
  };
  for (const Row& row : rows) {
    const auto reply = c.exchange(ask(row.contract));
    ASSERT_TRUE(reply) << row.contract;
    EXPECT_EQ(reply->status, row.status) << row.contract << "\n" << reply->body;
    EXPECT_NE(error_of(*reply).find(row.said), std::string::npos) << row.contract << "\n" << reply->body;
  }
  EXPECT_EQ(c.exchange(ask("{\"model\":\"" + std::string(70000, 'a') + "\"}"))->status, 413);
  HttpClient d = client();
  EXPECT_EQ(d.exchange(post("/v2/streams", kSlow, "Content-Encoding: gzip\r\n"))->status, 415);
  EXPECT_EQ(d.exchange("PUT /v2/streams HTTP/1.1\r\n\r\n")->headers.at("allow"), "GET, POST");
  EXPECT_EQ(d.exchange(post("/v2/streams/s-0", ""))->headers.at("allow"), "GET, DELETE");
  EXPECT_EQ(d.get("/v2/streams?from=x")->status, 400);
  EXPECT_EQ(d.exchange("GET /v2/laxity/events HTTP/1.1\r\nContent-Length: 1\r\n\r\nx")->status, 400);
  EXPECT_EQ(state()["streams"]["asked"], 0);
}

// Contracts at the edge of what is allowed, side by side: an answer each, and the server serves on.
TEST_F(StreamE2e, ExtremeContractsHarmNobody) {
  start();
  HttpClient c = client();
  const char* contracts[] = {
      R"({"model":"a","period_ms":0.1,"jitter_ms":0,"deadline_ms":0.000001})",
      R"({"model":"a","period_ms":0.1,"jitter_ms":86400000,"deadline_ms":86400000})",
      R"({"model":"a","period_ms":0.1,"jitter_ms":0,"deadline_ms":86400000,"frames":4294967296})",
      R"({"model":"a","period_ms":86400000,"jitter_ms":86400000,"deadline_ms":86400000,"frames":4294967296})",
      R"({"model":"a","period_ms":86400000,"jitter_ms":0,"deadline_ms":0.000001,"start_in_ms":86400000})",
      R"({"model":"a","period_ms":0.1,"frames":1,"start_in_ms":0})",
      R"({"model":"a","period_ms":1,"kind":"best-effort"})",
      R"({"model":"a","period_ms":1,"guarantee":"demand"})",
  };
  for (const char* contract : contracts) {
    const auto reply = c.exchange(ask(contract));
    ASSERT_TRUE(reply) << contract;
    EXPECT_TRUE(reply->status == 201 || reply->status == 503) << contract << "\n" << reply->body;
    const json body = json::parse(reply->body);
    if (reply->status == 201) {
      EXPECT_EQ(c.exchange(frame(1, body["stream"]))->headers.count("content-length"), 1U) << contract;
      EXPECT_TRUE(json::accept(c.get("/v2/streams/" + body["stream"].get<std::string>())->body));
    }
    expect_served();
  }
}

// Execution times that no plan can bear are measured: the promise is lost, which is told, and comes back.
TEST_F(StreamE2e, APromiseThatIsLostIsToldAndComesBack) {
  start();
  HttpClient c = client();
  const std::string name = admit(c, kBusy)["stream"];
  ASSERT_EQ(c.exchange(frame(1, name))->status, 200);
  wait_for_page(c, name, [](const json& p) { return p["provisional"] == false; });
  const LatencyTable table = toy.system.table;
  LatencyTable hopeless = table;
  const Duration hour = std::chrono::hours(1);
  for (std::uint32_t b = 1; b <= 4; ++b) hopeless.set(CategoryId{0}, b, {hour, hour, hour, hour, 100});
  ASSERT_TRUE(runner->replace_table(hopeless));
  (void)wait_for_page(c, name, [](const json& p) { return p["promises_lost"] >= 1; });
  EXPECT_GE(state()["streams"]["promises_lost"], 1);
  ASSERT_TRUE(runner->replace_table(table));
  const json back = wait_for_page(c, name, [](const json& p) { return p["lost"] == nullptr; });
  EXPECT_EQ(back["guarantee"], "plan-rolling");
  EXPECT_GE(state()["streams"]["promises_returned"], 1);
  EXPECT_EQ(c.exchange(frame(1, name))->status, 200);
}

TEST_F(StreamE2e, AClientThatDoesNotWaitForItsVerdictLeavesNothingBehind) {
  config.stream_idle_min = 40ms;
  start();
  for (int i = 0; i < 50; ++i) {
    HttpClient c = client();
    ASSERT_TRUE(c.send(ask(R"({"model":"a","period_ms":2,"jitter_ms":2,"deadline_ms":30000})")));
    if (i % 2 == 0) c.reset();
  }
  // Given up before the verdict, refused, or admitted and then silent.
  while (state()["streams"]["open"] > 0) std::this_thread::yield();
  expect_served();
}

TEST_F(StreamE2e, StoppingWithStreamsOpenAnswersEverybody) {
  start();
  std::atomic<int> served{0}, wrong{0};
  std::vector<std::thread> clients;
  for (int k = 0; k < 4; ++k) {
    clients.emplace_back([&, k] {
      HttpClient c = client();
      std::string name;
      for (int i = 0;; ++i) {
        const bool asks = name.empty();
        const bool leaves = !asks && i % 3 == 0;
        if (!c.send(asks ? ask(kBusy) : leaves ? leave(name) : frame(static_cast<float>(k), name))) return;
        const auto reply = c.receive();
        if (!reply) return;  // between a reply and the next request
        const bool is_stopping = reply->status == 503 && reason_of(*reply) == "shutting_down";
        const bool is_busy = reply->status == 503 && asks;
        const bool is_answered = reply->status == (asks ? 201 : 200) || reply->status == 429;
        if (!is_stopping && !is_busy && !is_answered) ++wrong;
        if (asks && reply->status == 201) name = json::parse(reply->body)["stream"];
        if (leaves) name.clear();
        if (reply->status == 200) ++served;
        if (reply->headers.count("connection") != 0) return;
      }
    });
  }
  while (served < 40) std::this_thread::yield();
  server->stop(5s);
  for (std::thread& thread : clients) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(StreamE2e, ListenersHearWhatHappensToStreams) {
  start();
  HttpClient listener = client(), c = client();
  ASSERT_TRUE(listener.send("GET /v2/laxity/events HTTP/1.1\r\n\r\n"));
  const auto head = listener.receive_until("\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_NE(head->find("text/event-stream"), std::string::npos);
  ASSERT_TRUE(listener.receive_until("\n\n")) << "the first comment: what comes now is told";
  /// The next event that is not a comment.
  const auto next = [&]() -> std::pair<std::string, json> {
    for (;;) {
      const auto text = listener.receive_until("\n\n");
      if (!text) return {"nothing", {}};
      if (text->front() == ':') continue;
      const std::size_t data = text->find("\ndata: ");
      return {text->substr(7, data - 7), json::parse(text->substr(data + 7))};
    }
  };
  const std::string name = admit(c, kBusy)["stream"];
  auto [kind, data] = next();
  EXPECT_EQ(kind, "stream_admitted");
  EXPECT_EQ(data["stream"], name);
  EXPECT_EQ(data["provisional"], true);
  ASSERT_EQ(c.exchange(frame(1, name))->status, 200);
  std::tie(kind, data) = next();
  EXPECT_EQ(kind, "promise_changed") << "frame 0 has fixed the phase";
  EXPECT_EQ(data["provisional"], false);

  LatencyTable hopeless = toy.system.table;
  const Duration hour = std::chrono::hours(1);
  for (std::uint32_t b = 1; b <= 4; ++b) hopeless.set(CategoryId{0}, b, {hour, hour, hour, hour, 100});
  ASSERT_TRUE(runner->replace_table(hopeless));
  std::tie(kind, data) = next();
  EXPECT_EQ(kind, "promise_lost");
  EXPECT_EQ(data["reason"], "admission_plan");
  ASSERT_TRUE(runner->replace_table(toy.system.table));
  while (kind != "promise_returned" && kind != "nothing") std::tie(kind, data) = next();
  EXPECT_EQ(data["guarantee"], "plan-rolling");

  ASSERT_EQ(c.exchange(leave(name))->status, 200);
  while (kind != "stream_ended" && kind != "nothing") std::tie(kind, data) = next();
  EXPECT_EQ(data["how"], "left");
  std::thread stopper([this] { server->stop(1s); });
  EXPECT_FALSE(listener.receive_until("\n\n")) << "stopping ends it";
  listener.close();
  stopper.join();
}

TEST_F(StreamE2e, AListenerThatDoesNotReadHoldsNobodyUp) {
  start("edf");
  HttpClient listener = client(), c = client();
  listener.keep_little();
  ASSERT_TRUE(listener.send("GET /v2/laxity/events HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(listener.receive_until("\n\n"));
  const auto listening = state()["server"]["connections"];
  // Each round tells two events; what sockets and the server keep of them is soon more than they take.
  while (state()["server"]["connections"] >= listening) {
    for (int i = 0; i < 100; ++i) {
      const auto left = c.exchange(leave(admit(c, kSlow)["stream"]));
      ASSERT_TRUE(left && left->status == 200);
    }
  }
  std::vector<HttpClient> many;
  for (int i = 0; i < 16; ++i) {
    many.push_back(client());
    ASSERT_TRUE(many.back().send("GET /v2/laxity/events HTTP/1.1\r\n\r\n"));
    ASSERT_TRUE(many.back().receive_until("\n\n"));
  }
  const auto refused = client().get("/v2/laxity/events");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(reason_of(*refused), "too_many_listeners");
}

TEST_F(StreamE2e, TheStatePageNamesEngineAndStreams) {
  config.engine = "toy 1";
  config.is_emulated = true;
  start();
  HttpClient c = client();
  (void)admit(c, kSlow);
  const json found = state();
  EXPECT_EQ(found["engine"]["name"], "toy 1");
  EXPECT_EQ(found["engine"]["emulated"], true);
  EXPECT_EQ(found["streams"]["open"], 1);
  EXPECT_EQ(found["streams"]["open_max"], toy.system.limits.streams_max);
  EXPECT_EQ(found["streams"]["waiting_max"], 64);
  EXPECT_EQ(found["streams"]["guarantees"]["plan-rolling"], 1);
}

}  // namespace
}  // namespace laxity
