// An executor that rests on the demand test: what it has promised, and where it is in its busy interval.
#pragma once

#include <cstdint>

#include "base/fixed_vector.h"
#include "base/time.h"
#include "core/limits.h"
#include "policy/demand_set.h"

namespace laxity {

struct FrameName {
  std::uint32_t stream = 0;  ///< Slot.
  std::uint64_t number = 0;
};

struct DemandExecutor {
  DemandSet set;         ///< Job deadlines are those that jobs are given, counted from their joint.
  Duration allowance{};  ///< B: other work may keep a job waiting so long from its release.
  bool wants_test = false;

  // The job that runs, all mandatory stages.
  bool runs_job = false;
  Instant running_deadline;
  FixedVector<FrameName, kBatchSizeMax> running;

  // The busy interval: from the first release until nothing that was released is unfinished.
  Instant first_release;
  bool has_started = false;  ///< A job of it has been started,
  Instant first_start;       ///< then.
  bool is_disturbed =
      false;              ///< A time was longer than the table's: the test says nothing of the rest of it.
  bool has_loss = false;  ///< Some stream was told that its promise is lost.

  explicit DemandExecutor(std::size_t streams_max) : set(streams_max) {}
};

}  // namespace laxity
