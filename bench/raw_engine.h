// The engine alone, without scheduler, sockets or threads: what a server is measured against.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "model/repository.h"

namespace laxity::bench {

/// A folder of links to single models, so that a benchmark serves just those. Removed when destroyed.
class ModelFolder {
 public:
  /// `paths`: folders `…/<model>`. Errors: kNotFound.
  static Result<ModelFolder> make(const std::vector<std::string>& paths);
  ~ModelFolder();
  ModelFolder(ModelFolder&& other) noexcept;
  ModelFolder(const ModelFolder&) = delete;
  ModelFolder& operator=(const ModelFolder&) = delete;
  ModelFolder& operator=(ModelFolder&&) = delete;
  const std::string& path() const noexcept { return path_; }

 private:
  explicit ModelFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// All stages of the best variant of one model, run one after the other on random inputs.
class RawModel {
 public:
  static Result<RawModel> load(const std::string& folder, const std::string& model,
                               std::size_t batch_size_max);

  /// One batch through all stages, features copied on from one to the next as any server must.
  void run(std::size_t batch_size);
  const StageSpec& first() const { return runners_.front()->spec(); }
  std::string_view engine_version() const { return engine_->version(); }
  /// Bytes of the inputs of one job.
  std::size_t input_size() const;

 private:
  RawModel() = default;

  std::unique_ptr<Engine> engine_;
  std::vector<StageFile> stages_;
  std::vector<std::unique_ptr<StageRunner>> runners_;
  std::vector<std::byte> input_;
};

}  // namespace laxity::bench
