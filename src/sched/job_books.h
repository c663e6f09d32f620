// The books that the scheduler writes: policy/books.h, plus what runs where and what comes due when.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/fixed_vector.h"
#include "base/time.h"
#include "core/limits.h"
#include "core/outcome.h"
#include "policy/books.h"
#include "policy/job_queue.h"

namespace laxity {

/// The batch on one executor. Its id stands in ExecutorEntry::batch.
struct RunningBatch {
  CategoryId category{};
  FixedVector<JobIndex, kBatchSizeMax> jobs;
  std::size_t waited_for_count =
      0;                        ///< Jobs that are not zombies: when it falls to zero the batch is terminated.
  std::optional<BatchId> lost;  ///< Ran when the executor was lost last: finishes up to it are ignored.
};

class JobBooks : public Books {
 public:
  explicit JobBooks(SystemModel model);

  struct Key {
    Instant at;
    JobId id{};
    auto operator<=>(const Key&) const = default;
  };

  JobEntry& job(JobIndex i) { return jobs_[i]; }
  const JobEntry& job(JobIndex i) const { return jobs_[i]; }
  ExecutorEntry& executor(ExecutorId id) { return executors_[index(id)]; }
  RunningBatch& running(ExecutorId id) { return running_[index(id)]; }
  const RunningBatch& running(ExecutorId id) const { return running_[index(id)]; }
  LatencyTable& table() { return system_.table; }
  StreamEntry* stream_entry(TaskId id) { return const_cast<StreamEntry*>(stream(id)); }
  /// Takes the stream in as kAsked. kNone, or why it cannot be.
  Reason open_stream(const Task& task);
  /// Fixes the phase by the first frame, numbers a frame that has no number, and makes its kind and deadline
  /// those of its contract. Returns kNone or why the frame is refused; `is_anchored_now`: it fixed the phase.
  Reason bind_frame(Job& job, Instant now, bool& is_anchored_now);
  /// To be told of each frame of an endless stream that bind_frame took: where its phase should move, if it
  /// should.
  std::optional<PhaseTracker::Move> phase_move(const Job& job, Instant now);
  std::size_t executor_count() const noexcept { return executors_.size(); }

  /// The slot of a job that is not settled yet. None: unknown, settled or forgotten.
  std::optional<JobIndex> find_unsettled(JobId id) const;

  bool runs_batches(ExecutorId id) const { return system_.executors[index(id)].runs_batches; }
  /// Executors set apart for CPU segments.
  bool runs_only_segments(ExecutorId id) const {
    const Executor& executor = system_.executors[index(id)];
    return executor.runs_segments && !executor.runs_batches;
  }
  bool has_batch_executor() const { return has_executor(true); }
  bool has_segment_executor() const { return has_executor(false); }

  /// True when the job's segment runs on its own executor, not inside a batch.
  bool takes_segment(const Job& job) const noexcept { return job.needs_preprocess && !is_inline_; }

  JobQueue<Key> deadlines;  ///< Unsettled jobs that are to be looked at when their deadline comes.
  JobQueue<Key> segments;   ///< Jobs that wait for a segment executor.

  std::size_t ready_count = 0;
  std::size_t alive_count = 0;  ///< Every slot that is not free.
  std::size_t zombie_count = 0;

 private:
  bool has_executor(bool runs_batches) const;

  std::vector<RunningBatch> running_;
  bool is_inline_;
};

}  // namespace laxity
