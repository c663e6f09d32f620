#include "sim/simulator.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "core/job_id_allocator.h"
#include "sim/arrivals.h"
#include "sim/command_hash.h"
#include "sim/contract.h"
#include "sim/virtual_loop.h"

namespace laxity {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
constexpr int kCancelRank = 1;
constexpr int kTaskRank = 2;
constexpr int kReleaseRank = 3;
constexpr Duration kLongest = Duration(1'000'000'000'000'000'000);  // thirty years, for factors upon factors

// Streams of the run's generator. Arrivals split the seed by task number and stay below these.
constexpr std::uint64_t kExecutionStream = 1'000'000'001;
constexpr std::uint64_t kPlanStream = 1'000'000'002;

// What a failed check prints. One simulation runs at a time in a process that wants to reproduce it.
char reproduce_line[512] = "";
void print_reproduce_line() { (void)std::fputs(reproduce_line, stderr); }

class ReproduceLine {
 public:
  ReproduceLine(const Scenario& scenario, std::string_view policy, std::uint64_t seed) {
    if (const CheckContextPrinter outer = set_check_context(&print_reproduce_line)) {
      set_check_context(outer);  // whoever runs this simulation says better how to repeat it
      return;
    }
    is_mine_ = true;
    (void)std::snprintf(reproduce_line, sizeof reproduce_line,
                        "reproduce: laxity simulate --policy %.*s --seed %llu, scenario '%.300s'\n",
                        static_cast<int>(std::min<std::size_t>(policy.size(), 64)), policy.data(),
                        static_cast<unsigned long long>(seed), scenario.name.c_str());
  }
  ~ReproduceLine() {
    if (is_mine_) set_check_context(nullptr);
  }
  ReproduceLine(const ReproduceLine&) = delete;
  ReproduceLine& operator=(const ReproduceLine&) = delete;

 private:
  bool is_mine_ = false;
};

/// A task and what admission has said to it.
struct SimulatedTask : ResolvedTask {
  TaskSpec spec;  // the scenario's, or what was made of it by a counter-offer
  TaskVerdict verdict;
  int offers_taken = 0;
  Instant leaves_at;
  std::size_t reserved = 0;  // slots, from its asking until it leaves or is refused
  std::size_t alive = 0;     // frames in these
};

class Workload final : public World {
 public:
  Workload(const Scenario& scenario, const SystemModel& system, const std::vector<ResolvedTask>& tasks,
           std::uint64_t seed, const SimulationOptions& options)
      : scenario_(scenario),
        system_(system),
        options_(options),
        times_(system, options.execution, Rng(seed).split(kExecutionStream).next()),
        plan_rng_(Rng(seed).split(kPlanStream)),
        seed_(seed),
        planned_(open_loop_jobs(scenario, seed)),
        closed_loop_(scenario, seed),
        client_jobs_(closed_loop_.client_count()),
        allocator_(system.limits.queue_length_max),
        alive_(system.limits.queue_length_max),
        promises_(scenario.tasks.size()),
        is_inline_(system.preprocesses_inline()) {
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      TaskSpec spec = scenario.tasks[i];
      spec.times.clear();  // the jobs are made, and there may be millions
      tasks_.push_back({tasks[i], std::move(spec), {}, 0, {}});
    }
    records_.reserve(planned_.size());
  }

  /// Everything that is known in advance and is no release.
  void begin(VirtualLoop& loop) {
    loop_ = &loop;
    for (std::uint32_t i = 0; i < tasks_.size(); ++i) {
      if (!tasks_[i].spec.asks_stream || tasks_[i].frame_count == 0) continue;
      later(Instant::from_start(tasks_[i].spec.start), kTaskRank, {Due::Kind::kSubmit, i, {}});
      leave_later(i);
    }
    for (std::uint32_t i = 0; i < scenario_.faults.size(); ++i) {
      later(scenario_.faults[i].at, kTaskRank, {Due::Kind::kFault, i, {}});
    }
    for (const PlannedJob& job : closed_loop_.first_jobs()) send_later(job);
  }

