// The server over real sockets, with the real driver and a toy engine that a gate can hold back.

#include <atomic>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "tests/e2e/http_fixture.h"

namespace laxity {
namespace {

using nlohmann::json;
using testing::first_value;
using testing::HttpClient;
using testing::HttpE2e;
using testing::infer;
using testing::infer_json;
using testing::kInfer;
using testing::post;
using testing::post_binary;

/// What requests on their own may rely on whichever policy serves them.
class HttpE2eAnyPolicy : public HttpE2e, public ::testing::WithParamInterface<const char*> {
 protected:
  HttpE2eAnyPolicy() { default_policy = GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Policies, HttpE2eAnyPolicy, ::testing::Values("edf", "laxity"),
                         [](const auto& policy) { return std::string(policy.param); });

TEST_P(HttpE2eAnyPolicy, JsonAndBinaryOnOneConnection) {
  start();
  HttpClient c = client();
  for (int round = 0; round < 3; ++round) {
    const auto reply = c.exchange(infer(41, R"({"deadline_ms": 60000})"));
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->status, 200) << reply->body;
    EXPECT_EQ(reply->headers.at("content-type"), "application/json");
    const json body = json::parse(reply->body);
    EXPECT_EQ(body["outputs"][0]["data"], (std::vector<float>{42, 42, 42, 42}));
    EXPECT_EQ(body["parameters"]["outcome"], "on_time");
    EXPECT_GT(body["parameters"]["slack_ms"], 0);

    const std::vector<float> values = {1, 2, 3, 4};
    const std::string bytes(reinterpret_cast<const char*>(values.data()), 16);
    const auto binary = c.exchange(post_binary(
        kInfer,
        R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"parameters":{"binary_data_size":16}}],)"
        R"("outputs":[{"name":"y","parameters":{"binary_data":true}}]})",
        bytes));
    ASSERT_TRUE(binary);
    ASSERT_EQ(binary->status, 200) << binary->body;
    const std::size_t json_size = std::stoul(binary->headers.at("inference-header-content-length"));
    EXPECT_TRUE(json::accept(binary->body.substr(0, json_size)));
    ASSERT_EQ(binary->body.size(), json_size + 16);
    std::vector<float> out(4);
    std::memcpy(out.data(), binary->body.data() + json_size, 16);
    EXPECT_EQ(out, (std::vector<float>{2, 3, 4, 5}));
  }
}

TEST_F(HttpE2e, WhatTheExecutorsThreadRunsIsAnsweredToo) {
  options.inline_execution_max = Duration::zero();
  start("fifo", 3);
  for (int round = 0; round < 50; ++round) {
    HttpClient c = client();
    const auto reply = c.exchange(infer(static_cast<float>(round)));
    ASSERT_TRUE(reply);
    EXPECT_EQ(first_value(*reply), static_cast<float>(round + 3));
  }
  EXPECT_GE(state()["driver"]["batches"], 150);
}

TEST_P(HttpE2eAnyPolicy, PipelinedRequestsAreAnsweredInOrder) {
  start();
  HttpClient c = client();
  std::string bytes;
  for (int i = 0; i < 200; ++i) bytes += infer(static_cast<float>(i));
  std::thread sender([&] { EXPECT_TRUE(c.send(bytes)); });
  for (int i = 0; i < 200; ++i) {
    const auto reply = c.receive();
    ASSERT_TRUE(reply);
    EXPECT_EQ(first_value(*reply), static_cast<float>(i + 1));
  }
  sender.join();
}

TEST_P(HttpE2eAnyPolicy, ARequestMayComeByteByByte) {
  start();
  HttpClient c = client();
  for (const char byte : infer(5)) ASSERT_TRUE(c.send({&byte, 1}));
  const auto reply = c.receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(first_value(*reply), 6);
}

TEST_P(HttpE2eAnyPolicy, ABodyLargerThanItsFirstMemory) {
  start();
  HttpClient c = client();
  std::string body = infer_json({7});
  body.insert(1, std::string(std::size_t{5} << 20, ' '));
  const auto reply = c.exchange(post(kInfer, body));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200) << reply->body;
  EXPECT_EQ(first_value(*reply), 8);
}

TEST_P(HttpE2eAnyPolicy, AReplyLargerThanTheSocketTakesWaitsForItsReader) {
  start();
  HttpClient c = client();
  const std::string id(std::size_t{8} << 20, 'i');
  std::string body = infer_json({7});
  body.insert(1, "\"id\":\"" + id + "\",");
  ASSERT_TRUE(c.send(post(kInfer, body)));
  expect_served();  // meanwhile
  const auto reply = c.receive();
  ASSERT_TRUE(reply);
  EXPECT_NE(reply->body.find("\"" + id + "\""), std::string::npos);
  EXPECT_NE(reply->body.find("\"data\":[8,8,8,8]"), std::string::npos);
  EXPECT_EQ(first_value(*c.exchange(infer(1))), 2);
}

