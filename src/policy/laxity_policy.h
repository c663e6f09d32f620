// Our own policy: streams are promised by plans, or by the demand test where they ask for a proof for ever;
// plans are followed, jobs of the demand test run earliest deadline first, and all else runs in the gaps.
//
// Each executor has one plan (analysis/plan.h): an order of batches that serves every frame of its promised
// streams even at the latest arrivals and full table times. Following the order is all that a promise needs.
// What is gained when frames come early and batches end early is spent on work that was promised nothing, as
// long as it ends by the latest start L_1 of the next planned batch: one comparison decides that.
//
// An executor rests on plans or on the demand test, as the first stream it promises decides, until the last
// has left: the two have different dispatchers (docs/decisions/0007-demand.md). Where it rests on the demand
// test, frames wait for the joints of their window and then run by non-preemptive earliest deadline first;
// other work may start when no promised job is pending and keeps none waiting longer than the proof bears.
//
// What a plan counts. E(n) is the table's p99 for the mandatory stages of a batch of n back to back, decoding
// included, plus one wake-up of a sleeping executor. Deeper stages are run in the gaps, and a frame is
// answered with the deepest exit that it has when its deadline comes. A clock wakes late: what is to happen
// at L_1 is armed a wake-up earlier, and planned arrivals are a wake-up later, so a frame that is missing
// then has broken its contract.
//
// Making plans takes longer than a decision may, so it happens beside the scheduler (policy/plan_workshop.h):
// request_plan takes a snapshot, plan_ready applies what happened meanwhile and adopts the result only if it
// is valid now. A result that is not costs nothing: the old plan stays.
//
// Where the guarantee ends: at arrivals later than r + J (such a frame is served without a promise), at
// executions longer than the table (frames are given up until the rest of the plan holds; a new plan
// follows), and for endless streams at `guaranteed_until`, which moves on for as long as plans are found.
// Promises of the demand test end at the first two only.
//
// Which file has what: laxity.cpp tables and options, laxity_frames.cpp who waits where, laxity_moves.cpp
// what an idle executor does next, laxity_admission.cpp requests for plans and what becomes of them,
// laxity_demand.cpp executors that rest on the demand test, laxity_losses.cpp promises that an overrun broke,
// and their return.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/fixed_vector.h"
#include "policy/demand_dispatch.h"
#include "policy/demand_executor.h"
#include "policy/plan_workshop.h"
#include "policy/policy.h"
#include "policy/stream_plans.h"
#include "policy/urgency_queue.h"

namespace laxity {

inline constexpr std::size_t kPendingMax = 64;  // admissions that may wait
inline constexpr Duration kHeldMax =
    1s;  // an admission that waits longer for a busy interval to end is refused

struct LaxityOptions {
  Duration horizon;           // how far an admission of an endless stream is planned
  Duration lookahead;         // a plan that reaches less far than this is extended
  Duration extension_period;  // and no sooner than this after the last try
  std::int64_t margin_ppm;
  std::uint64_t search_nodes;
  Duration answer_guard;             // urgency_queue.h
  std::int64_t best_effort_percent;  // of the gaps, while optional stages wait too
};

/// One decision: O(b log n + c + kLookAhead + groups): batch b, n waiting jobs, c categories. An arrival
/// finds its frame in O(batches planned), near the head as a rule. A request for a plan copies the plans.
class LaxityPolicy final : public Policy {
 public:
  explicit LaxityPolicy(const LaxityOptions& options) : options_(options) {}

  std::string_view name() const noexcept override { return "laxity"; }
  PolicyTraits traits() const noexcept override { return {true, false, true}; }

  void attach(const Books& books) override;
  void job_ready(JobIndex job, Instant now) override;
  void job_gone(JobIndex job, Instant now) override;
  void batch_finished(CategoryId, ExecutorId executor, BatchStatus, Duration, Instant now) override;
  Decision review(Instant now, bool timer_fired) override;
  Decision decide(ExecutorId executor, Instant now) override;
  bool continue_to_next_stage(JobIndex job, Instant now) override;
  void tables_changed(Instant now) override;

  std::optional<AnswerTask> answer_task(const Task& task, Instant now) override;
  std::optional<AnswerTask> later_answer(Instant now) override;
  void task_anchored(TaskId task, Instant now) override;
  std::uint64_t first_unpromised(TaskId task, std::uint64_t next) const override;
  bool counts_every_interval(TaskId task) const override;
  void task_reanchored(TaskId task, Instant now) override;
  void task_removed(TaskId task, Instant now) override;
  std::optional<Instant> guaranteed_until(TaskId task) const override;
  std::optional<PlanView> plan(ExecutorId executor) const override {
    return PlanView{&executors_.at(index(executor)).plan, &times_};
  }
  std::optional<DemandView> demand(ExecutorId executor) const override;