  RunResult result() && {
    RunResult result;
    result.scenario = scenario_.name;
    result.duration = scenario_.duration;
    result.load = scenario_.load_fraction;
    result.is_simulated = true;
    result.task_names = scenario_.task_names();
    result.jobs = std::move(records_);
    for (const SimulatedTask& task : tasks_) {
      result.verdicts.push_back(task.verdict);
      result.tasks_asked += task.verdict.answer != TaskAnswer::kNotAsked;
      result.tasks_admitted += task.verdict.answer == TaskAnswer::kAdmitted;
    }
    return result;
  }

  std::uint64_t commands_hash() const noexcept { return hash_.value(); }
  const std::vector<Promise>& promises() const noexcept { return promises_; }
  std::size_t unsettled_count() const noexcept { return unsettled_count_; }

  std::optional<Instant> next_release() const override {
    if (next_planned_ == planned_.size()) return std::nullopt;
    return planned_[next_planned_].intended + options_.ingress;
  }
  bool take_release(Instant now, Event& event) override {
    return release(planned_[next_planned_++], now, event);
  }
  bool due(Instant now, std::uint32_t token, Event& event) override;

  WorkTime batch_time(Instant now, const StartBatch& batch, Duration idle) override;
  WorkTime segment_time(Instant now, const StartSegment& segment) override;
  bool segment_succeeds(JobId job) override {
    alive_[slot(job)].is_encoded = false;
    return true;
  }
  void fill_result(CategoryId category, const FixedVector<JobId, kBatchSizeMax>& jobs,
                   BatchFinished& finished) override;
  Duration plan_delay() override {
    return Duration(plan_rng_.uniform(options_.plan_delay_min.count(), options_.plan_delay_max.count()));
  }
  void decided(Instant now, const CommandBuffer& commands) override;

 private:
  /// A job that the scheduler knows of, at the slot of its id.
  struct Alive {
    JobId id{};
    bool is_held = false;     // its slot is taken
    bool is_settled = false;  // but a batch may still run with it
    bool is_encoded = false;
    bool is_closed_loop = false;
    bool is_in_reserve = false;  // of its stream
    std::uint32_t record = 0;
    std::uint32_t client = 0;
    std::uint32_t task = 0;
    std::uint32_t input = 0;
    std::optional<Instant> deadline;
  };
  /// Something that comes due later; the token of the loop is its index.
  struct Due {
    enum class Kind : std::uint8_t { kSubmit, kRemove, kFault, kBack, kCancel, kClient } kind = Kind::kFault;
    std::uint32_t index = 0;  // task, fault, executor or client
    JobId job{};
  };

  void later(Instant at, int rank, const Due& due) {
    std::uint32_t token = 0;
    if (free_dues_.empty()) {
      token = static_cast<std::uint32_t>(dues_.size());
      dues_.push_back(due);
    } else {
      token = free_dues_.back();
      free_dues_.pop_back();
      dues_[token] = due;
    }
    loop_->at(at, rank, token);
  }
  void send_later(const PlannedJob& job) {
    client_jobs_[job.client] = job;
    later(job.intended + options_.ingress, kReleaseRank, {Due::Kind::kClient, job.client, {}});
  }
  void client_heard(std::uint32_t client, Instant at) {
    if (const auto next = closed_loop_.next_job(client, at)) send_later(*next);
  }

  // The client leaves when its last answer is due: a stream that leaves gives its promise up.
  void leave_later(std::uint32_t i) {
    SimulatedTask& task = tasks_[i];
    const Duration all = static_cast<std::int64_t>(task.frame_count) * task.spec.period;
    const Duration gained = std::max(all / 1'000'000 * task.spec.clock_ppm, Duration::zero());
    task.leaves_at = first_release(task.spec) + all + gained + task.spec.jitter + task.spec.deadline->maximum;
    later(task.leaves_at, kTaskRank, {Due::Kind::kRemove, i, {}});
  }

