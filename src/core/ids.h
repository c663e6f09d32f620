// Who is who. Each identity is its own type, so that none can stand in for another.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laxity {

/// One frame or request. The high 44 bits count releases, the low 20 bits are the slot in the tables that
/// hold it, so ids grow in order of release and finding a job is one array access. Made by JobIdAllocator.
enum class JobId : std::uint64_t {};
enum class TaskId : std::uint32_t {};      ///< A stream contract.
enum class BatchId : std::uint64_t {};     ///< Counts up from 1 in order of start.
enum class ExecutorId : std::uint32_t {};  ///< Index into SystemModel::executors.
enum class ModelId : std::uint32_t {};     ///< Index into Catalog::models.
enum class CategoryId : std::uint32_t {};  ///< Index into Catalog::categories.
enum class PlanId : std::uint64_t {};      ///< Counts up from 1 in order of request.

inline constexpr unsigned kJobSlotBits = 20;
inline constexpr std::uint64_t kJobSlotMask = (std::uint64_t{1} << kJobSlotBits) - 1;

/// Where the job with this id lives in a table of `queue_length_max` entries.
constexpr std::size_t slot(JobId id) noexcept { return static_cast<std::uint64_t>(id) & kJobSlotMask; }
constexpr JobId make_job_id(std::uint64_t sequence, std::size_t slot) noexcept {
  return static_cast<JobId>((sequence << kJobSlotBits) | (slot & kJobSlotMask));
}

template <typename Id>
constexpr std::size_t index(Id id) noexcept {
  return static_cast<std::size_t>(id);
}

}  // namespace laxity
