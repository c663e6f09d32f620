// The two batchers that DeepRT is compared with, as Triton has them: a fixed batch size, and a size with a
// time limit. As there, a network has so many instances (`instances_max`), each of which runs a batch at a
// time; with one each and an executor for every network, all networks run concurrently and none beside
// itself.
//
// `batch` starts a batch when it is full; the paper leaves open what becomes of the last frames of a stream,
// which would wait for ever. Ours has `flush_us`, a time limit so long (one second) that it does not act
// while frames arrive. `batch-delay` is the same with a limit that is meant to act. Both are blind to
// deadlines and answer late. The size is the smallest of the option, the network's cap and the table's
// largest batch; stages after the first do not wait again.
#include <algorithm>

#include "policy/builtin.h"
#include "policy/job_heaps.h"
#include "policy/model_instances.h"
#include "policy/release_key.h"

namespace laxity {
namespace {

/// Starts the full or overdue batch whose first job was released first; a job is overdue `delay` after its
/// release. Guarantees nothing. One decision: O(b log n + c e) for a batch of b, n waiting jobs, c
/// categories, e executors.
class FixedBatch final : public Policy {
 public:
  FixedBatch(std::string_view name, std::int64_t batch_size, Duration delay, std::int64_t instances_max)
      : name_(name),
        batch_size_(static_cast<std::size_t>(batch_size)),
        delay_(delay),
        instances_(instances_max) {}

  std::string_view name() const noexcept override { return name_; }
  PolicyTraits traits() const noexcept override { return {false, false, false}; }

  void attach(const Books& books) override {
    books_ = &books;
    instances_.attach(books);
    waiting_ = JobHeaps<ReleaseKey>(books.capacity(), books.system().catalog.categories.size());
  }
  void job_ready(JobIndex job, Instant) override {
    const JobEntry& entry = books_->entry(job);
    waiting_.push(job, {entry.job.release, entry.job.id}, index(books_->next_category(entry)));
  }
  void job_gone(JobIndex job, Instant) override { waiting_.erase(job); }
  void shutdown_started(Instant) override { is_flushing_ = true; }

  Decision decide(ExecutorId executor, Instant now) override {
    Decision decision;
    std::size_t chosen = waiting_.heap_count();
    for (std::size_t c = 0; c < waiting_.heap_count(); ++c) {
      if (waiting_.empty(c) || !instances_.has_free(static_cast<CategoryId>(c))) continue;
      const ReleaseKey& first = waiting_.top_key(c);
      const bool is_later_stage = books_->system().catalog.categories[c].stage > 0;
      const bool is_due = is_flushing_ || is_later_stage || first.release + delay_ <= now;
      if (!is_due && waiting_.size(c) < size_of(c)) {
        const Instant due = first.release + delay_;
        if (!decision.wait_until || due < *decision.wait_until) decision.wait_until = due;
      } else if (chosen == waiting_.heap_count() || first < waiting_.top_key(chosen)) {
        chosen = c;
      }
    }
    if (chosen == waiting_.heap_count()) return decision;
    decision.kind = Decision::Kind::kStart;
    instances_.start(executor, static_cast<CategoryId>(chosen));
    const std::size_t size = std::min(size_of(chosen), waiting_.size(chosen));
    while (decision.jobs.size() < size) decision.jobs.push_back(waiting_.pop(chosen));
    return decision;
  }

 private:
  std::size_t size_of(std::size_t category) const {
    return std::min<std::size_t>(batch_size_,
                                 books_->system().batch_size_max(static_cast<CategoryId>(category)));
  }

  const std::string_view name_;
  const std::size_t batch_size_;
  const Duration delay_;
  ModelInstances instances_;
  const Books* books_ = nullptr;
  bool is_flushing_ = false;
  JobHeaps<ReleaseKey> waiting_;  // one heap per category
};

constexpr std::int64_t kLongestUs = 3'600'000'000;

constexpr PolicyOption kInstances = {"instances_max", static_cast<std::int64_t>(kInstancesMax), 1,
                                     static_cast<std::int64_t>(kInstancesMax),
                                     "batches of one network that may run at once"};
constexpr PolicyOption kBatchOptions[] = {
    {"batch_size", 4, 1, static_cast<std::int64_t>(kBatchSizeMax),
     "jobs that must wait before a batch starts"},
    {"flush_us", 1'000'000, 0, kLongestUs, "start an unfinished batch when its first job is this old"},
    kInstances,
};
constexpr PolicyOption kBatchDelayOptions[] = {
    {"batch_size", 8, 1, static_cast<std::int64_t>(kBatchSizeMax), "jobs that start a batch at once"},
    {"delay_us", 10'000, 0, kLongestUs, "start an unfinished batch when its first job is this old"},
    kInstances,
};

}  // namespace

BuiltinPolicy batch_policy() {
  return {{"batch", "fixed batch size, blind to deadlines; guarantees nothing",
           "baseline BATCH of DeepRT, SEC 2021",
           "O(b log n + c e): batch b, n waiting, c categories, e executors", kBatchOptions},
          [](const PolicyOptions& options) -> std::unique_ptr<Policy> {
            return std::make_unique<FixedBatch>("batch", option(options, "batch_size"),
                                                std::chrono::microseconds(option(options, "flush_us")),
                                                option(options, "instances_max"));
          }};
}

BuiltinPolicy batch_delay_policy() {
  return {{"batch-delay", "batch size cap or a time limit, blind to deadlines; guarantees nothing",
           "baseline BATCH-Delay of DeepRT, SEC 2021",
           "O(b log n + c e): batch b, n waiting, c categories, e executors", kBatchDelayOptions},
          [](const PolicyOptions& options) -> std::unique_ptr<Policy> {
            return std::make_unique<FixedBatch>("batch-delay", option(options, "batch_size"),
                                                std::chrono::microseconds(option(options, "delay_us")),
                                                option(options, "instances_max"));
          }};
}

}  // namespace laxity
