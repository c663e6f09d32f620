// Everything the scheduler can be told. Plain values: no pointers, no allocation, comparable for replay.
#pragma once

#include <cstdint>
#include <variant>

#include "base/fixed_vector.h"
#include "base/time.h"
#include "core/ids.h"
#include "core/job.h"
#include "core/limits.h"
#include "core/task.h"

namespace laxity {

/// Probability-like confidence of an exit in fixed point: 65535 is certainty.
using Confidence = std::uint16_t;

struct TaskSubmitted {
  Task task;
  bool operator==(const TaskSubmitted&) const = default;
};
struct TaskRemoved {
  TaskId task{};
  bool operator==(const TaskRemoved&) const = default;
};
struct JobReleased {
  Job job;
  bool operator==(const JobReleased&) const = default;
};
/// The client has gone or asked to stop. A job that is already settled or unknown is ignored: the two may
/// cross.
struct JobCancelled {
  JobId job{};
  bool operator==(const JobCancelled&) const = default;
};
struct SegmentFinished {
  JobId job{};
  ExecutorId executor{};
  bool succeeded = true;
  bool operator==(const SegmentFinished&) const = default;
};
enum class BatchStatus : std::uint8_t {
  kSucceeded,
  kFailed,      ///< The engine reported an error.
  kTerminated,  ///< Stopped by TerminateBatch.
};
struct BatchFinished {
  BatchId batch{};
  ExecutorId executor{};
  BatchStatus status = BatchStatus::kSucceeded;
  Duration execution_time{};  ///< Measured on the executor, hand-overs excluded.
  /// Confidence of this stage's exit, in the order of StartBatch::jobs. Empty unless succeeded.
  FixedVector<Confidence, kBatchSizeMax> confidences;
  /// Bit i: job i of the batch could not be decoded (inline preprocessing), the others are unaffected.
  std::uint64_t preprocess_failed = 0;
  bool operator==(const BatchFinished&) const = default;
};
/// What runs there is lost; its jobs are ready again at the stage they were in.
struct ExecutorLost {
  ExecutorId executor{};
  bool operator==(const ExecutorLost&) const = default;
};
struct ExecutorBack {
  ExecutorId executor{};
  bool operator==(const ExecutorBack&) const = default;
};
/// The computation asked for by ComputePlan has ended; `hash` is what Scheduler::compute_plan returned.
struct PlanReady {
  PlanId plan{};
  std::uint64_t hash = 0;
  bool operator==(const PlanReady&) const = default;
};
/// Execution times were measured anew: the driver has replaced the table (Scheduler::replace_table).
struct TablesChanged {
  bool operator==(const TablesChanged&) const = default;
};
/// The server is stopping: nothing new is accepted; jobs that still have a chance are finished, the rest
/// settled.
struct ShutdownStarted {
  bool operator==(const ShutdownStarted&) const = default;
};
/// The time asked for by SetTimer has come. Carries nothing: the scheduler is told the time.
struct TimerFired {
  bool operator==(const TimerFired&) const = default;
};

using Event =
    std::variant<TaskSubmitted, TaskRemoved, JobReleased, JobCancelled, SegmentFinished, BatchFinished,
                 ExecutorLost, ExecutorBack, PlanReady, TablesChanged, ShutdownStarted, TimerFired>;

/// Order of events at equal instants: finish, cancel, (tasks, executors, plans), release, timer. A frame that
/// arrives exactly at a joint therefore belongs to the window that the joint closes: windows are (a, b].
/// Both drivers and replay use this one.
int tie_rank(const Event& event) noexcept;

}  // namespace laxity
