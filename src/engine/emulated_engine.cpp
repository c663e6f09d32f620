// The emulated accelerator waits: it sleeps until shortly before the run ends and spins the rest, because a
// sleeping thread is woken tens of microseconds late. This file reads a clock since waiting for a length of
// time is all it does.
#include "engine/emulated_engine.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/check.h"
#include "base/nearest.h"

namespace laxity {
namespace {

// Longer than the usual lateness of a timer, shorter than any run worth emulating.
constexpr Duration kSpin = 100us;

/// What the slots of one device share. Lives as long as its last user, engine or runner: hence shared_ptr.
class Device {
 public:
  explicit Device(EmulatedOptions options)
      : options_(std::move(options)),
        version_("emulated " + options_.device),
        progress_(options_.slowdown, options_.slot_count),
        origin_(std::chrono::steady_clock::now()) {}

  const EmulatedOptions& options() const noexcept { return options_; }
  const std::string& version() const noexcept { return version_; }

  /// Returns false when `is_terminated` was set (by `interrupt`) before the work was done.
  bool wait_for(CategoryId category, Duration work, const bool& is_terminated) {
    std::unique_lock lock(mutex_);
    const auto slot = progress_.free_slot();
    LAXITY_CHECK(slot.has_value());
    progress_.start(now(), *slot, category, work);
    announce_change();
    bool is_done = false;
    while (!is_terminated && !is_done) {
      const Instant finish = progress_.finish(*slot);
      const Duration left = finish - now();
      if (left <= Duration::zero()) {
        is_done = true;
      } else if (left > kSpin) {
        changed_.wait_until(lock, origin_ + (finish - kSpin).since_start());
      } else {
        spin(lock, finish);
      }
    }
    progress_.remove(now(), *slot);
    announce_change();
    return is_done;
  }

  /// Runs `change` while nobody looks, then lets every waiter look again.
  template <typename Change>
  void interrupt(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    announce_change();
  }

  std::mutex& mutex() noexcept { return mutex_; }

 private:
  Instant now() const { return Instant::from_start(std::chrono::steady_clock::now() - origin_); }

  void announce_change() {
    generation_.fetch_add(1, std::memory_order_relaxed);
    changed_.notify_all();
  }

  // Without the lock, so that others can start and finish meanwhile.
  void spin(std::unique_lock<std::mutex>& lock, Instant finish) {
    const std::uint64_t generation = generation_.load(std::memory_order_relaxed);
    lock.unlock();
    while (now() < finish && generation_.load(std::memory_order_relaxed) == generation) {
    }
    lock.lock();
  }

  EmulatedOptions options_;
  std::string version_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<std::uint64_t> generation_ = 0;  // counts starts, finishes, terminations: for spinners
  SharedProgress progress_;                    // guarded by mutex_
  std::chrono::steady_clock::time_point origin_;
};

class EmulatedRunner final : public StageRunner {
 public:
  EmulatedRunner(std::shared_ptr<Device> device, EmulatedStage stage, std::size_t batch_size_max)
      : device_(std::move(device)), stage_(std::move(stage)), batch_size_max_(batch_size_max) {
    for (const TensorSpec& input : stage_.spec.inputs) inputs_.emplace_back(words_for(input));
    for (const TensorSpec& output : stage_.spec.outputs) outputs_.emplace_back(words_for(output));
  }

  const StageSpec& spec() const noexcept override { return stage_.spec; }

  JobBytes input(std::size_t input, std::size_t job) override {
    LAXITY_CHECK(job < batch_size_max_);
    const std::size_t size = stage_.spec.inputs.at(input).size_per_job();
    return {reinterpret_cast<std::byte*>(inputs_.at(input).data()) + job * size, size};
  }

  void bind_single_input(std::size_t input, ConstJobBytes bytes) override {
    LAXITY_CHECK(bytes.size() == stage_.spec.inputs.at(input).size_per_job());
    is_single_bound_ = true;
  }
  void unbind_single_inputs() override { is_single_bound_ = false; }

