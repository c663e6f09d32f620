// A stranger's ONNX files behind the server: names, types and shapes from the graphs, answers from the
// engine.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/system_model.h"
#include "engine/engine.h"
#include "live/live_runner.h"
#include "model/repository.h"
#include "policy/registry.h"
#include "server/runner_port.h"
#include "server/server.h"
#include "tests/e2e/http_client.h"

namespace laxity {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HttpClient;
using testing::post;
using testing::post_binary;

class OnnxE2e : public ::testing::Test {
 protected:
  void SetUp() override {
    // The folder of test models also holds some that must not load: take those that a stranger would have.
    folder = fs::temp_directory_path() / ("laxity-e2e-" + std::to_string(::getpid()));
    fs::remove_all(folder);
    fs::create_directories(folder);
    const fs::path source = fs::path(LAXITY_SOURCE_DIR) / "tests" / "data" / "models";
    for (const char* name : {"tiny", "small", "chain_good", "fixed_batch"}) {
      fs::copy(source / name, folder / name, fs::copy_options::recursive);
    }
    auto made_engine = make_ort_engine();
    ASSERT_TRUE(made_engine) << made_engine.error().message;
    engine = std::move(made_engine).value();
    auto loaded = Repository::load(folder.string(), *engine, 8);
    ASSERT_TRUE(loaded) << loaded.error().message;
    repository = std::make_unique<Repository>(std::move(loaded).value());
    system.catalog = repository->catalog();
    system.executors.push_back({"cpu0", ExecutorKind::kCpu, true, true});
    system.limits.queue_length_max = 256;
    system.limits.batch_size_max = 8;
    ServerConfig config;
    config.port = 0;
    auto made = Server::make(config, *repository, system.limits);
    ASSERT_TRUE(made) << made.error().message;
    server = std::move(made).value();
    LiveOptions options;
    options.pin_threads = false;
    const std::vector<Engine*> engines = {engine.get()};
    auto started = LiveRunner::start(options, system, make_policy("edf", {}).value(), repository->models(),
                                     engines, server->job_store());
    ASSERT_TRUE(started) << started.error().message;
    runner = std::move(started).value();
    port = std::make_unique<RunnerPort>(*runner, system);
    server->serve(*port);
  }
  void TearDown() override {
    if (server) server->stop(1s);
    fs::remove_all(folder);
  }

  json metadata(const std::string& model) {
    HttpClient c(server->port());
    return json::parse(c.get("/v2/models/" + model).value().body);
  }
  /// Values of an FP32 input of `model`, the batch being 1.
  std::vector<float> ramp(const json& input) {
    std::size_t count = 1;
    for (const std::int64_t extent : input["shape"])
      count *= extent < 0 ? 1 : static_cast<std::size_t>(extent);
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i % 17) / 16.0F - 0.5F;
    return values;
  }
  static json shape_of(const json& tensor) {
    json shape = tensor["shape"];
    for (json& extent : shape) {
      if (extent == -1) extent = 1;
    }
    return shape;
  }

  fs::path folder;
  SystemModel system;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Repository> repository;
  std::unique_ptr<Server> server;
  std::unique_ptr<LiveRunner> runner;
  std::unique_ptr<RunnerPort> port;
};

TEST_F(OnnxE2e, EveryModelAnswersAndJsonEqualsBinary) {
  HttpClient c(server->port());
  const json models = json::parse(c.get("/v2/models").value().body);
  ASSERT_EQ(models.size(), 4U);
  for (const json& model : models) {
    const std::string name = model["name"];
    SCOPED_TRACE(name);
    const json about = metadata(name);
    ASSERT_EQ(about["inputs"].size(), 1U);
    const json& input = about["inputs"][0];
    ASSERT_EQ(input["datatype"], "FP32");
    const std::vector<float> values = ramp(input);
    json tensor = {{"name", input["name"]}, {"datatype", "FP32"}, {"shape", shape_of(input)}};
    json with_data = tensor, with_bytes = tensor;
    with_data["data"] = values;
    with_bytes["parameters"] = {{"binary_data_size", values.size() * 4}};
    const std::string output = about["outputs"][0]["name"];

    const std::string target = "/v2/models/" + name + "/infer";
    const auto by_json = c.exchange(post(target, json{{"inputs", {with_data}}}.dump()));
    ASSERT_TRUE(by_json);
    ASSERT_EQ(by_json->status, 200) << by_json->body;
    const json answer = json::parse(by_json->body);
    ASSERT_EQ(answer["outputs"][0]["name"], output);
    EXPECT_EQ(answer["outputs"][0]["shape"], shape_of(about["outputs"][0]));
    const std::vector<float> first = answer["outputs"][0]["data"];

    const json asked = {{"inputs", {with_bytes}},
                        {"outputs", {{{"name", output}, {"parameters", {{"binary_data", true}}}}}}};
    const auto by_bytes = c.exchange(post_binary(
        target, asked.dump(), {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)}));
    ASSERT_TRUE(by_bytes);
    ASSERT_EQ(by_bytes->status, 200) << by_bytes->body;
    const std::size_t json_size = std::stoul(by_bytes->headers.at("inference-header-content-length"));
    std::vector<float> second((by_bytes->body.size() - json_size) / sizeof(float));
    std::memcpy(second.data(), by_bytes->body.data() + json_size, second.size() * sizeof(float));
    EXPECT_EQ(first, second);
  }
}

TEST_F(OnnxE2e, StagedModelSaysHowDeepItWent) {
  const json about = metadata("chain_good");
  const json& input = about["inputs"][0];
  HttpClient c(server->port());
  json request = {
      {"inputs",
       {{{"name", input["name"]}, {"datatype", "FP32"}, {"shape", shape_of(input)}, {"data", ramp(input)}}}},
      {"outputs", {{{"name", "class"}}, {{"name", "probabilities"}}}}};
  const auto reply = c.exchange(post("/v2/models/chain_good/infer", request.dump()));
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->status, 200) << reply->body;
  const json answer = json::parse(reply->body);
  EXPECT_EQ(answer["parameters"]["exits"], 2);
  EXPECT_EQ(answer["parameters"]["exit"], 1);
  const auto probabilities = answer["outputs"][1]["data"].get<std::vector<double>>();
  const auto best = static_cast<std::size_t>(answer["outputs"][0]["data"][0].get<std::int64_t>());
  ASSERT_LT(best, probabilities.size());
  for (const double p : probabilities) EXPECT_LE(p, probabilities[best]);
  EXPECT_NEAR(answer["parameters"]["confidence"], probabilities[best], 1e-3);
}

TEST_F(OnnxE2e, AFixedBatchTakesOneJobARequest) {
  const json input = metadata("fixed_batch")["inputs"][0];
  EXPECT_GT(input["shape"][0], 0) << "the graph's own first dimension";
  json shape = input["shape"];
  shape[0] = shape[0].get<int>() + 1;
  HttpClient c(server->port());
  const json request = {
      {"inputs", {{{"name", input["name"]}, {"datatype", "FP32"}, {"shape", shape}, {"data", {1}}}}}};
  EXPECT_EQ(c.exchange(post("/v2/models/fixed_batch/infer", request.dump()))->status, 400);
}

}  // namespace
}  // namespace laxity
