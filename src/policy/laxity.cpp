// Our own policy: streams are promised by plans, plans are followed, and all else runs in their gaps.
//
// Each executor has one plan (analysis/plan.h): an order of batches that serves every frame of its promised
// streams even at the latest arrivals and full table times. Following the order is all that a promise needs.
// What is gained when frames come early and batches end early is spent on work that was promised nothing, as
// long as it ends by the latest start L_1 of the next planned batch: one comparison decides that.
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
#include <algorithm>
#include <vector>

#include "policy/builtin.h"
#include "policy/plan_workshop.h"
#include "policy/stream_plans.h"
#include "policy/urgency_queue.h"

namespace laxity {
namespace {

constexpr std::size_t kPendingMax = 64;  // admissions that may wait
constexpr int kAdoptionTries = 4;        // a plan that is stale each time is refused: the server is too busy
constexpr std::size_t kLookAhead = 16;   // planned batches behind the head that may be run early
constexpr std::int64_t kPpm = 1'000'000;

struct Options {
  Duration horizon;           // how far an admission of an endless stream is planned
  Duration lookahead;         // a plan that reaches less far than this is extended
  Duration extension_period;  // and no sooner than this after the last try
  std::int64_t margin_ppm;
  std::uint64_t search_nodes;
};

/// One decision: O(b log n + c + kLookAhead): batch b, n waiting jobs, c categories. An arrival finds its
/// frame in O(batches planned), near the head as a rule. A request for a plan copies the plans.
class LaxityPolicy final : public Policy {
 public:
  explicit LaxityPolicy(const Options& options) : options_(options) {}

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
  void task_removed(TaskId task, Instant now) override;
  std::optional<Instant> guaranteed_until(TaskId task) const override;

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
    std::size_t stream_count = 0;
    explicit ExecutorPlan(std::size_t frames_max) : plan(frames_max) {}
  };
  /// Where a ready job is kept.
  struct Place {
    enum class Kind : std::uint8_t { kGap, kPlanned, kGroup };
    JobId id{};
    Kind kind = Kind::kGap;
    std::uint32_t executor = 0;
  };
  struct FrameName {
    std::uint32_t stream;
    std::uint64_t number;
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

  // Frames.
  StreamPlan* find(TaskId id) {
    StreamPlan& stream = streams_[books_->stream_slot(id)];
    return stream.state != StreamPlan::State::kFree && stream.id == id ? &stream : nullptr;
  }
  std::uint32_t slot_of(const StreamPlan& stream) const {
    return static_cast<std::uint32_t>(books_->stream_slot(stream.id));
  }
  bool plan_frame(StreamPlan& stream, JobIndex job, Instant now);
  void to_gap(JobIndex job, Instant now);
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
  void grow_gap_batch(Instant until, Instant now, Decision& decision);
  void drop_missing(std::uint32_t executor, Instant now);
  Instant next_look(const ExecutorPlan& e, Instant now) const;
  void shed(std::uint32_t executor, Instant now);

  // Planning.
  PlannedStream planned_stream(const Task& task, std::uint64_t next, Instant now) const;
  void ask(StreamPlan& stream);
  void ask_for_a_roomless(Instant now);
  void set_roomless(StreamPlan& stream, bool value);
  void snapshot(std::uint32_t executor, Instant now);
  bool adopt(Instant now);
  void admission_ready(Instant now);
  void extension_ready(Instant now);
  AnswerTask verdict(const StreamPlan& stream) const;
  void announce(const AnswerTask& answer);
  void announce_loss(StreamPlan& stream, Reason reason);

