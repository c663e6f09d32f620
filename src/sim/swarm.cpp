#include "sim/swarm.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "base/check.h"
#include "sim/arrivals.h"

namespace laxity {
namespace {

constexpr std::uint64_t kFramesMax =
    60;  // a task: enough for queues to fill, few enough to audit every event

char reproduce_line[128] = "";
void print_reproduce_line() { (void)std::fputs(reproduce_line, stderr); }

/// Draws everything a case consists of. Small numbers, so that corners are reached often.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : rng_(seed) {}

  SwarmCase promises() {
    SwarmCase made = all();
    made.policy = "laxity";
    made.policy_options.clear();
    made.scenario.faults.clear();
    made.scenario.duration = time(100ms, 600ms);
    SystemModel& system = *made.scenario.system;
    system.limits.plan_frames_max = static_cast<std::size_t>(number(100, 2000));
    system.limits.queue_length_max = 256;
    const std::int64_t stream_count = number(1, 6);
    for (std::int64_t i = 0; i < stream_count; ++i) {
      TaskSpec stream = task(i, stream_count, system);
      stream.name = "s" + std::to_string(i);
      stream.arrival = Arrival::kPeriodic;
      stream.asks_stream = true;
      stream.kind = chance(80) ? JobKind::kFirm : JobKind::kSoft;
      stream.jitter = chance(70) ? time(0ns, stream.period / 2) : Duration::zero();
      stream.phase = time(0ns, stream.period);
      const Duration deadline = stream.period * number(20, 200) / 100 + 1ms;
      stream.deadline = DeadlineRange{deadline, deadline};
      stream.frames = static_cast<std::uint64_t>(number(1, 80));
      stream.start = time(0ns, made.scenario.duration / 2);
      made.scenario.tasks.push_back(stream);
    }
    made.options.execution.mode = chance(50) ? ExecutionMode::kPlanned : ExecutionMode::kUniform;
    made.options.execution.slows_after_idle = false;
    system.table.overheads.wake_p99 = made.options.wake;
    if (chance(60)) ask_for_demand(made.scenario);
    return made;
  }

  /// Streams that never end, many enough that some are refused.
  SwarmCase endless(Duration duration) {
    SwarmCase made = promises();
    std::erase_if(made.scenario.tasks, [](const TaskSpec& task) { return task.asks_stream; });
    made.scenario.duration = duration;
    SystemModel& system = *made.scenario.system;
    system.limits.plan_frames_max = chance(50) ? 16384 : 4096;
    // Other work keeps to rates that a run of this length can bear.
    for (TaskSpec& task : made.scenario.tasks) {
      task.period = std::max<Duration>(task.period, 10ms);
      task.rate_per_s = std::min(task.rate_per_s, 100.0);
      task.think = std::max<Duration>(task.think, 20ms);
      task.clients = std::min<std::uint32_t>(task.clients, 2);
    }
    const std::int64_t stream_count = number(4, 16);
    for (std::int64_t i = 0; i < stream_count; ++i) {
      TaskSpec stream = task(i, stream_count, system);
      stream.name = "s" + std::to_string(i);
      stream.arrival = Arrival::kPeriodic;
      stream.asks_stream = true;
      stream.kind = JobKind::kFirm;
      stream.period = time(10ms, 150ms);
      stream.jitter = chance(70) ? stream.period * number(0, 30) / 100 : Duration::zero();
      stream.phase = time(0ns, stream.period);
      const Duration deadline = stream.period * number(40, 200) / 100 + 1ms;
      stream.deadline = DeadlineRange{deadline, deadline};
      stream.frames.reset();
      // Some end, but not within what a plan can hold.
      if (chance(25)) stream.frames = static_cast<std::uint64_t>(number(500, 4000));
      stream.start = time(0ns, duration / 4);
      made.scenario.tasks.push_back(stream);
    }
    if (chance(50)) ask_for_demand(made.scenario);
    return made;
  }

  SwarmCase all() {
    SwarmCase made;
    made.scenario.name = "swarm";
    made.scenario.duration = time(50ms, 800ms);
    made.scenario.system = system();
    const std::int64_t task_count = number(1, 5);
    for (std::int64_t i = 0; i < task_count; ++i) {
      made.scenario.tasks.push_back(task(i, task_count, *made.scenario.system));
    }
    faults(made.scenario);
    policy(made);
    options(made.options);
    if (chance(30)) ask_for_demand(made.scenario);
    return made;
  }

