// Toy networks, an engine for them and a table of requests: what tests of the live driver run on.
#pragma once

#include <array>
#include <condition_variable>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/job_id_allocator.h"
#include "core/system_model.h"
#include "engine/engine.h"
#include "live/job_store.h"
#include "model/repository.h"

namespace laxity::testing {

inline constexpr std::int64_t kToyWidth = 4;
inline constexpr float kToyFailure = -1000.0F;  ///< A first input value below this makes the toy engine fail.

inline TensorSpec toy_tensor(std::string name) {
  TensorSpec spec;
  spec.name = std::move(name);
  spec.type = DataType::kFp32;
  spec.shape = {kToyWidth};
  return spec;
}

/// Holds runs back while closed, so that a test decides what happens while a batch runs.
class Gate {
 public:
  void close() { close_after(0); }
  /// Lets `count` more runs through first.
  void close_after(int count) {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    passes_ = count;
  }
  void open() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = false;
    }
    changed_.notify_all();
  }
  /// Returns once a run waits at the closed gate.
  void wait_for_run() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }
  /// False when `is_terminated` was set while waiting.
  bool pass(const bool& is_terminated) {
    std::unique_lock lock(mutex_);
    if (is_closed_ && passes_ > 0) {
      --passes_;
      return !is_terminated;
    }
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !is_closed_ || is_terminated; });
    --waiting_;
    return !is_terminated;
  }
  template <typename Change>
  void change(Change&& change) {
    {
      const std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_closed_ = false;
  int passes_ = 0;
  int waiting_ = 0;
};

/// Each stage adds 1 to every value: features and exit are both x + 1.
class ToyRunner final : public StageRunner {
 public:
  ToyRunner(std::size_t batch_size_max, Gate& gate)
      : gate_(gate), in_(batch_size_max * kToyWidth), out_(batch_size_max * kToyWidth) {
    spec_.inputs = {toy_tensor("x")};
    spec_.outputs = {toy_tensor("y")};
  }
  const StageSpec& spec() const noexcept override { return spec_; }
  JobBytes input(std::size_t, std::size_t job) override {
    return std::as_writable_bytes(std::span(in_).subspan(job * kToyWidth, kToyWidth));
  }
  void bind_single_input(std::size_t, ConstJobBytes bytes) override { bound_ = bytes; }
  void unbind_single_inputs() override { bound_ = {}; }
  Status run(std::size_t batch_size) override {
    if (!bound_.empty()) std::memcpy(in_.data(), bound_.data(), bound_.size());
    unbind_single_inputs();
    gate_.change([this] { is_terminated_ = false; });
    if (!gate_.pass(is_terminated_)) return Error{ErrorCode::kUnavailable, "terminated"};
    for (std::size_t i = 0; i < batch_size * kToyWidth; ++i) {
      if (in_[i] < kToyFailure) return Error{ErrorCode::kInternal, "toy failure"};
      out_[i] = in_[i] + 1;
    }
    return Unit{};
  }
  ConstJobBytes output(std::size_t, std::size_t job) const override {
    return std::as_bytes(std::span(out_).subspan(job * kToyWidth, kToyWidth));
  }
  void terminate() noexcept override {
    gate_.change([this] { is_terminated_ = true; });
  }

 private:
  Gate& gate_;
  StageSpec spec_;
  std::vector<float> in_, out_;
  ConstJobBytes bound_;
  bool is_terminated_ = false;
};

class ToyEngine final : public Engine {
 public:
  std::string_view version() const noexcept override { return "toy 1"; }
  bool is_emulated() const noexcept override { return true; }
  Result<StageSpec> inspect(const std::string&) override { return ToyRunner(1, gate).spec(); }
  Result<std::unique_ptr<StageRunner>> load(const std::string&, const RunnerOptions& options) override {
    return std::unique_ptr<StageRunner>(std::make_unique<ToyRunner>(options.batch_size_max, gate));
  }
  Gate gate;
};

struct ToyModel {
  std::string name;
  std::uint32_t stage_count = 1;
  std::uint32_t mandatory_count = 1;
  bool has_preprocess = false;
};

/// The same models for the scheduler and for the driver.
struct ToySystem {
  SystemModel system;
  std::vector<LoadedModel> models;
};

/// `executor_count` executors; every batch of b jobs is planned with `time` * b.
inline ToySystem toy_system(const std::vector<ToyModel>& toys, std::size_t executor_count, Duration time,
                            std::uint32_t batch_size_max = 4) {
  ToySystem toy;
  for (const ToyModel& t : toys) {
    Model model;
    model.name = t.name;
    model.mandatory_count = t.mandatory_count;
    model.has_preprocess = t.has_preprocess;
    model.variants.push_back({"full", {}});
    LoadedModel loaded;
    loaded.id = toy.system.catalog.add_model(model, {t.stage_count}, batch_size_max);
    loaded.name = t.name;
    loaded.inputs = {toy_tensor("x")};
    loaded.outputs = {toy_tensor("y")};
    loaded.mandatory_count = t.mandatory_count;
    if (t.has_preprocess) {
      PreprocessSpec preprocess;
      preprocess.height = 2;
      preprocess.width = 2;
      preprocess.colour = PreprocessSpec::Colour::kGray;
      preprocess.mean = {0};
      preprocess.deviation = {1};
      loaded.preprocess = preprocess;
    }
    LoadedVariant variant;
    variant.name = "full";
    for (std::uint32_t k = 0; k < t.stage_count; ++k) {
      StageFile stage;
      stage.path = t.name + "/" + std::to_string(k);
      stage.spec.inputs = {toy_tensor("x")};
      stage.spec.outputs = {toy_tensor("y")};
      stage.input_sources = {0};
      stage.exit_outputs = {0};
      variant.stages.push_back(stage);
    }
    loaded.variants.push_back(variant);
    toy.models.push_back(loaded);
  }
  for (std::size_t c = 0; c < toy.system.catalog.categories.size(); ++c) {
    for (std::uint32_t b = 1; b <= batch_size_max; ++b) {
      toy.system.table.set(static_cast<CategoryId>(c), b, {time * b, time * b, time * b, time * b, 100});
    }
  }
  for (std::size_t e = 0; e < executor_count; ++e) {
    toy.system.executors.push_back({"toy" + std::to_string(e), ExecutorKind::kCpu, true, true});
  }
  toy.system.limits.queue_length_max = 64;
  toy.system.limits.batch_size_max = batch_size_max;
  toy.system.limits.streams_max = 8;
  return toy;
}

/// A table of requests like the server's, that lets a test wait for outcomes.
class ToyStore final : public JobStore {
 public:
  explicit ToyStore(std::size_t slot_count) : ids_(slot_count), slots_(slot_count) {}

  /// A new job whose input values are all `value`; none when every slot is taken.
  std::optional<JobId> add(float value) {
    const std::lock_guard lock(mutex_);
    const auto id = ids_.allocate();
    if (!id) return id;
    Slot& s = slots_[slot(*id)];
    s.values.fill(value);
    s.inputs[0] = std::as_bytes(std::span(s.values));
    return id;
  }
  /// A new job that carries an encoded picture.
  std::optional<JobId> add_encoded(std::span<const std::byte> picture) {
    const auto id = add(0);
    if (id) slots_[slot(*id)].inputs[0] = picture;
    return id;
  }
  /// The post was refused: nobody knows the job.
  void take_back(JobId id) {
    const std::lock_guard lock(mutex_);
    ids_.release(id);
  }

  /// Returns once `count` jobs have been settled since the start.
  void wait_settled(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return settled_.size() >= count; });
  }
  std::vector<SettleJob> settled() {
    const std::lock_guard lock(mutex_);
    return settled_;
  }
  /// The answer of an answered job: first value of its output.
  float answer(JobId id) {
    const std::lock_guard lock(mutex_);
    return answers_.at(id);
  }
  std::string error(JobId id) {
    const std::lock_guard lock(mutex_);
    const auto found = errors_.find(id);
    return found == errors_.end() ? "" : found->second;
  }
  std::vector<JobId> forgotten() {
    const std::lock_guard lock(mutex_);
    return forgotten_;
  }
  std::size_t free_count() {
    const std::lock_guard lock(mutex_);
    return ids_.free_count();
  }
  std::vector<AnswerTask> task_answers() {
    const std::lock_guard lock(mutex_);
    return task_answers_;
  }

  std::span<const ConstJobBytes> inputs(JobId job) override { return slots_[slot(job)].inputs; }
  JobBytes output(JobId job, std::size_t) override {
    return std::as_writable_bytes(std::span(slots_[slot(job)].result));
  }
  void note_error(JobId job, std::string_view words) override {
    const std::lock_guard lock(mutex_);
    errors_[job] = words;
  }
  void settle(const SettleJob& command) override {
    {
      const std::lock_guard lock(mutex_);
      settled_.push_back(command);
      if (command.exit_count > 0) answers_[command.job] = slots_[slot(command.job)].result[0];
      if (command.is_last) ids_.release(command.job);
    }
    changed_.notify_all();
  }
  void forget(JobId job) override {
    const std::lock_guard lock(mutex_);
    forgotten_.push_back(job);
    ids_.release(job);
  }
  void answer_task(const AnswerTask& command) override {
    const std::lock_guard lock(mutex_);
    task_answers_.push_back(command);
  }

 private:
  struct Slot {
    alignas(16) std::array<float, kToyWidth> values{};
    alignas(16) std::array<float, kToyWidth> result{};
    std::array<ConstJobBytes, 1> inputs{};
  };
  std::mutex mutex_;
  std::condition_variable changed_;
  JobIdAllocator ids_;
  std::vector<Slot> slots_;
  std::vector<SettleJob> settled_;
  std::vector<JobId> forgotten_;
  std::map<JobId, float> answers_;
  std::map<JobId, std::string> errors_;
  std::vector<AnswerTask> task_answers_;
};

}  // namespace laxity::testing
