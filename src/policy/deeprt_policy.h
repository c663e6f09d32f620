// DeepRT: frames are batched in time windows, batches run earliest window deadline first, and a stream is
// admitted if an imitation of both finds no batch late.  [Yang, Nahrstedt, Guo & Zhou, SEC 2021]
//
// At a joint all frames of a window become one batch with deadline joint + W, split at the cap
// (analysis/batch_windows.h has the windows and Theorem 1, analysis/window_batches.h the order). Batches run
// one at a time per executor. Where we go beyond the paper, or choose for it:
//   - Admission runs beside the scheduler on a snapshot (policy/deeprt_workshop.h) and is confirmed against
//     the present: the stream joins as if it had at the time of the snapshot, or is tested again.
//     `admission = 1` tests as published, 2 with the repairs that analysis/utilisation_filter.h and
//     edf_imitator.h name, 3 judges frames by their own deadlines instead of batches by their windows'.
//   - A batch that ends at the very instant of a joint waits for the joint's batches before the next is
//     chosen: the order is then one of deadlines alone.
//   - Early batching (the paper's line 8: an idle executor takes an open window's frames before the joint)
//     can block a batch that a joint releases meanwhile. By default it is gated: only if the early batch is
//     done by the next joint of any category with a deadline. That is not enough: the batch at its own joint
//     is then smaller than the imitator thought, ends early, and what starts next may block what comes. So
//     frames of streams that are taken early keep their places: the batch at the joint counts as full, and
//     its executor is booked for that long. A batch starts before the booked time is over only if no joint
//     lies between: then it would have been next anyway. Batches thus start no later than in the test, and in
//     its order. `early_batching = 2` is as published, 0 never.
//   - Staged models: frames of stage 0 form the batch; it then visits its other stages back to back, before
//     any batch that has not begun, and keeps its window deadline.
//   - Three classes share no batches: frames of admitted streams, other frames with a deadline, and frames
//     without one. So nobody who was not tested moves a window that was.
//   - Frames without a deadline (the paper's non-real-time class) enter a large window one by one, a period
//     apart, however fast they come; the others wait outside. So their deadlines are late, and what a frame
//     with a deadline may be blocked by is small. An idle executor may take them early, behind the same gate.
//   - A category that overruns its table runs smaller for a while (policy/deeprt_adaptation.h): fewer
//     optional stages, and cheaper variants if `adaptation = 2`. Its frames keep windows and batches of their
//     own.
//   - When the stream leaves that sets W, W grows only after a test without it has passed, at the next joint.
//
// Every frame runs, late ones are answered late, as in the paper. Where the guarantee ends, which is nominal:
// docs/analysis/deeprt.md.
//
// Which file has what: deeprt.cpp options and tables, deeprt_batches.cpp windows and batches,
// deeprt_admission.cpp streams that ask, join and leave.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/batch_times.h"
#include "analysis/batch_windows.h"
#include "analysis/window_batches.h"
#include "policy/deeprt_adaptation.h"
#include "policy/deeprt_workshop.h"
#include "policy/job_heaps.h"
#include "policy/job_queue.h"
#include "policy/policy.h"

namespace laxity {

struct DeepRtOptions {
  enum class EarlyBatching : std::uint8_t { kNever, kGated, kAlways };
  enum class Admission : std::uint8_t { kNone, kPublished, kRepaired, kFrames };
  EarlyBatching early = EarlyBatching::kGated;
  Admission admission = Admission::kRepaired;
  std::uint64_t admission_frames_max = 100'000;
  DeepRtAdaptation::Reach adaptation = DeepRtAdaptation::Reach::kStages;
  Duration best_effort_window = 1s;
  Duration best_effort_period = 20ms;
  std::size_t best_effort_batch_size_max = 1;
};

/// One decision: O(b log n), plus O(c + e) when an early batch is considered, a joint is at hand or the
/// executor is booked: batch b, n waiting jobs, c categories, e executors. A joint costs O(n log n) in the
/// frames that it batches. A snapshot for the admission test copies the windows and is
/// O(c + streams + queue_length_max).
class DeepRtPolicy final : public Policy {
 public:
  explicit DeepRtPolicy(const DeepRtOptions& options) : options_(options) {}

  std::string_view name() const noexcept override { return "deeprt"; }
  PolicyTraits traits() const noexcept override { return {false, false, true}; }

  void attach(const Books& books) override;
  void job_ready(JobIndex job, Instant now) override;
  void job_gone(JobIndex job, Instant now) override;
  void batch_finished(CategoryId category, ExecutorId executor, BatchStatus status, Duration execution_time,
                      Instant now) override;
  Decision review(Instant now, bool timer_fired) override;
  Decision decide(ExecutorId executor, Instant now) override;
  void tables_changed(Instant now) override;
  bool continue_to_next_stage(JobIndex job, Instant now) override;

