#include "sched/job_books.h"

#include <algorithm>
#include <cstdint>

namespace laxity {

JobBooks::JobBooks(SystemModel model)
    : Books(std::move(model)),
      deadlines(jobs_.size()),
      segments(jobs_.size()),
      running_(executors_.size()),
      is_inline_(system_.preprocesses_inline()) {}

Reason JobBooks::open_stream(const Task& task) {
  if (streams_.empty()) return Reason::kTooManyStreams;
  StreamEntry& entry = streams_[stream_slot(task.id)];
  if (entry.state != StreamEntry::State::kFree) return Reason::kTooManyStreams;
  entry = StreamEntry{};
  entry.state = StreamEntry::State::kAsked;
  entry.task = task;
  entry.phase.period = task.min_inter_arrival;
  if (task.first_release) entry.phase.first = *task.first_release;
  return Reason::kNone;
}

// A frame that comes early is due as if it had come at r; one later than its jitter bound is due D after it
// came. The slot of frame k begins at r - T: whoever comes before that, or a second time, sends too fast.
Reason JobBooks::bind_frame(Job& job, Instant now, bool& is_anchored_now) {
  StreamEntry* stream = stream_entry(*job.task);
  if (stream == nullptr || stream->state != StreamEntry::State::kAdmitted ||
      stream->task.model != job.model) {
    return Reason::kUnknownStream;
  }
  const Task& task = stream->task;
  const auto refuse = [&] {
    ++stream->too_fast;
    return Reason::kFasterThanContract;
  };
  const std::uint64_t k = job.frame ? *job.frame : stream->next_frame;
  // Beyond what 64-bit nanoseconds can tell, a frame is further ahead than any contract.
  const auto frames_told = static_cast<std::uint64_t>(Duration::max() / 4 / task.min_inter_arrival);
  if (k > std::min<std::uint64_t>(UINT32_MAX, frames_told)) return refuse();
  if (task.frame_count && k >= *task.frame_count) return refuse();
  if (!task.first_release) {
    const auto elapsed = static_cast<std::int64_t>(k) * task.min_inter_arrival;
    stream->task.first_release = now - task.release_jitter_max - elapsed;
    stream->phase.first = *stream->task.first_release;
    is_anchored_now = true;
  }
  const Instant release = stream->release(k);
  if (now < release - task.min_inter_arrival) return refuse();
  if (k >= stream->next_frame) {
    const std::uint64_t ahead = k + 1 - stream->next_frame;
    stream->came = (ahead < 64 ? stream->came << ahead : 0) | 1;
    stream->next_frame = k + 1;
  } else {
    const std::uint64_t back = stream->next_frame - 1 - k;
    if (back >= 64 || (stream->came >> back & 1) != 0) return refuse();
    stream->came |= std::uint64_t{1} << back;
  }
  ++stream->frames;
  if (now < release) ++stream->early;
  if (stream->is_late(k, now)) ++stream->late;
  job.frame = static_cast<std::uint32_t>(k);
  job.variant = task.lowest_variant;
  job.kind = task.kind;
  job.absolute_deadline.reset();
  if (task.kind != JobKind::kBestEffort)
    job.absolute_deadline = std::max(now, release) + task.relative_deadline;
  return Reason::kNone;
}

std::optional<PhaseTracker::Move> JobBooks::phase_move(const Job& job, Instant now) {
  StreamEntry& stream = *stream_entry(*job.task);
  if (stream.task.frame_count || !stream.task.first_release) return std::nullopt;
  const bool was_moved = stream.phase.moved_from != UINT64_MAX;
  if (was_moved && !stream.phase.is_moved(*job.frame)) return std::nullopt;
  const Duration offset = now - stream.release(*job.frame);
  const Duration contract = stream.task.min_inter_arrival;
  auto move = stream.tracker.observe(offset, stream.task.release_jitter_max, contract);
  if (move) {
    const Duration period = stream.phase.period_at(*job.frame);
    move->per_frame = PhaseTracker::followed(contract, period, move->per_frame) - period;
  }
  // Two moves are told apart only when no frame of before the first can come any more: see `came`.
  if (was_moved && stream.next_frame < stream.phase.moved_from + 64) return std::nullopt;
  return move;
}

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
