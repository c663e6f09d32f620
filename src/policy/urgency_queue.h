// Waiting jobs, earliest deadline first, and which of them has become hopeless.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "policy/category_queues.h"
#include "policy/policy.h"

namespace laxity {

enum class UrgencyRank : std::uint8_t {
  kInTime,      ///< Still to reach its mandatory depth, and can.
  kOptional,    ///< Has an answer that a further stage may better.
  kLateSoft,    ///< Can no longer be on time.
  kBestEffort,  ///< No deadline.
};

/// Order: (rank, deadline or priority, release, id).
struct UrgencyKey {
  UrgencyRank rank{};
  std::int64_t urgency = 0;
  Instant release;
  JobId id{};
  auto operator<=>(const UrgencyKey&) const = default;
};
struct LatestStartKey {
  Instant latest_start;
  JobId id{};
  auto operator<=>(const LatestStartKey&) const = default;
};

/// The ready queue of edf, and of what runs in the gaps of a plan. Each call O(log n).
class UrgencyQueue {
 public:
  /// `by_category`: false when nobody asks what waits in one category: then there is one queue to keep.
  /// `optional_last`: further stages of jobs that have an answer go behind jobs that have none.
  /// `answer_guard`: a job that has an answer waits for its next stage until so long before that stage's last
  /// chance, no longer: a timer that wakes late must not turn an answer that is there into a miss.
  void attach(const Books& books, bool by_category, bool optional_last,
              Duration answer_guard = Duration::zero()) {
    books_ = &books;
    by_category_ = by_category;
    optional_last_ = optional_last;
    answer_guard_ = answer_guard;
    const std::size_t category_count = by_category ? books.system().catalog.categories.size() : 1;
    waiting_ = CategoryQueues<UrgencyKey>(books.capacity(), category_count);
    latest_starts_ = CategoryQueues<LatestStartKey>(books.capacity(), category_count);
  }

  bool empty() const { return waiting_.empty(); }
  bool empty(CategoryId category) const { return waiting_.empty(category); }
  JobIndex top() const { return waiting_.top(); }
  JobIndex top(CategoryId category) const { return waiting_.top(category); }
  const UrgencyKey& key(JobIndex job) const { return waiting_.key(job); }
  std::optional<LatestStartKey> latest_start_elsewhere(CategoryId category) {
    return latest_starts_.top_key_elsewhere(category);
  }

  void push(JobIndex job, Instant now) {
    const JobEntry& entry = books_->entry(job);
    if (entry.job.kind == JobKind::kBestEffort) {
      add(job, {UrgencyRank::kBestEffort, entry.job.priority, entry.job.release, entry.job.id});
    } else if (entry.job.kind == JobKind::kSoft && latest_start(entry) < now) {
      add(job, late_key(entry.job));
    } else {
      const bool is_optional = optional_last_ && entry.stages_done >= books_->mandatory_count(entry);
      add(job, {is_optional ? UrgencyRank::kOptional : UrgencyRank::kInTime,
                deadline(entry.job).since_start().count(), entry.job.release, entry.job.id});
      latest_starts_.push(job, {latest_start(entry), entry.job.id}, queue_of(entry));
    }
  }
  void erase(JobIndex job) {
    waiting_.erase(job);
    if (latest_starts_.contains(job)) latest_starts_.erase(job);
  }

  /// Policy::review: hopeless firm jobs are dropped, hopeless soft ones go behind all
  /// that can still be on time.
  Decision review(Instant now) {
    Decision decision;
    while (!latest_starts_.empty() && latest_starts_.top_key().latest_start < now && !decision.jobs.full()) {
      const JobIndex job = latest_starts_.top();
      const JobEntry& entry = books_->entry(job);
      erase(job);
      if (entry.job.kind == JobKind::kFirm) {
        decision.jobs.push_back(job);
      } else {
        add(job, late_key(entry.job));
      }
    }
    if (!decision.jobs.empty()) {
      decision.kind = Decision::Kind::kDrop;
      decision.reason = Reason::kDroppedHopeless;
    } else if (!latest_starts_.empty()) {
      decision.wait_until = latest_starts_.top_key().latest_start + 1ns;
    }
    return decision;
  }

  void tables_changed() {
    for (JobIndex job = 0; job < books_->capacity(); ++job) {
      if (!latest_starts_.contains(job)) continue;
      const JobEntry& entry = books_->entry(job);
      latest_starts_.erase(job);
      latest_starts_.push(job, {latest_start(entry), entry.job.id}, queue_of(entry));
    }
  }

  /// When the job's next stage has to be over. Later than everything for jobs that cannot be on time anyway.
  Instant latest_finish(const JobEntry& entry, UrgencyRank rank) const {
    if (rank != UrgencyRank::kInTime && rank != UrgencyRank::kOptional) return Instant::latest();
    const SystemModel& system = books_->system();
    const Variant& variant = system.catalog.models[index(entry.job.model)].variants[entry.job.variant];
    Instant latest = deadline(entry.job) - system.table.overheads.reply_p99;
    for (std::uint32_t stage = entry.stages_done + 1; stage < books_->mandatory_count(entry); ++stage) {
      latest = latest - system.planned(variant.stages[stage], 1, 0);
    }
    return latest;
  }

  /// When the job has to start, alone, to have its mandatory stages done in time; with those done, its next
  /// stage.
  Instant latest_start(const JobEntry& entry) const {
    const std::uint32_t mandatory = books_->mandatory_count(entry);
    const std::uint32_t up_to = std::max(mandatory, entry.stages_done + 1);
    const Duration guard = entry.stages_done >= mandatory ? answer_guard_ : Duration::zero();
    return deadline(entry.job) - books_->system().table.overheads.reply_p99 -
           books_->remaining(entry, up_to) - guard;
  }

 private:
  static Instant deadline(const Job& job) { return *job.absolute_deadline; }
  static UrgencyKey late_key(const Job& job) {
    return {UrgencyRank::kLateSoft, deadline(job).since_start().count(), job.release, job.id};
  }
  CategoryId queue_of(const JobEntry& entry) const {
    return by_category_ ? books_->next_category(entry) : CategoryId{0};
  }
  void add(JobIndex job, const UrgencyKey& key) { waiting_.push(job, key, queue_of(books_->entry(job))); }

  const Books* books_ = nullptr;
  bool by_category_ = true;
  bool optional_last_ = false;
  Duration answer_guard_{};
  CategoryQueues<UrgencyKey> waiting_;
  CategoryQueues<LatestStartKey> latest_starts_;  // jobs that can still be on time
};

}  // namespace laxity
