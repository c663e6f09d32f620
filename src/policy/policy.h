// What next? A policy is the part of the scheduler that chooses; the scheduler keeps the books and checks
// each choice.
//
// A policy plugs in at four points: admission (`answer_task`), batching and dispatch (`decide`), selection
// (`continue_to_next_stage`; later: the variant). It is pure in the sense of the architecture: no clock, no
// randomness, no I/O, no unordered iteration, no floating point in a decision; equal histories give equal
// choices. It may keep its own tables, sized in `attach`, and must not allocate afterwards.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/fixed_vector.h"
#include "core/command.h"
#include "core/task.h"
#include "policy/books.h"

namespace laxity {

/// How the scheduler treats jobs around their deadline under this policy.
struct PolicyTraits {
  /// True: the books answer a firm job at its deadline (less `reply_p99`): with the deepest exit it has
  /// finished if its mandatory stages are done, else dropped with kRanPastDeadline. False: the policy is
  /// blind to deadlines, as first-in-first-out servers are: every job runs, and a late one is answered late.
  bool settles_at_deadline = true;
  /// True: never idles an executor while a job is ready. The audit checks it.
  bool is_work_conserving = true;
  /// Order of CPU segments on their own executors: by deadline, else by release.
  bool segments_by_deadline = true;
};

/// What to do with one idle executor.
struct Decision {
  enum class Kind : std::uint8_t {
    kStart,  ///< Run `jobs` (all ready, one category, within the cap) as one batch on the executor.
    kDrop,   ///< Give up `jobs` (ready, firm): those whose mandatory stages are done are answered with their
             ///< last exit, the others dropped for `reason`. The policy is asked again at once.
    kWait,   ///< Nothing now. If `wait_until` is set, ask again then, even if nothing else happens.
  };
  Kind kind = Kind::kWait;
  FixedVector<JobIndex, kBatchSizeMax> jobs;
  Reason reason = Reason::kNone;
  std::optional<Instant> wait_until;
  /// kStart of jobs that have finished no stage: run them at this variant of their model, now and in their
  /// later stages. None: at the one they have.
  std::optional<std::uint32_t> variant;
};

class BatchTimes;
class DemandSet;
class Plan;

/// What a policy that follows plans shows of them, read only. Belongs to the policy, and changes with it.
struct PlanView {
  const Plan* plan = nullptr;         ///< Its frames name streams by their slot (Books::stream_slot).
  const BatchTimes* times = nullptr;  ///< What its batches are charged.
};

/// What an executor has promised by the demand test, read only. Belongs to the policy, and changes with it.
struct DemandView {
  const DemandSet* set = nullptr;  ///< Names streams by their slot. Job deadlines are those jobs are given.
  const BatchTimes* times = nullptr;  ///< What its batches are charged.
  Duration overhead{};   ///< By which the test counts a job's deadline shorter: its release may be so late.
  Duration allowance{};  ///< Other work may keep a job waiting so long.
};

class Policy {
 public:
  virtual ~Policy() = default;
  virtual std::string_view name() const noexcept = 0;
  virtual PolicyTraits traits() const noexcept = 0;

  /// Called once, before anything else; `books` outlives the policy. The only place that may allocate.
  virtual void attach(const Books& books) = 0;

  /// The job's next stage may now be batched: it was released (or decoded), or has finished a stage and goes
  /// on. O(log n).
  virtual void job_ready(JobIndex job, Instant now) = 0;
  /// A ready job left without being chosen: cancelled, or settled at its deadline. Jobs chosen by kStart or
  /// kDrop are not announced again. O(log n).
  virtual void job_gone(JobIndex job, Instant now) = 0;
  /// These jobs of a batch started earlier have left the executor. Comes before their job_ready, if they go
  /// on.
  virtual void batch_finished(CategoryId, ExecutorId, BatchStatus, Duration /*execution_time*/,
                              Instant /*now*/) {}
  /// Asked after each event, before `decide` and however busy the executors are, until it answers kWait: what
  /// time has decided by itself (kDrop), and when to ask again (kWait). Never kStart. `timer_fired` says that
  /// every other event of this instant has been handled: what happens at `now` inclusive, such as a joint,
  /// happens then.
  virtual Decision review(Instant /*now*/, bool /*timer_fired*/) { return {}; }
  /// Nothing will be released any more: who waits for company stops waiting.
  virtual void shutdown_started(Instant /*now*/) {}
  /// Execution times have been replaced.
  virtual void tables_changed(Instant /*now*/) {}

