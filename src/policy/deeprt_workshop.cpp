#include "policy/deeprt_workshop.h"

#include <algorithm>

#include "analysis/offer_grid.h"
#include "analysis/utilisation_filter.h"

namespace laxity {
namespace {

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) { return (hash ^ value) * 1099511628211u; }

}  // namespace

DeepRtWorkshop::DeepRtWorkshop(std::size_t lanes_max, std::size_t streams_max, std::size_t batches_max)
    // Each lane may have a backlog besides; the candidate and a leaver come on top.
    : imitator_(lanes_max, streams_max + lanes_max + 1, streams_max + 2, batches_max),
      saved_(streams_max + 2),
      late_lanes_(lanes_max) {
  load.streams.reserve(streams_max + lanes_max + 1);
  load.waiting.reserve(batches_max);
  load.frames.reserve(2 * batches_max);  // those that wait, and places of those taken early
  leavers.reserve(lanes_max);
}

std::uint64_t DeepRtWorkshop::compute() {
  evidence_ = {};
  deadline_offer_.reset();
  period_offer_.reset();
  may_grow_ = false;
  question == Question::kAdmit ? admit() : retest();
  std::uint64_t hash = 1469598103934665603u;
  hash = mixed(hash, static_cast<std::uint64_t>(reason_) + (may_grow_ ? 256 : 0));
  hash = mixed(hash, evidence_.frame_count);
  hash = mixed(hash, static_cast<std::uint64_t>(horizon_.end.since_start().count()));
  hash = mixed(hash, static_cast<std::uint64_t>(deadline_offer_.value_or(Duration::zero()).count()));
  return mixed(hash, static_cast<std::uint64_t>(period_offer_.value_or(Duration::zero()).count()));
}

// Both phases, on `load` as it is.
Reason DeepRtWorkshop::test() {
  const bool is_repaired = form != EdfImitator::Form::kPublished;
  const bool passes_first =
      is_repaired ? repaired_filter_passes(load, times) : published_filter_passes(load, times);
  evidence_ = {};
  if (!passes_first) return Reason::kAdmissionPhase1;
  // The published test may pass what runs out of time in the end; nobody is sent there.
  if (is_offer_ && !is_repaired && !repaired_filter_passes(load, times)) return Reason::kAdmissionPhase1;
  horizon_ = test_horizon(load, frames_max, is_repaired);
  evidence_ = imitator_.run(load, times, horizon_.end, form);
  return evidence_.is_schedulable ? Reason::kNone : Reason::kAdmissionPhase2;
}

Reason DeepRtWorkshop::test_with(const Candidate& tried) {
  BatchWindows& windows = load.lanes[tried.stream.lane].windows;
  saved_ = windows;
  windows.stream_added(load.now, tried.window_id, tried.stream.deadline, tried.last_arrival());
  const auto place =
      std::upper_bound(load.streams.begin(), load.streams.end(), tried.stream.lane,
                       [](std::uint32_t lane, const WindowStream& stream) { return lane < stream.lane; });
  const auto inserted = load.streams.insert(place, tried.stream);
  const Reason reason = test();
  load.streams.erase(inserted);
  windows = saved_;
  return reason;
}

void DeepRtWorkshop::admit() {
  reason_ = test_with(*candidate);
  if (passes() || !wants_offers) return;
  const EdfImitator::Result evidence = evidence_;
  const TestHorizon horizon = horizon_;
  const WindowStream& asked = candidate->stream;
  is_offer_ = true;
  const auto later = least_admitted_steps(
      [&](std::int64_t steps) {
        Candidate tried = *candidate;
        tried.stream.deadline += steps * kOfferDeadlineStep;
        return test_with(tried) == Reason::kNone;
      },
      offer_deadline_steps_max(asked.deadline, asked.period));
  if (later) deadline_offer_ = asked.deadline + *later * kOfferDeadlineStep;
  const Duration step = std::max<Duration>(asked.period / kOfferPeriodSteps, Duration(1));
  const auto slower = least_admitted_steps(
      [&](std::int64_t steps) {
        Candidate tried = *candidate;
        tried.stream.period += steps * step;
        return test_with(tried) == Reason::kNone;
      },
      kOfferPeriodStepsMax);
  if (slower) period_offer_ = asked.period + *slower * step;
  is_offer_ = false;
  evidence_ = evidence;
  horizon_ = horizon;
}

// First with the windows that are wanted, then with those that are there.
void DeepRtWorkshop::retest() {
  for (const Leaver& leaver : leavers) load.lanes[leaver.lane].windows.stream_removed(leaver.window_id);
  reason_ = test();
  may_grow_ = passes();
  if (!passes() && !leavers.empty()) {
    // The window that is open is still as short as the leaver wanted it: adding it again cuts nothing.
    for (const Leaver& leaver : leavers) {
      load.lanes[leaver.lane].windows.stream_added(load.now, leaver.window_id, leaver.deadline,
                                                   leaver.last_arrival);
    }
    reason_ = test();
  }
  if (passes()) return;
  late_lanes_.resize(load.lanes.size());
  horizon_ = test_horizon(load, frames_max, true);
  evidence_ = imitator_.run_to_end(load, times, horizon_.end, form, late_lanes_);
}

}  // namespace laxity
