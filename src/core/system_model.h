// What a scheduler decides about: models, executors and how long things take.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/catalog.h"
#include "core/latency_table.h"
#include "core/limits.h"

namespace laxity {

enum class ExecutorKind : std::uint8_t { kCpu, kCuda, kEmulated };
const char* name(ExecutorKind kind) noexcept;

/// A sequential resource. A device with n slots is n executors.
struct Executor {
  std::string name;
  ExecutorKind kind = ExecutorKind::kCpu;
  bool runs_batches = true;
  bool runs_segments = true;  ///< May also run CPU segments on their own (StartSegment).
};

struct SystemModel {
  Catalog catalog;
  LatencyTable table;
  std::vector<Executor> executors;
  Limits limits;

  /// True when encoded frames are decoded inside the batch that needs them: every executor that runs batches
  /// is a CPU and none is set apart for segments, so a segment of its own would only add hand-overs.
  bool preprocesses_inline() const noexcept;

  /// Largest batch of `category` that may be formed: the least of graph, limit and table.
  /// A category without any table entry gets 1: unmeasured work runs alone, as best effort.
  std::uint32_t batch_size_max(CategoryId category) const noexcept;

  /// Planned time (p99 plus dispatch) of a batch of `batch_size`, of which `encoded_count` jobs are decoded
  /// inside it; includes post-processing. Zero when nothing was measured. O(1).
  Duration planned(CategoryId category, std::uint32_t batch_size, std::uint32_t encoded_count) const noexcept;
};

}  // namespace laxity
