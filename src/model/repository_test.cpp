#include "model/repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace laxity {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const fs::path kData = fs::path(LAXITY_SOURCE_DIR) / "tests" / "data";

/// A repository made for one test out of the graphs in tests/data, gone with it.
class RepositoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder = fs::path(::testing::TempDir()) / (std::string("laxity_repository_") + test->name());
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }

  void add(const char* graph, const std::string& as) {
    fs::create_directories((folder / as).parent_path());
    fs::copy_file(kData / graph, folder / as);
  }
  void write(const std::string& file, const std::string& text) {
    fs::create_directories((folder / file).parent_path());
    std::ofstream(folder / file) << text;
  }
  Result<Repository> load(std::uint32_t batch_size_max = 8) {
    return Repository::load(folder.string(), *engine, batch_size_max);
  }
  std::string complaint(ErrorCode code = ErrorCode::kInvalidArgument) {
    const Result<Repository> repository = load();
    EXPECT_FALSE(repository);
    if (repository) return "";
    EXPECT_EQ(repository.error().code, code) << repository.error().message;
    return repository.error().message;
  }

  std::unique_ptr<Engine> engine = std::move(make_ort_engine()).value();
  fs::path folder;
};

TEST_F(RepositoryTest, EveryLayoutLoads) {
  add("models/tiny/model.onnx", "bare.onnx");
  add("models/small/1/model.onnx", "versioned/1/model.onnx");
  add("models/tiny/model.onnx", "single/anything.onnx");
  add("models/chain_good/stage0.onnx", "staged/stage0.onnx");
  add("models/chain_good/stage1.onnx", "staged/stage1.onnx");
  add("models/chain_good/model.toml", "staged/model.toml");
  const Result<Repository> repository = load();
  ASSERT_TRUE(repository) << repository.error().message;
  std::vector<std::string> names;
  for (const LoadedModel& model : repository->models()) names.push_back(model.name);
  EXPECT_THAT(names, ElementsAre("bare", "single", "chain_good", "versioned"));  // in order of their files
  for (const LoadedModel& model : repository->models()) {
    EXPECT_EQ(repository->catalog().model(model.id).name, model.name);
  }
}

TEST_F(RepositoryTest, APlainGraphNeedsNoOtherFile) {
  add("models/small/1/model.onnx", "small/1/model.onnx");
  const Result<Repository> repository = load();
  ASSERT_TRUE(repository) << repository.error().message;
  const LoadedModel& model = repository->model(ModelId{0});
  ASSERT_EQ(model.inputs.size(), 1U);
  EXPECT_EQ(model.inputs[0].name, "image");
  EXPECT_THAT(model.inputs[0].shape, ElementsAre(3, 32, 32));
  EXPECT_EQ(model.outputs[0].name, "logits");
  EXPECT_FALSE(model.preprocess.has_value());
  EXPECT_EQ(repository->catalog().category_name(CategoryId{0}), "small/full/0");
  EXPECT_EQ(repository->catalog().category(CategoryId{0}).batch_size_max, 8U);
  EXPECT_EQ(model.variants[0].size_bytes, fs::file_size(kData / "models/small/1/model.onnx"));
}

TEST_F(RepositoryTest, TheNewestVersionIsTaken) {
  add("models/small/1/model.onnx", "m/2/model.onnx");
  add("models/tiny/model.onnx", "m/10/model.onnx");
  const Result<Repository> repository = load();
  ASSERT_TRUE(repository) << repository.error().message;
  EXPECT_EQ(repository->model(ModelId{0}).inputs[0].name, "input");
}

TEST_F(RepositoryTest, StagesAreWired) {
  add("models/chain_good/stage0.onnx", "c/stage0.onnx");
  add("models/chain_good/stage1.onnx", "c/stage1.onnx");
  add("models/chain_good/model.toml", "c/model.toml");
  const Result<Repository> repository = load();
  ASSERT_TRUE(repository) << repository.error().message;
  const StageFile& first = repository->stage(CategoryId{0});
  const StageFile& second = repository->stage(CategoryId{1});
  EXPECT_THAT(first.input_sources, ElementsAre(0U));
  EXPECT_THAT(first.exit_outputs, ElementsAre(1U));  // features, logits
  EXPECT_THAT(second.input_sources, ElementsAre(0U));
  EXPECT_THAT(second.exit_outputs, ElementsAre(0U));
}

