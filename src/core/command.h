// Everything the scheduler can ask for. Plain values, kept in a buffer that never grows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "base/fixed_vector.h"
#include "base/time.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/limits.h"
#include "core/outcome.h"
#include "core/task.h"

namespace laxity {

/// The answer to TaskSubmitted, and any later change of it.
struct AnswerTask {
  TaskId task{};
  bool admitted = false;
  Reason reason =
      Reason::kNone;  ///< Which test said no; or why the guarantee of an admitted stream was lost.
  std::optional<Duration> response_time_bound;  ///< Proved, when admitted.
  Guarantee guarantee = Guarantee::kNone;
  std::optional<Instant> guaranteed_until;  ///< Frames released before it are promised; none: all.
  bool is_provisional = false;              ///< Until frame 0 fixes the phase.
  // Evidence of a refusal; and what would have been admitted: the best found on a grid, verified by the same
  // test.
  std::optional<TaskId> failing_task;      ///< Whose frame would have been late.
  std::optional<Instant> failing_at;       ///< That frame's deadline.
  std::optional<Duration> deadline_offer;  ///< Smallest relative deadline found, all else as asked.
  std::optional<Duration> period_offer;    ///< Smallest period found, all else as asked.
  bool operator==(const AnswerTask&) const = default;
};
/// Run the CPU segment of one job.
struct StartSegment {
  JobId job{};
  ExecutorId executor{};
  bool operator==(const StartSegment&) const = default;
};
/// Run one stage of these jobs together. Jobs that still need their preprocess segment get it inside the
/// batch.
struct StartBatch {
  BatchId batch{};
  ExecutorId executor{};
  CategoryId category{};
  FixedVector<JobId, kBatchSizeMax> jobs;
  Duration planned{};  ///< Execution time that was planned with; zero when nothing was measured.
  bool operator==(const StartBatch&) const = default;
};
/// Nobody waits for this running batch any more: stop it if the engine can. BatchFinished still follows.
struct TerminateBatch {
  BatchId batch{};
  ExecutorId executor{};
  bool operator==(const TerminateBatch&) const = default;
};
/// The job's one outcome. Its client is answered now.
struct SettleJob {
  JobId job{};
  Outcome outcome = Outcome::kOnTime;
  Reason reason = Reason::kNone;
  std::uint32_t exit_count = 0;   ///< Stages finished: the answer is exit `exit_count - 1`; 0: there is none.
  Confidence confidence = 0;      ///< Of that exit.
  Duration queue_time{};          ///< Waiting, all stages.
  Duration execution_time{};      ///< In batches and segments, all stages, as planned time line saw it.
  std::uint32_t batch_size = 0;   ///< Of the last stage it ran in; 0 when it never ran.
  std::optional<Duration> slack;  ///< d - now; negative when late.
  bool is_last = true;            ///< False: a batch still runs with it; ForgetJob follows.
  std::optional<std::uint32_t> frame;  ///< Number in its stream: as sent, or as the scheduler gave it.
  /// Of the answer, where the policy ran another variant than was asked for.
  std::optional<std::uint32_t> variant;
  bool operator==(const SettleJob&) const = default;
};
/// A job settled earlier has left its batch: its buffers and slot may be reused.
struct ForgetJob {
  JobId job{};
  bool operator==(const ForgetJob&) const = default;
};
/// Replaces any earlier timer.
struct SetTimer {
  Instant at;
  bool operator==(const SetTimer&) const = default;
};
/// Call Scheduler::compute_plan(plan) beside the scheduler and answer with PlanReady.
struct ComputePlan {
  PlanId plan{};
  std::uint64_t node_budget = 0;
  bool operator==(const ComputePlan&) const = default;
};

using Command = std::variant<AnswerTask, StartSegment, StartBatch, TerminateBatch, SettleJob, ForgetJob,
                             SetTimer, ComputePlan>;

/// Commands of one handle() call, in order. Sized once; never allocates afterwards.
class CommandBuffer {
 public:
  /// Room for the worst event: every living job settled and forgotten at once, and all said of each stream.
  explicit CommandBuffer(const Limits& limits)
      : capacity_(2 * limits.queue_length_max + kAnswersPerStreamMax * limits.streams_max + 64),
        items_(new Command[capacity_]) {}

  template <typename T>
  void push(T&& command) {
    LAXITY_CHECK(size_ < capacity_);
    items_[size_++] = std::forward<T>(command);
  }
  void clear() noexcept { size_ = 0; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const Command* begin() const noexcept { return items_.get(); }
  const Command* end() const noexcept { return items_.get() + size_; }
  const Command& operator[](std::size_t i) const { return items_[i]; }
  std::span<const Command> commands() const noexcept { return {items_.get(), size_}; }

 private:
  std::size_t capacity_;
  std::size_t size_ = 0;
  std::unique_ptr<Command[]> items_;
};

}  // namespace laxity