  const Options options_;
  const Books* books_ = nullptr;
  BatchTimes times_;
  std::vector<std::vector<CategoryIndex>> plan_categories_;  // [model][variant]
  UrgencyQueue gap_;
  std::vector<StreamPlan> streams_;
  std::vector<ExecutorPlan> executors_;
  std::vector<Place> places_;    // by job slot
  std::vector<TaskId> pending_;  // streams that wait for a plan, in order
  std::vector<AnswerTask> answers_;
  std::size_t answers_told_ = 0;
  std::vector<FrameName> gone_;     // from the plan, since the snapshot
  std::size_t roomless_count_ = 0;  // streams that were promised once and wait for room
  std::size_t next_roomless_ = 0;
  Instant restore_at_;  // when the next of them is asked for again
  bool is_planning_ = false;
  bool is_stale_ = false;      // more has changed than `gone_` can say: the result is of no use
  bool times_are_new_ = true;  // the workshop has older ones
  int tries_ = 0;
  std::optional<TaskId> candidate_;
  std::optional<Instant> fired_at_;
  std::optional<PlanWorkshop> work_;
};

// ── Tables

void LaxityPolicy::attach(const Books& books) {
  books_ = &books;
  const SystemModel& system = books.system();
  const std::size_t frames_max = system.limits.plan_frames_max;
  gap_.attach(books, true, true);
  streams_.resize(system.limits.streams_max);
  places_.resize(books.capacity());
  pending_.reserve(kPendingMax + system.limits.streams_max);
  answers_.reserve(kPendingMax + 2 * system.limits.streams_max);
  gone_.reserve(4096);
  make_times();
  work_.emplace(frames_max, system.limits.streams_max, system.executors.size(),
                std::max<std::size_t>(1, times_.category_count()));
  renew_workshop_times();
  for (std::size_t e = 0; e < system.executors.size(); ++e) executors_.emplace_back(frames_max);
}

// One category of planning per model and variant: a planned batch goes through its mandatory stages as one.
void LaxityPolicy::make_times() {
  const SystemModel& system = books_->system();
  times_ = BatchTimes();
  plan_categories_.assign(system.catalog.models.size(), {});
  for (std::size_t m = 0; m < system.catalog.models.size(); ++m) {
    const Model& model = system.catalog.models[m];
    for (const Variant& variant : model.variants) {
      const std::size_t stage_count = std::min<std::size_t>(model.mandatory_count, variant.stages.size());
      auto cap = static_cast<std::uint32_t>(kBatchSizeMax);
      for (std::size_t k = 0; k < stage_count; ++k)
        cap = std::min(cap, system.batch_size_max(variant.stages[k]));
      std::vector<Duration> row;
      for (std::uint32_t n = 1; n <= cap; ++n) {
        Duration total = wake();
        for (std::size_t k = 0; k < stage_count; ++k) {
          const bool decodes = k == 0 && model.has_preprocess && system.preprocesses_inline();
          total += system.planned(variant.stages[k], n, decodes ? n : 0);
        }
        row.push_back(std::max(total, Duration(1)));
      }
      plan_categories_[m].push_back(times_.add_category(std::move(row)));
    }
  }
}

bool LaxityPolicy::is_measured(ModelId model, std::uint32_t variant) const {
  const SystemModel& system = books_->system();
  const Model& entry = system.catalog.model(model);
  const std::vector<CategoryId>& stages = entry.variants.at(variant).stages;
  for (std::size_t k = 0; k < std::min<std::size_t>(entry.mandatory_count, stages.size()); ++k) {
    if (system.table.batch_size_max(stages[k]) == 0) return false;
  }
  return true;
}

void LaxityPolicy::renew_workshop_times() {
  work_->times = times_;
  work_->padded_times = times_.with_margin(options_.margin_ppm);
  times_are_new_ = false;
}

// When the executor can start something at the latest. None: nobody knows, since a batch overruns its table
// or runs for the first time.
std::optional<Instant> LaxityPolicy::free_at(std::uint32_t executor, Instant now) const {
  const ExecutorEntry& entry = books_->executors()[executor];
  const ExecutorPlan& e = executors_[executor];
  if (entry.is_idle()) return e.group.empty() ? now : std::max(now, e.group_finish);
  if (entry.planned_finish == entry.start) return std::nullopt;
  const Instant finish = std::max(entry.planned_finish + wake(), e.group_finish);
  if (finish < now) return std::nullopt;
  return finish;
}

// ── Frames

// True when the frame is in the plan and now waits for its batch there.
bool LaxityPolicy::plan_frame(StreamPlan& stream, JobIndex job, Instant now) {
  const JobEntry& entry = books_->entry(job);
  const std::uint64_t number = *entry.job.frame;
  stream.next_wanted = std::max(stream.next_wanted, number + 1);
  if (!stream.is_in_plan()) return false;
  const Instant latest = stream.planned.release(number) + stream.planned.jitter;
  StreamPlan::Arrived& place = stream.place(number);
  Plan& plan = executors_[stream.executor].plan;
  const Instant due = *entry.job.absolute_deadline - reply();
  if (now <= latest && place.job == kNoIndex && plan.arrived(slot_of(stream), number, now, due, times_)) {
    place = {number, job};
    return true;
  }
  forget_frame(stream.executor, slot_of(stream), number);  // late: it leaves the plan
  return false;
}

void LaxityPolicy::job_ready(JobIndex job, Instant now) {
  const JobEntry& entry = books_->entry(job);
  Place& place = places_[job];
  const bool is_member = place.id == entry.job.id && place.kind == Place::Kind::kGroup;
  if (is_member && entry.stages_done < books_->mandatory_count(entry) &&
      !books_->executors()[place.executor].is_lost) {
    executors_[place.executor].group.push_back(job);
    return;
  }
  place = {entry.job.id, Place::Kind::kGap, 0};
  if (entry.job.task && entry.stages_done == 0 && !is_member) {
    StreamPlan* stream = find(*entry.job.task);
    if (stream != nullptr && plan_frame(*stream, job, now)) {
      place.kind = Place::Kind::kPlanned;
      place.executor = stream->executor;
      return;
    }
  }
  gap_.push(job, now);
}

void LaxityPolicy::job_gone(JobIndex job, Instant) {
  const Place place = places_[job];
  if (place.kind == Place::Kind::kGap) {
    gap_.erase(job);
  } else if (place.kind == Place::Kind::kGroup) {
    auto& group = executors_[place.executor].group;
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (group[i] != job) continue;
      group.erase_at(i);
      break;
    }
  } else {
    // A planned frame that waited: its place in the plan falls free.
    const Job& gone = books_->entry(job).job;
    StreamPlan& stream = streams_[books_->stream_slot(*gone.task)];
    stream.place(*gone.frame).job = kNoIndex;
    forget_frame(stream.executor, slot_of(stream), *gone.frame);
  }
  places_[job].kind = Place::Kind::kGap;
}

void LaxityPolicy::to_gap(JobIndex job, Instant now) {
  places_[job].kind = Place::Kind::kGap;
  gap_.push(job, now);
}

bool LaxityPolicy::is_here(const ExecutorPlan& e, const PlanBatch& batch) const {
  for (const PlanFrame& frame : e.plan.frames(batch)) {
    if (streams_[frame.stream].job_of(frame.number) == kNoIndex) return false;
  }
  return true;
}

void LaxityPolicy::note_gone(std::uint32_t stream, std::uint64_t number) {
  if (!is_planning_) return;
  if (gone_.size() == gone_.capacity()) {
    is_stale_ = true;
  } else {
    gone_.push_back({stream, number});
  }
}

void LaxityPolicy::forget_frame(std::uint32_t executor, std::uint32_t stream, std::uint64_t number) {
  executors_[executor].plan.remove(stream, number, times_);
  note_gone(stream, number);
}

// Into the batch that is being started. The caller takes the frame out of the plan.
void LaxityPolicy::take_frame(const PlanFrame& frame, std::uint32_t executor, Decision& decision) {
  StreamPlan::Arrived& arrived = streams_[frame.stream].place(frame.number);
  decision.jobs.push_back(arrived.job);
  places_[arrived.job].kind = Place::Kind::kGroup;
  places_[arrived.job].executor = executor;
  arrived.job = kNoIndex;
  note_gone(frame.stream, frame.number);
}

// The stream's frames leave the plan; those that have come are served without a promise.
void LaxityPolicy::unplan(StreamPlan& stream, Instant now) {
  if (!stream.is_in_plan()) return;
  ExecutorPlan& e = executors_[stream.executor];
  e.plan.remove_stream(slot_of(stream), 0, times_);
  --e.stream_count;
  is_stale_ = is_stale_ || is_planning_;
  for (StreamPlan::Arrived& arrived : stream.arrived) {
    if (arrived.job == kNoIndex) continue;
    to_gap(arrived.job, now);
    arrived.job = kNoIndex;
  }
  stream.state = StreamPlan::State::kAsked;
}

// The executor is lost: its streams wait for room elsewhere.
void LaxityPolicy::abandon(std::uint32_t executor, Instant now) {
  for (StreamPlan& stream : streams_) {
    if (!stream.is_in_plan() || stream.executor != executor) continue;
    unplan(stream, now);
    announce_loss(stream, Reason::kExecutorLost);
    ask(stream);
  }
}

// ── Moves

void LaxityPolicy::batch_finished(CategoryId, ExecutorId executor, BatchStatus, Duration, Instant now) {
  ExecutorPlan& e = executors_[index(executor)];
  if (!e.plan.empty() && now > e.plan.batch(0).latest_start) e.wants_plan = true;
}

Decision LaxityPolicy::review(Instant now, bool timer_fired) {
  if (timer_fired) fired_at_ = now;
  for (std::uint32_t e = 0; e < executors_.size(); ++e) {
    if (executors_[e].stream_count > 0 && books_->executors()[e].is_lost) abandon(e, now);
  }
  Decision decision = gap_.review(now);
  if (decision.kind == Decision::Kind::kDrop) return decision;
  // Plans run short by themselves: someone has to be awake to ask for more.
  std::optional<Instant> wake_up;
  for (std::uint32_t e = 0; e < executors_.size(); ++e) {
    const ExecutorPlan& plan = executors_[e];
    if (plan.stream_count == 0) continue;
    Instant at = plan.retry_at;
    if (!plan.wants_plan) {
      if (plan.horizon == Instant::latest()) continue;
      at = std::max(at, plan.horizon - options_.lookahead);
    }
    if (at > now && (!wake_up || at < *wake_up)) wake_up = at;
  }
  if (roomless_count_ > 0 && restore_at_ > now && (!wake_up || restore_at_ < *wake_up)) wake_up = restore_at_;
  if (wake_up && (!decision.wait_until || *wake_up < *decision.wait_until)) decision.wait_until = wake_up;
  return decision;
}

bool LaxityPolicy::continue_to_next_stage(JobIndex job, Instant now) {
  const JobEntry& entry = books_->entry(job);
  const bool has_answer = entry.stages_done >= books_->mandatory_count(entry);
  return !has_answer || !entry.job.absolute_deadline || now <= gap_.latest_start(entry);
}

Decision LaxityPolicy::decide(ExecutorId id, Instant now) {
  const auto executor = static_cast<std::uint32_t>(index(id));
  ExecutorPlan& e = executors_[executor];
  Decision decision;
  if (!e.group.empty()) {  // a planned group between two stages goes on at once
    decision.kind = Decision::Kind::kStart;
    for (const JobIndex job : e.group) decision.jobs.push_back(job);
    e.group.clear();
    return decision;
  }
  e.group_finish = now;
  if (!e.plan.empty() && now > e.plan.batch(0).latest_start) shed(executor, now);
  drop_missing(executor, now);
  if (e.plan.empty()) {
    start_gap_batch(Instant::latest(), std::nullopt, now, decision);
    return decision;
  }
  const PlanBatch& head = e.plan.batch(0);
  const Instant latest = head.latest_start;
  const bool head_is_here = is_here(e, head);
  // More urgent work that was promised nothing may go first where the promise bears it.
  const std::optional<Instant> before = head_is_here ? std::optional(head.deadline) : std::nullopt;
  if (head_is_here) {
    if (start_gap_batch(latest, before, now, decision)) return decision;
    return start_head(executor, now);
  }
  if (start_planned_early(executor, true, now, decision)) return decision;
  if (start_gap_batch(latest, std::nullopt, now, decision)) return decision;
  if (start_planned_early(executor, false, now, decision)) return decision;
  decision.wait_until = next_look(e, now);
  return decision;
}

// When the head has to be started with whoever is there; or, of a plan that was broken, when the next of its
// missing frames may be given up.
Instant LaxityPolicy::next_look(const ExecutorPlan& e, Instant now) const {
  const PlanBatch& head = e.plan.batch(0);
  const Instant armed = head.latest_start - wake();
  if (armed > now) return armed;
  Instant next = Instant::latest();
  for (const PlanFrame& frame : e.plan.frames(head)) {
    const StreamPlan& stream = streams_[frame.stream];
    if (stream.job_of(frame.number) != kNoIndex) continue;
    next =
        std::min(next, std::max(now, stream.planned.release(frame.number) + stream.planned.jitter - wake()));
  }
  return next;
}

Decision LaxityPolicy::start_head(std::uint32_t executor, Instant now) {
  ExecutorPlan& e = executors_[executor];
  const PlanBatch head = e.plan.batch(0);
  Decision decision;
  decision.kind = Decision::Kind::kStart;
  for (const PlanFrame& frame : e.plan.frames(head)) take_frame(frame, executor, decision);
  e.plan.pop_head();
  grow_head(executor, head.category, head.deadline, now, decision);
  e.group_finish = now + times_(head.category, static_cast<std::uint32_t>(decision.jobs.size()));
  return decision;
}

// Theorem 2, move 3: one more arrived frame of the category, while the batch still ends by every deadline in
// it and by the latest start of what then is the head. Only where sharing is cheaper than a batch of its own.
void LaxityPolicy::grow_head(std::uint32_t executor, CategoryIndex category, Instant limit, Instant now,
                             Decision& decision) {
  Plan& plan = executors_[executor].plan;
  std::size_t j = 0;
  while (j < std::min(kLookAhead, plan.batch_count())) {
    const auto n = static_cast<std::uint32_t>(decision.jobs.size());
    if (n >= times_.cap(category)) return;
    const Duration longer = times_(category, n + 1);
    if (longer >= times_(category, n) + times_(category, 1)) return;
    if (plan.batch(j).category != category) {
      ++j;
      continue;
    }
    std::optional<PlanFrame> added;
    for (const PlanFrame& frame : plan.frames(plan.batch(j))) {
      if (streams_[frame.stream].job_of(frame.number) == kNoIndex) continue;
      // Taken from the head, the next batch's latest start binds if nothing of the head is left; a head that
      // shrinks only gains, so its latest start as it is now errs to the safe side.
      const bool is_last_of_head = j == 0 && plan.batch(0).count == 1;
      const Instant next = !is_last_of_head         ? plan.batch(0).latest_start
                           : plan.batch_count() > 1 ? plan.batch(1).latest_start
                                                    : Instant::latest();
      if (now + longer > std::min({limit, frame.deadline, next})) continue;
      added = frame;
      break;
    }
    if (!added) {
      ++j;
      continue;
    }
    take_frame(*added, executor, decision);
    plan.remove(added->stream, added->number, times_);
    limit = std::min(limit, added->deadline);
    // The same place may hold the next batch now: look at it again.
  }
}

// Theorem 2, move 2, with planned frames that have come: whole batches, or else what has come of one.
bool LaxityPolicy::start_planned_early(std::uint32_t executor, bool whole, Instant now, Decision& decision) {
  ExecutorPlan& e = executors_[executor];
  const Instant latest = e.plan.batch(0).latest_start;
  for (std::size_t j = whole ? 1 : 0; j < std::min(kLookAhead, e.plan.batch_count()); ++j) {
    const PlanBatch batch = e.plan.batch(j);
    FixedVector<PlanFrame, kBatchSizeMax> here;
    for (const PlanFrame& frame : e.plan.frames(batch)) {
      if (streams_[frame.stream].job_of(frame.number) != kNoIndex) here.push_back(frame);
    }
    if (here.empty() || (whole && here.size() < batch.count)) continue;
    const Instant finish = now + times_(batch.category, static_cast<std::uint32_t>(here.size()));
    if (finish > latest) continue;
    decision.kind = Decision::Kind::kStart;
    for (const PlanFrame& frame : here) {
      take_frame(frame, executor, decision);
      e.plan.remove(frame.stream, frame.number, times_);
    }
    e.group_finish = finish;
    return true;
  }
  return false;
}

// The most urgent work without a promise that ends by `until`; with `before`, only what is due before that.
bool LaxityPolicy::start_gap_batch(Instant until, std::optional<Instant> before, Instant now,
                                   Decision& decision) {
  if (gap_.empty()) return false;
  const SystemModel& system = books_->system();
  std::optional<JobIndex> best;
  for (std::size_t c = 0; c < system.catalog.categories.size(); ++c) {
    const auto category = static_cast<CategoryId>(c);
    if (gap_.empty(category)) continue;
    const JobIndex job = gap_.top(category);
    const JobEntry& entry = books_->entry(job);
    if (until < Instant::latest()) {
      // Work that was never measured runs only where nothing is promised.
      if (system.table.batch_size_max(category) == 0) continue;
      if (now + gap_time(category, 1, entry.encoded ? 1 : 0) > until) continue;
    }
    const bool is_mandatory = gap_.key(job).rank == UrgencyRank::kInTime;
    if (before && (!is_mandatory || entry.job.deadline_key() - reply() >= *before)) continue;
    if (!best || gap_.key(job) < gap_.key(*best)) best = job;
  }
  if (!best) return false;
  decision.kind = Decision::Kind::kStart;
  decision.jobs.push_back(*best);
  grow_gap_batch(until, now, decision);
  return true;
}

// Company for the one job of a gap batch, in order of urgency, as long as it still ends by `until`, by the
// first one's deadline, and does not make the most urgent job of another category late that was not.
void LaxityPolicy::grow_gap_batch(Instant until, Instant now, Decision& decision) {
  const JobIndex first = decision.jobs[0];
  const JobEntry& head = books_->entry(first);
  const CategoryId category = books_->next_category(head);
  const UrgencyRank rank = gap_.key(first).rank;
  const Instant in_time = gap_.latest_finish(head, rank);
  const std::size_t cap = books_->system().batch_size_max(category);
  gap_.erase(first);
  const auto elsewhere = gap_.latest_start_elsewhere(category);
  std::uint32_t encoded_count = head.encoded ? 1 : 0;
  Duration time = gap_time(category, 1, encoded_count);
  const Duration alone = time;
  while (decision.jobs.size() < cap && !gap_.empty(category)) {
    const JobIndex next = gap_.top(category);
    const std::uint32_t encoded = encoded_count + (books_->entry(next).encoded ? 1 : 0);
    const Duration longer = gap_time(category, static_cast<std::uint32_t>(decision.jobs.size() + 1), encoded);
    const Instant finish = now + longer;
    if (finish > until || finish > in_time || longer >= time + alone) return;
    if (elsewhere && now + time <= elsewhere->latest_start && finish > elsewhere->latest_start) return;
    gap_.erase(next);
    decision.jobs.push_back(next);
    encoded_count = encoded;
    time = longer;
  }
}

// When the head has to start, frames that have not come are later than their contract: they leave the plan.
// A frame that may still come at this very instant is waited for until the instant is over.
void LaxityPolicy::drop_missing(std::uint32_t executor, Instant now) {
  ExecutorPlan& e = executors_[executor];
  const bool is_over = fired_at_ == now;
  while (!e.plan.empty() && now >= e.plan.batch(0).latest_start - wake()) {
    std::optional<FrameName> missing;
    for (const PlanFrame& frame : e.plan.frames(e.plan.batch(0))) {
      const StreamPlan& stream = streams_[frame.stream];
      if (stream.job_of(frame.number) != kNoIndex) continue;
      const Instant latest = stream.planned.release(frame.number) + stream.planned.jitter - wake();
      if (now < latest || (now == latest && !is_over)) continue;
      missing = FrameName{frame.stream, frame.number};
      break;
    }
    if (!missing) return;
    forget_frame(executor, missing->stream, missing->number);
  }
}

// After an overrun the plan cannot be kept whole: the longest batch up to the first that would be late is
// given up until the rest holds. [Moore 1968, for one machine and equal weights] Its frames go on without a
// promise.
void LaxityPolicy::shed(std::uint32_t executor, Instant now) {
  ExecutorPlan& e = executors_[executor];
  e.wants_plan = true;
  while (!e.plan.empty() && now > e.plan.batch(0).latest_start) {
    Instant t = now;
    std::size_t longest = 0;
    for (std::size_t j = 0; j < e.plan.batch_count(); ++j) {
      const PlanBatch& batch = e.plan.batch(j);
      const Duration time = times_(batch.category, batch.count);
      if (time > times_(e.plan.batch(longest).category, e.plan.batch(longest).count)) longest = j;
      t = std::max(t, batch.arrival) + time;
      if (t > batch.deadline) break;
    }
    FixedVector<PlanFrame, kBatchSizeMax> frames;
    for (const PlanFrame& frame : e.plan.frames(e.plan.batch(longest))) frames.push_back(frame);
    for (const PlanFrame& frame : frames) {
      StreamPlan& stream = streams_[frame.stream];
      const JobIndex job = stream.job_of(frame.number);
      forget_frame(executor, frame.stream, frame.number);
      if (job == kNoIndex) continue;
      stream.place(frame.number).job = kNoIndex;
      to_gap(job, now);
    }
  }
}

// ── Planning

// Frames whose time has passed cannot be promised any more.
PlannedStream LaxityPolicy::planned_stream(const Task& task, std::uint64_t next, Instant now) const {
  PlannedStream planned;
  planned.id = static_cast<std::uint32_t>(books_->stream_slot(task.id));
  planned.category = plan_categories_[index(task.model)][task.lowest_variant];
  planned.first = task.first_release.value_or(now);
  planned.period = task.min_inter_arrival;
  planned.jitter = task.release_jitter_max + wake();
  const SystemModel& system = books_->system();
  if (system.catalog.model(task.model).has_preprocess && !system.preprocesses_inline()) {
    planned.jitter += system.table.segment(task.model, SegmentKind::kPreprocess).p99;
  }
  planned.deadline = task.relative_deadline - reply();
  planned.end = task.frame_count;
  planned.next = next;
  if (planned.release(next) < now) {
    const auto passed = static_cast<std::uint64_t>((now - planned.release(next) - 1ns) / planned.period + 1);
    planned.next += passed;
  }
  return planned;
}

void LaxityPolicy::ask(StreamPlan& stream) {
  stream.state = StreamPlan::State::kAsked;
  set_roomless(stream, false);
  if (std::find(pending_.begin(), pending_.end(), stream.id) == pending_.end()) pending_.push_back(stream.id);
}

void LaxityPolicy::set_roomless(StreamPlan& stream, bool value) {
  if (stream.is_roomless == value) return;
  stream.is_roomless = value;
  roomless_count_ = value ? roomless_count_ + 1 : roomless_count_ - 1;
}

// Streams that have lost their promise are tried again by turns, one a period.
void LaxityPolicy::ask_for_a_roomless(Instant now) {
  if (roomless_count_ == 0 || now < restore_at_ || !pending_.empty()) return;
  restore_at_ = now + options_.extension_period;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    next_roomless_ = (next_roomless_ + 1) % streams_.size();
    if (!streams_[next_roomless_].is_roomless) continue;
    ask(streams_[next_roomless_]);
    return;
  }
}