  bool release(const PlannedJob& job, Instant now, Event& event);
  bool is_promised(const PlannedJob& job) const;
  void answered(const AnswerTask& answer, Instant now);
  bool takes_offer(std::uint32_t task, const AnswerTask& answer, Instant now);
  bool submit(std::uint32_t task, Event& event);
  void give_back_reserve(std::uint32_t task);
  bool apply(const Fault& fault, Instant now, Event& event);
  void cancel_oldest(std::uint32_t count, Instant now);
  void settle(const SettleJob& answer, Instant now);
  void leave(JobId id);
  void note_promise(const AnswerTask& answer, Instant now);
  Duration slowed(Instant now, Duration time, std::uint32_t jobs);
  const OracleTable* oracle(std::uint32_t task) const {
    const std::size_t model = index(tasks_[task].model);
    return model < options_.oracles.size() ? options_.oracles[model] : nullptr;
  }

  const Scenario& scenario_;
  const SystemModel& system_;
  const SimulationOptions& options_;
  std::vector<SimulatedTask> tasks_;  // index: task of the scenario
  ExecutionTimes times_;
  Rng plan_rng_;
  std::uint64_t seed_;
  std::vector<PlannedJob> planned_;
  std::size_t next_planned_ = 0;
  ClosedLoop closed_loop_;
  std::vector<PlannedJob> client_jobs_;  // index: client
  JobIdAllocator allocator_;
  std::vector<Alive> alive_;  // index: slot
  std::size_t unsettled_count_ = 0;
  std::vector<Due> dues_;
  std::vector<std::uint32_t> free_dues_;
  std::vector<JobRecord> records_;
  CommandHash hash_;
  VirtualLoop* loop_ = nullptr;
  std::vector<Promise> promises_;  // index: task
  bool is_inline_;
  std::vector<std::uint32_t> cancelled_;  // scratch

  // Faults that are at work.
  std::uint32_t overrun_jobs_ = 0;
  double overrun_factor_ = 1;
  std::uint32_t delayed_batches_ = 0;
  Duration delay_{};
  std::vector<const Fault*> drifts_;
};

bool Workload::release(const PlannedJob& job, Instant now, Event& event) {
  SimulatedTask& task = tasks_[job.task];
  const auto record = static_cast<std::uint32_t>(records_.size());
  JobRecord& made = records_.emplace_back();
  made.task = job.task;
  made.intended = job.intended;
  if (oracle(job.task) != nullptr) made.is_right = false;  // until answered

  const bool is_admitted = task.verdict.answer == TaskAnswer::kAdmitted;
  const bool is_best_effort =
      task.spec.on_refusal == OnRefusal::kBestEffort && task.verdict.answer == TaskAnswer::kRefused;
  const bool is_refused = task.spec.asks_stream && !is_admitted && !is_best_effort;
  const bool is_in_reserve = is_admitted && task.alive < task.reserved;
  const auto id = is_refused ? std::nullopt : allocator_.allocate(is_in_reserve);
  const bool is_closed_loop = scenario_.tasks[job.task].arrival == Arrival::kClosedLoop;
  if (!id) {
    made.outcome = Outcome::kRejected;
    made.reason = !is_refused                                   ? Reason::kQueueFull
                  : task.verdict.answer == TaskAnswer::kRefused ? task.verdict.refusal
                                                                : Reason::kAdmissionBusy;
    if (is_closed_loop) client_heard(job.client, now + options_.reply);
    return false;
  }

  Alive& alive = alive_[slot(*id)];
  alive = Alive{};
  alive.id = *id;
  alive.is_held = true;
  alive.is_in_reserve = is_in_reserve;
  task.alive += is_in_reserve;
  alive.is_encoded = task.sends_encoded;
  alive.is_closed_loop = is_closed_loop;
  alive.record = record;
  alive.client = job.client;
  alive.task = job.task;
  alive.input = job.input;
  if (job.relative_deadline) alive.deadline = job.intended + *job.relative_deadline;
  ++unsettled_count_;

  auto& released = event.emplace<JobReleased>().job;
  released.id = *id;
  if (is_admitted) {
    released.task = static_cast<TaskId>(job.task);
    released.frame = job.frame;
    made.is_promised = is_promised(job);
  }
  released.model = task.model;
  released.variant = task.variant;
  released.kind = is_best_effort ? JobKind::kBestEffort : job.kind;
  released.release = now;
  if (!is_best_effort) released.absolute_deadline = alive.deadline;
  released.needs_preprocess = task.sends_encoded;
  return true;
}

