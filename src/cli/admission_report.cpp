#include "cli/admission_report.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "analysis/demand.h"
#include "analysis/plan.h"
#include "base/text_table.h"
#include "cli/plan_drawing.h"
#include "policy/demand_set.h"
#include "policy/mandatory_times.h"
#include "sim/contract.h"

namespace laxity {
namespace {

using Json = nlohmann::ordered_json;  // keys stay in the order of the documentation

constexpr Duration kDrawn = 2s;
constexpr std::size_t kDemandStepsMax = 2000;  // more cannot be told apart at the picture's width

double ms(Duration time) { return static_cast<double>(time.count()) / 1e6; }
double ms(Instant time) { return ms(time.since_start()); }

/// With as many decimals as say something: "33.3", "40".
std::string printed(double value) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f", value);
  std::string out = text;
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}

const std::string& task_name(const AdmissionCase& shown, std::uint32_t task) {
  return shown.scenario.tasks[task].name;
}

std::string words(Reason reason) {
  switch (reason) {
    case Reason::kAdmissionPhase1:
      return "the executors would be over-utilised";
    case Reason::kAdmissionPhase2:
      return "the imitated schedule is late";
    case Reason::kAdmissionPlan:
      return "no plan was found";
    case Reason::kAdmissionDemand:
      return "the demand test says no";
    case Reason::kTooManyStreams:
      return "there are as many streams as limits.streams_max allows";
    default:
      return "refused";
  }
}

/// "admission_plan: no plan was found; the frame of cam-2 that is due at 413.2 ms would be late"
std::string why(const AdmissionCase& shown, const StreamVerdict& stream) {
  std::string text = std::string(name(stream.answer.reason)) + ": " + words(stream.answer.reason);
  if (!stream.answer.failing_at) return text;
  if (stream.answer.reason == Reason::kAdmissionDemand) {
    text += "; within " + printed(ms(*stream.answer.failing_at)) + " ms more may be asked for";
    return text + (stream.because ? ", some of it by " + task_name(shown, *stream.because) : "");
  }
  text += "; the frame";
  if (stream.because) text += " of " + task_name(shown, *stream.because);
  return text + " that is due at " + printed(ms(*stream.answer.failing_at)) + " ms would be late";
}

std::string offers(const AnswerTask& answer) {
  std::string text;
  if (answer.deadline_offer) text += "deadline " + printed(ms(*answer.deadline_offer)) + " ms";
  if (answer.period_offer) {
    text += std::string(text.empty() ? "" : " or ") + "period " + printed(ms(*answer.period_offer)) + " ms";
  }
  return text.empty() ? "no smaller contract found on the grid" : "would be admitted with " + text;
}

std::string guarantee_words(Guarantee guarantee) {
  switch (guarantee) {
    case Guarantee::kNone:
      return "none: nothing is promised";
    case Guarantee::kNominal:
      return "nominal: holds when batches take the table's time and frames come as predicted";
    case Guarantee::kPlan:
      return "plan: every frame is on time when frames come within their jitter and batches within the table";
    case Guarantee::kPlanRolling:
      return "plan-rolling: as plan, up to a time that moves on; a loss is told before it happens";
    case Guarantee::kDemand:
      return "demand: every frame is on time for ever, at any phase, within jitter and table";
  }
  return "";
}

std::string closing_words(const AdmissionCase& shown) {
  const Admission& admission = shown.admission;
  const std::string policy(shown.policy);
  if (!admission.promises()) {
    return policy +
           " has no admission: it takes every stream and promises nothing. `--policy laxity` does.\n";
  }
  std::string text = std::to_string(admission.admitted_count()) + " of " +
                     std::to_string(admission.streams.size()) + " streams admitted by " + policy + ".\n";
  for (int g = 0; g < kGuaranteeCount; ++g) {
    const auto guarantee = static_cast<Guarantee>(g);
    const bool is_given = std::any_of(
        admission.streams.begin(), admission.streams.end(),
        [&](const StreamVerdict& s) { return s.answer.admitted && s.answer.guarantee == guarantee; });
    if (is_given) text += guarantee_words(guarantee) + "\n";
  }
  return text;
}

/// One group of an executor that rests on the demand test.
struct ReportedGroup {
  std::uint32_t executor = 0;
  const DemandGroupEntry* entry = nullptr;
  std::string model;
  std::size_t streams = 0;
};
std::vector<ReportedGroup> reported_groups(const AdmissionCase& shown) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, ReportedGroup> groups;
  for (const StreamVerdict& stream : shown.admission.streams) {
    if (!stream.group) continue;
    const auto view = shown.admission.scheduler->policy().demand(static_cast<ExecutorId>(*stream.executor));
    ReportedGroup& group = groups[{*stream.executor, *stream.group}];
    group.executor = *stream.executor;
    group.entry = &view->set->group(*stream.group);
    group.model = shown.scenario.tasks[stream.task].model;
    ++group.streams;
  }
  std::vector<ReportedGroup> list;
  for (const auto& [key, group] : groups) list.push_back(group);
  return list;
}