  std::optional<AnswerTask> answer_task(const Task& task, Instant now) override;
  std::optional<AnswerTask> later_answer(Instant now) override;
  void task_anchored(TaskId task, Instant now) override;
  void task_removed(TaskId task, Instant now) override;
  std::optional<Instant> guaranteed_until(TaskId task) const override;

  std::optional<std::uint64_t> request_plan(Instant now) override;
  std::uint64_t compute_plan(std::uint64_t) override { return work_->compute(); }
  void plan_ready(Instant now) override;

  /// What an admission test would start from now; also for whoever compares it with what then happens.
  /// Precondition: some executor that runs batches is there, and no test is outstanding.
  const WindowLoad& snapshot(Instant now);
  const BatchTimes& times() const { return times_; }

 private:
  // Lanes: three per category of a first stage.
  enum class Class : std::uint8_t { kStream, kAdHoc, kBestEffort };
  static constexpr std::uint32_t kClassCount = 3;
  static Class class_of(std::size_t lane) { return static_cast<Class>(lane % kClassCount); }
  std::uint32_t lane_at(CategoryId first_stage, Class which) const {
    return kClassCount * rows_[index(first_stage)] + static_cast<std::uint32_t>(which);
  }

  struct FrameKey {
    std::uint32_t priority = 0;  // among best-effort frames only
    Instant release;
    std::uint32_t stream = 0;  // so that the admission test knows the order of frames of one instant
    JobId id{};
    auto operator<=>(const FrameKey&) const = default;
  };
  /// What a lane does next: its window closes, or a frame enters it that has waited outside.
  struct LaneEvent {
    Instant at;
    bool is_joint = false;
    std::uint32_t lane = 0;
    auto operator<=>(const LaneEvent&) const = default;
  };
  struct Member {
    JobId begun{};  // the job whose batch has been started; its key is then `key`
    WindowBatchKey key;
    std::uint32_t batch = kNoIndex;
    JobIndex next = kNoIndex;
    JobIndex previous = kNoIndex;
  };
  /// What a batch has run through, from its first stage on.
  struct Run {
    std::uint32_t lane = 0;
    std::size_t executor = 0;
    DeepRtAdaptation::Shape shape;
    std::uint32_t size = 0;
    std::uint32_t encoded_count = 0;
    Duration actual{};
  };
  struct WindowBatch {
    JobIndex first = kNoIndex;
    JobIndex last = kNoIndex;
    std::size_t size = 0;
    WindowBatchKey key;
    Run run;                   // once it has begun
    std::uint32_t places = 0;  // of frames that were taken early; the executor is booked for them too
  };
  /// What an executor runs.
  struct Running {
    CategoryId category{};
    Run run;
  };
  struct Stream {
    enum class State : std::uint8_t { kFree, kAsked, kAdmitted };
    State state = State::kFree;
    TaskId id{};
    bool is_in_window = false;  // its frames go to its lane
    bool is_promised = false;   // now
    bool was_promised = false;  // once
    bool loss_is_announced = false;
    std::uint32_t window_id = 0;
    WindowStream window;  // `next`: first frame that the test has counted
    Instant last_arrival = Instant::latest();
  };

  // Tables.
  void make_times();
  bool is_measured(ModelId model, std::uint32_t variant) const;
  CategoryIndex row_of(std::size_t lane) const { return static_cast<CategoryIndex>(lane / kClassCount); }
  const Variant& variant_of(CategoryId category) const;
  std::size_t cap_of(std::size_t lane) const;
  Duration time_between(CategoryId category, std::uint32_t stage, std::uint32_t end,
                        std::uint32_t size) const;
  std::uint32_t stage_of(CategoryId category) const {
    return books_->system().catalog.categories[index(category)].stage;
  }

  // Windows and batches.
  std::uint32_t lane_of(const JobEntry& entry, Instant now);
  std::size_t backlog(std::size_t lane) const { return windows_.size() + lane; }
  void enter(std::size_t lane, JobIndex job, const FrameKey& key, Instant now);
  void renew_event(std::size_t lane);
  void catch_up(std::size_t lane, Instant now, bool inclusive);
  void close_window(std::size_t lane);
  bool awaits_joint(Instant now);
  std::uint32_t open_batch(const WindowBatchKey& key);
  void link(JobIndex job, std::uint32_t batch);
  void unlink(JobIndex job);
  void rejoin(JobIndex job);
  void begin(Decision& decision, JobIndex job, const WindowBatchKey& key);
  Run run_of(const Decision& decision, std::uint32_t lane) const;
  Run start_queued(Decision& decision, ExecutorId executor, Instant now);
  Run start_early(Decision& decision, ExecutorId executor, Instant now);
  Instant batch_deadline(std::size_t lane, Instant now) const;
  Instant next_joint(Instant now);

