// An accelerator that is not there: takes a table's time and does no arithmetic.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/catalog.h"
#include "core/latency_table.h"
#include "core/slowdown_table.h"
#include "engine/engine.h"

namespace laxity {

/// One graph that the emulated device can be asked for.
struct EmulatedStage {
  std::string file;  ///< As given to Engine::load; need not exist.
  CategoryId category{};
  StageSpec spec;
};

struct EmulatedOptions {
  std::string device;  ///< "rtx2080": stands in version() and so in every result.
  Catalog
      catalog;  ///< Each stage can also be loaded as "emulated:<category>", e.g. "emulated:cifar10/full/0".
  LatencyTable table;
  SlowdownTable slowdown;  ///< Among the runners of this engine: they are the slots of one device.
  std::vector<EmulatedStage> stages;
  std::size_t slot_count = 1;  ///< Runs that go on at once; one more is a bug.
};

/// Each run takes the table's median for its batch size, slowed by what runs beside it, and gives zeros.
/// `load` gives batches up to the largest the table holds, at most what the caller asks for.
/// Errors of load and inspect: kNotFound for a file that is not among `stages`; kFailedPrecondition when the
/// table has no time for it.
std::unique_ptr<Engine> make_emulated_engine(EmulatedOptions options);

}  // namespace laxity
