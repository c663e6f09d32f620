// Admission off line: the streams of a scenario ask the production scheduler and policy, one after the other.
//
// All ask at instant 0, before any frame; each is answered before the next one asks. Planning that runs
// beside the scheduler on a server runs between two of its calls here, on the same code. What is said is
// therefore what a server with the same table would say to the same streams, if nothing else had been asked
// of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/command.h"
#include "core/system_model.h"
#include "core/task.h"
#include "policy/registry.h"
#include "sched/scheduler.h"
#include "sim/scenario.h"

namespace laxity {

struct StreamVerdict {
  std::uint32_t task = 0;  ///< Index into Scenario::tasks.
  Task contract;
  AnswerTask answer;
  std::optional<std::uint32_t> executor;  ///< Which has promised it; none: the policy gives no such promise.
  std::optional<std::uint32_t> group;     ///< Of the executor's DemandSet, where that has promised it.
  std::optional<std::uint32_t> because;   ///< Task whose frame would have been late, of a refusal.
};

struct Admission {
  std::vector<StreamVerdict> streams;    ///< In order of asking: those tasks that ask for a promise.
  std::unique_ptr<Scheduler> scheduler;  ///< As it is after the last answer: its policy holds the plans.

  std::size_t admitted_count() const;
  /// False: the policy has no admission; it took every stream and promised nothing.
  bool promises() const;
  /// True when every stream was admitted with a promise.
  bool all_promised() const;
};

/// Errors: as resolve_tasks and make_policy; kInvalidArgument: no task of the scenario asks for a promise.
Result<Admission> ask_for_admission(const Scenario& scenario, const SystemModel& system,
                                    std::string_view policy, const PolicyOptions& options);

}  // namespace laxity
