// Every thread is created, named and placed here, and nowhere else:
//
//   laxity-exec-<i>  one per executor: runs batches and segments, and holds the strand after each
//   laxity-sched     sleeps until the scheduler's earliest timer, then takes the strand
//   laxity-planner   runs ComputePlan, for policies that plan beside the scheduler
//   laxity-trace     writes what the strand recorded
//
// What they share is a bounded queue (the strand's), one work slot per executor, and their bells. The table
// of living jobs, the pool of features and the work slots are touched only inside the strand, or by the one
// thread that was given the work and has not yet posted its end; so they need no lock.
#include "live/live_runner.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/check.h"
#include "live/feature_pool.h"
#include "live/live_executor.h"
#include "live/mailbox.h"
#include "live/strand.h"

namespace laxity {
namespace {

constexpr Doorbell::Bits kBellWork = 1;
constexpr Doorbell::Bits kBellStop = 2;
constexpr Doorbell::Bits kBellIdle = 4;

// How long recorded events may lie before they are written: long enough to cost nothing, short enough to
// watch a file.
constexpr Duration kTraceFlushInterval = 50ms;

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

class LiveRunner::Impl final : public StrandClient {
 public:
  Impl(const LiveOptions& options, SystemModel system, std::unique_ptr<Policy> policy, FeaturePool pool,
       JobStore& store, TraceSink* trace, const SteadyClock& clock, Placement placement)
      : options_(options),
        store_(store),
        trace_(trace),
        clock_(clock),
        placement_(std::move(placement)),
        limits_(system.limits),
        catalog_(system.catalog),
        pool_(std::move(pool)),
        jobs_(system.limits.queue_length_max),
        executors_(system.executors.size()),
        scheduler_(std::move(system), std::move(policy), options.scheduler),
        // One finish per executor, one plan, one due timer, and the event that is being handled.
        strand_(scheduler_, clock_, limits_, options.event_queue_length_max, executors_.size() + 3, trace,
                *this) {}

  ~Impl() override { stop(Duration::zero()); }

  void add_executor(std::size_t i, std::unique_ptr<LiveExecutor> executor) {
    executors_[i].unit = std::move(executor);
  }

  void start_threads() {
    for (std::size_t i = 0; i < executors_.size(); ++i) {
      threads_.emplace_back([this, i] { executor_loop(i); });
    }
    threads_.emplace_back([this] { timer_loop(); });
    threads_.emplace_back([this] { planner_loop(); });
    if (trace_ != nullptr) flusher_ = std::thread([this] { flusher_loop(); });
  }

  bool post(const Event& event, bool may_run_inline) {
    LAXITY_CHECK(std::holds_alternative<JobReleased>(event) || std::holds_alternative<JobCancelled>(event) ||
                 std::holds_alternative<TaskSubmitted>(event) || std::holds_alternative<TaskRemoved>(event));
    // Counted, so that stop() can wait until nobody is inside any more.
    posters_.fetch_add(1, std::memory_order_seq_cst);
    bool is_taken = false;
    if (!is_closed_.load(std::memory_order_seq_cst) && strand_.push_external(event)) {
      is_taken = true;
      StrandHolder holder;
      holder.may_run_inline = may_run_inline;
      decide_and_run(holder);
    }
    posters_.fetch_sub(1, std::memory_order_seq_cst);
    return is_taken;
  }

  void stop(Duration grace) {
    if (threads_.empty()) return;
    const Instant end = clock_.now() + grace;
    is_closed_.store(true, std::memory_order_seq_cst);
    while (posters_.load(std::memory_order_seq_cst) != 0) std::this_thread::yield();
    is_stopping_.store(true, std::memory_order_seq_cst);
    strand_.shut_down();
    wait_until_idle(clock_.monotonic_ns(end));
    if (alive_.load(std::memory_order_seq_cst) != 0) {
      strand_.run_inside([this](Scheduler&) { cancel_all(); });
      wait_until_idle(std::nullopt);
    }
    for (ExecutorSlot& slot : executors_) slot.bell.ring(kBellStop);
    planner_bell_.ring(kBellStop);
    strand_.timer_bell().ring(Strand::kBellStop);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    if (flusher_.joinable()) {
      flusher_bell_.ring(kBellStop);
      flusher_.join();
    }
  }