/// "cpu0: m, 2 streams in windows of 10 ms, each job due 10 ms after it; other work may keep a job waiting 2
/// ms"
std::string demand_lines(const AdmissionCase& shown) {
  std::string text;
  std::optional<std::uint32_t> last;
  const auto close = [&] {
    if (!last) return;
    const auto view = shown.admission.scheduler->policy().demand(static_cast<ExecutorId>(*last));
    text += "; other work may keep a job waiting " + printed(ms(view->allowance)) + " ms\n";
  };
  for (const ReportedGroup& group : reported_groups(shown)) {
    if (last != group.executor) {
      close();
      text += shown.system.executors[group.executor].name + " rests on the demand test: ";
    } else {
      text += "; ";
    }
    last = group.executor;
    text +=
        group.model + ", " + std::to_string(group.streams) + (group.streams == 1 ? " stream" : " streams");
    text += group.entry->window == Duration::zero()
                ? ", each frame a job of its own"
                : " in windows of " + printed(ms(group.entry->window)) + " ms, each job due " +
                      printed(ms(group.entry->job_deadline)) + " ms after its window";
  }
  close();
  return text;
}

Json demand_json(const AdmissionCase& shown) {
  Json list = Json::array();
  std::optional<std::uint32_t> last;
  for (const ReportedGroup& group : reported_groups(shown)) {
    if (last != group.executor) {
      const auto view = shown.admission.scheduler->policy().demand(static_cast<ExecutorId>(group.executor));
      list.push_back({{"executor", shown.system.executors[group.executor].name},
                      {"allowance_ms", ms(view->allowance)},
                      {"groups", Json::array()}});
    }
    last = group.executor;
    const bool is_batched = group.entry->window > Duration::zero();
    list.back()["groups"].push_back(
        {{"model", group.model},
         {"streams", group.streams},
         {"window_ms", ms(group.entry->window)},
         {"job_deadline_ms", is_batched ? Json(ms(group.entry->job_deadline)) : Json(nullptr)}});
  }
  return list;
}

Json offers_json(const AnswerTask& answer) {
  Json list = Json::array();
  if (answer.deadline_offer) list.push_back({{"deadline_ms", ms(*answer.deadline_offer)}});
  if (answer.period_offer) list.push_back({{"period_ms", ms(*answer.period_offer)}});
  return list;
}

template <typename T>
Json ms_or_null(const std::optional<T>& time) {
  return time ? Json(ms(*time)) : Json(nullptr);
}