 private:
  /// Some of the streams want a proof for ever; often all, so that executors that rest on it fill up.
  void ask_for_demand(Scenario& scenario) {
    const std::uint64_t share = chance(50) ? 100 : 40;
    for (TaskSpec& task : scenario.tasks) {
      if (!task.asks_stream || !chance(share)) continue;
      task.guarantee = Guarantee::kDemand;
      if (task.period >= 2ms && chance(30)) task.frames.reset();  // endless: it leaves, for all that
    }
  }

  std::int64_t number(std::int64_t low, std::int64_t high) { return rng_.uniform(low, high); }
  Duration time(Duration low, Duration high) { return Duration(number(low.count(), high.count())); }
  bool chance(std::uint64_t percent) { return rng_.chance(percent, 100); }
  double fraction() { return rng_.unit(); }

  SystemModel system() {
    SystemModel system;
    const std::int64_t executors = number(1, 3);
    for (std::int64_t i = 0; i < executors; ++i) {
      system.executors.push_back({"cpu" + std::to_string(i), ExecutorKind::kCpu, true, true});
    }
    if (chance(30)) system.executors.push_back({"segments", ExecutorKind::kCpu, false, true});
    system.limits.queue_length_max = static_cast<std::size_t>(chance(30) ? number(1, 8) : number(16, 128));
    system.limits.batch_size_max = static_cast<std::size_t>(number(1, 8));
    system.limits.streams_max = 16;
    system.limits.plan_frames_max = 256;
    if (chance(50)) system.table.overheads.dispatch = time(0us, 50us);
    if (chance(50)) system.table.overheads.reply_p99 = time(0us, 300us);
    const std::int64_t models = number(1, 4);
    for (std::int64_t i = 0; i < models; ++i) add_model(system, i);
    return system;
  }

  void add_model(SystemModel& system, std::int64_t i) {
    Model model;
    model.name = "m" + std::to_string(i);
    const auto stages = static_cast<std::uint32_t>(number(1, 3));
    model.mandatory_count = static_cast<std::uint32_t>(number(1, stages));
    model.has_preprocess = chance(40);
    model.variants.push_back({"full", {}});
    const bool has_preprocess = model.has_preprocess;
    const auto batch_max = static_cast<std::uint32_t>(number(1, 8));
    const ModelId id = system.catalog.add_model(std::move(model), {stages}, batch_max);
    for (const CategoryId category : system.catalog.model(id).variants[0].stages) {
      Duration planned = time(100us, 5ms);
      for (std::uint32_t size = 1; size <= batch_max; ++size, planned += planned * number(5, 60) / 100) {
        if (size < batch_max && chance(30)) continue;  // not measured
        const Duration p50 = planned * number(50, 100) / 100;
        const Duration max = planned * number(100, 400) / 100;
        system.table.set(category, size, {p50, planned, max, planned * number(100, 200) / 100, 100});
      }
    }
    const auto segment = [&](SegmentKind kind) {
      const Duration p99 = time(10us, 800us);
      system.table.set_segment(id, kind, {p99 / 2, p99, p99 * 2, p99, 100});
    };
    if (has_preprocess) segment(SegmentKind::kPreprocess);
    if (chance(30)) segment(SegmentKind::kPostprocess);
  }