  std::optional<std::uint64_t> request_plan(Instant now) override;
  std::uint64_t compute_plan(std::uint64_t node_budget) override { return work_->compute(node_budget); }
  void plan_ready(Instant now) override;

 private:
  struct ExecutorPlan {
    Plan plan;
    Instant horizon = Instant::latest();  // frames with r before it are in the plan
    Instant group_finish;                 // by when the planned group that runs is done, all mandatory stages
    FixedVector<JobIndex, kBatchSizeMax> group;  // its members that wait for its next stage
    bool wants_plan = false;                     // the plan was broken, or fits no more
    Instant retry_at;
    bool has_given_up = false;         // frames, and nobody was told yet
    std::optional<Instant> return_at;  // when the next promise that was lost may hold again
    bool end_is_announced = false;     // of this horizon
    std::size_t stream_count = 0;      // promised by the plan
    DemandExecutor demand;             // or by the demand test, never both
    ExecutorPlan(std::size_t frames_max, std::size_t streams_max) : plan(frames_max), demand(streams_max) {}
    bool rests_on_demand() const { return !demand.set.empty(); }
  };
  /// Where a ready job is kept.
  struct Place {
    enum class Kind : std::uint8_t { kGap, kPlanned, kDemand, kGroup };  // kGap: in waiting_of(job)
    JobId id{};
    Kind kind = Kind::kGap;
    std::uint32_t executor = 0;
  };
  /// A stream that waits for a busy interval to end: it fits, but not into that one; or it may fit once those
  /// who have left count no more.
  struct HeldJoin {
    struct Fit {
      std::uint32_t executor = 0;
      DemandChoice choice;
    };
    TaskId task{};
    Instant since;
    std::optional<Fit> fit;
  };

  // Times.
  Duration wake() const { return books_->system().table.overheads.wake_p99; }
  Duration reply() const { return books_->system().table.overheads.reply_p99; }
  void make_times();
  void renew_workshop_times();
  bool is_measured(ModelId model, std::uint32_t variant) const;
  Duration gap_time(CategoryId category, std::uint32_t count, std::uint32_t encoded_count) const {
    return books_->system().planned(category, count, encoded_count) + wake();
  }
  std::optional<Instant> free_at(std::uint32_t executor, Instant now) const;
  Duration preprocess_elsewhere(ModelId model) const;

  // Frames.
  StreamPlan* find(TaskId id) {
    StreamPlan& stream = streams_[books_->stream_slot(id)];
    return stream.state != StreamPlan::State::kFree && stream.id == id ? &stream : nullptr;
  }
  static bool is_for_life(const StreamPlan& stream) {
    return stream.planned.end && stream.planned.next >= *stream.planned.end;
  }
  std::uint32_t slot_of(const StreamPlan& stream) const {
    return static_cast<std::uint32_t>(books_->stream_slot(stream.id));
  }
  bool plan_frame(StreamPlan& stream, JobIndex job, Instant now);
  void to_gap(JobIndex job, Instant now);
  UrgencyQueue& waiting_of(JobIndex job) {
    return books_->entry(job).job.kind == JobKind::kBestEffort ? best_effort_ : gap_;
  }
  bool is_here(const ExecutorPlan& e, const PlanBatch& batch) const;
  void take_frame(const PlanFrame& frame, std::uint32_t executor, Decision& decision);
  void forget_frame(std::uint32_t executor, std::uint32_t stream, std::uint64_t number);
  void note_gone(std::uint32_t stream, std::uint64_t number);
  void unplan(StreamPlan& stream, Instant now);
  void abandon(std::uint32_t executor, Instant now);

  // Moves.
  Decision start_head(std::uint32_t executor, Instant now);
  void grow_head(std::uint32_t executor, CategoryIndex category, Instant limit, Instant now,
                 Decision& decision);
  bool start_planned_early(std::uint32_t executor, bool whole, Instant now, Decision& decision);
  bool start_gap_batch(Instant until, std::optional<Instant> before, Instant now, Decision& decision);
  std::optional<JobIndex> most_urgent(const UrgencyQueue& queue, Instant until, std::optional<Instant> before,
                                      Instant now) const;
  Duration grow_gap_batch(UrgencyQueue& queue, Instant until, Instant now, Decision& decision);
  void drop_missing(std::uint32_t executor, Instant now);
  Instant next_look(const ExecutorPlan& e, Instant now) const;
  void shed(std::uint32_t executor, Instant now);

