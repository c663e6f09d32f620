// Sequential EDF: one frame at a time, earliest deadline first, no batching; with an admission of its own
// that runs every frame in virtual time. The baseline that DeepRT's admission is compared with. [Yang,
// Nahrstedt, Guo & Zhou, SEC 2021, section 6]
//
// A stream is admitted if non-preemptive EDF, from the present state on, brings every frame of every admitted
// stream and of the new one home in time (analysis/single_frame_edf.h). Finite streams are followed to their
// last frame, endless ones up to a horizon (the paper follows two hyperperiods, which periods in nanoseconds
// do not have). As in the paper late frames are finished and delivered, and nothing is dropped.
//
// Where the guarantee ends ("nominal"): it holds on one executor when execution times equal the table, frames
// come when predicted, and nothing runs beside the streams: best-effort work goes last but cannot be
// preempted. A stream without a phase is tested as if it began now, and not again when frame 0 has fixed it.
//
// Staged models: a frame's stages run back to back, before any frame that has not begun.
#include <algorithm>

#include "analysis/single_frame_edf.h"
#include "policy/builtin.h"
#include "policy/job_queue.h"

namespace laxity {
namespace {

constexpr std::uint64_t kStreamOrder = std::uint64_t{1} << 63;  // after all frames that have come

struct FrameKey {
  bool has_not_begun = true;
  Instant deadline;
  Instant release;
  JobId id{};
  auto operator<=>(const FrameKey&) const = default;
};

/// One decision: O(log n), n waiting jobs. One admission: O(N log n) for N frames to come, on the scheduler's
/// own thread; at most `plan_frames_max` are followed.
class SequentialEdf final : public Policy {
 public:
  explicit SequentialEdf(Duration horizon) : horizon_(horizon) {}

  std::string_view name() const noexcept override { return "sedf"; }
  PolicyTraits traits() const noexcept override { return {false, true, true}; }

  void attach(const Books& books) override {
    books_ = &books;
    const SystemModel& system = books.system();
    queue_ = JobQueue<FrameKey>(books.capacity());
    running_.assign(system.executors.size(), kNoIndex);
    imitator_.emplace(books.capacity(), system.limits.streams_max, system.executors.size());
    free_at_.reserve(system.executors.size());
    waiting_.reserve(books.capacity());
    waiting_jobs_.reserve(books.capacity());
    streams_.reserve(system.limits.streams_max);
    stream_ids_.reserve(system.limits.streams_max);
  }

  void job_ready(JobIndex job, Instant) override {
    const JobEntry& entry = books_->entry(job);
    queue_.push(job, {entry.stages_done == 0, entry.job.deadline_key(), entry.job.release, entry.job.id});
  }
  void job_gone(JobIndex job, Instant) override { queue_.erase(job); }

  Decision decide(ExecutorId executor, Instant) override {
    Decision decision;
    if (queue_.empty()) return decision;
    decision.kind = Decision::Kind::kStart;
    decision.jobs.push_back(queue_.pop());
    running_[index(executor)] = decision.jobs[0];
    return decision;
  }

  std::optional<AnswerTask> answer_task(const Task& task, Instant now) override {
    AnswerTask answer;
    answer.task = task.id;
    if (task.kind == JobKind::kBestEffort) {
      answer.admitted = true;
      return answer;
    }
    answer.reason = Reason::kAdmissionPhase2;
    if (task.guarantee == Guarantee::kPlan || task.guarantee == Guarantee::kPlanRolling ||
        task.guarantee == Guarantee::kDemand || !is_measured(task)) {
      return answer;
    }
    take_snapshot(task.id, now);
    if (free_at_.empty()) return answer;  // every executor is lost
    const auto miss = imitator_->first_miss(free_at_, waiting_, streams_, now, now + horizon_,
                                            books_->system().limits.plan_frames_max);
    if (miss) {
      answer.failing_at = miss->deadline + reply();
      if (!miss->is_waiting) {
        answer.failing_task = stream_ids_[miss->index];
      } else if (const auto& waiting_task = books_->entry(waiting_jobs_[miss->index]).job.task) {
        answer.failing_task = *waiting_task;
      }
      return answer;
    }
    answer.admitted = true;
    answer.reason = Reason::kNone;
    answer.guarantee = Guarantee::kNominal;
    answer.is_provisional = !task.first_release;
    return answer;
  }

 private:
  Duration reply() const { return books_->system().table.overheads.reply_p99; }

  const Variant& variant_of(const Task& task) const {
    return books_->system().catalog.model(task.model).variants.at(task.lowest_variant);
  }
  bool is_measured(const Task& task) const {
    const std::vector<CategoryId>& stages = variant_of(task).stages;
    return std::all_of(stages.begin(), stages.end(),
                       [this](CategoryId stage) { return books_->system().table.batch_size_max(stage) > 0; });
  }