TEST_P(HttpE2eAnyPolicy, BadRequestsHarmNobodyElse) {
  start();
  HttpClient c = client();
  const std::vector<float> values = {1, 2, 3, 4};
  const std::string floats(reinterpret_cast<const char*>(values.data()), 16);
  const auto with = [](const char* tensor) { return std::string(R"({"inputs":[)") + tensor + "]}"; };
  struct Row {
    std::string request;
    int status;
    const char* said;
  };
  const std::string good = R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"parameters":)";
  const Row rows[] = {
      {post(kInfer, "{\"inputs\": [,]}"), 400, "expected a JSON object"},
      {post(kInfer, ""), 400, "expected a JSON object"},
      {post(kInfer, with(R"({"name":"z","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]})")), 400,
       "no input 'z'"},
      {post(kInfer, with(R"({"name":"x","datatype":"INT8","shape":[1,4],"data":[1,2,3,4]})")), 400,
       "datatype FP32"},
      {post(kInfer, with(R"({"name":"x","datatype":"FP32","shape":[1,5],"data":[1,2,3,4,5]})")), 400,
       "[batch,4]"},
      {post(kInfer, with(R"({"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3]})")), 400, "found 3"},
      {post_binary(kInfer, good + R"({"binary_data_size":15}}]})", floats.substr(1)), 400,
       "expected 16 bytes"},
      {post_binary(kInfer, good + R"({"binary_data_size":18446744073709551600}}]})", floats), 400,
       "at most the 16"},
      {post(kInfer, good + "{}}]}", "Inference-Header-Content-Length: 99999\r\n"), 400, "found 99999"},
      {post(kInfer, good + "{}}]}", "Inference-Header-Content-Length: -1\r\n"), 400,
       "expected a number of bytes"},
      {infer(1, R"({"deadline_ms": -5})"), 400, "above 0"},
      {post(kInfer, R"({"parameters":{"deadline_ms":NaN},"inputs":[]})"), 400, "expected a JSON object"},
      {infer(1, R"({"stream": "s-1"})"), 404, "unknown stream 's-1'"},
      {post("/v2/models/b/infer", infer_json({1})), 404, "no such model: 'b'"},
      {post("/v2/models/a/versions/7/infer", infer_json({1})), 404, "version 1 only"},
      {post(kInfer, infer_json({1}), "Content-Encoding: gzip\r\n"), 415, "gzip"},
      {post("/v2/models/a", "ignored"), 405, "expected GET"},
      {post("/v2/models/picture/infer",
            with(R"({"name":"x","datatype":"BYTES","shape":[1],"data":["/9j/4AAQSkZJRgABAQ=="]})")),
       400, "the picture could not be decoded"},
      {post("/v2/models/picture/infer", with(R"({"name":"x","datatype":"BYTES","shape":[1],"data":["*"]})")),
       400, "base64"},
  };
  for (const Row& row : rows) {
    const auto reply = c.exchange(row.request);
    ASSERT_TRUE(reply) << row.request;
    EXPECT_EQ(reply->status, row.status) << row.request << "\n" << reply->body;
    const json body = json::parse(reply->body);
    EXPECT_NE(body["error"].get<std::string>().find(row.said), std::string::npos) << row.request << "\n"
                                                                                  << body;
    EXPECT_FALSE(body["reason"].get<std::string>().empty());
    const auto next = c.exchange(infer(1));
    ASSERT_TRUE(next) << "the connection lives on after " << row.request;
    EXPECT_EQ(next->status, 200);
  }
  EXPECT_EQ(state()["driver"]["settled"]["on_time"], std::size(rows));
  EXPECT_EQ(state()["server"]["jobs"], 0);
}