std::optional<AnswerTask> LaxityPolicy::answer_task(const Task& task, Instant) {
  AnswerTask answer;
  answer.task = task.id;
  if (task.kind == JobKind::kBestEffort) {
    answer.admitted = true;
    return answer;
  }
  if (task.guarantee == Guarantee::kDemand) {
    answer.reason = Reason::kAdmissionDemand;  // dispatch by plans cannot rest on the demand test
    return answer;
  }
  if (!is_measured(task.model, task.lowest_variant)) {
    answer.reason = Reason::kAdmissionPlan;
    return answer;
  }
  if (pending_.size() >= kPendingMax) {
    answer.reason = Reason::kAdmissionBusy;
    return answer;
  }
  StreamPlan& stream = streams_[books_->stream_slot(task.id)];
  stream = StreamPlan{};
  stream.id = task.id;
  ask(stream);
  return std::nullopt;
}

std::optional<AnswerTask> LaxityPolicy::later_answer(Instant) {
  if (answers_told_ == answers_.size()) {
    answers_.clear();
    answers_told_ = 0;
    return std::nullopt;
  }
  return answers_[answers_told_++];
}

void LaxityPolicy::announce(const AnswerTask& answer) {
  LAXITY_CHECK(answers_.size() < answers_.capacity());
  answers_.push_back(answer);
}

