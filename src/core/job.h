// One frame or request, as the scheduler sees it: identity and timing, never tensors.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "core/ids.h"

namespace laxity {

enum class JobKind : std::uint8_t {
  kFirm,        ///< Worthless after its deadline: dropped when hopeless.
  kSoft,        ///< Served late if it must be, and marked so.
  kBestEffort,  ///< No deadline; runs when nothing with a deadline needs the executor.
};
const char* name(JobKind kind) noexcept;

struct Job {
  JobId id{};
  std::optional<TaskId> task;  ///< None: an ad-hoc request, a job of an implicit sporadic task.
  ModelId model{};
  std::uint32_t variant = 0;  ///< Index into Model::variants.
  JobKind kind = JobKind::kBestEffort;
  Instant release;  ///< r: when the request was fully received.
  std::optional<Instant>
      absolute_deadline;          ///< d: finishing exactly at d is on time. Always set unless best-effort.
  std::uint32_t priority = 0;     ///< Tie-break among best-effort work; a larger number goes later.
  bool needs_preprocess = false;  ///< Arrives encoded: its CPU segment must run before stage 0.
  std::optional<std::uint32_t> frame;  ///< Frame number inside its stream.

  /// d, or an instant later than all others: for ordering only.
  Instant deadline_key() const noexcept { return absolute_deadline.value_or(Instant::latest()); }

  bool operator==(const Job&) const = default;
};

}  // namespace laxity
