// The parts of the study. Each returns plain data, the same for the same seeds on every machine, apart from
// admission_times, which measures this one.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "experiments/deeprt/policy_run.h"

namespace laxity::study {

using Json = nlohmann::ordered_json;

struct Scale {
  std::uint64_t seeds = 30;
  std::uint64_t frames_per_video = 400;
  std::uint64_t frames_timed_max = 100'000;  ///< admission_times
  std::uint64_t optimum_seeds = 100;
  double horizon_s = 6;  ///< first_refusals
  ArrivalShapes shapes;
};

/// What the emulated device is, beside what is published.
Json device_check();
/// Section 6.2 and 6.4: deadline misses, overdue times, admitted requests and throughput, in all six
/// settings.
Json comparison(const Scale& scale);
/// The same for T1 to T3 when all frames have the shape of the paper's table, and with the other rule for
/// larger ones.
Json comparison_variants(const Scale& scale);
/// Where a nominal promise ends: misses of admitted frames when times or arrivals are not as predicted.
Json promises(const Scale& scale);
/// Section 6.5: predicted minus measured latency.
Json imitator_errors(const Scale& scale);
/// Section 6.6: injected overruns, with and without the Adaptation Module.
Json overruns(const Scale& scale);
/// Streams until the first refusal, test by test.
Json first_refusals(const Scale& scale);
/// The same on sets small enough for the exact optimum.
Json small_optima(const Scale& scale);
/// Section 6.5: how long an admission takes, by the number of frames that it looks at. Wall clock.
Json admission_times(const Scale& scale);

}  // namespace laxity::study