void LaxityPolicy::announce_loss(StreamPlan& stream, Reason reason) {
  if (!stream.was_promised || stream.loss_is_announced) return;
  stream.loss_is_announced = true;
  AnswerTask answer;
  answer.task = stream.id;
  answer.admitted = true;
  answer.reason = reason;
  if (stream.is_in_plan()) {
    answer.guarantee = Guarantee::kPlanRolling;
    answer.guaranteed_until = executors_[stream.executor].horizon;
  }
  announce(answer);
}

std::optional<Instant> LaxityPolicy::guaranteed_until(TaskId task) const {
  const StreamPlan& stream = streams_[books_->stream_slot(task)];
  if (stream.id != task || stream.state != StreamPlan::State::kPlanned) return std::nullopt;
  const bool is_for_life = stream.planned.end && stream.planned.next >= *stream.planned.end;
  return is_for_life ? Instant::latest() : executors_[stream.executor].horizon;
}

// The first frame fixes the phase. The room that was kept at an assumed one is given back, and the stream is
// tested again at the real one; that frame itself is served without a promise.
void LaxityPolicy::task_anchored(TaskId task, Instant now) {
  StreamPlan* stream = find(task);
  if (stream == nullptr) return;
  unplan(*stream, now);
  ask(*stream);
}

