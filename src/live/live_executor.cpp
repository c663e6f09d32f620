#include "live/live_executor.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/check.h"
#include "model/postprocess.h"

namespace laxity {
namespace {

constexpr std::size_t round_up(std::size_t size) {
  return (size + FeaturePool::kAlignment - 1) / FeaturePool::kAlignment * FeaturePool::kAlignment;
}

bool is_aligned(ConstJobBytes bytes, DataType type) {
  const std::size_t size = std::max<std::size_t>(element_size(type), 1);
  return reinterpret_cast<std::uintptr_t>(bytes.data()) % size == 0;
}

void copy(ConstJobBytes source, JobBytes target) {
  LAXITY_CHECK(source.size() == target.size());
  if (!source.empty()) std::memcpy(target.data(), source.data(), source.size());
}

/// Bytes that the inputs of `next` take when each starts aligned.
std::size_t features_size_before(const StageFile& next) {
  std::size_t size = 0;
  for (const TensorSpec& input : next.spec.inputs) size += round_up(input.size_per_job());
  return size;
}

}  // namespace

struct LiveExecutor::Stage {
  const LoadedModel* model = nullptr;
  const StageFile* file = nullptr;
  const StageFile* next = nullptr;  // null: the variant ends here
  std::uint32_t index = 0;
  std::size_t batch_size_max = 1;
  std::unique_ptr<StageRunner> runner;
};

LiveExecutor::LiveExecutor(ExecutorId id, std::span<const LoadedModel> models, JobStore& store,
                           const Clock& clock)
    : id_(id), models_(models), store_(store), clock_(clock) {}

LiveExecutor::~LiveExecutor() = default;

Result<std::unique_ptr<LiveExecutor>> LiveExecutor::load(ExecutorId id, const SystemModel& system,
                                                         std::span<const LoadedModel> models, Engine& engine,
                                                         JobStore& store, const Clock& clock) {
  std::unique_ptr<LiveExecutor> self(new LiveExecutor(id, models, store, clock));
  self->stages_.resize(system.catalog.categories.size());
  if (!system.executors[index(id)].runs_batches) return self;
  std::size_t exit_length_max = 0;
  for (std::size_t i = 0; i < self->stages_.size(); ++i) {
    const Category& category = system.catalog.categories[i];
    const LoadedModel& model = models[index(category.model)];
    const LoadedVariant& variant = model.variants[category.variant];
    auto stage = std::make_unique<Stage>();
    stage->model = &model;
    stage->file = &variant.stages[category.stage];
    stage->next = category.stage + 1 < variant.stages.size() ? &variant.stages[category.stage + 1] : nullptr;
    stage->index = category.stage;
    stage->batch_size_max = system.batch_size_max(static_cast<CategoryId>(i));
    auto runner = engine.load(stage->file->path, {stage->batch_size_max, true});
    if (!runner) return runner.error();
    stage->runner = std::move(runner).value();
    for (const TensorSpec& output : model.outputs) {
      exit_length_max = std::max(exit_length_max, output.size_per_job() / sizeof(float));
    }
    self->stages_[i] = std::move(stage);
  }
  self->scratch_.resize(exit_length_max);
  return self;
}

std::size_t LiveExecutor::features_size(const SystemModel& system, std::span<const LoadedModel> models) {
  std::size_t size = 0;
  for (const LoadedModel& model : models) {
    for (const LoadedVariant& variant : model.variants) {
      for (std::size_t k = 1; k < variant.stages.size(); ++k) {
        size = std::max(size, features_size_before(variant.stages[k]));
      }
    }
    if (model.preprocess && !system.preprocesses_inline()) {
      size = std::max(size, round_up(model.inputs[0].size_per_job()));
    }
  }
  return size;
}

std::size_t LiveExecutor::batch_size_max(CategoryId category) const noexcept {
  const std::size_t i = index(category);
  return i < stages_.size() && stages_[i] ? stages_[i]->batch_size_max : 0;
}

Event LiveExecutor::run(const FeaturePool& pool) {
  if (const auto* batch = std::get_if<StartBatch>(&work_.command)) return run_batch(*batch, pool);
  return run_segment(std::get<StartSegment>(work_.command), pool);
}

Event LiveExecutor::run_batch(const StartBatch& batch, const FeaturePool& pool) {
  const Instant start = clock_.now();
  Stage& stage = *stages_[index(batch.category)];
  const std::size_t count = batch.jobs.size();
  LAXITY_CHECK(count >= 1 && count <= stage.batch_size_max);

  BatchFinished finished;
  finished.batch = batch.batch;
  finished.executor = id_;
  finished.preprocess_failed = gather(batch, pool, stage);
  const bool has_work = static_cast<std::size_t>(__builtin_popcountll(finished.preprocess_failed)) < count;
  if (is_unwanted_.load(std::memory_order_acquire)) {
    finished.status = BatchStatus::kTerminated;
    stage.runner->unbind_single_inputs();  // they would reach the stage's next batch
  } else if (!has_work) {
    stage.runner->unbind_single_inputs();
  } else {
    const Status status = stage.runner->run(count);
    if (!status) {
      // Terminated jobs have been answered, or go on elsewhere: only failures have words for a client.
      const bool is_terminated = status.error().code == ErrorCode::kUnavailable;
      finished.status = is_terminated ? BatchStatus::kTerminated : BatchStatus::kFailed;
      if (!is_terminated) {
        for (const JobId job : batch.jobs) store_.note_error(job, status.error().message);
      }
    }
  }
  if (finished.status == BatchStatus::kSucceeded) {
    for (std::size_t i = 0; i < count; ++i) {
      const bool is_answered = has_work && ((finished.preprocess_failed >> i) & 1U) == 0;
      finished.confidences.push_back(is_answered ? confidence(stage, i) : Confidence{0});
    }
    if (has_work) keep_features(batch, pool, stage);
  }
  finished.execution_time = clock_.now() - start;
  return finished;
}

// Puts every job's inputs where the engine wants them; a batch of one is not copied at all. Returns the jobs
// whose picture could not be decoded: their rows are zero, so that the others are computed as if they were
// not there.
std::uint64_t LiveExecutor::gather(const StartBatch& batch, const FeaturePool& pool, Stage& stage) {
  std::uint64_t failed = 0;
  const std::size_t count = batch.jobs.size();
  const std::vector<TensorSpec>& inputs = stage.file->spec.inputs;
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_kept = work_.features_in[i] != FeaturePool::kNone;
    const std::span<std::byte> kept = is_kept ? pool.bytes(work_.features_in[i]) : std::span<std::byte>{};
    const std::span<const ConstJobBytes> sent =
        stage.index == 0 ? store_.inputs(batch.jobs[i]) : std::span<const ConstJobBytes>{};
    std::size_t offset = 0;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      const std::size_t size = inputs[k].size_per_job();
      const std::size_t source = stage.file->input_sources[k];
      ConstJobBytes bytes;
      if (stage.index > 0) {
        LAXITY_CHECK(is_kept);
        bytes = kept.subspan(offset, size);
        offset += round_up(size);
      } else if (source == 0 && ((work_.encoded >> i) & 1U) != 0) {
        const JobBytes row = stage.runner->input(k, i);
        if (!decode(*stage.model, batch.jobs[i], sent[0], row)) {
          failed |= std::uint64_t{1} << i;
          std::memset(row.data(), 0, row.size());
        }
        continue;
      } else if (source == 0 && is_kept) {
        bytes = kept.first(size);
      } else {
        bytes = sent[source];
      }
      LAXITY_CHECK(bytes.size() == size);
      if (count == 1 && is_aligned(bytes, inputs[k].type)) {
        stage.runner->bind_single_input(k, bytes);
      } else {
        copy(bytes, stage.runner->input(k, i));
      }
    }
  }
  return failed;
}

