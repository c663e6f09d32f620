// A server on a free port, with the real driver and a toy engine that a gate can hold back.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "live/live_runner.h"
#include "policy/registry.h"
#include "server/runner_port.h"
#include "server/server.h"
#include "tests/e2e/http_client.h"
#include "tests/live_fixture.h"

namespace laxity::testing {

inline constexpr const char* kInfer = "/v2/models/a/infer";

/// A request of one job per value: the toy network adds 1 in each stage.
inline std::string infer_json(const std::vector<float>& values, const std::string& parameters = "{}") {
  using nlohmann::json;
  json tensor = {{"name", "x"}, {"datatype", "FP32"}, {"shape", {values.size(), kToyWidth}}};
  for (const float value : values) {
    for (int i = 0; i < kToyWidth; ++i) tensor["data"].push_back(value);
  }
  return json{{"parameters", json::parse(parameters)}, {"inputs", {tensor}}}.dump();
}
inline std::string infer(float value, const std::string& parameters = "{}") {
  return post(kInfer, infer_json({value}, parameters));
}

inline float first_value(const Reply& reply) {
  return nlohmann::json::parse(reply.body)["outputs"][0]["data"][0].get<float>();
}

class HttpE2e : public ::testing::Test {
 protected:
  HttpE2e() {
    config.port = 0;
    options.pin_threads = false;
    options.scheduler.audit = true;
  }
  ~HttpE2e() override {
    engine.gate.open();
    if (server) server->stop(1s);
  }

  /// Models `a` and `picture`; a batch of b jobs is planned with `time` * b and takes next to nothing.
  void start(const char* policy = nullptr, std::uint32_t stage_count = 1, std::size_t queue_length_max = 64,
             Duration time = 10us) {
    toy = toy_system({{"a", stage_count}, {"picture", 1, 1, true}}, 1, time);
    toy.system.limits.queue_length_max = queue_length_max;
    auto made = Server::make(config, toy.models, toy.system.limits);
    ASSERT_TRUE(made) << made.error().message;
    server = std::move(made).value();
    std::vector<Engine*> engines = {&engine};
    auto chosen = make_policy(policy != nullptr ? policy : default_policy, {});
    ASSERT_TRUE(chosen) << chosen.error().message;
    auto started = LiveRunner::start(options, toy.system, std::move(chosen).value(), toy.models, engines,
                                     server->job_store());
    ASSERT_TRUE(started) << started.error().message;
    runner = std::move(started).value();
    port = std::make_unique<RunnerPort>(*runner, toy.system);
    server->serve(*port);
  }
  HttpClient client() { return HttpClient(server->port()); }
  nlohmann::json state() {
    HttpClient asking = client();
    return nlohmann::json::parse(asking.get("/v2/laxity/state").value().body);
  }
  /// Asks until `outcome` has happened `count` times.
  void wait_for(const char* outcome, int count) {
    while (state()["driver"]["settled"][outcome] < count) std::this_thread::yield();
  }
  void expect_served(float value = 1) {
    HttpClient other = client();
    const auto reply = other.exchange(infer(value));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->status, 200) << reply->body;
    EXPECT_EQ(first_value(*reply), value + 1);
  }

  const char* default_policy = "edf";
  ServerConfig config;
  LiveOptions options;
  ToyEngine engine;
  ToySystem toy;
  std::unique_ptr<Server> server;
  std::unique_ptr<LiveRunner> runner;
  std::unique_ptr<RunnerPort> port;
};

}  // namespace laxity::testing