void LaxityPolicy::task_removed(TaskId task, Instant now) {
  StreamPlan* stream = find(task);
  if (stream == nullptr) return;
  unplan(*stream, now);
  std::erase(pending_, task);
  set_roomless(*stream, false);
  stream->state = StreamPlan::State::kFree;
}

void LaxityPolicy::tables_changed(Instant now) {
  gap_.tables_changed();
  make_times();
  times_are_new_ = true;
  is_stale_ = is_stale_ || is_planning_;
  for (std::uint32_t i = 0; i < executors_.size(); ++i) {
    ExecutorPlan& e = executors_[i];
    if (e.stream_count == 0) continue;
    e.plan.settle(times_);
    e.wants_plan = true;
    e.retry_at = now;
    if (e.plan.is_valid(free_at(i, now).value_or(now))) continue;
    for (StreamPlan& stream : streams_) {
      if (stream.is_in_plan() && stream.executor == i) announce_loss(stream, Reason::kAdmissionPlan);
    }
  }
}

void LaxityPolicy::snapshot(std::uint32_t executor, Instant now) {
  const ExecutorPlan& e = executors_[executor];
  PlanWorkshop::Snapshot& to = work_->snapshots[executor];
  const std::optional<Instant> free = free_at(executor, now);
  to.is_usable =
      books_->system().executors[executor].runs_batches && !books_->executors()[executor].is_lost && free;
  to.free_at = free.value_or(now);
  to.plan = e.plan;
  to.streams.clear();
  to.utilisation_ppm = 0;
  for (const StreamPlan& stream : streams_) {
    if (!stream.is_in_plan() || stream.executor != executor) continue;
    PlannedStream planned = stream.planned;
    while (planned.release(planned.next) < now && (!planned.end || planned.next < *planned.end))
      ++planned.next;
    to.streams.push_back(planned);
    to.utilisation_ppm += times_(planned.category, 1).count() * kPpm / planned.period.count();
  }
}