// Of a clock that drifts only the interval is known in which r lies.
bool Workload::is_promised(const PlannedJob& job) const {
  const TaskSpec& spec = tasks_[job.task].spec;
  if (spec.arrival != Arrival::kPeriodic) return false;
  const Instant release = first_release(spec) + options_.ingress + std::int64_t{job.frame} * spec.period;
  const Instant arrival = job.intended + options_.ingress;
  return spec.clock_ppm == 0 ? promises_[job.task].covers(release, release)
                             : promises_[job.task].covers(arrival - spec.jitter, arrival);
}

// False: the server turns the stream away by itself, since its frames would find no room in the queue.
bool Workload::submit(std::uint32_t index, Event& event) {
  SimulatedTask& task = tasks_[index];
  const Task asked = contract(task.spec, task, static_cast<TaskId>(index), options_.ingress);
  const std::size_t wanted = frames_alive_max(asked);
  if (!allocator_.try_reserve(wanted)) {
    task.verdict.answer = TaskAnswer::kRefused;
    task.verdict.refusal = Reason::kQueueFull;
    return false;
  }
  task.reserved = wanted;
  event.emplace<TaskSubmitted>().task = asked;
  return true;
}

void Workload::give_back_reserve(std::uint32_t index) {
  SimulatedTask& task = tasks_[index];
  for (Alive& alive : alive_) {
    if (!alive.is_held || !alive.is_in_reserve || alive.task != index) continue;
    allocator_.disown(alive.id);
    alive.is_in_reserve = false;
  }
  allocator_.unreserve(std::exchange(task.reserved, 0));
  task.alive = 0;
}

void Workload::answered(const AnswerTask& answer, Instant now) {
  const auto task = static_cast<std::uint32_t>(index(answer.task));
  TaskVerdict& verdict = tasks_.at(task).verdict;
  note_promise(answer, now);
  const bool is_first = verdict.answer != TaskAnswer::kAdmitted;
  if (!is_first) return;  // what an admitted stream may rely on has changed: note_promise has it
  verdict.answer = answer.admitted ? TaskAnswer::kAdmitted : TaskAnswer::kRefused;
  verdict.guarantee = answer.guarantee;
  verdict.response_time_bound = answer.response_time_bound;
  if (answer.admitted) return;
  give_back_reserve(task);
  verdict.refusal = answer.reason;
  verdict.deadline_offer = answer.deadline_offer;
  verdict.period_offer = answer.period_offer;
  verdict.took_offer =
      tasks_[task].spec.on_refusal == OnRefusal::kTakeOffer && takes_offer(task, answer, now);
}

// The client asks again for what it was offered; what it sends then follows the new contract.
bool Workload::takes_offer(std::uint32_t task, const AnswerTask& answer, Instant now) {
  SimulatedTask& asking = tasks_[task];
  if (asking.offers_taken == kOffersTakenMax) return false;
  if (!take_offer(asking.spec, answer.deadline_offer, answer.period_offer)) return false;
  ++asking.offers_taken;
  asking.frame_count = frames_within(asking.spec, scenario_.duration);
  const auto next = static_cast<std::ptrdiff_t>(next_planned_);
  planned_.erase(std::remove_if(planned_.begin() + next, planned_.end(),
                                [&](const PlannedJob& job) { return job.task == task; }),
                 planned_.end());
  std::vector<PlannedJob> merged(planned_.begin(), planned_.begin() + next);
  std::vector<PlannedJob> own = task_jobs(asking.spec, task, scenario_.duration, seed_);
  std::erase_if(own, [&](const PlannedJob& job) { return job.intended + options_.ingress < now; });
  std::merge(planned_.begin() + next, planned_.end(), own.begin(), own.end(), std::back_inserter(merged),
             [](const PlannedJob& a, const PlannedJob& b) {
               return std::tie(a.intended, a.task, a.frame) < std::tie(b.intended, b.task, b.frame);
             });
  planned_ = std::move(merged);
  later(now, kTaskRank, {Due::Kind::kSubmit, task, {}});
  leave_later(task);
  return true;
}