TEST_P(HttpE2eAnyPolicy, WhatIsNotHttpIsAnsweredAndClosed) {
  config.body_size_max = 1000;
  start();
  struct Row {
    std::string request;
    int status;
  };
  const Row rows[] = {
      {"hello\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nbroken header\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nX: " + std::string(20000, 'x') + "\r\n\r\n", 431},
      {"GET / HTTP/1.1\r\nX: " + std::string(20000, 'x'), 431},
      {"POST /v2/models/a/infer HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400},
      {"POST /v2/models/a/infer HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"POST /v2/models/a/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411},
      {"POST /v2/models/a/infer HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413},
      {"POST /v2/models/a/infer HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n", 413},
      {"POST /v2/models/a/infer HTTP/1.1\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n", 413},
      {"POST /v2/models/none/infer HTTP/1.1\r\nContent-Length: 999\r\nExpect: 100-continue\r\n\r\n", 404},
  };
  for (const Row& row : rows) {
    HttpClient c = client();
    const auto reply = c.exchange(row.request);
    ASSERT_TRUE(reply) << row.request.substr(0, 80);
    EXPECT_EQ(reply->status, row.status) << row.request.substr(0, 80);
    EXPECT_TRUE(json::accept(reply->body)) << reply->body;
    EXPECT_EQ(reply->headers.at("connection"), "close");
    EXPECT_TRUE(c.is_closed_by_server());
  }
  expect_served();
}

TEST_P(HttpE2eAnyPolicy, HeadExpectAndOldClients) {
  start();
  HttpClient c = client();
  ASSERT_TRUE(c.send("HEAD /v2/health/ready HTTP/1.1\r\n\r\n"));
  auto reply = c.receive(false);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200);
  ASSERT_TRUE(c.send("HEAD /nowhere HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(c.receive(false)->status, 404);

  const std::string body = infer_json({1});
  ASSERT_TRUE(c.send("POST /v2/models/a/infer HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: " +
                     std::to_string(body.size()) + "\r\n\r\n"));
  EXPECT_EQ(c.receive()->status, 100);
  ASSERT_TRUE(c.send(body));
  EXPECT_EQ(c.receive()->status, 200);

  reply = c.exchange("GET /v2 HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200);
  EXPECT_TRUE(c.is_closed_by_server());
}

TEST_F(HttpE2e, SeveralJobsOneReply) {
  start("fifo");
  HttpClient c = client();
  auto reply = c.exchange(post(kInfer, infer_json({1, 2, 3})));
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->status, 200) << reply->body;
  json body = json::parse(reply->body);
  EXPECT_EQ(body["outputs"][0]["shape"], (std::vector<int>{3, 4}));
  EXPECT_EQ(body["outputs"][0]["data"], (std::vector<float>{2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4}));
  EXPECT_EQ(body["parameters"]["exit"], (std::vector<int>{0, 0, 0}));

  reply = c.exchange(post(kInfer, infer_json({-5000})));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 500);
  body = json::parse(reply->body);
  EXPECT_EQ(body["reason"], "engine_failed");
  EXPECT_NE(body["error"].get<std::string>().find("toy failure"), std::string::npos) << body;
}

TEST_F(HttpE2e, OneFailedJobFailsItsRequestAlone) {
  options.inline_execution_max = Duration::zero();
  start("fifo");
  engine.gate.close();
  HttpClient holder = client(), failing = client(), other = client();
  ASSERT_TRUE(holder.send(infer(0)));
  engine.gate.wait_for_run();
  ASSERT_TRUE(failing.send(post(kInfer, infer_json({-5000, 3}))));
  engine.gate.open();
  EXPECT_EQ(holder.receive()->status, 200);
  const auto reply = failing.receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 500);
  EXPECT_NE(reply->body.find("of 2: the engine failed: toy failure"), std::string::npos) << reply->body;
  EXPECT_EQ(other.exchange(infer(3))->status, 200);
}

TEST_P(HttpE2eAnyPolicy, NoAnswerByTheDeadlineIs504WithItsReason) {
  options.inline_execution_max = Duration::zero();
  start();
  engine.gate.close();
  HttpClient holder = client(), hurried = client();
  ASSERT_TRUE(holder.send(infer(0)));
  engine.gate.wait_for_run();
  const auto reply = hurried.exchange(infer(1, R"({"deadline_ms": 5})"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 504);
  const json body = json::parse(reply->body);
  EXPECT_EQ(body["outcome"], "dropped");
  EXPECT_TRUE(body["reason"] == "dropped_hopeless" || body["reason"] == "ran_past_deadline") << body;
  EXPECT_EQ(body["deadline_ms"], 5);
  EXPECT_TRUE(body.contains("queue_ms"));
  engine.gate.open();
  EXPECT_EQ(holder.receive()->status, 200);
}

TEST_F(HttpE2e, AFullQueueIs503) {
  options.inline_execution_max = Duration::zero();
  start("fifo", 1, 2);
  engine.gate.close();
  HttpClient first = client(), second = client(), third = client();
  ASSERT_TRUE(first.send(infer(0)));
  engine.gate.wait_for_run();
  ASSERT_TRUE(second.send(infer(0)));
  while (state()["server"]["jobs"] < 2) std::this_thread::yield();
  const auto reply = third.exchange(infer(0));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 503);
  EXPECT_EQ(json::parse(reply->body)["reason"], "queue_full");
  EXPECT_EQ(reply->headers.at("retry-after"), "1");
  engine.gate.open();
  EXPECT_EQ(first.receive()->status, 200);
  EXPECT_EQ(second.receive()->status, 200);
  EXPECT_EQ(third.exchange(infer(0))->status, 200);
}

TEST_F(HttpE2e, AClientThatHangsUpCancelsItsJobs) {
  options.inline_execution_max = Duration::zero();
  start("fifo");
  engine.gate.close();
  HttpClient running = client(), queued = client(), killed = client(), patient = client();
  ASSERT_TRUE(running.send(infer(0)));
  engine.gate.wait_for_run();
  ASSERT_TRUE(queued.send(infer(0)));
  ASSERT_TRUE(killed.send(post(kInfer, infer_json({0, 0, 0}))));
  ASSERT_TRUE(patient.send(infer(6)));
  while (state()["server"]["jobs"] < 6) std::this_thread::yield();
  queued.close();
  wait_for("cancelled", 1);
  killed.reset();
  wait_for("cancelled", 4);
  running.close();
  wait_for("cancelled", 5);
  engine.gate.open();
  const auto reply = patient.receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(first_value(*reply), 7);
  while (state()["server"]["jobs"] > 0) std::this_thread::yield();
}

TEST_P(HttpE2eAnyPolicy, AClientThatDiesInTheMiddleOfARequestLeavesNothingBehind) {
  start();
  const std::string request = infer(0);
  for (std::size_t cut = 1; cut < request.size(); cut += 7) {
    HttpClient c = client();
    ASSERT_TRUE(c.send(request.substr(0, cut)));
    if (cut % 2 == 0) c.reset();
  }
  expect_served();
  while (state()["server"]["connections"] > 1) std::this_thread::yield();
  EXPECT_EQ(state()["server"]["jobs"], 0);
}

TEST_P(HttpE2eAnyPolicy, SlowClientsAreToldSoAndClosed) {
  config.header_time_max = 60ms;
  config.body_time_max = 60ms;
  start();
  HttpClient slow_head = client(), slow_body = client(), slow_discard = client();
  ASSERT_TRUE(slow_head.send("POST /v2/models/a/infer HT"));
  ASSERT_TRUE(slow_body.send("POST /v2/models/a/infer HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"));
  ASSERT_TRUE(slow_discard.send("POST /nowhere HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"));
  expect_served();
  for (HttpClient* c : {&slow_head, &slow_body, &slow_discard}) {
    const auto reply = c->receive();
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->status, 408);
    EXPECT_TRUE(c->is_closed_by_server());
  }
  expect_served();
}