std::optional<std::uint64_t> LaxityPolicy::request_plan(Instant now) {
  PlanWorkshop& w = *work_;
  candidate_.reset();
  ask_for_a_roomless(now);
  if (!pending_.empty()) {
    const StreamPlan& stream = *find(pending_.front());
    candidate_ = stream.id;
    w.question = PlanWorkshop::Question::kAdmit;
    w.candidate = planned_stream(books_->stream(stream.id)->task, stream.next_wanted, now);
    w.wants_offers = !stream.was_promised;
    w.horizon = now + options_.horizon;
    for (std::uint32_t e = 0; e < executors_.size(); ++e) {
      snapshot(e, now);
      if (executors_[e].horizon < Instant::latest()) w.horizon = std::max(w.horizon, executors_[e].horizon);
    }
  } else {
    std::optional<std::uint32_t> due;
    for (std::uint32_t e = 0; e < executors_.size() && !due; ++e) {
      const ExecutorPlan& plan = executors_[e];
      if (plan.stream_count == 0 || now < plan.retry_at || books_->executors()[e].is_lost) continue;
      const bool is_short = plan.horizon < Instant::latest() && now >= plan.horizon - options_.lookahead;
      if (plan.wants_plan || is_short) due = e;
    }
    if (!due) return std::nullopt;
    w.question = PlanWorkshop::Question::kExtend;
    w.candidate.reset();
    w.executor = *due;
    ExecutorPlan& e = executors_[*due];
    w.horizon = now + options_.lookahead + 2 * options_.extension_period;
    if (e.horizon < Instant::latest()) w.horizon = std::max(w.horizon, e.horizon);
    e.wants_plan = false;
    e.retry_at = now + options_.extension_period;
    snapshot(*due, now);
    if (!w.snapshots[*due].is_usable) {  // asked again once the running batch has ended
      e.wants_plan = true;
      e.retry_at = now + wake() + 1ms;
      return std::nullopt;
    }
  }
  if (times_are_new_) renew_workshop_times();
  is_planning_ = true;
  is_stale_ = false;
  gone_.clear();
  return options_.search_nodes;
}