  Status replace_table(const LatencyTable& table) {
    for (std::size_t i = 0; i < catalog_.categories.size(); ++i) {
      const auto category = static_cast<CategoryId>(i);
      const std::size_t wanted = std::min({std::size_t{std::max(1U, table.batch_size_max(category))},
                                           std::size_t{catalog_.categories[i].batch_size_max},
                                           limits_.batch_size_max, kBatchSizeMax});
      for (const ExecutorSlot& slot : executors_) {
        const std::size_t loaded = slot.unit->batch_size_max(category);
        if (loaded != 0 && wanted > loaded) {
          return failed_precondition(catalog_.category_name(category) + ": expected batches of at most " +
                                     std::to_string(loaded) + " as loaded, found " + std::to_string(wanted) +
                                     " in the new table; restart to use it");
        }
      }
    }
    strand_.run_inside([&](Scheduler& scheduler) {
      scheduler.replace_table(table);
      if (trace_ != nullptr) trace_->note_table(table);
      strand_.deliver(TablesChanged{});
    });
    return Unit{};
  }

  LiveState state() {
    LiveState state;
    strand_.run_inside([&](Scheduler& scheduler) { fill(state, scheduler); });
    return state;
  }

  void look_up(std::span<LiveStream> streams) {
    strand_.run_inside([&](Scheduler& scheduler) {
      for (LiveStream& out : streams) {
        const StreamEntry* entry = scheduler.books().stream(out.task);
        out.is_known = entry != nullptr;
        if (entry == nullptr) continue;
        out.first_release = entry->task.first_release;
        out.guaranteed_until = scheduler.policy().guaranteed_until(out.task);
        out.next_frame = entry->next_frame;
        if (entry->task.first_release) out.next_release = entry->release(entry->next_frame);
        out.reanchored = entry->reanchored;
        out.accepted = entry->frames;
        out.early = entry->early;
        out.breaches = entry->late;
        out.too_fast = entry->too_fast;
      }
    });
  }

  const SteadyClock& clock() const noexcept { return clock_; }
  const Placement& placement() const noexcept { return placement_; }

  // ── Inside the strand
  // ──────────────────────────────────────────────────────────────────────────────────────────

  void before_event(const Event& event) override {
    if (const auto* released = std::get_if<JobReleased>(&event)) {
      LiveJob& job = jobs_.at(slot(released->job.id));
      LAXITY_CHECK(!job.is_alive);
      job = {released->job.id,
             released->job.model,
             FeaturePool::kNone,
             true,
             released->job.needs_preprocess,
             false};
      alive_count_ += 1;
    } else if (const auto* batch = std::get_if<BatchFinished>(&event)) {
      finish_batch(*batch);
    } else if (const auto* segment = std::get_if<SegmentFinished>(&event)) {
      finish_segment(*segment);
    }
  }

  void carry_out(const Command& command, StrandHolder& holder) override {
    std::visit(
        Overloaded{
            [&](const StartBatch& c) { start_batch(c, holder); },
            [&](const StartSegment& c) { start_segment(c, holder); }, [&](const SettleJob& c) { settle(c); },
            [&](const ForgetJob& c) { forget(c.job); }, [&](const TerminateBatch& c) { terminate(c); },
            [&](const AnswerTask& c) { store_.answer_task(c); },
            [&](const ComputePlan& c) {
              plan_.store(static_cast<std::uint64_t>(c.plan), std::memory_order_relaxed);
              planner_bell_.ring(kBellWork);
            },
            [&](const SetTimer&) {},  // the strand's own
        },
        command);
  }

  void drained() override {
    alive_.store(alive_count_, std::memory_order_seq_cst);
    if (alive_count_ == 0 && is_stopping_.load(std::memory_order_seq_cst)) idle_bell_.ring(kBellIdle);
    if (trace_ != nullptr && trace_->wants_flush()) flusher_bell_.ring(kBellWork);
  }

 private:
  /// What the driver itself must know of a living job. Inside the strand only.
  struct LiveJob {
    JobId id{};
    ModelId model{};
    FeaturePool::Index features = FeaturePool::kNone;
    bool is_alive = false;
    bool is_encoded = false;  ///< Still a picture: its segment has not run.
    bool is_settled = false;  ///< Answered while in a batch.
  };

  struct ExecutorSlot {
    std::unique_ptr<LiveExecutor> unit;
    Doorbell bell;
    bool is_busy = false;  // inside the strand only
  };

  LiveJob& living(JobId id) {
    LiveJob& job = jobs_.at(slot(id));
    LAXITY_CHECK(job.is_alive && job.id == id);
    return job;
  }

