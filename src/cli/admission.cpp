#include "cli/admission.h"

#include <algorithm>
#include <string>
#include <utility>

#include "analysis/plan.h"
#include "core/event.h"
#include "policy/demand_set.h"
#include "sim/contract.h"

namespace laxity {
namespace {

// A policy that wants more plans than this before it answers one stream never will.
constexpr int kPlansPerAnswerMax = 256;

/// The scheduler at instant 0, and what has been answered so far.
class Asking {
 public:
  Asking(const SystemModel& system, std::unique_ptr<Policy> policy)
      : scheduler_(std::make_unique<Scheduler>(system, std::move(policy))), commands_(system.limits) {}

  Result<AnswerTask> ask(const Task& task) {
    answer_.reset();
    tell(TaskSubmitted{task}, task.id);
    for (int plans = 0; plan_ && plans < kPlansPerAnswerMax; ++plans) {
      const PlanId plan = *std::exchange(plan_, std::nullopt);
      tell(PlanReady{plan, scheduler_->compute_plan(plan)}, task.id);
    }
    if (answer_) return *answer_;
    return Error{ErrorCode::kInternal, "the policy gave no answer to a stream after " +
                                           std::to_string(kPlansPerAnswerMax) + " plans"};
  }

  const Books& books() const { return scheduler_->books(); }
  std::unique_ptr<Scheduler> take() { return std::move(scheduler_); }

 private:
  void tell(const Event& event, TaskId asking) {
    commands_.clear();
    scheduler_->handle(Instant(), event, commands_);
    for (const Command& command : commands_) {
      if (const auto* answer = std::get_if<AnswerTask>(&command);
          answer != nullptr && answer->task == asking) {
        answer_ = *answer;
      } else if (const auto* wanted = std::get_if<ComputePlan>(&command)) {
        plan_ = wanted->plan;
      }
    }
  }

  std::unique_ptr<Scheduler> scheduler_;
  CommandBuffer commands_;
  std::optional<AnswerTask> answer_;
  std::optional<PlanId> plan_;
};

/// The next id whose place in the books is free, as a server gives them out; when none is, the next one: the
/// books will refuse it.
TaskId next_id(const Books& books, std::uint32_t& counter) {
  const std::uint32_t first = counter;
  while (counter - first < books.streams().size() &&
         books.streams()[books.stream_slot(static_cast<TaskId>(counter))].state !=
             StreamEntry::State::kFree) {
    ++counter;
  }
  return static_cast<TaskId>(counter++);
}

std::optional<std::uint32_t> executor_of(const Scheduler& scheduler, TaskId id) {
  const std::size_t slot = scheduler.books().stream_slot(id);
  for (std::uint32_t e = 0; e < scheduler.books().executors().size(); ++e) {
    const auto view = scheduler.policy().plan(static_cast<ExecutorId>(e));
    if (!view) continue;
    for (std::size_t j = 0; j < view->plan->batch_count(); ++j) {
      for (const PlanFrame& frame : view->plan->frames(view->plan->batch(j))) {
        if (frame.stream == slot) return e;
      }
    }
  }
  return std::nullopt;
}

void find_demand_group(const Scheduler& scheduler, StreamVerdict& stream) {
  const std::size_t slot = scheduler.books().stream_slot(stream.contract.id);
  for (std::uint32_t e = 0; e < scheduler.books().executors().size(); ++e) {
    const auto view = scheduler.policy().demand(static_cast<ExecutorId>(e));
    if (!view) continue;
    for (const DemandMember& member : view->set->members()) {
      if (member.stream != slot || member.has_left) continue;
      stream.executor = e;
      stream.group = member.group;
    }
  }
}

}  // namespace

std::size_t Admission::admitted_count() const {
  return static_cast<std::size_t>(std::count_if(streams.begin(), streams.end(),
                                                [](const StreamVerdict& s) { return s.answer.admitted; }));
}

bool Admission::promises() const {
  return std::any_of(streams.begin(), streams.end(), [](const StreamVerdict& s) {
    return !s.answer.admitted || s.answer.guarantee != Guarantee::kNone;
  });
}

bool Admission::all_promised() const {
  return std::all_of(streams.begin(), streams.end(), [](const StreamVerdict& s) {
    return s.answer.admitted && s.answer.guarantee != Guarantee::kNone;
  });
}

Result<Admission> ask_for_admission(const Scenario& scenario, const SystemModel& system,
                                    std::string_view policy, const PolicyOptions& options) {
  auto made = make_policy(policy, options);
  if (!made) return made.error();
  const auto tasks = resolve_tasks(scenario, system);
  if (!tasks) return tasks.error();

  Admission admission;
  Asking asking(system, std::move(*made));
  std::uint32_t counter = 0;
  for (std::uint32_t i = 0; i < scenario.tasks.size(); ++i) {
    const TaskSpec& spec = scenario.tasks[i];
    if (!spec.asks_stream || (*tasks)[i].frame_count == 0) continue;
    StreamVerdict verdict;
    verdict.task = i;
    verdict.contract = contract(spec, (*tasks)[i], next_id(asking.books(), counter), Duration::zero());
    auto answer = asking.ask(verdict.contract);
    if (!answer) return answer.error();
    verdict.answer = *answer;
    if (answer->failing_task) {
      if (*answer->failing_task == verdict.contract.id) verdict.because = i;
      for (const StreamVerdict& earlier : admission.streams) {
        if (earlier.answer.admitted && earlier.contract.id == *answer->failing_task)
          verdict.because = earlier.task;
      }
    }
    admission.streams.push_back(std::move(verdict));
  }
  if (admission.streams.empty()) {
    return invalid_argument("scenario '" + scenario.name +
                            "': expected at least one [[task]] with admission = \"stream\", found none");
  }
  admission.scheduler = asking.take();
  for (StreamVerdict& stream : admission.streams) {
    if (!stream.answer.admitted) continue;
    stream.executor = executor_of(*admission.scheduler, stream.contract.id);
    find_demand_group(*admission.scheduler, stream);
  }
  return admission;
}

}  // namespace laxity
