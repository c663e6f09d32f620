// What the policy `laxity` knows of each stream: where its frames are planned, and which have come.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/stream_frames.h"
#include "base/time.h"
#include "core/ids.h"
#include "core/limits.h"
#include "policy/books.h"

namespace laxity {

/// One stream. Its slot is that of Books::stream_slot.
struct StreamPlan {
  enum class State : std::uint8_t {
    kFree,
    kAsked,        ///< Waits for a plan that holds it, for the first time or again.
    kProvisional,  ///< Planned at a phase that was assumed; frame 0 will fix the real one.
    kPlanned,
    kDemand,  ///< Promised by the demand test.
  };
  /// A frame that has come and is in the plan, or waits for its job, but has not been started.
  struct Arrived {
    std::uint64_t number = 0;
    JobIndex job = kNoIndex;
  };
  static constexpr std::size_t kArrivedMax = kStreamFramesMax;

  State state = State::kFree;
  TaskId id{};
  bool was_promised = false;  ///< Admitted once: a failure to plan it again is told, and tried again later.
  bool loss_is_announced = false;
  Instant promised_until;          ///< As the loss was told: frames released before it stay promised.
  bool returns_by_itself = false;  ///< What was lost are frames that were given up; the rest is in the plan.
  Instant given_up_until;          ///< Frames up to this r have left the plan after an overrun, or some have.
  std::optional<Instant> given_up_from;  ///< r of the first of them, until they are told.
  bool is_displaced = false;             ///< Promised once, in no plan, and not asked for at present.
  std::uint32_t executor = 0;
  std::uint32_t demand_group = 0;  ///< kDemand: of that executor's set.
  PlannedStream planned;           ///< `next`: one past the last frame in the plan.
  std::uint64_t next_wanted = 0;   ///< First frame that the next plan may promise: earlier ones have come.
  std::array<Arrived, kArrivedMax> arrived;

  bool is_in_plan() const noexcept { return state == State::kProvisional || state == State::kPlanned; }
  Arrived& place(std::uint64_t number) noexcept { return arrived[number % kArrivedMax]; }
  /// The job of a frame that has come; kNoIndex: it has not.
  JobIndex job_of(std::uint64_t number) const noexcept {
    const Arrived& found = arrived[number % kArrivedMax];
    return found.job != kNoIndex && found.number == number ? found.job : kNoIndex;
  }
};

}  // namespace laxity