// Brings the result up to the present and takes it over if it is valid now.
bool LaxityPolicy::adopt(Instant now) {
  PlanWorkshop& w = *work_;
  ExecutorPlan& e = executors_[w.executor];
  const std::optional<Instant> free = free_at(w.executor, now);
  if (is_stale_ || !free || books_->executors()[w.executor].is_lost) return false;
  Plan& plan = w.plan();
  for (const FrameName& frame : gone_) plan.remove(frame.stream, frame.number, times_);
  for (const PlannedStream& planned : w.planned()) {
    const StreamPlan& stream = streams_[planned.id];
    for (const StreamPlan::Arrived& arrived : stream.arrived) {
      if (arrived.job == kNoIndex) continue;
      const JobEntry& entry = books_->entry(arrived.job);
      plan.arrived(planned.id, arrived.number, entry.ready_since, *entry.job.absolute_deadline - reply(),
                   times_);
    }
  }
  if (candidate_) {  // frames that came meanwhile have been served without a promise
    const StreamPlan& stream = *find(*candidate_);
    for (std::uint64_t k = w.candidate->next; k < stream.next_wanted; ++k) {
      plan.remove(w.candidate->id, k, times_);
    }
  }
  if (!plan.is_valid(*free)) return false;
  std::swap(e.plan, plan);
  e.horizon = w.plan_horizon();
  // A full plan buffer may reach less far than the time between two extensions.
  if (e.horizon < Instant::latest()) {
    const Duration half = (e.horizon - now) / 2;
    e.retry_at = now + std::clamp<Duration>(half, 1ms, options_.extension_period);
  }
  for (const PlannedStream& planned : w.planned()) streams_[planned.id].planned = planned;
  return true;
}