  void start_batch(const StartBatch& command, StrandHolder& holder) {
    ExecutorSlot& slot_of = executors_.at(index(command.executor));
    LAXITY_CHECK(!slot_of.is_busy);
    slot_of.is_busy = true;
    LiveWork& work = slot_of.unit->prepare();
    work.command = command;
    work.encoded = 0;
    const Category& category = catalog_.categories[index(command.category)];
    work.model = category.model;
    const bool has_next = category.stage + 1 < catalog_.stage_count(category.model, category.variant);
    for (std::size_t i = 0; i < command.jobs.size(); ++i) {
      const LiveJob& job = living(command.jobs[i]);
      if (job.is_encoded) work.encoded |= std::uint64_t{1} << i;
      work.features_in[i] = job.features;
      work.features_out[i] = has_next ? pool_.take() : FeaturePool::kNone;
    }
    const bool is_short =
        command.planned > Duration::zero() && command.planned <= options_.inline_execution_max;
    if (holder.may_run_inline && !holder.inline_executor && is_short &&
        scheduler_.job_count() == command.jobs.size()) {
      holder.inline_executor = command.executor;
      ++inline_batches_;
    } else {
      hand_over(command.executor, holder);
    }
  }

  void start_segment(const StartSegment& command, StrandHolder& holder) {
    ExecutorSlot& slot_of = executors_.at(index(command.executor));
    LAXITY_CHECK(!slot_of.is_busy);
    slot_of.is_busy = true;
    LiveWork& work = slot_of.unit->prepare();
    work.command = command;
    work.model = living(command.job).model;
    work.features_out[0] = pool_.take();
    hand_over(command.executor, holder);
  }

  void hand_over(ExecutorId executor, StrandHolder& holder) {
    if (holder.self == executor) holder.has_own_work = true;
    if (executors_[index(executor)].bell.ring(kBellWork)) ++executor_wakes_;
  }

  void finish_batch(const BatchFinished& event) {
    ExecutorSlot& slot_of = executors_[index(event.executor)];
    slot_of.is_busy = false;
    const LiveWork& work = slot_of.unit->work();
    const StartBatch& batch = std::get<StartBatch>(work.command);
    LAXITY_CHECK(batch.batch == event.batch);
    for (std::size_t i = 0; i < batch.jobs.size(); ++i) {
      LiveJob& job = living(batch.jobs[i]);
      const bool is_done =
          event.status == BatchStatus::kSucceeded && ((event.preprocess_failed >> i) & 1U) == 0;
      if (!is_done) {
        pool_.give_back(work.features_out[i]);
        continue;
      }
      pool_.give_back(job.features);
      job.features = work.features_out[i];
      job.is_encoded = false;
      // Here, not on the executor before it posts: a job that is answered at its deadline meanwhile must be
      // answered with one whole exit, the one that the scheduler names.
      if (!job.is_settled) slot_of.unit->write_outputs(i);
    }
  }

  void finish_segment(const SegmentFinished& event) {
    ExecutorSlot& slot_of = executors_[index(event.executor)];
    slot_of.is_busy = false;
    LiveJob& job = living(event.job);
    const FeaturePool::Index decoded = slot_of.unit->work().features_out[0];
    if (event.succeeded) {
      job.features = decoded;
      job.is_encoded = false;
    } else {
      pool_.give_back(decoded);
    }
  }

  void settle(const SettleJob& command) {
    LiveJob& job = living(command.job);
    LAXITY_CHECK(!job.is_settled);
    job.is_settled = true;
    if (command.is_last) bury(job);
    store_.settle(command);
  }

  void forget(JobId id) {
    bury(living(id));
    store_.forget(id);
  }

  void bury(LiveJob& job) {
    pool_.give_back(job.features);
    job.features = FeaturePool::kNone;
    job.is_alive = false;
    alive_count_ -= 1;
  }

  void terminate(const TerminateBatch& command) {
    ExecutorSlot& slot_of = executors_.at(index(command.executor));
    if (slot_of.is_busy) slot_of.unit->terminate();
  }

  void cancel_all() {
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      if (jobs_[i].is_alive && !jobs_[i].is_settled) strand_.deliver(JobCancelled{jobs_[i].id});
    }
    for (ExecutorSlot& slot_of : executors_) {
      if (slot_of.is_busy) slot_of.unit->terminate();
    }
  }