Json stream_json(const AdmissionCase& shown, const StreamVerdict& stream) {
  const Task& contract = stream.contract;
  const AnswerTask& answer = stream.answer;
  Json json;
  json["name"] = task_name(shown, stream.task);
  json["model"] = shown.scenario.tasks[stream.task].model;
  json["kind"] = name(contract.kind);
  json["period_ms"] = ms(contract.min_inter_arrival);
  json["jitter_ms"] = ms(contract.release_jitter_max);
  json["deadline_ms"] = ms(contract.relative_deadline);
  json["start_in_ms"] = ms_or_null(contract.first_release);
  json["frames"] = contract.frame_count ? Json(*contract.frame_count) : Json(nullptr);
  json["admitted"] = answer.admitted;
  json["guarantee"] = answer.admitted ? Json(name(answer.guarantee)) : Json(nullptr);
  json["guaranteed_until_ms"] = ms_or_null(answer.guaranteed_until);
  json["response_time_bound_ms"] = ms_or_null(answer.response_time_bound);
  json["executor"] = stream.executor ? Json(shown.system.executors[*stream.executor].name) : Json(nullptr);
  json["reason"] = answer.admitted ? Json(nullptr) : Json(name(answer.reason));
  json["failing_stream"] = stream.because ? Json(task_name(shown, *stream.because)) : Json(nullptr);
  json["failing_at_ms"] = ms_or_null(answer.failing_at);
  json["would_admit"] = offers_json(answer);
  return json;
}

std::uint32_t model_of(std::vector<std::string>& models, const std::string& name) {
  const auto found = std::find(models.begin(), models.end(), name);
  if (found != models.end()) return static_cast<std::uint32_t>(found - models.begin());
  models.push_back(name);
  return static_cast<std::uint32_t>(models.size() - 1);
}

/// Each batch where it lies when every frame comes at its latest and every batch takes its full time.
DrawnExecutor drawn(const PlanView& view, std::string name,
                    const std::map<std::size_t, std::uint32_t>& model_of_slot) {
  DrawnExecutor executor;
  executor.name = std::move(name);
  Instant free;
  for (std::size_t j = 0; j < view.plan->batch_count(); ++j) {
    const PlanBatch& batch = view.plan->batch(j);
    const Instant start = std::max(free, batch.arrival);
    const Duration length = (*view.times)(batch.category, batch.count);
    free = start + length;
    std::uint32_t model = 0;
    for (const PlanFrame& frame : view.plan->frames(batch)) {
      model = model_of_slot.at(frame.stream);
      executor.deadlines.push_back({frame.deadline.since_start(), model});
    }
    executor.batches.push_back(
        {start.since_start(), length, batch.latest_start.since_start(), batch.count, model});
  }
  return executor;
}

std::string plan_picture(const AdmissionCase& shown) {
  const Scheduler& scheduler = *shown.admission.scheduler;
  PlanPicture picture;
  std::map<std::size_t, std::uint32_t> model_of_slot;
  for (const StreamVerdict& stream : shown.admission.streams) {
    if (!stream.answer.admitted) continue;
    model_of_slot[scheduler.books().stream_slot(stream.contract.id)] =
        model_of(picture.models, shown.scenario.tasks[stream.task].model);
  }
  for (std::uint32_t e = 0; e < shown.system.executors.size(); ++e) {
    const auto view = scheduler.policy().plan(static_cast<ExecutorId>(e));
    if (!view || !shown.system.executors[e].runs_batches) continue;
    picture.executors.push_back(drawn(*view, shown.system.executors[e].name, model_of_slot));
  }
  const PlanScale scale = plan_scale(picture, kDrawn);
  picture.title = shown.scenario.name + ": the plan of " + std::to_string(shown.admission.admitted_count()) +
                  " admitted streams, first " + printed(ms(scale.span())) + " ms";
  picture.subtitle =
      "Batches stand where they are when every frame comes at its latest and every batch takes its full "
      "table "
      "time. Free time is for all other work.";
  return draw_plan(picture, scale);
}

/// The admitted streams as the demand test sees them: one group a model and variant.
std::vector<DemandGroup> demand_groups(const AdmissionCase& shown, BatchTimes& times) {
  const Overheads& overheads = shown.system.table.overheads;
  std::map<std::pair<ModelId, std::uint32_t>, DemandGroup> groups;
  for (const StreamVerdict& stream : shown.admission.streams) {
    const Task& task = stream.contract;
    const Duration deadline = task.relative_deadline - overheads.reply_p99;
    if (!stream.answer.admitted || deadline <= Duration::zero()) continue;
    const auto key = std::pair(task.model, task.lowest_variant);
    if (!groups.contains(key)) {
      groups[key].category = times.add_category(mandatory_times(shown.system, key.first, key.second));
    }
    groups[key].streams.push_back(
        {task.min_inter_arrival, task.release_jitter_max + overheads.wake_p99, deadline});
  }
  std::vector<DemandGroup> list;
  for (auto& [key, group] : groups) list.push_back(std::move(group));
  return list;
}

