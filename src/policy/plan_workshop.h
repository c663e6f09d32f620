// Planning beside the scheduler: a snapshot goes in, a plan or a refusal with counter-offers comes out. On
// executors that rest on the demand test, that test stands in place of a plan.
//
// The policy fills a snapshot while it has the scheduler's strand; compute() then runs on any one thread and
// touches nothing but this object; what it leaves is read when the strand is told that the plan is ready.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/batch_times.h"
#include "analysis/plan.h"
#include "analysis/plan_maker.h"
#include "analysis/stream_frames.h"
#include "base/time.h"
#include "policy/demand_workshop.h"

namespace laxity {

class PlanWorkshop {
 public:
  enum class Question : std::uint8_t {
    kAdmit,   ///< Is there a plan on some executor for what it has promised and for `candidate`?
    kExtend,  ///< Is there a plan that reaches further for what `executor` has promised?
    kRetest,  ///< What of that which `executor` has promised does the demand test still bear?
  };

  /// An executor as it was when the question was asked.
  struct Snapshot {
    bool is_usable = false;
    bool rests_on_demand = false;  ///< Something is promised, by the demand test.
    bool is_free = false;          ///< Nothing is promised.
    Instant free_at;               ///< When it can start something, at the latest.
    Plan plan;
    std::vector<PlannedStream> streams;  ///< `next`: first frame that is not in `plan`.
    std::int64_t utilisation_ppm = 0;    ///< Σ E(1) / T of its streams.
    DemandSet demand;                    ///< As the test counts it.
    Snapshot(std::size_t frames_max, std::size_t streams_max) : plan(frames_max), demand(streams_max) {}
  };

  PlanWorkshop(std::size_t frames_max, std::size_t streams_max, std::size_t executor_count,
               std::size_t categories_max);

  // The question.
  Question question = Question::kAdmit;
  std::uint32_t executor = 0;  ///< kExtend: which. Afterwards, if found(): where the plan is for.
  Instant horizon;             ///< Frames released before it are to be in the plan.
  Instant horizon_min;         ///< kAdmit: a plan without room for those before this admits nobody.
  BatchTimes times;            ///< Bounds; a plan is valid with these.
  BatchTimes padded_times;     ///< With a margin: an endless stream is admitted only if these bear it too.
  std::optional<PlannedStream> candidate;
  DemandCandidate demand_candidate;  ///< The same stream, as the demand test counts it.
  bool needs_demand = false;         ///< No plan will do.
  bool wants_offers = true;
  std::vector<Snapshot> snapshots;  ///< By executor.

  /// Bounded by `node_budget` nodes of search for each executor tried (or one demand test a group and
  /// window), and 24 tests for counter-offers. Does not allocate. Returns a hash of what was found.
  std::uint64_t compute(std::uint64_t node_budget);

  // The answer.
  bool found() const noexcept { return found_; }
  /// Of kAdmit: the test that `executor`, or the last that was tried, rests on. None was tried: the one that
  /// was needed.
  bool rests_on_demand() const noexcept { return rests_on_demand_; }
  const DemandChoice& demand_choice() const noexcept { return demand_choice_; }
  const DemandEvidence& demand_evidence() const noexcept { return demand_.evidence(); }
  /// Of kRetest.
  const std::vector<std::uint32_t>& lost() const noexcept { return demand_.lost(); }
  Duration allowance() const noexcept { return allowance_; }
  Plan& plan() noexcept { return plan_; }
  Instant plan_horizon() const noexcept { return plan_horizon_; }
  /// Streams of the plan with `next` moved on; the candidate is the last one.
  const std::vector<PlannedStream>& planned() const noexcept { return planned_; }
  const PlanEvidence& evidence() const noexcept { return evidence_; }
  std::optional<Duration> deadline_offer() const noexcept { return deadline_offer_; }
  std::optional<Duration> period_offer() const noexcept { return period_offer_; }

 private:
  bool try_plan(const Snapshot& from, const std::optional<PlannedStream>& added, std::uint64_t node_budget);
  bool try_plan_until(const Snapshot& from, const std::optional<PlannedStream>& added, Instant until,
                      std::size_t frames_max, std::uint64_t node_budget, bool& is_cut);
  bool admit(std::uint64_t node_budget);
  bool takes_demand(const Snapshot& snapshot) const {
    return snapshot.rests_on_demand || (needs_demand && snapshot.is_free);
  }
  bool try_admission(const Snapshot& snapshot, std::uint64_t node_budget);
  void find_offers(const Snapshot& from);
  std::optional<Duration> least_deadline(const Snapshot& from);
  std::optional<Duration> least_period(const Snapshot& from);
  bool is_admitted(const Snapshot& from, Duration more_deadline, Duration more_period);

  const std::size_t frames_max_;
  PlanMaker maker_;
  bool found_ = false;
  Plan plan_;
  Instant plan_horizon_;
  std::vector<PlannedStream> planned_;
  PlanEvidence evidence_;
  std::optional<Duration> deadline_offer_, period_offer_;
  DemandWorkshop demand_;
  bool rests_on_demand_ = false;
  DemandChoice demand_choice_;
  Duration allowance_{};
};

}  // namespace laxity