  TaskSpec task(std::int64_t i, std::int64_t task_count, const SystemModel& system) {
    TaskSpec task;
    task.name = "t" + std::to_string(i);
    const auto model =
        static_cast<ModelId>(number(0, static_cast<std::int64_t>(system.catalog.models.size()) - 1));
    task.model = system.catalog.model(model).name;
    Duration alone{};  // a job of this model, all stages
    for (const CategoryId stage : system.catalog.model(model).variants[0].stages)
      alone += system.planned(stage, 1, 0);
    // From nearly nothing to more than twice what the executors can take.
    const std::int64_t load_percent = number(5, 250);
    const Duration gap = std::max<Duration>(alone * 100 * task_count / load_percent, 10us);

    task.arrival = static_cast<Arrival>(number(0, 5));
    task.period = gap;
    task.rate_per_s = 1e9 / static_cast<double>(gap.count());
    switch (task.arrival) {
      case Arrival::kPeriodic:
        if (chance(50)) task.jitter = time(0ns, gap);
        task.phase = time(0ns, gap);
        break;
      case Arrival::kSporadic:
        task.period = gap * 8 / 10;
        break;
      case Arrival::kGamma:
        task.cv = 0.2 + 4 * fraction();
        break;
      case Arrival::kTrace:
        for (Duration at{}; task.times.size() < kFramesMax; at += time(0ns, 2 * gap)) {
          task.times.push_back(chance(20) ? at : at / 1000000 * 1000000);  // bursts at one instant
        }
        std::sort(task.times.begin(), task.times.end());
        break;
      case Arrival::kClosedLoop:
        task.clients = static_cast<std::uint32_t>(number(1, 6));
        task.think = chance(30) ? Duration::zero() : time(0ns, gap);
        break;
      case Arrival::kPoisson:
        break;
    }
    task.frames = kFramesMax;
    task.kind = static_cast<JobKind>(number(0, 2));
    if (task.kind != JobKind::kBestEffort) {
      const Duration shortest = alone * number(30, 200) / 100;
      task.deadline = DeadlineRange{shortest, chance(60) ? shortest : shortest * number(1, 8)};
    }
    const bool may_stream = (task.arrival == Arrival::kPeriodic || task.arrival == Arrival::kSporadic) &&
                            task.deadline && task.deadline->minimum == task.deadline->maximum;
    task.asks_stream = may_stream && chance(50);
    task.input = chance(50) ? "pictures" : "random";
    if (chance(20)) task.start = time(0ms, 40ms);
    return task;
  }

