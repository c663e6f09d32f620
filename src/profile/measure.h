// Measures every model, variant, stage and batch size of a repository on one executor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "model/repository.h"
#include "profile/profile.h"

namespace laxity {

struct MeasureOptions {
  std::uint32_t batch_size_max = 32;
  bool quick = false;       ///< Batch sizes 1, 2, 4, … only, and a quarter of the time.
  Duration budget = 60s;    ///< For all execution times together; the largest batches may run over it.
  std::optional<int> core;  ///< Where to measure: an executor's core.
  std::optional<int> network_core;  ///< Where work is posted from.
  std::vector<std::string> models;  ///< Only these; empty: all.
  /// Encoded pictures per model, to time decoding with; a made-up one where there is none.
  std::map<std::string, std::vector<std::vector<std::byte>>> pictures;
};

/// Times are from before the inputs are gathered until the outputs are there: what an executor spends on a
/// batch, its segments apart. Between two of them other stages run, as in a server, so that caches are not
/// warmer than there. Everything is measured in 24 rounds, so that a busy spell of the machine does not fall
/// on one point alone, and points of like length share their tails (tail_estimate.h). Keeps the calling
/// thread for the budget and leaves its core as it was.
/// `progress(done, total, what)` is called between points. Errors: kNotFound: a model that is not there
/// (names the nearest); as Engine::load and StageRunner::run.
Result<Profile> measure(const Repository& repository, Engine& engine, const MachineInfo& machine,
                        const MeasureOptions& options,
                        const std::function<void(std::uint64_t, std::uint64_t, std::string_view)>& progress);

}  // namespace laxity
