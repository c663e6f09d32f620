// How many answers a second the table says a machine can give within a deadline.
#pragma once

#include <cstdint>

#include "core/system_model.h"

namespace laxity {

/// Sum over the executors that run batches of the best n / E(n), all stages of the model's best variant, by
/// medians, segments included, over batch sizes whose time fits `deadline` (docs/model.md, Capacity). 0 when
/// none fits. `encoded`: frames arrive as pictures.
double capacity_per_s(const SystemModel& system, ModelId model, Duration deadline, bool encoded);

}  // namespace laxity
