#include "sim/contract.h"

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "base/nearest.h"

namespace laxity {

Result<std::vector<ResolvedTask>> resolve_tasks(const Scenario& scenario, const SystemModel& system) {
  std::vector<std::string_view> known;
  for (const Model& model : system.catalog.models) known.push_back(model.name);
  std::vector<ResolvedTask> tasks;
  for (const TaskSpec& spec : scenario.tasks) {
    const auto id = system.catalog.find_model(spec.model);
    if (!id) {
      return not_found("task '" + spec.name + "': expected a model that was profiled, found '" + spec.model +
                       "'; did you mean '" + nearest(spec.model, known) + "'?");
    }
    const Model& model = system.catalog.model(*id);
    ResolvedTask task;
    task.model = *id;
    task.variant = static_cast<std::uint32_t>(model.variants.size() - 1);
    if (spec.lowest_variant) {
      const auto found = std::find_if(model.variants.begin(), model.variants.end(),
                                      [&](const Variant& v) { return v.name == *spec.lowest_variant; });
      if (found == model.variants.end()) {
        return not_found("task '" + spec.name + "': model '" + spec.model + "' has no variant '" +
                         *spec.lowest_variant + "'");
      }
      task.variant = static_cast<std::uint32_t>(found - model.variants.begin());
    }
    for (const CategoryId category : model.variants[task.variant].stages) {
      if (system.table.batch_size_max(category) == 0) {
        return failed_precondition("task '" + spec.name + "': " + system.catalog.category_name(category) +
                                   " was never measured: make a profile that holds it");
      }
    }
    task.sends_encoded = spec.sends_pictures() && model.has_preprocess;
    task.frame_count = frames_within(spec, scenario.duration);
    tasks.push_back(task);
  }
  return tasks;
}

std::uint64_t frames_within(const TaskSpec& spec, Duration duration) {
  if (spec.period <= Duration::zero()) return 0;
  const Duration span = std::max(duration - spec.start - spec.phase, Duration::zero());
  const auto fitting = static_cast<std::uint64_t>((span + spec.period - 1ns) / spec.period);
  return std::min(fitting, spec.frames.value_or(fitting));
}

Instant first_release(const TaskSpec& spec) { return Instant::from_start(spec.start + spec.phase); }

Task contract(const TaskSpec& spec, const ResolvedTask& resolved, TaskId id, Duration ingress) {
  LAXITY_CHECK(spec.asks_stream && spec.deadline);
  Task task;
  task.id = id;
  task.model = resolved.model;
  task.lowest_variant = resolved.variant;
  task.kind = spec.kind;
  task.min_inter_arrival = spec.period;
  task.release_jitter_max = spec.jitter;
  task.relative_deadline = spec.deadline->minimum;
  if (spec.arrival == Arrival::kPeriodic) task.first_release = first_release(spec) + ingress;
  if (spec.frames) task.frame_count = resolved.frame_count;
  task.miss_rate_bound_ppm = spec.miss_rate_bound_ppm;
  task.guarantee = spec.guarantee;
  return task;
}

bool take_offer(TaskSpec& spec, std::optional<Duration> deadline, std::optional<Duration> period) {
  if (deadline) {
    spec.deadline = DeadlineRange{*deadline, *deadline};
  } else if (period) {
    spec.period = *period;
  }
  return deadline || period;
}

}  // namespace laxity
