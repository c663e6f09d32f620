// Adaptive batching as Clipper has it: the batch size of each network grows by one while batches meet their
// latency objective, and is cut by a tenth when one does not. [Crankshaw et al., NSDI 2017, section 4.3; used
// by MArk and, as baseline AIMD, by DeepRT]
//
// An instance of a network takes what waits, up to the current size, as soon as it is free; with `wait_us` it
// first waits so long for a full batch (Clipper's delayed batching). Where the sources are silent, or differ,
// we choose:
//   - The objective is the tightest relative deadline in the batch. Clipper compares it with the time that
//     the batch took (`objective = 0`). Compared with the whole response time (`objective = 1`) queueing
//     counts too, and an overloaded network is cut to batches of one, which overloads it more.
//   - Only a full batch raises the size: a smaller one says nothing about a larger one.
// Blind to deadlines otherwise: first come, first served, and late answers are given. Best-effort jobs have
// no objective; batches of only them raise the size.
#include <algorithm>

#include "policy/builtin.h"
#include "policy/job_heaps.h"
#include "policy/model_instances.h"
#include "policy/release_key.h"

namespace laxity {
namespace {

enum class Objective : std::uint8_t { kExecutionTime, kResponseTime };

/// Guarantees nothing. One decision: O(b log n + c e) for a batch of b, n waiting jobs, c categories, e
/// executors.
class Aimd final : public Policy {
 public:
  Aimd(std::int64_t cut_percent, Objective objective, Duration wait, std::int64_t instances_max)
      : cut_percent_(cut_percent), objective_(objective), wait_(wait), instances_(instances_max) {}

  std::string_view name() const noexcept override { return "aimd"; }
  PolicyTraits traits() const noexcept override { return {false, false, false}; }

  void attach(const Books& books) override {
    books_ = &books;
    instances_.attach(books);
    const std::size_t category_count = books.system().catalog.categories.size();
    waiting_ = JobHeaps<ReleaseKey>(books.capacity(), category_count);
    sizes_.assign(category_count, 1);
    running_.resize(books.executors().size());
  }
  void job_ready(JobIndex job, Instant) override {
    const JobEntry& entry = books_->entry(job);
    waiting_.push(job, {entry.job.release, entry.job.id}, index(books_->next_category(entry)));
  }
  void job_gone(JobIndex job, Instant) override { waiting_.erase(job); }
  void shutdown_started(Instant) override { is_flushing_ = true; }

  void batch_finished(CategoryId category, ExecutorId executor, BatchStatus status, Duration execution_time,
                      Instant now) override {
    if (status != BatchStatus::kSucceeded) return;
    const Running& batch = running_[index(executor)];
    std::int64_t& size = sizes_[index(category)];
    const bool is_violated = objective_ == Objective::kExecutionTime
                                 ? batch.objective && execution_time > *batch.objective
                                 : batch.due && now > *batch.due;
    if (is_violated) {
      size =
          std::max<std::int64_t>(1, size * (100 - cut_percent_) / 100);  // rounded down: it does get smaller
    } else if (batch.is_full && size < cap_of(category)) {
      ++size;
    }
  }

  Decision decide(ExecutorId executor, Instant now) override {
    Decision decision;
    std::size_t chosen = waiting_.heap_count();
    for (std::size_t c = 0; c < waiting_.heap_count(); ++c) {
      const auto category = static_cast<CategoryId>(c);
      if (waiting_.empty(c) || !instances_.has_free(category)) continue;
      const Instant due = waiting_.top_key(c).release + wait_;
      const bool is_later_stage = books_->system().catalog.categories[c].stage > 0;
      if (due > now && !is_flushing_ && !is_later_stage && waiting_.size(c) < size_of(category)) {
        if (!decision.wait_until || due < *decision.wait_until) decision.wait_until = due;
      } else if (chosen == waiting_.heap_count() || waiting_.top_key(c) < waiting_.top_key(chosen)) {
        chosen = c;
      }
    }
    if (chosen == waiting_.heap_count()) return decision;
    decision.kind = Decision::Kind::kStart;
    const auto category = static_cast<CategoryId>(chosen);
    instances_.start(executor, category);
    const std::size_t size = size_of(category);
    Running batch;
    while (decision.jobs.size() < size && !waiting_.empty(chosen)) {
      const JobIndex job = waiting_.pop(chosen);
      decision.jobs.push_back(job);
      const Job& member = books_->entry(job).job;
      if (!member.absolute_deadline) continue;
      const Duration relative = *member.absolute_deadline - member.release;
      batch.objective = std::min(relative, batch.objective.value_or(relative));
      batch.due = std::min(*member.absolute_deadline, batch.due.value_or(*member.absolute_deadline));
    }
    batch.is_full = decision.jobs.size() == size;
    running_[index(executor)] = batch;
    return decision;
  }

 private:
  struct Running {
    std::optional<Duration> objective;  // the tightest relative deadline
    std::optional<Instant> due;         // the earliest absolute one
    bool is_full = false;
  };

  std::int64_t cap_of(CategoryId category) const { return books_->system().batch_size_max(category); }

  std::size_t size_of(CategoryId category) const {
    return static_cast<std::size_t>(std::min(sizes_[index(category)], cap_of(category)));
  }

  const std::int64_t cut_percent_;
  const Objective objective_;
  const Duration wait_;
  bool is_flushing_ = false;
  ModelInstances instances_;
  const Books* books_ = nullptr;
  JobHeaps<ReleaseKey> waiting_;     // one heap per category
  std::vector<std::int64_t> sizes_;  // by category
  std::vector<Running> running_;     // by executor
};

constexpr PolicyOption kOptions[] = {
    {"cut_percent", 10, 1, 99, "by how much the batch size is cut when a batch misses the objective"},
    {"objective", 0, 0, 1, "what must stay within the tightest deadline: 0 execution time, 1 response time"},
    {"wait_us", 0, 0, 3'600'000'000, "wait so long for a full batch"},
    {"instances_max", static_cast<std::int64_t>(kInstancesMax), 1, static_cast<std::int64_t>(kInstancesMax),
     "batches of one network that may run at once"},
};

}  // namespace

BuiltinPolicy aimd_policy() {
  return {{"aimd",
           "batch size raised by one while batches meet the latency objective, cut when one does not; first "
           "come, first served; guarantees nothing",
           "Crankshaw et al., NSDI 2017 (Clipper); baseline of DeepRT, SEC 2021",
           "O(b log n + c e): batch b, n waiting, c categories, e executors", kOptions},
          [](const PolicyOptions& options) -> std::unique_ptr<Policy> {
            return std::make_unique<Aimd>(
                option(options, "cut_percent"), static_cast<Objective>(option(options, "objective")),
                std::chrono::microseconds(option(options, "wait_us")), option(options, "instances_max"));
          }};
}

}  // namespace laxity