bool Workload::due(Instant now, std::uint32_t token, Event& event) {
  const Due due = dues_[token];
  free_dues_.push_back(token);
  switch (due.kind) {
    case Due::Kind::kSubmit:
      return submit(due.index, event);
    case Due::Kind::kRemove:
      if (tasks_[due.index].verdict.answer == TaskAnswer::kRefused) return false;  // else also one unanswered
      if (now < tasks_[due.index].leaves_at) return false;  // its contract has changed since
      give_back_reserve(due.index);
      event.emplace<TaskRemoved>(TaskRemoved{static_cast<TaskId>(due.index)});
      return true;
    case Due::Kind::kFault:
      return apply(scenario_.faults[due.index], now, event);
    case Due::Kind::kBack:
      if (!loop_->bring_back(now, due.index)) return false;
      event.emplace<ExecutorBack>(ExecutorBack{static_cast<ExecutorId>(due.index)});
      return true;
    case Due::Kind::kCancel: {
      const Alive& alive = alive_[slot(due.job)];
      if (!alive.is_held || alive.is_settled || alive.id != due.job) return false;
      event.emplace<JobCancelled>(JobCancelled{due.job});
      return true;
    }
    case Due::Kind::kClient:
      return release(client_jobs_[due.index], now, event);
  }
  return false;
}

bool Workload::apply(const Fault& fault, Instant now, Event& event) {
  switch (fault.kind) {
    case FaultKind::kOverrun:
      overrun_jobs_ = fault.jobs;
      overrun_factor_ = fault.factor_ppm / 1e6;
      return false;
    case FaultKind::kDrift:
      drifts_.push_back(&fault);
      return false;
    case FaultKind::kDelay:
      delayed_batches_ = fault.jobs;
      delay_ = *fault.duration;
      return false;
    case FaultKind::kStall:
      loop_->stall(now, fault.executor, *fault.duration);
      return false;
    case FaultKind::kClientGone:
      cancel_oldest(fault.jobs, now);
      return false;
    case FaultKind::kExecutorLost:
      if (!loop_->lose(now, fault.executor)) return false;
      if (fault.duration) later(now + *fault.duration, kTaskRank, {Due::Kind::kBack, fault.executor, {}});
      event.emplace<ExecutorLost>(ExecutorLost{static_cast<ExecutorId>(fault.executor)});
      return true;
  }
  return false;
}

void Workload::cancel_oldest(std::uint32_t count, Instant now) {
  cancelled_.clear();
  for (std::uint32_t i = 0; i < alive_.size(); ++i) {
    if (alive_[i].is_held && !alive_[i].is_settled) cancelled_.push_back(i);
  }
  std::sort(cancelled_.begin(), cancelled_.end(),
            [this](std::uint32_t a, std::uint32_t b) { return alive_[a].id < alive_[b].id; });
  if (cancelled_.size() > count) cancelled_.resize(count);
  for (const std::uint32_t i : cancelled_) later(now, kCancelRank, {Due::Kind::kCancel, 0, alive_[i].id});
}