  void fill(LiveState& state, const Scheduler& scheduler) {
    const Books& books = scheduler.books();
    state.now = clock_.now();
    state.policy = scheduler.policy().name();
    state.job_count = scheduler.job_count();
    state.ready.resize(catalog_.categories.size());
    for (const LiveJob& job : jobs_) {
      if (!job.is_alive || job.is_settled) continue;
      const JobEntry& entry = books.entry(static_cast<JobIndex>(slot(job.id)));
      if (entry.state == JobState::kReady) ++state.ready[index(books.next_category(entry))];
      if (entry.state == JobState::kNeedsSegment) ++state.waiting_for_segment;
    }
    for (std::size_t i = 0; i < executors_.size(); ++i) {
      const ExecutorEntry& entry = books.executors()[i];
      LiveState::ExecutorState& out = state.executors.emplace_back();
      out.is_lost = entry.is_lost;
      out.batch = entry.batch;
      if (entry.is_idle()) continue;
      out.start = entry.start;
      out.planned_finish = entry.planned_finish;
      if (entry.batch) {
        const StartBatch& batch = std::get<StartBatch>(executors_[i].unit->work().command);
        out.category = batch.category;
        out.job_count = batch.jobs.size();
      }
    }
    state.timer = strand_.timer();
    state.scheduler = scheduler.counters();
    state.refused = strand_.refused();
    state.inline_batches = inline_batches_;
    state.executor_wakes = executor_wakes_;
    state.timer_wakes = strand_.counters().timer_wakes;
  }

  // ── Threads
  // ────────────────────────────────────────────────────────────────────────────────────────────────────

  // Takes the strand if it is free; runs what it was left with, and decides again.
  void decide_and_run(StrandHolder& holder) {
    strand_.drain(holder);
    while (holder.inline_executor) {
      const ExecutorId executor = *holder.inline_executor;
      holder.inline_executor.reset();
      strand_.push_internal(executors_[index(executor)].unit->run(pool_));
      strand_.drain(holder);
    }
  }

  void executor_loop(std::size_t i) {
    ExecutorSlot& slot_of = executors_[i];
    settle_thread("laxity-exec-" + std::to_string(i), placement_.executors[i]);
    // Where others need the core too, watching would keep them from bringing what is watched for.
    const bool is_alone = placement_.executor_is_alone(i);
    const Duration spin = is_alone ? options_.spin : Duration::zero();
    const Duration watch = options_.busy_poll ? Duration::max() : options_.spin;
    for (;;) {
      Doorbell::Bits bits = slot_of.bell.spin(clock_, spin) & ~Strand::kBellWatch;
      if (bits == 0) {
        // The timer is often this executor's own: the latest start of what it is to run next. Here nobody
        // else wants the core, so it is met to the microsecond, and the batch needs no hand-over.
        bits = is_alone ? strand_.wait_watching_timer(slot_of.bell, clock_, watch) : slot_of.bell.wait();
      }
      const bool is_timer_due = bits == 0;
      if ((bits & kBellWork) != 0) strand_.push_internal(slot_of.unit->run(pool_));
      if (is_timer_due || (bits & kBellWork) != 0) {
        StrandHolder holder;
        holder.self = static_cast<ExecutorId>(i);
        strand_.drain(holder);
      }
      if ((bits & kBellStop) != 0) return;
    }
  }

  void timer_loop() {
    settle_thread("laxity-sched", placement_.timer);
    const bool never_sleeps = options_.busy_poll && placement_.timer_is_alone();
    if (options_.realtime_priority > 0 && !never_sleeps) (void)raise_this_thread(options_.realtime_priority);
    while (strand_.wait_for_timer(clock_, never_sleeps)) {
      StrandHolder holder;
      strand_.drain(holder);
    }
  }

  void planner_loop() {
    settle_thread("laxity-planner", placement_.planner);
    for (;;) {
      const Doorbell::Bits bits = planner_bell_.wait();
      if ((bits & kBellStop) != 0) return;
      if ((bits & kBellWork) != 0) {
        const auto plan = static_cast<PlanId>(plan_.load(std::memory_order_relaxed));
        strand_.push_internal(PlanReady{plan, scheduler_.compute_plan(plan)});
        // Planning may be put aside, holding the strand may not.
        const bool is_raised =
            options_.realtime_priority > 0 && raise_this_thread(options_.realtime_priority).has_value();
        StrandHolder holder;
        strand_.drain(holder);
        if (is_raised) unraise_this_thread();
      }
    }
  }