  Status run(std::size_t batch_size) override {
    LAXITY_CHECK(batch_size >= 1 && batch_size <= batch_size_max_);
    LAXITY_CHECK(!is_single_bound_ || batch_size == 1);
    unbind_single_inputs();
    const auto work =
        device_->options().table.typical(stage_.category, static_cast<std::uint32_t>(batch_size));
    LAXITY_CHECK(work.has_value());
    {
      const std::lock_guard lock(device_->mutex());
      is_running_ = true;
      is_terminated_ = false;
    }
    const bool is_done = device_->wait_for(stage_.category, *work, is_terminated_);
    {
      const std::lock_guard lock(device_->mutex());
      is_running_ = false;
    }
    if (is_done) return Unit{};
    return Error{ErrorCode::kUnavailable, stage_.file + ": the run was terminated"};
  }

  ConstJobBytes output(std::size_t output, std::size_t job) const override {
    LAXITY_CHECK(job < batch_size_max_);
    const std::size_t size = stage_.spec.outputs.at(output).size_per_job();
    return {reinterpret_cast<const std::byte*>(outputs_.at(output).data()) + job * size, size};
  }

  void terminate() noexcept override {
    device_->interrupt([this] { is_terminated_ = is_running_; });
  }

 private:
  // In words of the widest element, for alignment.
  std::vector<std::uint64_t> words_for(const TensorSpec& tensor) const {
    return std::vector<std::uint64_t>(tensor.size_per_job() * batch_size_max_ / sizeof(std::uint64_t) + 1, 0);
  }

  std::shared_ptr<Device> device_;  // see Device
  EmulatedStage stage_;
  std::size_t batch_size_max_;
  std::vector<std::vector<std::uint64_t>> inputs_, outputs_;
  bool is_single_bound_ = false;
  bool is_running_ = false;     // guarded by the device's mutex
  bool is_terminated_ = false;  // guarded by the device's mutex
};

class EmulatedEngine final : public Engine {
 public:
  explicit EmulatedEngine(EmulatedOptions options) : device_(std::make_shared<Device>(std::move(options))) {}

  std::string_view version() const noexcept override { return device_->version(); }
  bool is_emulated() const noexcept override { return true; }

  Result<StageSpec> inspect(const std::string& file) override {
    Result<EmulatedStage> stage = find(file);
    if (!stage) return stage.error();
    return std::move(stage->spec);
  }

  Result<std::unique_ptr<StageRunner>> load(const std::string& file, const RunnerOptions& options) override {
    LAXITY_CHECK(options.batch_size_max >= 1);
    Result<EmulatedStage> stage = find(file);
    if (!stage) return stage.error();
    std::size_t batch_size_max = device_->options().table.batch_size_max(stage->category);
    if (!stage->spec.batch_is_free) batch_size_max = 1;
    batch_size_max = std::min(batch_size_max, options.batch_size_max);
    return std::unique_ptr<StageRunner>(
        std::make_unique<EmulatedRunner>(device_, std::move(*stage), batch_size_max));
  }

 private:
  Result<EmulatedStage> find(const std::string& file) const {
    const EmulatedOptions& options = device_->options();
    std::vector<std::string> names;
    for (const EmulatedStage& stage : options.stages) {
      names.push_back(stage.file);
      std::string category_name;
      if (index(stage.category) < options.catalog.categories.size()) {
        category_name = "emulated:" + options.catalog.category_name(stage.category);
        names.push_back(category_name);
      }
      if (file != stage.file && file != category_name) continue;
      if (options.table.batch_size_max(stage.category) == 0) {
        return failed_precondition(file + ": expected execution times in the table of " + device_->version() +
                                   ", found none for this stage");
      }
      return stage;
    }
    const std::vector<std::string_view> known(names.begin(), names.end());
    return not_found(file + ": not a stage of " + device_->version() +
                     (known.empty() ? "" : "; the nearest is " + nearest(file, known)));
  }

  std::shared_ptr<Device> device_;  // see Device
};

}  // namespace

std::unique_ptr<Engine> make_emulated_engine(EmulatedOptions options) {
  LAXITY_CHECK(options.slot_count >= 1);
  return std::make_unique<EmulatedEngine>(std::move(options));
}

}  // namespace laxity