std::string demand_words(const DemandResult& result) {
  switch (result.verdict) {
    case DemandVerdict::kYes:
      return "Demand test: yes. At any phase, for ever, " + printed(-ms(result.worst)) +
             " ms are left at the tightest point.";
    case DemandVerdict::kOverUtilised:
      return "Demand test: no. The streams ask for more than the executor has.";
    case DemandVerdict::kDemand:
      return "Demand test: no proof for every phase (the policy's own verdict is for the phases that were "
             "asked).";
    case DemandVerdict::kUndecided:
      return "Demand test: undecided, the busy period is too long.";
  }
  return "";
}

std::string demand_picture(const AdmissionCase& shown) {
  BatchTimes times;
  std::vector<DemandGroup> groups = demand_groups(shown, times);
  const DemandResult result = choose_windows(times, groups, Duration::zero());
  Duration until{};
  for (const DemandGroup& group : groups) {
    for (const DemandStream& stream : group.streams) {
      until = std::max(until, 2 * stream.relative_deadline + stream.min_inter_arrival);
    }
  }
  if (result.at) until = std::max(until, *result.at * 5 / 4);
  DemandPicture picture;
  picture.title = shown.scenario.name + ": demand of " + std::to_string(shown.admission.admitted_count()) +
                  " streams under non-preemptive earliest deadline first";
  picture.subtitle = demand_words(result);
  for (const DemandStep& step : demand_curve(times, groups, Duration::zero(), until, kDemandStepsMax)) {
    picture.steps.push_back({step.at, step.demand});
  }
  picture.exceeded = result.at;
  return draw_demand(picture);
}

/// The demand curve of what one executor has promised, windows and all.
std::string demand_picture_of(const AdmissionCase& shown, std::uint32_t executor) {
  const DemandView view = *shown.admission.scheduler->policy().demand(static_cast<ExecutorId>(executor));
  DemandSet set = *view.set;
  set.shorten_job_deadlines(view.overhead);
  std::vector<std::vector<DemandStream>> streams(kDemandGroupsMax);
  Duration until{};
  for (const DemandMember& member : set.members()) {
    streams[member.group].push_back(member.contract);
    until = std::max(until, 2 * member.contract.relative_deadline + member.contract.min_inter_arrival);
  }
  std::vector<DemandGroupView> groups;
  for (std::uint32_t g = 0; g < kDemandGroupsMax; ++g) {
    const DemandGroupEntry& entry = set.group(g);
    if (!streams[g].empty()) groups.push_back({entry.category, entry.window, entry.job_deadline, streams[g]});
  }
  DemandPicture picture;
  picture.title = shown.scenario.name + ": demand of the " + std::to_string(set.living_count()) +
                  " streams that " + shown.system.executors[executor].name + " has promised";
  picture.subtitle =
      "What jobs may ask for within t, by non-preemptive earliest deadline first. Other work may "
      "keep a job waiting " +
      printed(ms(view.allowance)) + " ms.";
  for (const DemandStep& step : demand_curve(*view.times, groups, Duration::zero(), until, kDemandStepsMax)) {
    picture.steps.push_back({step.at, step.demand});
  }
  return draw_demand(picture);
}

/// The executor with the most streams that rest on the demand test; none where some plan is followed too.
std::optional<std::uint32_t> demand_executor(const AdmissionCase& shown) {
  std::map<std::uint32_t, std::size_t> counts;
  for (const StreamVerdict& stream : shown.admission.streams) {
    if (stream.group) ++counts[*stream.executor];
    if (stream.executor && !stream.group) return std::nullopt;
  }
  const auto most = std::max_element(counts.begin(), counts.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? std::nullopt : std::optional(most->first);
}

}  // namespace