bool LiveExecutor::decode(const LoadedModel& model, JobId job, ConstJobBytes encoded, JobBytes out) {
  LAXITY_CHECK(model.preprocess.has_value());
  const std::span<float> pixels(reinterpret_cast<float*>(out.data()), out.size() / sizeof(float));
  const Status status = preprocessor_.run(*model.preprocess, encoded, pixels);
  if (!status) store_.note_error(job, status.error().message);
  return status.has_value();
}

void LiveExecutor::keep_features(const StartBatch& batch, const FeaturePool& pool, const Stage& stage) {
  if (stage.next == nullptr) return;
  const StageFile& next = *stage.next;
  for (std::size_t i = 0; i < batch.jobs.size(); ++i) {
    if (work_.features_out[i] == FeaturePool::kNone) continue;
    const std::span<std::byte> kept = pool.bytes(work_.features_out[i]);
    std::size_t offset = 0;
    for (std::size_t k = 0; k < next.spec.inputs.size(); ++k) {
      const std::size_t size = next.spec.inputs[k].size_per_job();
      copy(stage.runner->output(next.input_sources[k], i), kept.subspan(offset, size));
      offset += round_up(size);
    }
  }
}

Confidence LiveExecutor::confidence(const Stage& stage, std::size_t job) {
  const PostprocessSpec& spec = stage.model->postprocess;
  const std::size_t output =
      spec.output < stage.file->exit_outputs.size() ? stage.file->exit_outputs[spec.output] : 0;
  if (spec.kind == PostprocessSpec::Kind::kNone) return exit_confidence(spec, stage.index, {}, {});
  const ConstJobBytes bytes = stage.runner->output(output, job);
  const std::span<const float> logits(reinterpret_cast<const float*>(bytes.data()),
                                      bytes.size() / sizeof(float));
  return exit_confidence(spec, stage.index, logits, std::span(scratch_).first(logits.size()));
}

void LiveExecutor::write_outputs(std::size_t job) {
  const StartBatch& batch = std::get<StartBatch>(work_.command);
  const Stage& stage = *stages_[index(batch.category)];
  for (std::size_t k = 0; k < stage.file->exit_outputs.size(); ++k) {
    copy(stage.runner->output(stage.file->exit_outputs[k], job), store_.output(batch.jobs[job], k));
  }
}

Event LiveExecutor::run_segment(const StartSegment& segment, const FeaturePool& pool) {
  const LoadedModel& model = models_[index(work_.model)];
  const std::span<std::byte> out = pool.bytes(work_.features_out[0]).first(model.inputs[0].size_per_job());
  SegmentFinished finished;
  finished.job = segment.job;
  finished.executor = id_;
  finished.succeeded = decode(model, segment.job, store_.inputs(segment.job)[0], out);
  return finished;
}

void LiveExecutor::terminate() noexcept {
  const auto* batch = std::get_if<StartBatch>(&work_.command);
  if (batch == nullptr) return;
  is_unwanted_.store(true, std::memory_order_release);
  stages_[index(batch->category)]->runner->terminate();
}

}  // namespace laxity
