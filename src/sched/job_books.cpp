#include "sched/job_books.h"

namespace laxity {

JobBooks::JobBooks(SystemModel model)
    : Books(std::move(model)),
      deadlines(jobs_.size()),
      segments(jobs_.size()),
      running_(executors_.size()),
      is_inline_(system_.preprocesses_inline()) {}

std::optional<JobIndex> JobBooks::find_unsettled(JobId id) const {
  const std::size_t i = slot(id);
  if (i >= jobs_.size() || jobs_[i].job.id != id) return std::nullopt;
  if (jobs_[i].state == JobState::kFree || jobs_[i].state == JobState::kZombie) return std::nullopt;
  return static_cast<JobIndex>(i);
}

bool JobBooks::has_executor(bool runs_batches) const {
  for (std::size_t i = 0; i < executors_.size(); ++i) {
    const Executor& executor = system_.executors[i];
    const bool suits =
        runs_batches ? executor.runs_batches : executor.runs_segments && !executor.runs_batches;
    if (suits && !executors_[i].is_lost) return true;
  }
  return false;
}

}  // namespace laxity