  void faults(Scenario& scenario) {
    const std::int64_t count = chance(50) ? 0 : number(1, 4);
    for (std::int64_t i = 0; i < count; ++i) {
      Fault fault;
      fault.at = Instant::from_start(time(0ms, scenario.duration));
      fault.kind = static_cast<FaultKind>(number(0, 5));
      fault.factor_ppm = static_cast<std::uint32_t>(number(500'000, 5'000'000));
      fault.jobs = static_cast<std::uint32_t>(number(1, 20));
      fault.executor = static_cast<std::uint32_t>(
          number(0, static_cast<std::int64_t>(scenario.system->executors.size()) - 1));
      const bool needs_duration = fault.kind == FaultKind::kStall || fault.kind == FaultKind::kDelay;
      if (needs_duration || chance(70)) fault.duration = time(1ms, 50ms);
      scenario.faults.push_back(fault);
    }
  }

  void policy(SwarmCase& made) {
    const std::span<const PolicyInfo> known = policies();
    const PolicyInfo& info =
        known[static_cast<std::size_t>(number(0, static_cast<std::int64_t>(known.size()) - 1))];
    made.policy = info.name;
    for (const PolicyOption& option : info.options) {
      if (chance(40)) continue;
      // Near the default: a wait of an hour would test nothing but patience.
      const std::int64_t high =
          std::min(option.maximum, std::max(option.minimum, 4 * option.default_value + 8));
      made.policy_options[std::string(option.name)] = number(option.minimum, std::max(option.minimum, high));
    }
  }

  void options(SimulationOptions& options) {
    options.audit = true;
    options.execution.mode = static_cast<ExecutionMode>(number(0, 3));
    options.execution.slows_after_idle = chance(20);
    if (chance(30)) options.ingress = time(0us, 500us);
    if (chance(30)) options.reply = time(0us, 500us);
    if (chance(30)) options.wake = time(0us, 300us);
    options.plan_delay_max = time(0us, 5ms);
    options.terminate_delay = time(0us, 500us);
  }

  Rng rng_;
};

bool keeps_to_the_table(const SwarmCase& made) {
  const SimulationOptions& options = made.options;
  const bool is_exact =
      options.execution.mode == ExecutionMode::kPlanned || options.execution.mode == ExecutionMode::kUniform;
  return made.scenario.faults.empty() && is_exact && !options.execution.slows_after_idle &&
         options.wake <= made.scenario.system->table.overheads.wake_p99;
}

/// What must hold of a run beyond what the audit and the loop have checked on the way. Empty: all held.
std::string violated(const SwarmCase& made, const SimulationOutput& output) {
  const Scenario& scenario = made.scenario;
  const SystemModel& system = *scenario.system;
  std::uint64_t settled = 0;
  for (const std::uint64_t count : output.counters.settled) settled += count;
  if (settled != output.counters.released) return "released and settled jobs differ in number";
  if (output.result.jobs.size() < output.counters.released) return "a released job has no record";

  const bool is_exact = made.options.execution.mode == ExecutionMode::kPlanned ||
                        made.options.execution.mode == ExecutionMode::kUniform;
  const bool is_undisturbed = scenario.faults.empty() && made.options.wake == Duration::zero() && is_exact;
  for (const JobRecord& record : output.result.jobs) {
    const TaskSpec& task = scenario.tasks[record.task];
    const Model& model = system.catalog.model(*system.catalog.find_model(task.model));
    const std::size_t stages = model.variants[0].stages.size();
    const bool is_answered = record.outcome == Outcome::kOnTime || record.outcome == Outcome::kLate;
    if (is_answered != record.response_time.has_value())
      return "an answer without a response time, or the reverse";
    if (is_answered && (record.exit_count < model.mandatory_count || record.exit_count > stages)) {
      return "an answer from an exit that is not there, or before its mandatory stages";
    }
    if (record.response_time && *record.response_time < Duration::zero())
      return "an answer before its question";
    if (record.batch_size > system.limits.batch_size_max) return "a batch over its limit";
    const bool is_firm_under_edf = made.policy == "edf" && task.kind == JobKind::kFirm;
    if (is_firm_under_edf && record.server_on_time == false) return "edf answered a firm job late";
    // The claim in edf's docstring, for networks that run in one go.
    const bool was_started_in_vain =
        record.outcome == Outcome::kDropped && record.batch_size > 0 && stages == 1;
    if (is_firm_under_edf && is_undisturbed && was_started_in_vain) {
      return "edf started a firm job that then missed, although every time stayed within the table";
    }
  }
  return broken_promise(made, output);
}

}  // namespace

SwarmCase swarm_case(std::uint64_t seed) { return Draw(seed).all(); }
SwarmCase promise_case(std::uint64_t seed) { return Draw(seed).promises(); }
SwarmCase endless_case(std::uint64_t seed, Duration duration) { return Draw(seed).endless(duration); }

// The client sends frame k somewhere in [r, r + J]; a frame sent at `intended` has r in [intended - J,
// intended].
std::string broken_promise(const SwarmCase& made, const SimulationOutput& output) {
  if (!keeps_to_the_table(made)) return "";
  for (const JobRecord& record : output.result.jobs) {
    const Promise& promise = output.promises[record.task];
    const TaskSpec& task = made.scenario.tasks[record.task];
    const bool is_proved = promise.guarantee == Guarantee::kPlan ||
                           promise.guarantee == Guarantee::kPlanRolling ||
                           promise.guarantee == Guarantee::kDemand;
    if (!is_proved || task.arrival != Arrival::kPeriodic) continue;
    const Instant arrival = record.intended + made.options.ingress;
    if (!promise.covers(arrival - task.jitter, arrival)) continue;
    if (record.server_on_time == true) continue;
    return "a promised frame of " + task.name + " sent at " +
           std::to_string(record.intended.since_start().count()) + " ns was " + name(record.outcome) + " (" +
           name(record.reason) + ")";
  }
  return "";
}

std::optional<std::string> run_swarm_seed(std::uint64_t seed, SwarmReport& report) {
  (void)std::snprintf(reproduce_line, sizeof reproduce_line,
                      "reproduce: laxity simulate --seeds 1 --seed %llu\n",
                      static_cast<unsigned long long>(seed));
  const CheckContextPrinter outer = set_check_context(&print_reproduce_line);
  const SwarmCase made = swarm_case(seed);
  const auto run = [&] {
    return simulate(made.scenario, *made.scenario.system, made.policy, made.policy_options, seed,
                    made.options);
  };
  const auto first = run();
  const auto second = run();
  set_check_context(outer);
  ++report.seeds_run;
  if (!first) return first.error().message;
  report.jobs += first->result.jobs.size();
  report.events += first->counters.events;
  if (std::string what = violated(made, *first); !what.empty()) return made.policy + ": " + what;
  const auto bytes = [](const SimulationOutput& output) {
    return to_json({"simulate", {}, {output.result}});
  };
  if (first->commands_hash != second->commands_hash || bytes(*first) != bytes(*second)) {
    return made.policy + ": the same seed gave another run";
  }
  return std::nullopt;
}

SwarmReport run_swarm(std::uint64_t first_seed, std::uint64_t count, void (*progress)(std::uint64_t done)) {
  SwarmReport report;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (auto message = run_swarm_seed(first_seed + i, report)) {
      report.failure = SwarmFailure{first_seed + i, std::move(*message)};
      break;
    }
    if (progress != nullptr) progress(i + 1);
  }
  return report;
}

}  // namespace laxity