  // Executors that rest on the demand test.
  /// A job may be seen so much later than its release: a timer wakes late, and work that starts at the very
  /// instant of the release counts as begun before it.
  Duration release_delay() const { return wake() + 1ns; }
  DemandStream counted(const Task& task) const;
  bool demand_frame(StreamPlan& stream, JobIndex job, Instant now);
  Decision decide_demand(std::uint32_t executor, Instant now);
  bool start_demand_job(std::uint32_t executor, Instant now, Decision& decision);
  void release_demand(std::uint32_t executor, Instant now);
  Instant earliest_release(std::uint32_t executor, Instant now) const;
  bool is_clear(std::uint32_t executor) const;
  void interval_ended(std::uint32_t executor);
  void watch_demand(std::uint32_t executor, Instant now);
  void give_up(JobIndex job, Instant now);
  void lose(std::uint32_t executor, const FrameName& frame);
  void leave_demand(StreamPlan& stream, Instant now);
  bool may_join(std::uint32_t executor, const DemandChoice& choice, Instant now);
  bool adopt_demand(Instant now);
  void hold(std::optional<HeldJoin::Fit> fit, Instant now);
  bool is_held(Instant now);
  bool any_departed() const;
  std::optional<Duration> held_allowance(std::uint32_t executor) const;
  void snapshot_demand(std::uint32_t executor);
  std::int64_t utilisation_ppm(CategoryIndex category, Duration period) const;
  void retest_ready(Instant now);

  // Planning.
  PlannedStream planned_stream(const Task& task, std::uint64_t next, Instant now) const;
  void ask(StreamPlan& stream);
  void ask_for_a_displaced(Instant now);
  void set_displaced(StreamPlan& stream, bool value);
  void snapshot(std::uint32_t executor, Instant now);
  bool adopt(Instant now);
  std::optional<std::uint64_t> ask_for_admission(Instant now);
  std::optional<std::uint64_t> ask_for_extension(Instant now);
  void admission_ready(Instant now);
  void refuse(StreamPlan& stream, AnswerTask refusal);
  void extension_ready(Instant now);
  AnswerTask verdict(const StreamPlan& stream) const;
  void announce(const AnswerTask& answer);
  void announce_loss(StreamPlan& stream, Reason reason, std::optional<Instant> until = {});

  // Losses that pass.
  void note_given_up(StreamPlan& stream, Instant release);
  void announce_given_up(std::uint32_t executor);
  void await_return(const StreamPlan& stream);
  void return_promises(std::uint32_t executor, Instant now);
  void announce_end_of_plan(std::uint32_t executor, Instant now);

  const LaxityOptions options_;
  const Books* books_ = nullptr;
  BatchTimes times_;
  std::vector<std::vector<CategoryIndex>> plan_categories_;  // [model][variant]
  UrgencyQueue gap_;                                         // what has a deadline and no place in a plan
  UrgencyQueue best_effort_;                                 // what has none
  std::int64_t gap_credit_ = 0;  // of best effort: time that it may still have before optional stages, × 100
  DemandDispatch dispatch_;
  std::vector<StreamPlan> streams_;
  std::vector<ExecutorPlan> executors_;
  std::vector<Place> places_;    // by job slot
  std::vector<TaskId> pending_;  // streams that wait for a plan, in order
  std::vector<AnswerTask> answers_;
  std::size_t answers_told_ = 0;
  std::vector<FrameName> gone_;      // from the plan, since the snapshot
  std::size_t displaced_count_ = 0;  // streams that were promised once and wait for room
  std::size_t next_displaced_ = 0;
  Instant restore_at_;  // when the next of them is asked for again
  bool is_planning_ = false;
  bool is_stale_ = false;      // more has changed than `gone_` can say: the result is of no use
  bool times_are_new_ = true;  // the workshop has older ones
  int tries_ = 0;
  std::optional<TaskId> candidate_;
  std::optional<HeldJoin> held_;
  Instant asked_at_;  // when the snapshot was taken
  std::uint64_t join_count_ = 0;
  std::optional<Instant> fired_at_;
  std::optional<PlanWorkshop> work_;
};

}  // namespace laxity