  // Early batches leave the tested order as it is.
  bool keeps_places(std::size_t lane) const {
    return class_of(lane) == Class::kStream && options_.early == DeepRtOptions::EarlyBatching::kGated &&
           options_.admission != DeepRtOptions::Admission::kNone;
  }
  bool is_booked(ExecutorId executor, Instant now) const { return booked_until_[index(executor)] > now; }
  void book(ExecutorId executor, std::uint32_t batch, Instant now);
  void skip_empty(ExecutorId executor, Instant now);
  bool is_next_anyway(ExecutorId executor, Instant now);
  Instant early_limit(ExecutorId executor, Instant now);
  Instant free_at(std::size_t executor, Instant now) const;

  // Streams.
  Stream* find(TaskId id) {
    Stream& stream = streams_[books_->stream_slot(id)];
    return stream.state != Stream::State::kFree && stream.id == id ? &stream : nullptr;
  }
  DeepRtWorkshop::Candidate candidate_of(const Stream& stream, const Task& task, Instant now,
                                         Instant earliest) const;
  void advance(WindowStream& window, const StreamEntry& entry, Instant earliest) const;
  void join(Stream& stream, const DeepRtWorkshop::Candidate& as, Instant now);
  bool join_since(Stream& stream, const DeepRtWorkshop::Candidate& as, Instant since, Instant now);
  void leave(Stream& stream, Instant now);
  void drop_leaver(std::uint32_t lane);
  void ask(Stream& stream);
  void take_snapshot(Instant now);
  void list_waiting_frames();
  Instant least_deadline(const WindowBatch& batch) const;
  void admission_ready(Instant now);
  void retest_ready(Instant now);
  void all_pass(Instant now);
  void refuse(Stream& stream, Reason reason);
  AnswerTask verdict(const Stream& stream) const;
  void announce(const AnswerTask& answer);
  void announce_loss(Stream& stream, Reason reason);

  const DeepRtOptions options_;
  const Books* books_ = nullptr;
  BatchTimes times_;
  std::vector<CategoryIndex> rows_;       // by category of a first stage: its row in `times_`
  std::vector<CategoryId> first_stages_;  // by row
  std::vector<BatchWindows> windows_;     // per lane
  JobHeaps<FrameKey> frames_;             // per lane: the open window's; behind these: who waits outside
  std::vector<Instant> next_entry_;       // per lane of best effort
  JobQueue<LaneEvent> events_;            // slots are lanes that have frames
  JobQueue<WindowBatchKey> queue_;        // slots are batches: closed windows that wait for an executor
  std::vector<WindowBatch> batches_;
  std::vector<std::uint32_t> free_batches_;
  std::vector<Member> members_;         // per job slot
  std::vector<Running> running_;        // per executor
  std::vector<Instant> booked_until_;   // per executor: when it would be free, had nothing been taken early
  std::vector<std::uint32_t> places_;   // per lane: frames of the open window that were taken early
  std::size_t place_count_ = 0;         // in windows and batches; at most as many as jobs
  std::size_t empty_count_ = 0;         // batches all of whose frames were taken early; at most one a lane
  std::uint32_t returning_ = kNoIndex;  // the batch of the jobs that come back
  Run returning_run_;
  std::uint64_t sequence_ = 0;
  std::optional<Instant> fired_at_;

  std::vector<Stream> streams_;
  std::vector<std::uint32_t> stream_lanes_;  // those that have had streams
  std::vector<TaskId> pending_;              // streams that wait for a verdict, in order
  std::vector<AnswerTask> answers_;
  std::size_t answers_told_ = 0;
  std::vector<std::optional<DeepRtWorkshop::Leaver>> leavers_;  // per lane
  std::uint32_t last_window_id_ = 0;
  std::size_t reckoned_count_ = 0;  // streams in windows
  bool wants_retest_ = false;
  Instant retest_at_ = Instant::latest();
  Instant tested_until_ = Instant::latest();
  bool is_testing_ = false;
  bool is_stale_ = false;  // more has changed than the verdict can bear
  bool times_are_new_ = true;
  int tries_ = 0;
  int growth_tries_ = 0;
  Duration lead_{};  // the candidate's first frames are left out for so long: the verdict takes time
  std::optional<TaskId> candidate_;
  std::optional<DeepRtWorkshop> work_;
  std::optional<DeepRtAdaptation> adaptation_;
};

}  // namespace laxity