TEST_P(HttpE2eAnyPolicy, IdleConnectionsEnd) {
  config.idle_time_max = 60ms;
  start();
  HttpClient silent = client(), done = client();
  EXPECT_EQ(done.exchange(infer(1))->status, 200);
  EXPECT_TRUE(silent.is_closed_by_server());
  EXPECT_TRUE(done.is_closed_by_server());
}

TEST_P(HttpE2eAnyPolicy, AThousandIdleConnectionsCostNothing) {
  start();
  std::vector<HttpClient> idle;
  for (int i = 0; i < 1000; ++i) {
    idle.push_back(client());
    ASSERT_TRUE(idle.back().is_connected()) << i;
  }
  for (int i = 0; i < 20; ++i) expect_served(static_cast<float>(i));
  EXPECT_GE(state()["server"]["connections"], 1000);
  EXPECT_EQ(first_value(*idle[999].exchange(infer(1))), 2);
  EXPECT_EQ(first_value(*idle[0].exchange(infer(1))), 2);
}

TEST_P(HttpE2eAnyPolicy, TooManyConnectionsAre503) {
  config.connections_max = 3;
  start();
  std::vector<HttpClient> taken;
  for (int i = 0; i < 3; ++i) {
    taken.push_back(client());
    ASSERT_EQ(taken.back().exchange(infer(1))->status, 200);
  }
  HttpClient refused = client();
  const auto reply = refused.exchange(infer(1));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 503);
  EXPECT_EQ(json::parse(reply->body)["reason"], "connections_max");
  EXPECT_EQ(taken[1].exchange(infer(1))->status, 200);
  refused.close();
  taken.pop_back();
  // The freed place is taken again as soon as the server has seen the end of it.
  while (true) {
    HttpClient next = client();
    const auto answer = next.exchange(infer(1));
    if (answer && answer->status == 200) break;
  }
}

