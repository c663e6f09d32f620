// The bounds that every queue, table and batch obeys.
#pragma once

#include <cstddef>
#include <cstdint>

namespace laxity {

/// Capacity of the inline arrays in events and commands; `batch_size_max` may be anything up to it.
inline constexpr std::size_t kBatchSizeMax = 64;

/// A stream keeps its promise for so many frames that wait at once; more are served without one.
inline constexpr std::size_t kStreamFramesMax = 64;

/// So often at most a policy says something new of one stream while one event is handled: a plan is ready, a
/// frame reaches its deadline unserved, the plan ends, frames are given up, the promise holds again.
inline constexpr std::size_t kAnswersPerStreamMax = 5;

struct Limits {
  std::size_t queue_length_max = 4096;  ///< Jobs alive at once, waiting or running. At most 2^20.
  std::size_t batch_size_max = 32;      ///< At most kBatchSizeMax.
  std::size_t streams_max = 1024;
  std::size_t plan_frames_max = 32768;  ///< Frames that the plan of one executor holds.
};

}  // namespace laxity
