// The demand test beside the scheduler: may this stream join what an executor has promised, in which group,
// and how long may other work keep its jobs waiting?
//
// Owned by whoever computes (policy/plan_workshop.h).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/batch_times.h"
#include "analysis/demand.h"
#include "policy/demand_set.h"

namespace laxity {

/// A stream that asks.
struct DemandCandidate {
  std::uint32_t stream = 0;  ///< Slot.
  CategoryIndex category = 0;
  DemandStream contract;
};

/// Where it fits, and what then holds.
struct DemandChoice {
  std::uint32_t group = 0;
  bool opens_group = false;
  Duration window{};        ///< Of a group that is opened.
  Duration job_deadline{};  ///< As the test counts it.
  Duration allowance{};     ///< B: other work may keep a job waiting so long from its release.
};

struct DemandEvidence {
  std::optional<Duration> at;           ///< Within so long the demand may exceed the time.
  std::optional<std::uint32_t> stream;  ///< Slot of one that has a job due then.
};

class DemandWorkshop {
 public:
  static constexpr std::size_t kCopiesMax = 32;

  explicit DemandWorkshop(std::size_t streams_max);

  /// The choice, among those that pass, to which most further streams of the same contract could be added
  /// (1, 2, 4, … kCopiesMax are tried: cameras come in numbers); of equals the one with the most room. A
  /// choice is a group there is whose jobs are soon enough, or one of its own with a window of
  /// kWindowPercent. None: no choice passes; `evidence` says of the nearest miss why. At most 7 tests for
  /// each group of the category, and 42. Does not allocate.
  std::optional<DemandChoice> admit(const BatchTimes& times, const DemandSet& set,
                                    const DemandCandidate& candidate);
  /// Only whether some choice passes.
  bool admits(const BatchTimes& times, const DemandSet& set, const DemandCandidate& candidate);
  const DemandEvidence& evidence() const noexcept { return evidence_; }

  /// Do the streams that are in still pass, with these times? Those who joined last lose their promise until
  /// the rest passes. Returns B of the rest. At most one test a stream. Does not allocate.
  Duration retest(const BatchTimes& times, const DemandSet& set);
  /// Slots of those that have lost it.
  const std::vector<std::uint32_t>& lost() const noexcept { return lost_; }

 private:
  /// `copies`: so many streams of the candidate's contract.
  void lay_out(const DemandSet& set, const DemandCandidate* candidate, const DemandChoice* choice,
               std::size_t copies = 1);
  std::size_t more_copies(const BatchTimes& times, const DemandSet& set, const DemandCandidate& candidate,
                          const DemandChoice& choice);
  template <typename Tried>
  void each_choice(const DemandSet& set, const DemandCandidate& candidate, Tried tried);

  DemandTest test_;
  std::vector<DemandStream> streams_;  // of the groups, one group behind the other
  std::vector<std::uint32_t> slots_;   // whose they are
  std::vector<DemandGroupView> groups_;
  std::vector<std::size_t> group_firsts_;  // where each group begins in streams_
  std::vector<std::uint32_t> lost_;
  DemandEvidence evidence_;
};

}  // namespace laxity
