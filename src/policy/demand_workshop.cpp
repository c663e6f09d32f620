#include "policy/demand_workshop.h"

#include <algorithm>

namespace laxity {
namespace {

constexpr Duration kWindowGrain = 1us;  // windows that people can read

}  // namespace

DemandWorkshop::DemandWorkshop(std::size_t streams_max)
    : test_([] {
        DemandTest::Bounds bounds;
        bounds.groups_max = kDemandGroupsMax + 1;
        bounds.work_max = 300'000;  // a test within a few milliseconds
        return bounds;
      }()) {
  const std::size_t members_max = 2 * streams_max + kDepartedMax + 1 + kCopiesMax;
  streams_.reserve(members_max);
  slots_.reserve(members_max);
  groups_.reserve(kDemandGroupsMax + 1);
  group_firsts_.reserve(kDemandGroupsMax + 1);
  lost_.reserve(members_max);
}

// The set as the test reads it; with a candidate, as it would be after that choice.
void DemandWorkshop::lay_out(const DemandSet& set, const DemandCandidate* candidate,
                             const DemandChoice* choice, std::size_t copies) {
  streams_.clear();
  slots_.clear();
  groups_.clear();
  group_firsts_.clear();
  const auto add = [&](const DemandStream& contract, std::uint32_t slot) {
    streams_.push_back(contract);
    slots_.push_back(slot);
  };
  for (std::uint32_t g = 0; g < kDemandGroupsMax; ++g) {
    const DemandGroupEntry& entry = set.group(g);
    const bool takes_candidate = candidate != nullptr && choice->group == g;
    if (!entry.is_open && !takes_candidate) continue;
    const std::size_t first = streams_.size();
    for (const DemandMember& member : set.members()) {
      const bool is_lost = std::find(lost_.begin(), lost_.end(), member.stream) != lost_.end();
      if (member.group == g && (member.has_left || !is_lost)) add(member.contract, member.stream);
    }
    for (std::size_t i = 0; takes_candidate && i < copies; ++i) add(candidate->contract, candidate->stream);
    const bool is_new = takes_candidate && choice->opens_group;
    group_firsts_.push_back(first);
    groups_.push_back({is_new ? candidate->category : entry.category, is_new ? choice->window : entry.window,
                       is_new ? choice->job_deadline : entry.job_deadline,
                       std::span(streams_).subspan(first)});
  }
}

// Calls tried(choice) for each choice there is, until it says that it has seen enough.
template <typename Tried>
void DemandWorkshop::each_choice(const DemandSet& set, const DemandCandidate& candidate, Tried tried) {
  const Duration deadline = candidate.contract.relative_deadline;
  if (deadline <= Duration::zero()) return;
  bool has_unbatched = false;
  for (std::uint32_t g = 0; g < kDemandGroupsMax; ++g) {
    const DemandGroupEntry& entry = set.group(g);
    if (!entry.is_open || entry.category != candidate.category) continue;
    const bool is_batched = entry.window > Duration::zero();
    has_unbatched = has_unbatched || !is_batched;
    if (is_batched && entry.window + entry.job_deadline > deadline) continue;
    if (tried(DemandChoice{g, false, entry.window, entry.job_deadline, {}})) return;
  }
  const auto free = set.free_group();
  if (!free) return;
  for (const int percent : kWindowPercent) {
    if (percent == 0 && has_unbatched) continue;  // the group there is does the same
    Duration window = deadline / 100 * percent + Duration((deadline % 100).count() * percent / 100);
    if (window > kWindowGrain) window -= window % kWindowGrain;
    if (percent > 0 && window == Duration::zero()) continue;
    if (tried(DemandChoice{*free, true, window, deadline - window, {}})) return;
  }
}

// How many more of the same were found to fit.
std::size_t DemandWorkshop::more_copies(const BatchTimes& times, const DemandSet& set,
                                        const DemandCandidate& candidate, const DemandChoice& choice) {
  std::size_t fit = 0;
  for (std::size_t more = 1; more <= kCopiesMax; more *= 2) {
    lay_out(set, &candidate, &choice, 1 + more);
    if (!test_.run(times, groups_, Duration::zero(), DemandTest::Extent::kFirstFailure)) break;
    fit = more;
  }
  return fit;
}

std::optional<DemandChoice> DemandWorkshop::admit(const BatchTimes& times, const DemandSet& set,
                                                  const DemandCandidate& candidate) {
  std::optional<DemandChoice> best;
  std::size_t best_copies = 0;
  Duration best_worst{}, nearest_worst = Duration::max();
  evidence_ = {};
  lost_.clear();
  each_choice(set, candidate, [&](const DemandChoice& choice) {
    lay_out(set, &candidate, &choice);
    const DemandResult result = test_.run(times, groups_, Duration::zero());
    if (result) {
      const std::size_t copies = more_copies(times, set, candidate, choice);
      const bool is_better =
          !best || copies > best_copies || (copies == best_copies && result.worst < best_worst);
      if (!is_better) return false;
      best = choice;
      best_copies = copies;
      best_worst = result.worst;
    } else if (result.at && result.worst < nearest_worst) {
      nearest_worst = result.worst;
      evidence_.at = result.at;
      evidence_.stream = slots_[group_firsts_[result.group] + result.stream];
    }
    return false;
  });
  if (!best) return std::nullopt;
  lay_out(set, &candidate, &*best);
  best->allowance = test_.blocking_allowance(times, groups_);
  return best;
}

bool DemandWorkshop::admits(const BatchTimes& times, const DemandSet& set, const DemandCandidate& candidate) {
  bool found = false;
  lost_.clear();
  each_choice(set, candidate, [&](const DemandChoice& choice) {
    lay_out(set, &candidate, &choice);
    found = static_cast<bool>(test_.run(times, groups_, Duration::zero(), DemandTest::Extent::kFirstFailure));
    return found;
  });
  return found;
}

Duration DemandWorkshop::retest(const BatchTimes& times, const DemandSet& set) {
  lost_.clear();
  // Replies or wake-ups that take longer may leave a deadline shorter than its group needs.
  for (const DemandMember& member : set.members()) {
    const DemandGroupEntry& group = set.group(member.group);
    const Duration needed = group.window > Duration::zero() ? group.window + group.job_deadline : Duration(1);
    if (!member.has_left && member.contract.relative_deadline < needed) lost_.push_back(member.stream);
  }
  for (;;) {
    lay_out(set, nullptr, nullptr);
    if (test_.run(times, groups_, Duration::zero(), DemandTest::Extent::kFirstFailure)) break;
    const DemandMember* latest = nullptr;
    for (const DemandMember& member : set.members()) {
      if (member.has_left || std::find(lost_.begin(), lost_.end(), member.stream) != lost_.end()) continue;
      if (latest == nullptr || member.order > latest->order) latest = &member;
    }
    if (latest == nullptr) return Duration::zero();
    lost_.push_back(latest->stream);
  }
  return test_.blocking_allowance(times, groups_);
}

}  // namespace laxity