Duration Workload::slowed(Instant now, Duration time, std::uint32_t jobs) {
  double factor = 1;
  if (overrun_jobs_ > 0) {
    factor *= overrun_factor_;
    overrun_jobs_ -= std::min(overrun_jobs_, jobs);
  }
  for (const Fault* drift : drifts_) {
    const Duration over = drift->duration.value_or(Instant::from_start(scenario_.duration) - drift->at);
    const double part = over <= Duration::zero() ? 1
                                                 : static_cast<double>((now - drift->at).count()) /
                                                       static_cast<double>(over.count());
    factor *= 1 + (drift->factor_ppm / 1e6 - 1) * std::min(part, 1.0);
  }
  if (factor == 1) return time;
  const double slower = static_cast<double>(time.count()) * factor;
  return std::max(
      Duration(1),
      Duration(static_cast<std::int64_t>(std::min(slower, static_cast<double>(kLongest.count())))));
}

WorkTime Workload::batch_time(Instant now, const StartBatch& batch, Duration idle) {
  std::uint32_t encoded_count = 0;
  if (is_inline_) {
    for (const JobId job : batch.jobs) encoded_count += std::exchange(alive_[slot(job)].is_encoded, false);
  }
  const auto size = static_cast<std::uint32_t>(batch.jobs.size());
  const Duration total = times_.batch(batch.category, size, encoded_count, idle);
  const Duration dispatch = std::min(system_.table.overheads.dispatch, total - Duration(1));
  const Duration wake = idle > Duration::zero() ? options_.wake : Duration::zero();
  Duration execution = slowed(now, total - dispatch, size);
  if (delayed_batches_ > 0) {
    --delayed_batches_;
    execution += delay_;
  }
  return {execution, dispatch + wake};
}

WorkTime Workload::segment_time(Instant now, const StartSegment& segment) {
  const ModelId model = tasks_[alive_[slot(segment.job)].task].model;
  return {slowed(now, times_.segment(model, SegmentKind::kPreprocess), 1), Duration::zero()};
}

void Workload::fill_result(CategoryId category, const FixedVector<JobId, kBatchSizeMax>& jobs,
                           BatchFinished& finished) {
  const std::uint32_t stage = system_.catalog.categories[index(category)].stage;
  for (const JobId job : jobs) {
    const Alive& alive = alive_[slot(job)];
    const OracleTable* table = oracle(alive.task);
    if (table != nullptr && stage < table->exit_count) {
      finished.confidences.push_back(table->at(alive.input, stage).confidence);
    } else {
      // Somewhere in the upper half, the same for the same input and exit.
      const std::uint64_t mixed = (alive.input + 0x9e3779b97f4a7c15u * (stage + 1)) * 0xd1342543de82ef95u;
      finished.confidences.push_back(static_cast<Confidence>(32768 + (mixed >> 49)));
    }
  }
}

void Workload::decided(Instant now, const CommandBuffer& commands) {
  for (const Command& command : commands) {
    hash_.add(now, command);
    if (const auto* answer = std::get_if<SettleJob>(&command)) {
      settle(*answer, now);
    } else if (const auto* forgotten = std::get_if<ForgetJob>(&command)) {
      leave(forgotten->job);
    } else if (const auto* task = std::get_if<AnswerTask>(&command)) {
      answered(*task, now);
    }
  }
}

// A rolling promise moves on in silence as long as it can: only a loss is told, before it happens.
void Workload::note_promise(const AnswerTask& answer, Instant now) {
  Promise& promise = promises_.at(index(answer.task));
  const bool is_whole =
      answer.admitted && answer.guarantee != Guarantee::kNone && answer.reason == Reason::kNone;
  if (is_whole && !answer.is_provisional) {
    promise.guarantee = answer.guarantee;
    if (promise.spans.empty() || promise.spans.back().until < now) {
      promise.spans.push_back({now, Instant::latest()});
    } else {
      promise.spans.back().until = Instant::latest();
    }
  } else if (!promise.spans.empty()) {
    const Instant until = answer.admitted ? answer.guaranteed_until.value_or(now) : now;
    promise.losses += promise.spans.back().until == Instant::latest();
    promise.spans.back().until = std::min(promise.spans.back().until, until);
  }
}

