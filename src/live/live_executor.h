// One executor at work: gathers a batch, runs its stage, keeps what the next stage needs.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "base/result.h"
#include "core/command.h"
#include "core/event.h"
#include "core/system_model.h"
#include "engine/engine.h"
#include "live/feature_pool.h"
#include "live/job_store.h"
#include "live/steady_clock.h"
#include "model/preprocess.h"
#include "model/repository.h"

namespace laxity {

/// What an executor is to do, with everything that the strand knows about its jobs.
struct LiveWork {
  std::variant<StartBatch, StartSegment> command;
  ModelId model{};            ///< Of the jobs.
  std::uint64_t encoded = 0;  ///< Bit i: job i must be decoded inside the batch.
  std::array<FeaturePool::Index, kBatchSizeMax> features_in{};   ///< kNone: inputs come from the JobStore.
  std::array<FeaturePool::Index, kBatchSizeMax> features_out{};  ///< kNone: nothing follows.
};

/// Its stages are loaded and warm when it is made. Used by one thread at a time: by the strand while idle, by
/// whichever thread was given the work until it posts what `run` returned.
class LiveExecutor {
 public:
  /// Loads every category when `system` says that the executor runs batches. Errors: as Engine::load.
  static Result<std::unique_ptr<LiveExecutor>> load(ExecutorId id, const SystemModel& system,
                                                    std::span<const LoadedModel> models, Engine& engine,
                                                    JobStore& store, const Clock& clock);
  ~LiveExecutor();

  /// Bytes that one job needs between stages, or between decoding and the first stage: the most over all
  /// models.
  static std::size_t features_size(const SystemModel& system, std::span<const LoadedModel> models);

  /// Where new work is described. Inside the strand, while idle.
  LiveWork& prepare() noexcept {
    is_unwanted_.store(false, std::memory_order_relaxed);
    return work_;
  }
  const LiveWork& work() const noexcept { return work_; }

  /// Does the work; returns BatchFinished or SegmentFinished. Does not allocate, unless a decoder needs more
  /// memory than ever before or something fails.
  Event run(const FeaturePool& pool);

  /// Copies this stage's exit of job `job` of the batch that has just finished into the JobStore.
  void write_outputs(std::size_t job);

  /// The running batch is of no use any more. Inside the strand.
  void terminate() noexcept;

  /// Largest batch that the category's buffers were made for; 0 when it is not loaded here.
  std::size_t batch_size_max(CategoryId category) const noexcept;

 private:
  struct Stage;
  LiveExecutor(ExecutorId id, std::span<const LoadedModel> models, JobStore& store, const Clock& clock);
  Event run_batch(const StartBatch& batch, const FeaturePool& pool);
  Event run_segment(const StartSegment& segment, const FeaturePool& pool);
  std::uint64_t gather(const StartBatch& batch, const FeaturePool& pool, Stage& stage);
  bool decode(const LoadedModel& model, JobId job, ConstJobBytes encoded, JobBytes out);
  void keep_features(const StartBatch& batch, const FeaturePool& pool, const Stage& stage);
  Confidence confidence(const Stage& stage, std::size_t job);

  ExecutorId id_;
  std::span<const LoadedModel> models_;
  JobStore& store_;
  const Clock& clock_;
  std::vector<std::unique_ptr<Stage>> stages_;  // index: category
  Preprocessor preprocessor_;
  std::vector<float> scratch_;  // softmax of the widest exit
  LiveWork work_;
  std::atomic<bool> is_unwanted_{false};
};

}  // namespace laxity
