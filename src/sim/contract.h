// What a scenario's tasks are to a system: which model and variant, how many frames, and the contract that a
// stream asks for. One reading for the simulator, for `laxity admit` and for the tests.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/system_model.h"
#include "core/task.h"
#include "sim/scenario.h"

namespace laxity {

/// A task of the scenario, as the system knows it.
struct ResolvedTask {
  ModelId model{};
  std::uint32_t variant = 0;  ///< The best, unless `lowest_variant` names a lesser one.
  bool sends_encoded = false;
  std::uint64_t frame_count = 0;  ///< Frames of a periodic or sporadic task; others: 0.
};

/// One entry a task, in order. Errors: kNotFound (a model or variant that `system` lacks; names the nearest),
/// kFailedPrecondition (a model of the scenario was never measured).
Result<std::vector<ResolvedTask>> resolve_tasks(const Scenario& scenario, const SystemModel& system);

/// Frames that `spec` sends within `duration`: those with r inside it, at most spec.frames. 0 for tasks
/// without a period.
std::uint64_t frames_within(const TaskSpec& spec, Duration duration);

/// r of frame 0, in the scenario's time. Precondition: periodic.
Instant first_release(const TaskSpec& spec);

/// What the stream asks for. `ingress`: how long its requests are on their way. Endless: without a last
/// frame. Precondition: spec.asks_stream.
Task contract(const TaskSpec& spec, const ResolvedTask& task, TaskId id, Duration ingress);

/// A client takes so many offers, each the newest; then it gives up.
inline constexpr int kOffersTakenMax = 3;
/// Changes `spec` to what was offered: the deadline if one was, else the period. False: nothing was offered.
bool take_offer(TaskSpec& spec, std::optional<Duration> deadline, std::optional<Duration> period);

}  // namespace laxity