  /// What should the idle `executor` do? Called after each event for each idle executor that runs batches, in
  /// order of id, until it answers kWait for each. States its cost bound in its docstring.
  virtual Decision decide(ExecutorId executor, Instant now) = 0;

  /// A job has finished a stage and has another: true runs it too, false answers with this exit.
  virtual bool continue_to_next_stage(JobIndex /*job*/, Instant /*now*/) { return true; }

  /// May this stream be promised? None: `later_answer` will tell. Policies without admission accept and
  /// promise nothing. While a stream is in the books its id is not used again.
  virtual std::optional<AnswerTask> answer_task(const Task& task, Instant /*now*/) {
    AnswerTask accepted;
    accepted.task = task.id;
    accepted.admitted = true;
    return accepted;
  }
  /// Asked after each event until it says none: answers that took their time, and changes of what an admitted
  /// stream may rely on. A stream that is refused is forgotten; one that is admitted stays so until it is
  /// removed.
  virtual std::optional<AnswerTask> later_answer(Instant /*now*/) { return std::nullopt; }
  /// Frame 0 (or the first that came) has fixed the phase of a stream submitted without one: see
  /// `Books::stream(task)->task.first_release`. Comes before the frame's job_ready.
  virtual void task_anchored(TaskId, Instant /*now*/) {}
  /// The first frame, `next` or later, of which nothing was said yet: from there on an endless stream whose
  /// clock drifts gets another phase.
  virtual std::uint64_t first_unpromised(TaskId, std::uint64_t next) const { return next; }
  /// True: the r of two frames of an endless stream, k apart, must never be nearer to each other than k times
  /// PhaseTracker::least_period, whatever its clock does: then its phase moves by steps that keep this.
  virtual bool counts_every_interval(TaskId) const { return false; }
  /// It got one: see `Books::stream(task)->phase`.
  virtual void task_reanchored(TaskId, Instant /*now*/) {}
  /// The stream has left; called while it is still in the books, and also for one not answered yet.
  virtual void task_removed(TaskId, Instant /*now*/) {}
  /// Frames released before it are promised; later than everything: all. None: nothing is. For state pages.
  virtual std::optional<Instant> guaranteed_until(TaskId) const { return std::nullopt; }

  /// The plan that is followed on `executor`. None: the policy follows no plans. For state pages and
  /// pictures.
  virtual std::optional<PlanView> plan(ExecutorId /*executor*/) const { return std::nullopt; }
  /// None: the executor has promised nothing by the demand test.
  virtual std::optional<DemandView> demand(ExecutorId /*executor*/) const { return std::nullopt; }

  // Planning beside the scheduler. At most one computation is outstanding.
  /// Asked after each event when none is outstanding: a node budget if a plan is wanted now. The policy takes
  /// its snapshot here (into preallocated buffers).
  virtual std::optional<std::uint64_t> request_plan(Instant /*now*/) { return std::nullopt; }
  /// Pure function of the snapshot, into a preallocated buffer; returns its hash. Called on any one thread
  /// between request_plan and plan_ready; touches nothing else of the policy.
  virtual std::uint64_t compute_plan(std::uint64_t /*node_budget*/) { return 0; }
  /// Adopt or discard what compute_plan left, tested against the present.
  virtual void plan_ready(Instant /*now*/) {}
};

}  // namespace laxity