AnswerTask LaxityPolicy::verdict(const StreamPlan& stream) const {
  const Task& task = books_->stream(stream.id)->task;
  AnswerTask answer;
  answer.task = stream.id;
  answer.admitted = true;
  answer.is_provisional = stream.state == StreamPlan::State::kProvisional;
  answer.response_time_bound = task.relative_deadline;
  const SystemModel& system = books_->system();
  const bool is_for_life = stream.planned.end && stream.planned.next >= *stream.planned.end;
  if (system.catalog.model(task.model).has_preprocess && !system.preprocesses_inline()) {
    answer.guarantee = Guarantee::kNominal;  // segments queue on executors of their own, which no plan covers
  } else if (is_for_life) {
    answer.guarantee = Guarantee::kPlan;
  } else {
    answer.guarantee = Guarantee::kPlanRolling;
    answer.guaranteed_until = executors_[stream.executor].horizon;
  }
  return answer;
}

void LaxityPolicy::admission_ready(Instant now) {
  PlanWorkshop& w = *work_;
  StreamPlan* stream = find(*candidate_);
  if (stream == nullptr || pending_.empty() || pending_.front() != *candidate_) return;  // it has left
  // Its phase was fixed meanwhile: ask again, at the real one.
  const Task& task = books_->stream(*candidate_)->task;
  if (task.first_release && w.candidate->first != *task.first_release) return;
  bool is_adopted = w.found() && adopt(now);
  if ((w.found() || is_stale_) && !is_adopted && ++tries_ < kAdoptionTries)
    return;  // again, against the present
  tries_ = 0;
  pending_.erase(pending_.begin());
  if (is_adopted) {
    stream->executor = w.executor;
    stream->state = task.first_release ? StreamPlan::State::kPlanned : StreamPlan::State::kProvisional;
    ++executors_[w.executor].stream_count;
    stream->was_promised = true;
    stream->loss_is_announced = false;
    announce(verdict(*stream));
    return;
  }
  AnswerTask refusal;
  refusal.task = stream->id;
  refusal.reason = w.found() ? Reason::kAdmissionBusy : Reason::kAdmissionPlan;
  if (const auto& frame = w.evidence().frame; frame && !w.found()) {
    refusal.failing_task = streams_[frame->stream].id;
    refusal.failing_at = frame->deadline + reply();
  }
  if (w.deadline_offer()) refusal.deadline_offer = *w.deadline_offer() + reply();
  refusal.period_offer = w.period_offer();
  // A stream that was promised before stays; its frames are served without a promise.
  refusal.admitted = stream->was_promised;
  set_roomless(*stream, stream->was_promised);
  if (!stream->was_promised) stream->state = StreamPlan::State::kFree;
  if (!stream->was_promised || !stream->loss_is_announced) announce(refusal);
  stream->loss_is_announced = true;
}

void LaxityPolicy::extension_ready(Instant now) {
  PlanWorkshop& w = *work_;
  ExecutorPlan& e = executors_[w.executor];
  const bool is_adopted = w.found() && adopt(now);
  if (w.found() && !is_adopted) {
    e.wants_plan = true;  // stale: again at once, against the present
    if (++tries_ < kAdoptionTries) e.retry_at = now;
  }
  if (is_adopted || tries_ >= kAdoptionTries) tries_ = 0;
  for (StreamPlan& stream : streams_) {
    if (stream.state != StreamPlan::State::kPlanned || stream.executor != w.executor) continue;
    if (is_adopted && stream.loss_is_announced) {
      stream.loss_is_announced = false;
      announce(verdict(stream));
    } else if (!w.found() && !(stream.planned.end && stream.planned.next >= *stream.planned.end)) {
      announce_loss(stream, Reason::kAdmissionPlan);
    }
  }
}

void LaxityPolicy::plan_ready(Instant now) {
  is_planning_ = false;
  if (candidate_) {
    admission_ready(now);
  } else {
    extension_ready(now);
  }
}

constexpr PolicyOption kOptions[] = {
    {"horizon_us", 5'000'000, 100'000, 60'000'000,
     "how far ahead an endless stream is planned when admitted"},
    {"lookahead_us", 2'000'000, 50'000, 60'000'000, "plans that reach less far than this are extended"},
    {"extension_period_us", 500'000, 10'000, 10'000'000, "how long to wait between two extensions"},
    {"margin_ppm", 50'000, 0, 1'000'000,
     "by how much longer times an endless stream must be borne when admitted"},
    {"search_nodes", 5'000, 0, 16'000, "nodes of the search for a plan when the generators find none"},
};

}  // namespace

BuiltinPolicy laxity_policy() {
  return {{"laxity",
           "streams are promised by a plan that serves every frame at its latest arrival and at table times; "
           "the plan's order is followed, all else runs in its gaps. Holds for arrivals within jitter and "
           "executions within the table; for endless streams up to a time that moves on",
           "ours: docs/analysis/plans.md",
           "O(b log n + c): batch b, n waiting, c categories; plans are made beside the scheduler", kOptions},
          [](const PolicyOptions& options) -> std::unique_ptr<Policy> {
            const auto time = [&](std::string_view name) {
              return Duration(std::chrono::microseconds(option(options, name)));
            };
            return std::make_unique<LaxityPolicy>(Options{
                time("horizon_us"), time("lookahead_us"), time("extension_period_us"),
                option(options, "margin_ppm"), static_cast<std::uint64_t>(option(options, "search_nodes"))});
          }};
}

}  // namespace laxity