  void flusher_loop() {
    settle_thread("laxity-trace", placement_.flusher);
    lower_this_thread();
    for (;;) {
      const Doorbell::Bits bits = flusher_bell_.wait(clock_.monotonic_ns(clock_.now() + kTraceFlushInterval));
      trace_->flush();
      if ((bits & kBellStop) != 0) return;
    }
  }

  void settle_thread(const std::string& name, const std::vector<int>& cores) {
    // Refused cores cost time, not correctness; the answer is in the process's own affinity.
    (void)settle_this_thread(name,
                             options_.pin_threads ? std::span<const int>(cores) : std::span<const int>{});
  }

  void wait_until_idle(std::optional<std::int64_t> until_ns) {
    while (alive_.load(std::memory_order_seq_cst) != 0) {
      if (idle_bell_.wait(until_ns) == 0 && until_ns && clock_.monotonic_ns(clock_.now()) >= *until_ns)
        return;
    }
  }

  const LiveOptions options_;
  JobStore& store_;
  TraceSink* const trace_;
  const SteadyClock& clock_;
  const Placement placement_;
  const Limits limits_;
  const Catalog catalog_;

  FeaturePool pool_;
  std::vector<LiveJob> jobs_;            // index: slot
  std::vector<ExecutorSlot> executors_;  // index: executor
  std::size_t alive_count_ = 0;
  std::uint64_t inline_batches_ = 0;
  std::uint64_t executor_wakes_ = 0;

  std::atomic<std::uint64_t> plan_{0};
  std::atomic<std::size_t> alive_{0};
  std::atomic<std::size_t> posters_{0};
  std::atomic<bool> is_closed_{false};
  std::atomic<bool> is_stopping_{false};
  Doorbell planner_bell_, flusher_bell_, idle_bell_;

  Scheduler scheduler_;
  Strand strand_;
  std::vector<std::thread> threads_;
  std::thread flusher_;
};

Result<std::unique_ptr<LiveRunner>> LiveRunner::start(const LiveOptions& options, SystemModel system,
                                                      std::unique_ptr<Policy> policy,
                                                      std::span<const LoadedModel> models,
                                                      std::span<Engine* const> engines, JobStore& store,
                                                      TraceSink* trace, const SteadyClock* clock) {
  static const SteadyClock process_clock;
  const SteadyClock& used_clock = clock != nullptr ? *clock : process_clock;
  LAXITY_CHECK(engines.size() == system.executors.size());
  LAXITY_CHECK(models.size() == system.catalog.models.size());

  std::vector<std::vector<int>> cores = options.executor_cores;
  cores.resize(system.executors.size());
  auto placement = place_threads(usable_cores(), cores);
  if (!placement) return placement.error();

  // Every job keeps at most one buffer; a running one needs another for what comes out.
  const std::size_t buffer_count =
      system.limits.queue_length_max +
      system.executors.size() * std::min(system.limits.batch_size_max, kBatchSizeMax);
  auto pool = FeaturePool::reserve(buffer_count, LiveExecutor::features_size(system, models));
  if (!pool) return pool.error();

  std::vector<std::unique_ptr<LiveExecutor>> executors;
  for (std::size_t i = 0; i < engines.size(); ++i) {
    auto executor =
        LiveExecutor::load(static_cast<ExecutorId>(i), system, models, *engines[i], store, used_clock);
    if (!executor) return executor.error();
    executors.push_back(std::move(executor).value());
  }
  auto impl = std::make_unique<Impl>(options, std::move(system), std::move(policy), std::move(pool).value(),
                                     store, trace, used_clock, std::move(placement).value());
  for (std::size_t i = 0; i < executors.size(); ++i) impl->add_executor(i, std::move(executors[i]));
  impl->start_threads();
  return std::unique_ptr<LiveRunner>(new LiveRunner(std::move(impl)));
}

LiveRunner::LiveRunner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LiveRunner::~LiveRunner() = default;
bool LiveRunner::post(const Event& event, bool may_run_inline) { return impl_->post(event, may_run_inline); }
void LiveRunner::stop(Duration grace) { impl_->stop(grace); }
Status LiveRunner::replace_table(const LatencyTable& table) { return impl_->replace_table(table); }
LiveState LiveRunner::state() { return impl_->state(); }
void LiveRunner::look_up(std::span<LiveStream> streams) { impl_->look_up(streams); }
const SteadyClock& LiveRunner::clock() const noexcept { return impl_->clock(); }
const Placement& LiveRunner::placement() const noexcept { return impl_->placement(); }

}  // namespace laxity
