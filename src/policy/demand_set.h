// What one executor has promised by the demand test: groups of streams, each with its window, and the demand
// of streams that have left but may still be felt.
//
// A group's window and job deadline stay as they are for as long as it has streams: then a stream that joins
// is, to the proof, a sporadic stream that has sent nothing yet, and joining needs no change of mode
// (docs/analysis/demand.md).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/demand.h"
#include "base/check.h"
#include "base/time.h"

namespace laxity {

inline constexpr std::uint32_t kDemandGroupsMax = 64;  ///< On one executor.
inline constexpr std::size_t kDepartedMax = 64;  ///< With more streams that left and still count, none joins.

/// Streams of one category that are batched together at joints `window` apart.
struct DemandGroupEntry {
  bool is_open = false;
  CategoryIndex category = 0;
  Duration window{};        ///< W; 0: each frame is a job of its own.
  Duration job_deadline{};  ///< D': a job is due so long after its joint. Not used when W = 0.
  Instant phase;            ///< Joints are at phase + kW.

  /// The first joint at or after `t`. Precondition: W > 0.
  Instant joint_from(Instant t) const {
    const Duration since = t - phase;
    const std::int64_t passed = since / window - (since % window < Duration::zero() ? 1 : 0);
    const Instant at_or_before = phase + passed * window;
    return at_or_before < t ? at_or_before + window : at_or_before;
  }
};

/// A stream that counts.
struct DemandMember {
  std::uint32_t stream = 0;  ///< Slot (Books::stream_slot).
  std::uint32_t group = 0;
  DemandStream contract;    ///< As the test counts it.
  bool has_left = false;    ///< Its jobs may still have kept others waiting.
  std::uint64_t order = 0;  ///< Of joining: the latest loses its promise first.
};

/// Sized once; nothing below allocates afterwards.
class DemandSet {
 public:
  explicit DemandSet(std::size_t streams_max) { members_.reserve(2 * streams_max + kDepartedMax); }

  bool empty() const noexcept { return members_.empty(); }
  std::size_t living_count() const noexcept { return members_.size() - departed_count_; }
  std::size_t departed_count() const noexcept { return departed_count_; }
  const std::vector<DemandMember>& members() const noexcept { return members_; }
  std::vector<DemandMember>& members() noexcept { return members_; }
  const DemandGroupEntry& group(std::uint32_t g) const { return groups_.at(g); }

  std::optional<std::uint32_t> free_group() const {
    for (std::uint32_t g = 0; g < kDemandGroupsMax; ++g) {
      if (!groups_[g].is_open) return g;
    }
    return std::nullopt;
  }

  /// Deadlines of jobs as the test counts them, from those that jobs are given.
  void shorten_job_deadlines(Duration by) {
    for (DemandGroupEntry& group : groups_)
      group.job_deadline = std::max(group.job_deadline - by, Duration(1));
  }

  /// Precondition: the group is closed.
  void open(std::uint32_t g, const DemandGroupEntry& entry) {
    LAXITY_CHECK(!groups_.at(g).is_open);
    groups_[g] = entry;
    groups_[g].is_open = true;
  }
  /// Precondition: its group is open; at most `streams_max` members live.
  void join(const DemandMember& member) {
    LAXITY_CHECK(groups_.at(member.group).is_open && members_.size() < members_.capacity());
    members_.push_back(member);
  }
  /// The stream's demand stays, until `forget_departed`.
  void leave(std::uint32_t stream) {
    for (DemandMember& member : members_) {
      if (member.stream != stream || member.has_left) continue;
      member.has_left = true;
      ++departed_count_;
    }
  }
  void forget_departed() {
    if (departed_count_ == 0) return;
    std::erase_if(members_, [](const DemandMember& member) { return member.has_left; });
    departed_count_ = 0;
    for (std::uint32_t g = 0; g < kDemandGroupsMax; ++g) {
      groups_[g].is_open = groups_[g].is_open && has_members(g);
    }
  }

 private:
  bool has_members(std::uint32_t g) const {
    return std::any_of(members_.begin(), members_.end(),
                       [g](const DemandMember& member) { return member.group == g; });
  }

  std::array<DemandGroupEntry, kDemandGroupsMax> groups_{};
  std::vector<DemandMember> members_;
  std::size_t departed_count_ = 0;
};

}  // namespace laxity