TEST_P(HttpE2eAnyPolicy, APortThatIsTakenIsSaidSo) {
  start();
  ServerConfig second = config;
  second.port = server->port();
  const auto made = Server::make(second, toy.models, toy.system.limits);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(made.error().message.find("port " + std::to_string(server->port()) + " on 127.0.0.1 is taken"),
            std::string::npos)
      << made.error().message;
  second.address = "not an address";
  EXPECT_EQ(Server::make(second, toy.models, toy.system.limits).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(HttpE2e, StoppingAnswersWhatWaitsAndRefusesTheRest) {
  options.inline_execution_max = Duration::zero();
  start("fifo");
  engine.gate.close();
  HttpClient running = client(), half = client(), idle = client();
  ASSERT_EQ(idle.get("/v2/health/ready")->status, 200);
  ASSERT_TRUE(running.send(infer(0)));
  engine.gate.wait_for_run();
  ASSERT_TRUE(half.send("POST /v2/models/a/infer HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"));
  const std::uint16_t port_number = server->port();
  std::thread stopper([this] { server->stop(Duration::zero()); });
  const auto reply = running.receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 503) << reply->body;
  EXPECT_EQ(json::parse(reply->body)["reason"], "shutting_down");
  const auto half_reply = half.receive();
  ASSERT_TRUE(half_reply);
  EXPECT_EQ(half_reply->status, 503);
  EXPECT_TRUE(idle.is_closed_by_server());
  running.close();
  half.close();
  idle.close();
  stopper.join();
  EXPECT_FALSE(HttpClient(port_number).is_connected());
}

// Whatever a client hears while the server stops under load is whole: an answer, or a reason, or nothing at
// all.
TEST_P(HttpE2eAnyPolicy, StoppingUnderLoadLosesNoAnswer) {
  start(nullptr, 2);
  std::atomic<int> answered{0}, refused{0}, wrong{0};
  std::vector<std::thread> clients;
  for (int k = 0; k < 4; ++k) {
    clients.emplace_back([&, k] {
      HttpClient c = client();
      for (int i = 0;; ++i) {
        const float value = static_cast<float>(100 * k + i % 100);
        if (!c.send(infer(value, R"({"deadline_ms": 60000})"))) return;
        const auto reply = c.receive();
        if (!reply) {
          // The connection may only end between a reply and the next request.
          return;
        }
        if (reply->status == 200) {
          ++answered;
          if (first_value(*reply) != value + 2) ++wrong;
        } else if (reply->status == 503 && json::parse(reply->body)["reason"] == "shutting_down") {
          ++refused;
        } else {
          ++wrong;
        }
        if (reply->headers.count("connection") != 0) return;
      }
    });
  }
  while (answered < 200) std::this_thread::yield();
  server->stop(5s);
  for (std::thread& thread : clients) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(answered, 200);
}

// Fresh connections, random cuts, garbage and good requests side by side: the good ones are all answered.
TEST_P(HttpE2eAnyPolicy, GarbageBesideGoodRequests) {
  config.connections_max = 64;
  start();
  Rng rng(7);
  const std::string good = infer(0);
  HttpClient steady = client();
  for (int round = 0; round < 300; ++round) {
    std::string bytes = good;
    const std::int64_t change_count = rng.uniform(1, 6);
    for (std::int64_t i = 0; i < change_count; ++i) {
      bytes[static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(bytes.size()) - 1))] =
          static_cast<char>(rng.uniform(0, 255));
    }
    HttpClient c = client();
    (void)c.send(bytes);
    if (rng.chance(1, 2)) c.reset();
    const auto reply = steady.exchange(infer(static_cast<float>(round)));
    ASSERT_TRUE(reply) << "seed 7 round " << round;
    ASSERT_EQ(reply->status, 200);
    ASSERT_EQ(first_value(*reply), static_cast<float>(round + 1));
  }
}

TEST_F(HttpE2e, BusyPollingAnswersTheSame) {
  config.busy_poll = true;
  options.inline_execution_max = Duration::zero();
  start("fifo");
  HttpClient c = client();
  for (int i = 0; i < 50; ++i) {
    const auto reply = c.exchange(infer(static_cast<float>(i)));
    ASSERT_TRUE(reply);
    EXPECT_EQ(first_value(*reply), static_cast<float>(i + 1));
  }
}

}  // namespace
}  // namespace laxity
