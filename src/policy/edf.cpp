// Earliest deadline first, non-preemptive, that gives up jobs once they are hopeless.
//
// EDF is optimal among policies that never idle beside work, for one executor and jobs that cannot be
// preempted [George, Rivierre & Spuri 1996]; it says nothing about overload, where it spends the executor on
// jobs that are about to miss and makes the next ones miss too. Two rules keep that from spreading:
//   - a firm job is dropped at the first instant at which it cannot finish in time even if it started at once
//     (its client hears early, and no executor time is spent on it);
//   - a soft job that can no longer be on time goes behind all that still can, and before best-effort work.
//     Under lasting overload it may wait for long; the queue's limit is what bounds it.
// So every firm job that is started finishes in time as long as execution times stay within the table's p99.
//
// With `batch_size_max` above 1 a batch grows in EDF order, while its most urgent member still meets its
// deadline and the most urgent job of every other category can still start in time after it. The second check
// looks at one job only, and as if there were one executor: a heuristic that may grow too much for the jobs
// behind that one.
#include <algorithm>

#include "policy/builtin.h"
#include "policy/urgency_queue.h"

namespace laxity {
namespace {

/// One decision: O(b log n + c) for a batch of b > 1, O(log n) for one: n waiting jobs, c categories.
/// Order: (deadline, release, id); best-effort work after it, by (priority, release, id).
/// Work whose time was never measured counts as taking none: it is dropped at its deadline, not before.
class Edf final : public Policy {
 public:
  explicit Edf(std::size_t batch_size_max) : batch_size_max_(batch_size_max) {}

  std::string_view name() const noexcept override { return "edf"; }
  PolicyTraits traits() const noexcept override { return {true, true, true}; }

  // Without batches nobody asks what waits in one category.
  void attach(const Books& books) override {
    books_ = &books;
    waiting_.attach(books, batch_size_max_ > 1, false);
  }

  void job_ready(JobIndex job, Instant now) override { waiting_.push(job, now); }
  void job_gone(JobIndex job, Instant) override { waiting_.erase(job); }

  // Wakes when the tightest waiting job turns hopeless, so that its client hears the bad news early.
  Decision review(Instant now, bool) override { return waiting_.review(now); }

  Decision decide(ExecutorId, Instant now) override {
    Decision decision;
    if (waiting_.empty()) return decision;
    decision.kind = Decision::Kind::kStart;
    const JobIndex head = waiting_.top();
    const UrgencyRank rank = waiting_.key(head).rank;
    waiting_.erase(head);
    decision.jobs.push_back(head);
    if (batch_size_max_ == 1) return decision;
    const CategoryId category = books_->next_category(books_->entry(head));
    const std::size_t cap = std::min<std::size_t>(batch_size_max_, books_->system().batch_size_max(category));
    if (cap > 1 && !waiting_.empty(category)) grow(decision, cap, category, rank, now);
    return decision;
  }

  // An optional stage that cannot finish before the answer is due would only keep the executor from others.
  bool continue_to_next_stage(JobIndex job, Instant now) override {
    const JobEntry& entry = books_->entry(job);
    const bool has_answer = entry.stages_done >= books_->mandatory_count(entry);
    return !has_answer || !entry.job.absolute_deadline || now <= waiting_.latest_start(entry);
  }

  void tables_changed(Instant) override { waiting_.tables_changed(); }

 private:
  void grow(Decision& decision, std::size_t cap, CategoryId category, UrgencyRank rank, Instant now) {
    const SystemModel& system = books_->system();
    const JobEntry& head = books_->entry(decision.jobs[0]);
    const Instant in_time = waiting_.latest_finish(head, rank);
    const auto elsewhere = waiting_.latest_start_elsewhere(category);
    std::uint32_t encoded_count = head.encoded ? 1 : 0;
    Instant finish = now + system.planned(category, 1, encoded_count);
    while (decision.jobs.size() < cap && !waiting_.empty(category)) {
      const JobIndex next = waiting_.top(category);
      const std::uint32_t encoded = books_->entry(next).encoded ? 1 : 0;
      encoded_count += encoded;
      const auto size = static_cast<std::uint32_t>(decision.jobs.size() + 1);
      const Instant longer = now + system.planned(category, size, encoded_count);
      if (longer > in_time) return;
      // Sharing has to be cheaper than a batch of its own: else it only delays the more urgent.
      if (longer >= finish + system.planned(category, 1, encoded)) return;
      if (elsewhere && finish <= elsewhere->latest_start && longer > elsewhere->latest_start) return;
      waiting_.erase(next);
      decision.jobs.push_back(next);
      finish = longer;
    }
  }

  const std::size_t batch_size_max_;
  const Books* books_ = nullptr;
  UrgencyQueue waiting_;
};

constexpr PolicyOption kOptions[] = {
    {"batch_size_max", 8, 1, static_cast<std::int64_t>(kBatchSizeMax),
     "largest batch to form, while its most urgent job still meets its deadline"},
};

}  // namespace

BuiltinPolicy edf_policy() {
  return {{"edf",
           "earliest deadline first, non-preemptive; drops firm jobs once they are hopeless. A started firm "
           "job is on "
           "time while execution stays within p99; promises nothing before that",
           "George, Rivierre & Spuri 1996; dropping is ours",
           "O(b log n + c): batch b, n waiting, c categories; O(log n) without batches", kOptions},
          [](const PolicyOptions& options) -> std::unique_ptr<Policy> {
            return std::make_unique<Edf>(static_cast<std::size_t>(option(options, "batch_size_max")));
          }};
}

}  // namespace laxity