void Workload::settle(const SettleJob& answer, Instant now) {
  Alive& alive = alive_.at(slot(answer.job));
  LAXITY_CHECK(alive.is_held && alive.id == answer.job && !alive.is_settled);
  alive.is_settled = true;
  --unsettled_count_;
  JobRecord& record = records_[alive.record];
  record.outcome = answer.outcome;
  record.reason = answer.reason;
  record.batch_size = answer.batch_size;
  const Instant heard = now + options_.reply;
  if (answer.outcome == Outcome::kOnTime || answer.outcome == Outcome::kLate) {
    record.exit_count = answer.exit_count;
    record.response_time = heard - record.intended;
    if (alive.deadline) {
      record.lateness = heard - *alive.deadline;
      record.server_on_time = answer.outcome == Outcome::kOnTime;
      record.outcome = heard <= *alive.deadline ? Outcome::kOnTime : Outcome::kLate;
    }
    const OracleTable* table = oracle(alive.task);
    if (table != nullptr && answer.exit_count > 0) {
      record.is_right = table->at(alive.input, std::min(answer.exit_count, table->exit_count) - 1).is_right;
    }
  }
  const std::uint32_t client = alive.is_closed_loop ? alive.client : kNone;
  if (answer.is_last) leave(answer.job);
  if (client != kNone) client_heard(client, heard);
}

void Workload::leave(JobId id) {
  Alive& alive = alive_.at(slot(id));
  LAXITY_CHECK(alive.is_held && alive.id == id && alive.is_settled);
  alive.is_held = false;
  if (alive.is_in_reserve) --tasks_[alive.task].alive;
  allocator_.release(id);
}

Status check_faults(const Scenario& scenario, const SystemModel& system) {
  for (const Fault& fault : scenario.faults) {
    const bool has_executor = fault.kind == FaultKind::kStall || fault.kind == FaultKind::kExecutorLost;
    if (has_executor && fault.executor >= system.executors.size()) {
      return invalid_argument("fault " + std::string(name(fault.kind)) + ": expected an executor from 0 to " +
                              std::to_string(system.executors.size() - 1) + ", found " +
                              std::to_string(fault.executor));
    }
  }
  return Unit{};
}

}  // namespace

Result<SimulationOutput> simulate(const Scenario& scenario, const SystemModel& system,
                                  std::string_view policy, const PolicyOptions& policy_options,
                                  std::uint64_t seed, const SimulationOptions& options) {
  auto made = make_policy(policy, policy_options);
  if (!made) return made.error();
  auto tasks = resolve_tasks(scenario, system);
  if (!tasks) return tasks.error();
  if (Status status = check_faults(scenario, system); !status) return status.error();

  const ReproduceLine reproduce(scenario, policy, seed);
  Workload workload(scenario, system, *tasks, seed, options);
  SimulationOutput output;
  std::vector<std::uint32_t> decision_ns;
  VirtualLoop loop(system, std::move(made).value(), workload,
                   {.audit = options.audit,
                    .terminate_delay = options.terminate_delay,
                    .slowdown = options.slowdown,
                    .trace = options.trace,
                    .clock_ns = options.clock_ns,
                    .decision_ns = &decision_ns});
  workload.begin(loop);
  loop.run();
  LAXITY_CHECK(workload.unsettled_count() == 0);

  output.counters = loop.scheduler().counters();
  output.end = loop.now();
  output.commands_hash = workload.commands_hash();
  output.promises = workload.promises();
  output.result = std::move(workload).result();
  output.result.policy = policy;
  output.result.seed = seed;
  output.result.busy_time = loop.busy_time();
  output.result.executor_count = static_cast<std::uint32_t>(std::count_if(
      system.executors.begin(), system.executors.end(), [](const Executor& e) { return e.runs_batches; }));
  output.result.decision_ns = std::move(decision_ns);
  return output;
}

}  // namespace laxity
