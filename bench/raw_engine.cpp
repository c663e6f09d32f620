#include "bench/raw_engine.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "base/rng.h"

namespace laxity::bench {

namespace fs = std::filesystem;

Result<ModelFolder> ModelFolder::make(const std::vector<std::string>& paths) {
  char pattern[] = "/tmp/laxity-bench-models-XXXXXX";
  if (::mkdtemp(pattern) == nullptr) return failed_precondition("cannot make a folder under /tmp");
  ModelFolder folder(pattern);
  for (const std::string& path : paths) {
    std::error_code code;
    const fs::path source = fs::canonical(path, code);
    if (code) return not_found(path + ": " + code.message());
    fs::create_directory_symlink(source, fs::path(folder.path_) / source.filename(), code);
    if (code) return failed_precondition(path + ": " + code.message());
  }
  return folder;
}

ModelFolder::~ModelFolder() {
  std::error_code code;
  if (!path_.empty()) fs::remove_all(path_, code);  // removes the links, not what they lead to
}

ModelFolder::ModelFolder(ModelFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}

Result<RawModel> RawModel::load(const std::string& folder, const std::string& model,
                                std::size_t batch_size_max) {
  RawModel raw;
  Result<std::unique_ptr<Engine>> engine = make_ort_engine();
  if (!engine) return engine.error();
  raw.engine_ = std::move(*engine);
  Result<Repository> repository =
      Repository::load(folder, *raw.engine_, static_cast<std::uint32_t>(batch_size_max));
  if (!repository) return repository.error();
  const std::optional<ModelId> id = repository->catalog().find_model(model);
  if (!id) return not_found(folder + ": no model '" + model + "'");
  raw.stages_ = repository->model(*id).variants.back().stages;
  for (const StageFile& stage : raw.stages_) {
    Result<std::unique_ptr<StageRunner>> runner = raw.engine_->load(stage.path, {batch_size_max, true});
    if (!runner) return runner.error();
    raw.runners_.push_back(std::move(*runner));
  }
  Rng rng(1);
  raw.input_.resize(raw.input_size());
  for (std::size_t i = 0; i + sizeof(float) <= raw.input_.size(); i += sizeof(float)) {
    const auto value = static_cast<float>(2 * rng.unit() - 1);
    std::memcpy(raw.input_.data() + i, &value, sizeof value);
  }
  return raw;
}

std::size_t RawModel::input_size() const {
  std::size_t size = 0;
  for (const TensorSpec& input : first().inputs) size += input.size_per_job();
  return size;
}

void RawModel::run(std::size_t batch_size) {
  for (std::size_t stage = 0; stage < runners_.size(); ++stage) {
    StageRunner& runner = *runners_[stage];
    for (std::size_t job = 0; job < batch_size; ++job) {
      std::size_t offset = 0;
      for (std::size_t input = 0; input < runner.spec().inputs.size(); ++input) {
        const JobBytes target = runner.input(input, job);
        ConstJobBytes source;
        if (stage == 0) {
          source = ConstJobBytes(input_).subspan(offset, target.size());
          offset += target.size();
        } else {
          source = runners_[stage - 1]->output(stages_[stage].input_sources[input], job);
        }
        LAXITY_CHECK(source.size() == target.size());
        std::copy(source.begin(), source.end(), target.begin());
      }
    }
    const Status status = runner.run(batch_size);
    LAXITY_CHECK(status.has_value());
  }
}

}  // namespace laxity::bench