std::string admission_table(const AdmissionCase& shown) {
  constexpr std::array<std::size_t, 4> kTexts = {0, 1, 5, 6};
  std::vector<TextRow> rows = {{"stream", "model", "period ms", "jitter ms", "deadline ms", "verdict",
                                "guarantee", "bound ms", "proved until ms"}};
  for (const StreamVerdict& stream : shown.admission.streams) {
    const AnswerTask& answer = stream.answer;
    const bool is_promised = answer.admitted && answer.guarantee != Guarantee::kNone;
    rows.push_back(
        {task_name(shown, stream.task), shown.scenario.tasks[stream.task].model,
         printed(ms(stream.contract.min_inter_arrival)), printed(ms(stream.contract.release_jitter_max)),
         printed(ms(stream.contract.relative_deadline)),
         !answer.admitted ? "refused"
         : is_promised    ? "admitted"
                          : "taken",
         answer.admitted ? name(answer.guarantee) : "-",
         is_promised && answer.response_time_bound ? printed(ms(*answer.response_time_bound)) : "-",
         answer.guaranteed_until ? printed(ms(*answer.guaranteed_until))
         : is_promised           ? "its end"
                                 : "-"});
  }
  std::string text;
  const std::string lines = aligned(rows, kTexts);
  std::size_t at = 0;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::size_t end = lines.find('\n', at) + 1;
    text += lines.substr(at, end - at);
    at = end;
    if (row == 0 || shown.admission.streams[row - 1].answer.admitted) continue;
    const StreamVerdict& refused = shown.admission.streams[row - 1];
    text += "    " + why(shown, refused) + "\n    " + offers(refused.answer) + "\n";
  }
  return text + "\n" + demand_lines(shown) + closing_words(shown);
}

std::string admission_json(const AdmissionCase& shown, const MachineInfo& machine) {
  Json json;
  json["schema"] = "laxity.admission/1";
  json["command"] = "admit";
  json["machine"] = {{"cpu", machine.cpu},
                     {"cores", machine.cores},
                     {"engine", machine.engine},
                     {"emulated", machine.emulated}};
  json["scenario"] = shown.scenario.name;
  json["policy"] = std::string(shown.policy);
  json["has_admission"] = shown.admission.promises();
  json["asked"] = shown.admission.streams.size();
  json["admitted"] = shown.admission.admitted_count();
  json["streams"] = Json::array();
  for (const StreamVerdict& stream : shown.admission.streams)
    json["streams"].push_back(stream_json(shown, stream));
  json["plans"] = Json::array();
  for (std::uint32_t e = 0; e < shown.system.executors.size(); ++e) {
    const auto view = shown.admission.scheduler->policy().plan(static_cast<ExecutorId>(e));
    if (!view || !shown.system.executors[e].runs_batches) continue;
    Json plan;
    plan["executor"] = shown.system.executors[e].name;
    plan["batches"] = view->plan->batch_count();
    plan["frames"] = view->plan->frame_count();
    const bool is_empty = view->plan->empty();
    plan["latest_start_ms"] = is_empty ? Json(nullptr) : Json(ms(view->plan->batch(0).latest_start));
    json["plans"].push_back(std::move(plan));
  }
  json["demand"] = demand_json(shown);
  // Names come from files and may hold any bytes: replaced, never thrown at the caller.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::string> admission_picture(const AdmissionCase& shown) {
  if (shown.admission.admitted_count() == 0) {
    return invalid_argument("--svg: expected at least one admitted stream to draw, found none");
  }
  std::size_t batch_executors = 0;
  bool follows_plans = false;
  for (std::uint32_t e = 0; e < shown.system.executors.size(); ++e) {
    batch_executors += shown.system.executors[e].runs_batches;
    follows_plans =
        follows_plans || shown.admission.scheduler->policy().plan(static_cast<ExecutorId>(e)).has_value();
  }
  if (const auto executor = demand_executor(shown)) return demand_picture_of(shown, *executor);
  if (follows_plans) return plan_picture(shown);
  if (batch_executors > 1) {
    return invalid_argument(
        "--svg: policy '" + std::string(shown.policy) +
        "' follows no plan, and a demand curve is that of one executor: expected one, found " +
        std::to_string(batch_executors));
  }
  return demand_picture(shown);
}

}  // namespace laxity