  /// All stages of one frame, decoding included where it happens in the batch.
  Duration execution_of(const Task& task) const {
    const SystemModel& system = books_->system();
    Duration total{};
    std::uint32_t encoded_count =
        system.catalog.model(task.model).has_preprocess && system.preprocesses_inline() ? 1 : 0;
    for (const CategoryId stage : variant_of(task).stages) {
      total += system.planned(stage, 1, std::exchange(encoded_count, 0));
    }
    return std::max(total, Duration(1));
  }

  // The present: when executors are free, who waits, and what every stream will send.
  void take_snapshot(TaskId asked, Instant now) {
    free_at_.clear();
    for (std::size_t e = 0; e < running_.size(); ++e) {
      const ExecutorEntry& executor = books_->executors()[e];
      if (executor.is_lost || !books_->system().executors[e].runs_batches) continue;
      if (!executor.batch) {
        free_at_.push_back(now);
        continue;
      }
      const JobEntry& entry = books_->entry(running_[e]);
      Duration rest{};  // stages behind the one that runs
      const Variant& variant = books_->system().catalog.model(entry.job.model).variants.at(entry.job.variant);
      for (std::size_t k = entry.stages_done + 1; k < variant.stages.size(); ++k) {
        rest += books_->system().planned(variant.stages[k], 1, 0);
      }
      free_at_.push_back(std::max(now, executor.planned_finish) + rest);
    }
    waiting_.clear();
    waiting_jobs_.clear();
    for (JobIndex job = 0; job < books_->capacity(); ++job) {
      if (!queue_.contains(job)) continue;
      const JobEntry& entry = books_->entry(job);
      if (!entry.job.absolute_deadline) continue;
      waiting_.push_back({entry.job.release, *entry.job.absolute_deadline - reply(),
                          books_->remaining(entry, books_->stage_count(entry)),
                          static_cast<std::uint64_t>(entry.job.id)});
      waiting_jobs_.push_back(job);
    }
    streams_.clear();
    stream_ids_.clear();
    for (const StreamEntry& stream : books_->streams()) {
      const bool counts = stream.state == StreamEntry::State::kAdmitted ||
                          (stream.state == StreamEntry::State::kAsked && stream.task.id == asked);
      if (!counts || stream.task.kind == JobKind::kBestEffort) continue;
      streams_.push_back(to_imitate(stream, now));
      stream_ids_.push_back(stream.task.id);
    }
  }

  // Frames that are later than their jitter allows are taken for lost.
  EdfStream to_imitate(const StreamEntry& stream, Instant now) const {
    const Task& task = stream.task;
    EdfStream made;
    made.first = task.first_release.value_or(now);
    made.period = task.min_inter_arrival;
    made.deadline = task.relative_deadline - reply();
    made.execution = execution_of(task);
    made.next = stream.next_frame;
    made.end = task.frame_count;
    made.order = kStreamOrder | index(task.id);
    const Instant oldest = now - task.release_jitter_max;
    if (oldest > made.first) {
      const auto lost = static_cast<std::uint64_t>((oldest - made.first - 1ns) / made.period + 1);
      made.next = std::max(made.next, lost);
    }
    return made;
  }

  const Duration horizon_;
  const Books* books_ = nullptr;
  JobQueue<FrameKey> queue_;
  std::vector<JobIndex> running_;  // by executor: the frame that it runs or ran last
  std::optional<SingleFrameEdf> imitator_;
  std::vector<Instant> free_at_;
  std::vector<EdfWaiting> waiting_;
  std::vector<JobIndex> waiting_jobs_;
  std::vector<EdfStream> streams_;
  std::vector<TaskId> stream_ids_;
};

constexpr PolicyOption kOptions[] = {
    {"horizon_us", 5'000'000, 100'000, 60'000'000, "how far ahead endless streams are followed"},
};

}  // namespace

BuiltinPolicy sedf_policy() {
  return {
      {"sedf",
       "one frame at a time, earliest deadline first, no batching; a stream is admitted if running every "
       "frame in virtual time finds none late. Holds when times equal the table and frames come as predicted",
       "baseline SEDF of DeepRT, SEC 2021",
       "O(log n): n waiting; an admission O(N log n) for N frames to come", kOptions},
      [](const PolicyOptions& options) -> std::unique_ptr<Policy> {
        return std::make_unique<SequentialEdf>(std::chrono::microseconds(option(options, "horizon_us")));
      }};
}

}  // namespace laxity
