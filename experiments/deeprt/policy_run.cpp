#include "experiments/deeprt/policy_run.h"

#include <algorithm>

#include "base/check.h"

namespace laxity::study {
namespace {

/// All of a request's frames, as a stream that asks first. Late frames are wanted too (the paper's deadlines
/// are soft).
TaskSpec to_task(const RequestTrace& trace, std::size_t index, double jitter_share) {
  const Request& request = trace.requests[index];
  TaskSpec task;
  task.name = "r" + std::to_string(index);
  task.model = trace.categories[request.category].name();
  task.arrival = Arrival::kPeriodic;
  task.period = request.period;
  task.jitter =
      Duration(static_cast<std::int64_t>(jitter_share * static_cast<double>(request.period.count())));
  task.deadline = DeadlineRange{request.deadline, request.deadline};
  task.kind = JobKind::kSoft;
  task.frames = request.frames;
  task.asks_stream = true;
  task.start = request.arrival;
  return task;
}

Instant last_frame(const Request& request) {
  return Instant::from_start(request.arrival) +
         static_cast<std::int64_t>(request.frames - 1) * request.period;
}

}  // namespace

std::vector<std::size_t> all_of(const RequestTrace& trace) {
  std::vector<std::size_t> chosen(trace.requests.size());
  for (std::size_t i = 0; i < chosen.size(); ++i) chosen[i] = i;
  return chosen;
}

std::vector<std::size_t> admitted(const std::vector<std::size_t>& chosen, const SimulationOutput& output) {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (output.result.verdicts[i].answer == TaskAnswer::kAdmitted) kept.push_back(chosen[i]);
  }
  return kept;
}

SimulationOutput run(const RequestTrace& trace, const std::vector<std::size_t>& chosen,
                     const Contender& contender, const RunSpec& spec) {
  Scenario scenario;
  scenario.name = "deeprt";
  for (const std::size_t i : chosen) {
    scenario.tasks.push_back(to_task(trace, i, spec.jitter_share));
    const Instant end = last_frame(trace.requests[i]) + trace.requests[i].period;
    scenario.duration = std::max(scenario.duration, end.since_start());
  }
  scenario.faults = spec.faults;
  const std::size_t slots = contender.is_concurrent ? trace.categories.size() : 1;
  const SystemModel system =
      spec.smaller_shapes.empty()
          ? device(trace.categories, spec.time_factor, slots, trace.scaling)
          : device_with_smaller_shapes(trace.categories, spec.smaller_shapes, spec.time_factor);
  const SlowdownTable slowdown = device_slowdown(trace.categories);
  SimulationOptions options;
  options.execution.mode = spec.mode;
  if (contender.is_concurrent) options.slowdown = &slowdown;
  auto output = simulate(scenario, system, contender.policy, contender.options, spec.seed, options);
  LAXITY_CHECK(output.has_value());
  return std::move(output).value();
}

Summary summarise(const RequestTrace& trace, const std::vector<std::size_t>& chosen,
                  const SimulationOutput& output) {
  Summary summary;
  std::vector<std::pair<Instant, int>> changes;
  for (const std::size_t i : admitted(chosen, output)) {
    ++summary.admitted;
    changes.emplace_back(Instant::from_start(trace.requests[i].arrival), 1);
    changes.emplace_back(last_frame(trace.requests[i]) + trace.requests[i].period, -1);
  }
  std::sort(changes.begin(), changes.end());
  std::int64_t now_active = 0;
  for (const auto& [at, change] : changes) {
    now_active += change;
    summary.at_once =
        std::max(summary.at_once, static_cast<std::uint64_t>(std::max<std::int64_t>(0, now_active)));
  }
  Instant first = Instant::latest(), last;
  std::uint64_t answered = 0, batch_sizes = 0;
  for (const JobRecord& job : output.result.jobs) {
    const bool was_asked = output.result.verdicts[job.task].answer == TaskAnswer::kAdmitted;
    if (!was_asked) continue;
    ++summary.frames;
    first = std::min(first, job.intended);
    if (job.outcome != Outcome::kOnTime) ++summary.missed;
    if (!job.response_time) continue;
    ++answered;
    batch_sizes += job.batch_size;
    last = std::max(last, job.intended + *job.response_time);
    if (job.lateness && *job.lateness > Duration::zero())
      summary.overdue_ms.push_back(static_cast<double>(job.lateness->count()) / 1e6);
  }
  if (summary.frames > 0)
    summary.miss_percent = 100.0 * static_cast<double>(summary.missed) / static_cast<double>(summary.frames);
  if (answered > 0) {
    summary.images_per_s =
        static_cast<double>(answered) / (static_cast<double>((last - first).count()) / 1e9);
    summary.batch_size_mean = static_cast<double>(batch_sizes) / static_cast<double>(answered);
  }
  return summary;
}

}  // namespace laxity::study
