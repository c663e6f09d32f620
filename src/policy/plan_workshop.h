// Planning beside the scheduler: a snapshot goes in, a plan or a refusal with counter-offers comes out.
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

namespace laxity {

class PlanWorkshop {
 public:
  enum class Question : std::uint8_t {
    kAdmit,   ///< Is there a plan on some executor for what it has promised and for `candidate`?
    kExtend,  ///< Is there a plan that reaches further for what `executor` has promised?
  };

  /// An executor as it was when the question was asked.
  struct Snapshot {
    bool is_usable = false;
    Instant free_at;  ///< When it can start something, at the latest.
    Plan plan;
    std::vector<PlannedStream> streams;  ///< `next`: first frame that is not in `plan`.
    std::int64_t utilisation_ppm = 0;    ///< Σ E(1) / T of its streams.
    explicit Snapshot(std::size_t frames_max) : plan(frames_max) {}
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
  bool wants_offers = true;
  std::vector<Snapshot> snapshots;  ///< By executor.

  /// Bounded by `node_budget` nodes of search for each executor tried, and 24 tests for counter-offers. Does
  /// not allocate. Returns a hash of what was found.
  std::uint64_t compute(std::uint64_t node_budget);

  // The answer.
  bool found() const noexcept { return found_; }
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
  void find_offers(const Snapshot& from);
  std::optional<Duration> least_deadline(const Snapshot& from, const PlannedStream& asked);
  std::optional<Duration> least_period(const Snapshot& from, const PlannedStream& asked);

  const std::size_t frames_max_;
  PlanMaker maker_;
  bool found_ = false;
  Plan plan_;
  Instant plan_horizon_;
  std::vector<PlannedStream> planned_;
  PlanEvidence evidence_;
  std::optional<Duration> deadline_offer_, period_offer_;
};

}  // namespace laxity
