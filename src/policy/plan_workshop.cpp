#include "policy/plan_workshop.h"

#include <algorithm>

#include "analysis/offer_grid.h"
#include "analysis/phase_tracker.h"
#include "analysis/stream_share.h"

namespace laxity {
namespace {

constexpr std::uint64_t kHashPrime = 1099511628211u;

bool is_endless(const PlannedStream& stream) { return !stream.end; }

}  // namespace

PlanWorkshop::PlanWorkshop(std::size_t frames_max, std::size_t streams_max, std::size_t executor_count,
                           std::size_t categories_max)
    : frames_max_(frames_max), maker_(frames_max, categories_max), plan_(frames_max), demand_(streams_max) {
  for (std::size_t e = 0; e < executor_count; ++e) {
    snapshots.emplace_back(frames_max, streams_max);
    snapshots.back().streams.reserve(streams_max + 1);
  }
  planned_.reserve(streams_max + 1);
}

std::uint64_t PlanWorkshop::compute(std::uint64_t node_budget) {
  evidence_ = {};
  deadline_offer_.reset();
  period_offer_.reset();
  rests_on_demand_ = false;
  switch (question) {
    case Question::kAdmit:
      found_ = admit(node_budget);
      break;
    case Question::kExtend:
      found_ = try_plan(snapshots[executor], std::nullopt, node_budget);
      break;
    case Question::kRetest:
      allowance_ = demand_.retest(times, snapshots[executor].demand);
      found_ = true;
      return static_cast<std::uint64_t>(allowance_.count()) * kHashPrime ^ demand_.lost().size();
  }
  if (found_ && rests_on_demand_) {
    const auto window = static_cast<std::uint64_t>(demand_choice_.window.count());
    return (window * kHashPrime ^ demand_choice_.group) * kHashPrime ^
           static_cast<std::uint64_t>(demand_choice_.allowance.count());
  }
  if (found_) return plan_.hash();
  return evidence_.frame ? evidence_.frame->number + 1 : 1;
}

// Best fit: the fullest executor that still takes the candidate; of equals the first.
bool PlanWorkshop::admit(std::uint64_t node_budget) {
  std::optional<std::uint32_t> tried;  // the last one, which is the emptiest in the end
  const auto comes_after = [this](std::uint32_t a, std::uint32_t b) {
    const std::int64_t fuller = snapshots[a].utilisation_ppm, emptier = snapshots[b].utilisation_ppm;
    return fuller > emptier || (fuller == emptier && a < b);
  };
  for (;;) {
    std::optional<std::uint32_t> next;
    for (std::uint32_t e = 0; e < snapshots.size(); ++e) {
      if (!snapshots[e].is_usable || (tried && !comes_after(*tried, e))) continue;
      if (needs_demand && !takes_demand(snapshots[e])) continue;
      if (!next || comes_after(e, *next)) next = e;
    }
    if (!next) break;
    tried = next;
    executor = *next;
    if (try_admission(snapshots[*next], node_budget)) return true;
  }
  if (!tried) rests_on_demand_ = needs_demand;
  if (tried && wants_offers) {
    const PlanEvidence evidence = evidence_;
    find_offers(snapshots[*tried]);
    evidence_ = evidence;
  }
  return false;
}

bool PlanWorkshop::try_admission(const Snapshot& snapshot, std::uint64_t node_budget) {
  rests_on_demand_ = takes_demand(snapshot);
  if (!rests_on_demand_) return try_plan(snapshot, candidate, node_budget);
  const auto choice = demand_.admit(times, snapshot.demand, demand_candidate);
  if (choice) demand_choice_ = *choice;
  return choice.has_value();
}

// Finite streams are planned to their last frame, as long as half of the plan has room for it: a proof for
// life. The other half is for those that roll: a plan that is full of far frames proves little of near ones.
bool PlanWorkshop::try_plan(const Snapshot& from, const std::optional<PlannedStream>& added,
                            std::uint64_t node_budget) {
  const bool is_finite =
      !(added && is_endless(*added)) && std::none_of(from.streams.begin(), from.streams.end(), is_endless);
  bool is_cut = false;
  if (is_finite) {
    const bool is_planned =
        try_plan_until(from, added, Instant::latest(), frames_max_ / 2, node_budget, is_cut);
    if (!is_cut) return is_planned;
  }
  return try_plan_until(from, added, horizon, frames_max_, node_budget, is_cut);
}

bool PlanWorkshop::try_plan_until(const Snapshot& from, const std::optional<PlannedStream>& added,
                                  Instant until, std::size_t frames_max, std::uint64_t node_budget,
                                  bool& is_cut) {
  std::vector<PlanFrame>& frames = maker_.frames();
  frames.clear();
  evidence_ = {};
  for (std::size_t j = 0; j < from.plan.batch_count(); ++j) {
    for (const PlanFrame& frame : from.plan.frames(from.plan.batch(j))) frames.push_back(frame);
  }
  const std::size_t kept_count = frames.size();
  Instant cut_at = until;
  planned_.clear();
  const auto add = [&](const PlannedStream& stream) {
    planned_.push_back(stream);
    planned_.back().next = append_frames(stream, until, frames_max, frames, &cut_at);
  };
  for (const PlannedStream& stream : from.streams) add(stream);
  if (added) add(*added);
  is_cut = cut_at < until;
  // A plan without room for the whole of a finite life proves less far; the caller asks again.
  if (is_cut && until == Instant::latest()) return false;
  plan_horizon_ = cut_at;
  // A finite horizon admits too much: what is admitted for longer than the plan has to bear a margin, and
  // must not need more than all of the time where the plan says nothing. A short one says nothing at all.
  const bool is_rolling = added && until < Instant::latest();
  if (is_rolling && (cut_at < horizon_min || !fits_in_the_long_run(padded_times, planned_, cut_at)))
    return false;
  if (maker_.make(times, is_rolling ? padded_times : times, from.free_at, node_budget, plan_)) return true;
  evidence_ = maker_.evidence();
  if (added) return false;
  // The order that holds is kept, and only what is new goes behind it.
  frames.clear();
  Instant again_cut_at = until;
  for (const PlannedStream& stream : from.streams) {
    append_frames(stream, until, frames_max - kept_count, frames, &again_cut_at);
  }
  if (again_cut_at != cut_at) return false;
  plan_ = from.plan;
  return maker_.extend(times, from.free_at, plan_);
}

void PlanWorkshop::find_offers(const Snapshot& from) {
  deadline_offer_ = least_deadline(from);
  period_offer_ = least_period(from);
}

bool PlanWorkshop::is_admitted(const Snapshot& from, Duration more_deadline, Duration more_period) {
  if (takes_demand(from)) {
    DemandCandidate tried = demand_candidate;
    tried.contract.relative_deadline += more_deadline;
    const Duration period = candidate->phase.period + more_period;
    tried.contract.min_inter_arrival = is_endless(*candidate) ? PhaseTracker::least_period(period) : period;
    return demand_.admits(times, from.demand, tried);
  }
  PlannedStream tried = *candidate;
  tried.deadline += more_deadline;
  tried.phase.period += more_period;
  return try_plan(from, tried, 0);
}

std::optional<Duration> PlanWorkshop::least_deadline(const Snapshot& from) {
  const auto steps = least_admitted_steps(
      [&](std::int64_t tried) { return is_admitted(from, tried * kOfferDeadlineStep, Duration::zero()); },
      offer_deadline_steps_max(candidate->deadline, candidate->phase.period));
  return steps ? std::optional(candidate->deadline + *steps * kOfferDeadlineStep) : std::nullopt;
}

std::optional<Duration> PlanWorkshop::least_period(const Snapshot& from) {
  const Duration asked = candidate->phase.period;
  const Duration step = std::max<Duration>(asked / kOfferPeriodSteps, 1ns);
  const auto steps = least_admitted_steps(
      [&](std::int64_t tried) { return is_admitted(from, Duration::zero(), tried * step); },
      kOfferPeriodStepsMax);
  return steps ? std::optional(asked + *steps * step) : std::nullopt;
}

}  // namespace laxity
