// The shipped networks on real pictures, through our own decoder, engine and softmax: what comes out is what
// the training program found for the same pictures and stands in the oracle tables.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "model/postprocess.h"
#include "model/preprocess.h"
#include "model/repository.h"

namespace laxity {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(LAXITY_SOURCE_DIR) / "models";

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
  return fields;
}

struct Sample {
  std::size_t index = 0;  // in the test set, and row of the oracle
  std::int64_t label = 0;
  std::vector<std::byte> picture;
};

std::vector<Sample> read_samples(const fs::path& folder) {
  std::vector<Sample> samples;
  std::ifstream list(folder / "labels.csv");
  std::string line;
  std::getline(list, line);
  EXPECT_EQ(line, "file,label");
  while (std::getline(list, line)) {
    const std::vector<std::string> fields = split(line);
    std::ifstream file(folder / fields.at(0), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const auto* start = reinterpret_cast<const std::byte*>(bytes.data());
    samples.push_back({std::stoul(fields[0]), std::stol(fields.at(1)), {start, start + bytes.size()}});
  }
  return samples;
}

struct OracleRow {
  std::int64_t label = 0;
  std::vector<double> confidence;    // per exit
  std::vector<std::int64_t> chosen;  // class, per exit
};

std::vector<OracleRow> read_oracle(const fs::path& file) {
  std::vector<OracleRow> rows;
  const std::string command = "xz -dc '" + file.string() + "'";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  char buffer[4096];
  bool is_header = true;
  while (pipe && std::fgets(buffer, sizeof buffer, pipe.get()) != nullptr) {
    if (std::exchange(is_header, false)) continue;
    const std::vector<std::string> fields = split(buffer);  // index,label,{confidence,class,right} per exit
    OracleRow row;
    row.label = std::stol(fields.at(1));
    for (std::size_t i = 2; i + 2 < fields.size(); i += 3) {
      row.confidence.push_back(std::stod(fields[i]));
      row.chosen.push_back(std::stol(fields[i + 1]));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

/// Runs all stages of the best variant on single pictures.
class Network {
 public:
  Network(const Repository& repository, Engine& engine, const std::string& name)
      : model_(repository.model(repository.catalog().find_model(name).value())) {
    for (const StageFile& stage : model_.variants.back().stages) {
      stages_.push_back(std::move(engine.load(stage.path, {1, false})).value());
    }
  }

  /// (class, confidence) of each exit.
  std::vector<std::pair<std::int64_t, double>> answers(const std::vector<std::byte>& picture) {
    std::vector<std::pair<std::int64_t, double>> found;
    for (std::size_t k = 0; k < stages_.size(); ++k) {
      const StageFile& stage = model_.variants.back().stages[k];
      StageRunner& runner = *stages_[k];
      if (k == 0) {
        const JobBytes bytes = runner.input(0, 0);
        const std::span<float> pixels(reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float));
        EXPECT_TRUE(preprocessor_.run(*model_.preprocess, picture, pixels));
      } else {
        for (std::size_t i = 0; i < stage.input_sources.size(); ++i) {
          const ConstJobBytes from = stages_[k - 1]->output(stage.input_sources[i], 0);
          std::memcpy(runner.input(i, 0).data(), from.data(), from.size());
        }
      }
      EXPECT_TRUE(runner.run(1));
      const ConstJobBytes bytes = runner.output(stage.exit_outputs[model_.postprocess.output], 0);
      const std::span<const float> logits(reinterpret_cast<const float*>(bytes.data()),
                                          bytes.size() / sizeof(float));
      std::vector<float> scratch(logits.size());
      const Confidence confidence =
          exit_confidence(model_.postprocess, static_cast<std::uint32_t>(k), logits, scratch);
      std::int64_t chosen = 0;
      top_classes(scratch, {&chosen, 1});
      found.emplace_back(chosen, static_cast<double>(confidence) / 65535);
    }
    return found;
  }

 private:
  const LoadedModel& model_;
  std::vector<std::unique_ptr<StageRunner>> stages_;
  Preprocessor preprocessor_;
};

class ShippedNetwork : public ::testing::TestWithParam<const char*> {};

TEST_P(ShippedNetwork, AnswersAsTheOracleSays) {
  const std::string name = GetParam();
  const auto engine = std::move(make_ort_engine()).value();
  const Result<Repository> repository = Repository::load(kModels.string(), *engine, 1);
  ASSERT_TRUE(repository) << repository.error().message;
  const std::vector<Sample> samples = read_samples(kModels / "samples" / (name + "-test"));
  const std::vector<OracleRow> oracle = read_oracle(kModels / name / "oracle.csv.xz");
  ASSERT_GE(samples.size(), 500U);
  ASSERT_GT(oracle.size(), samples.back().index);

  Network network(*repository, *engine, name);
  const std::size_t exit_count = oracle[0].chosen.size();
  std::vector<std::size_t> right(exit_count), oracle_right(exit_count), same(exit_count);
  double worst = 0;
  for (const Sample& sample : samples) {
    const OracleRow& row = oracle[sample.index];
    ASSERT_EQ(row.label, sample.label) << sample.index;
    const auto answers = network.answers(sample.picture);
    ASSERT_EQ(answers.size(), exit_count);
    for (std::size_t k = 0; k < exit_count; ++k) {
      right[k] += answers[k].first == sample.label;
      oracle_right[k] += row.chosen[k] == sample.label;
      same[k] += answers[k].first == row.chosen[k];
      worst = std::max(worst, std::abs(answers[k].second - row.confidence[k]));
    }
  }
  for (std::size_t k = 0; k < exit_count; ++k) {
    RecordProperty("accuracy_exit" + std::to_string(k) + "_of_" + std::to_string(samples.size()),
                   std::to_string(right[k]));
    std::printf("  %s exit %zu: %zu of %zu right (oracle %zu), %zu same class\n", name.c_str(), k, right[k],
                samples.size(), oracle_right[k], same[k]);
    // Two of a picture's classes may be so close that another order of additions turns them round.
    EXPECT_GE(same[k] + 2, samples.size()) << "exit " << k;
    EXPECT_NEAR(static_cast<double>(right[k]), static_cast<double>(oracle_right[k]), 2) << "exit " << k;
  }
  EXPECT_LT(worst, 0.005) << "calibrated confidence";
}

INSTANTIATE_TEST_SUITE_P(All, ShippedNetwork, ::testing::Values("cifar10", "gtsrb"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace laxity