TEST_F(RepositoryTest, AFixedBatchRunsAlone) {
  add("models/fixed_batch/model.onnx", "fixed.onnx");
  const Result<Repository> repository = load();
  ASSERT_TRUE(repository) << repository.error().message;
  EXPECT_EQ(repository->catalog().category(CategoryId{0}).batch_size_max, 1U);
}

TEST_F(RepositoryTest, TheFolderOfOneModelIsUnderstood) {
  add("models/chain_good/stage0.onnx", "stage0.onnx");
  add("models/chain_good/stage1.onnx", "stage1.onnx");
  add("models/chain_good/model.toml", "model.toml");
  const Result<Repository> repository = load();
  ASSERT_TRUE(repository) << repository.error().message;
  EXPECT_EQ(repository->models().size(), 1U);
}

TEST_F(RepositoryTest, TheFolderOfOneVersionedModelIsUnderstood) {
  add("models/tiny/model.onnx", "1/model.onnx");
  const Result<Repository> repository = load();
  ASSERT_TRUE(repository) << repository.error().message;
  EXPECT_EQ(repository->models().at(0).name, folder.filename().string());
}

TEST_F(RepositoryTest, FoldersWithoutModelsAreSkipped) {
  add("models/tiny/model.onnx", "tiny.onnx");
  write("samples/pictures/one.txt", "no model");
  write("README.md", "no model");
  write(".hidden/model.toml", "not TOML at all [");
  const Result<Repository> repository = load();
  ASSERT_TRUE(repository) << repository.error().message;
  EXPECT_EQ(repository->models().size(), 1U);
}

