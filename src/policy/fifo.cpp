// First in, first out: the baseline that most servers are. One job at a time, in order of release, blind to
// deadlines.
#include "policy/builtin.h"
#include "policy/job_queue.h"

namespace laxity {
namespace {

struct ReleaseKey {
  Instant release;
  JobId id{};
  auto operator<=>(const ReleaseKey&) const = default;
};

/// Starts the waiting job that was released first, each stage in a batch of one. A job that has begun is
/// older than all that have not, so its stages run back to back. Promises nothing: under overload every
/// answer is late. One decision: O(log n).
class Fifo final : public Policy {
 public:
  std::string_view name() const noexcept override { return "fifo"; }
  PolicyTraits traits() const noexcept override { return {false, true, false}; }

  void attach(const Books& books) override {
    books_ = &books;
    waiting_ = JobQueue<ReleaseKey>(books.capacity());
  }
  void job_ready(JobIndex job, Instant) override {
    const Job& entry = books_->entry(job).job;
    waiting_.push(job, {entry.release, entry.id});
  }
  void job_gone(JobIndex job, Instant) override { waiting_.erase(job); }

  Decision decide(ExecutorId, Instant) override {
    Decision decision;
    if (waiting_.empty()) return decision;
    decision.kind = Decision::Kind::kStart;
    decision.jobs.push_back(waiting_.pop());
    return decision;
  }

 private:
  const Books* books_ = nullptr;
  JobQueue<ReleaseKey> waiting_;
};

}  // namespace

BuiltinPolicy fifo_policy() {
  return {{"fifo",
           "one job at a time in order of release, blind to deadlines; guarantees nothing",
           "baseline",
           "O(log n) in the jobs that wait",
           {}},
          [](const PolicyOptions&) -> std::unique_ptr<Policy> { return std::make_unique<Fifo>(); }};
}

}  // namespace laxity
