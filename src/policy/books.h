// The scheduler's books as a policy may read them: jobs, executors, tables. Policies never write here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analysis/phase_tracker.h"
#include "analysis/stream_phase.h"
#include "base/check.h"
#include "core/event.h"
#include "core/job.h"
#include "core/system_model.h"
#include "core/task.h"

namespace laxity {

/// Slot of a living job in the books: `slot(job.id)`.
using JobIndex = std::uint32_t;
inline constexpr std::uint32_t kNoIndex = ~std::uint32_t{0};

enum class JobState : std::uint8_t {
  kFree,          ///< The slot holds no job.
  kNeedsSegment,  ///< Waits for its CPU segment to start or to finish.
  kReady,         ///< Its next stage may be batched.
  kRunning,       ///< In a batch.
  kZombie,        ///< Settled while in a batch; forgotten when the batch ends.
};

struct JobEntry {
  Job job;
  JobState state = JobState::kFree;
  std::uint32_t stages_done = 0;
  Confidence confidence = 0;  ///< Of exit `stages_done - 1`.
  std::uint32_t last_batch_size = 0;
  Instant ready_since;
  Duration queue_time{};
  Duration execution_time{};
  std::optional<BatchId> batch;   ///< While running or zombie.
  bool encoded = false;           ///< Still to be preprocessed.
  bool is_other_variant = false;  ///< A policy has chosen another than was asked for.
};

struct ExecutorEntry {
  bool is_lost = false;
  std::optional<BatchId> batch;
  std::optional<JobId> segment;
  Instant start;
  Instant planned_finish;  ///< start + planned; equal to start when nothing was measured.
  bool is_idle() const noexcept { return !is_lost && !batch && !segment; }
};

/// A stream contract that was asked for, and what has come of it.
struct StreamEntry {
  enum class State : std::uint8_t {
    kFree,
    kAsked,  ///< Its admission is not answered yet.
    kAdmitted,
  };
  State state = State::kFree;
  Task task;                     ///< `first_release` is set once frame 0 has fixed it: r of frame 0.
  std::uint64_t next_frame = 0;  ///< One past the highest frame that has come.
  std::uint64_t came = 0;        ///< Bit i: frame next_frame - 1 - i has come.
  std::uint64_t frames = 0;      ///< Accepted.
  std::uint64_t early = 0;       ///< Of these, before r: treated as if they came at r.
  std::uint64_t late = 0;        ///< Of these, after r + J: served without a promise.
  std::uint64_t too_fast = 0;    ///< Refused.
  std::uint64_t reanchored = 0;  ///< So often its phase was moved after its clock.
  StreamPhase phase;             ///< Once anchored: r of each frame, moves included.
  PhaseTracker tracker;

  /// r of frame k. Precondition: anchored.
  Instant release(std::uint64_t k) const { return phase.release(k); }
  bool is_late(std::uint64_t k, Instant arrival) const {
    return arrival > release(k) + task.release_jitter_max;
  }
};

class Books {
 public:
  explicit Books(SystemModel model)
      : system_(std::move(model)),
        jobs_(system_.limits.queue_length_max),
        executors_(system_.executors.size()),
        streams_(system_.limits.streams_max) {}

  const SystemModel& system() const noexcept { return system_; }
  const JobEntry& entry(JobIndex i) const {
    LAXITY_CHECK(i < jobs_.size() && jobs_[i].state != JobState::kFree);
    return jobs_[i];
  }
  std::size_t capacity() const noexcept { return jobs_.size(); }
  std::span<const ExecutorEntry> executors() const noexcept { return executors_; }
  /// By slot; entries of state kFree hold nothing.
  std::span<const StreamEntry> streams() const noexcept { return streams_; }
  /// A stream lives at `id modulo streams_max`.
  std::size_t stream_slot(TaskId id) const noexcept { return index(id) % streams_.size(); }
  /// Null: never asked for, refused or gone.
  const StreamEntry* stream(TaskId id) const noexcept {
    if (streams_.empty()) return nullptr;
    const StreamEntry& entry = streams_[stream_slot(id)];
    return entry.state != StreamEntry::State::kFree && entry.task.id == id ? &entry : nullptr;
  }

  /// Category of the job's next stage. Precondition: it has one left.
  CategoryId next_category(const JobEntry& entry) const {
    return system_.catalog.models[index(entry.job.model)]
        .variants[entry.job.variant]
        .stages[entry.stages_done];
  }
  std::uint32_t stage_count(const JobEntry& entry) const {
    return static_cast<std::uint32_t>(
        system_.catalog.models[index(entry.job.model)].variants[entry.job.variant].stages.size());
  }
  std::uint32_t mandatory_count(const JobEntry& entry) const {
    return system_.catalog.models[index(entry.job.model)].mandatory_count;
  }
  /// Planned time of the stages from `stages_done` up to (not including) `up_to`, each in a batch of one,
  /// with the segment if it is still to come. Unmeasured stages count zero. O(stages).
  Duration remaining(const JobEntry& entry, std::uint32_t up_to) const noexcept;

 protected:
  SystemModel system_;
  std::vector<JobEntry> jobs_;
  std::vector<ExecutorEntry> executors_;
  std::vector<StreamEntry> streams_;
};

}  // namespace laxity