TEST_F(RepositoryTest, TheLabelsAndTemperaturesBesideAGraphAreRead) {
  add("models/tiny/model.onnx", "t/model.onnx");
  write("t/labels.txt", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
  write("t/utility.json", R"({"schema": "laxity.utility/1", "exits": [{"exit": 0, "temperature": 1.5}]})");
  const Result<Repository> repository = load();
  ASSERT_TRUE(repository) << repository.error().message;
  EXPECT_EQ(repository->models()[0].labels.size(), 10U);
  EXPECT_THAT(repository->models()[0].postprocess.temperature, ElementsAre(1.5F));
}

TEST_F(RepositoryTest, NoFolder) {
  fs::remove_all(folder);
  EXPECT_THAT(complaint(ErrorCode::kNotFound), HasSubstr("expected a folder of models, found nothing there"));
}

TEST_F(RepositoryTest, NoModelInTheFolder) {
  EXPECT_THAT(complaint(ErrorCode::kNotFound), HasSubstr("<model>/1/model.onnx"));
}

TEST_F(RepositoryTest, ATruncatedGraphIsNamed) {
  add("bad/truncated.onnx", "broken.onnx");
  EXPECT_THAT(complaint(), HasSubstr("broken.onnx"));
}

TEST_F(RepositoryTest, AFileThatIsNoGraphIsNamed) {
  add("models/tiny/model.onnx", "good.onnx");
  add("bad/not_onnx.onnx", "text/1/model.onnx");
  EXPECT_THAT(complaint(), HasSubstr("text/1/model.onnx: expected an ONNX graph"));
}

TEST_F(RepositoryTest, AMissingStageIsNamedWithThePlaceThatNamesIt) {
  add("models/chain_good/stage0.onnx", "c/stage0.onnx");
  add("models/chain_good/model.toml", "c/model.toml");
  const std::string words = complaint(ErrorCode::kNotFound);
  EXPECT_THAT(words, HasSubstr("stage1.onnx: expected an ONNX file, found none"));
  EXPECT_THAT(words, HasSubstr("model.toml:"));
}

TEST_F(RepositoryTest, StagesThatDoNotChainAreExplained) {
  add("models/chain_bad/stage0.onnx", "c/stage0.onnx");
  add("models/chain_bad/stage1.onnx", "c/stage1.onnx");
  add("models/chain_bad/model.toml", "c/model.toml");
  const std::string words = complaint();
  EXPECT_THAT(words, HasSubstr("stage1.onnx: the stages do not chain: it expects 'features' as FP32 [12]"));
  EXPECT_THAT(words, HasSubstr("stage0.onnx, gives 'features' as FP32 [8]"));
}

TEST_F(RepositoryTest, SeveralGraphsNeedAModelToml) {
  add("models/tiny/model.onnx", "m/a.onnx");
  add("models/tiny/model.onnx", "m/b.onnx");
  EXPECT_THAT(complaint(), HasSubstr("found 2 .onnx files"));
}

TEST_F(RepositoryTest, TwoModelsOfOneName) {
  add("models/tiny/model.onnx", "m.onnx");
  add("models/tiny/model.onnx", "m/1/model.onnx");
  EXPECT_THAT(complaint(), HasSubstr("two models named 'm'"));
}

TEST_F(RepositoryTest, AnUnknownKeyNamesTheNearest) {
  add("models/tiny/model.onnx", "m/model.onnx");
  write("m/model.toml", "mandatry = 1\n");
  EXPECT_THAT(complaint(), HasSubstr("did you mean 'mandatory'"));
}

struct Described {
  const char* toml;
  const char* words;
};

TEST_F(RepositoryTest, DescriptionsThatDisagreeWithTheGraph) {
  // tiny: 'input' FP32 [64] to 'output' FP32 [10].
  add("models/tiny/model.onnx", "m/model.onnx");
  const Described cases[] = {
      {"[[input]]\nname = \"imput\"\ndatatype = \"FP32\"\nshape = [64]", "the model's inputs are 'imput'"},
      {"[[input]]\nname = \"input\"\ndatatype = \"FP32\"\nshape = [65]", "found FP32 [64]"},
      {"[[input]]\nname = \"input\"\ndatatype = \"FP64\"\nshape = [64]", "found FP32 [64]"},
      {"[[output]]\nname = \"logits\"\ndatatype = \"FP32\"\nshape = [10]", "an output 'logits' as FP32 [10]"},
      {"[[output]]\nname = \"output\"\ndatatype = \"INT64\"\nshape = [10]", "found FP32 [10]"},
      {"preprocess = { size = [8, 8] }", "[preprocess] makes FP32 [3, 8, 8]"},
      {"postprocess = { kind = \"softmax\", top = 11 }", "10 classes, found 11"},
      {"postprocess = { kind = \"softmax\", output = \"logits\" }", "the outputs are 'output'"},
  };
  for (const Described& bad : cases) {
    write("m/model.toml", bad.toml);
    EXPECT_THAT(complaint(), HasSubstr(bad.words)) << bad.toml;
  }
}

TEST_F(RepositoryTest, LabelsOfAnotherNetwork) {
  add("models/tiny/model.onnx", "m/model.onnx");
  write("m/labels.txt", "cat\ndog\n");
  const std::string words = complaint();
  EXPECT_THAT(words, HasSubstr("labels.txt: expected 10 labels"));
  EXPECT_THAT(words, HasSubstr("found 2"));
}

TEST_F(RepositoryTest, UtilityOfAnotherNetwork) {
  add("models/tiny/model.onnx", "m/model.onnx");
  write("m/utility.json", R"({"schema": "laxity.utility/1", "exits": [{"exit": 0}, {"exit": 1}]})");
  EXPECT_THAT(complaint(), HasSubstr("utility.json: expected 1 exits, one a stage, found 2"));
}

TEST_F(RepositoryTest, AFileNameThatCannotBeServedIsRefused) {
  add("models/tiny/model.onnx", "what is this?.onnx");
  EXPECT_THAT(complaint(), HasSubstr("expected a name of"));
}

}  // namespace
}  // namespace laxity
