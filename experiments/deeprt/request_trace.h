// Who asks for what, and when: DeepRT's request traces (its section 6.1).
//
// 20 to 30 requests a trace. Period and deadline of each are drawn independently from Gamma(2, 5) and scaled
// to the setting's mean. Network and shape are drawn from four categories, which are drawn for each trace.
// The requests' arrivals follow the rate of a Twitter stream, squeezed into the trace. The paper does not say
// how long a trace or a video is; ours: 400 frames a video, and arrivals spread over one and a half times the
// length of a mean video, which matches its report of 4 requests at once and 10 admitted in all for the
// desktop trace T1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "experiments/deeprt/device.h"

namespace laxity::study {

struct Setting {
  std::string name;
  bool is_tx2 = false;
  Duration mean_period{};
  Duration mean_deadline{};
  bool is_small = false;  ///< All frames are 3x224x224, as in the paper's Table 1.
  Scaling scaling = Scaling::kPixelsAsBatch;
  bool is_constant = false;  ///< Period and deadline are the means.
};
/// T1, T2, T3 (desktop) and T1', T2', T3' (TX2).
std::vector<Setting> paper_settings();
/// T1, T2, T3 with frames of 3x224x224; then with the other rule for larger frames.
std::vector<Setting> variant_settings();
double time_factor(const Setting& setting);

struct Request {
  Duration arrival{};        ///< Of the request and of its first frame.
  std::size_t category = 0;  ///< Into RequestTrace::categories.
  Duration period{};
  Duration deadline{};
  std::uint64_t frames = 0;
};

struct RequestTrace {
  Scaling scaling = Scaling::kPixelsAsBatch;
  std::vector<CategorySpec> categories;
  std::vector<Request> requests;  ///< By arrival.
};

/// Counts a second of stretches of a real request stream, one stretch each; or none: then a synthetic
/// stretch is drawn, e^x a second with x an autoregression of order 1 (0.97, deviation 0.15).
using ArrivalShapes = std::vector<std::vector<double>>;

RequestTrace make_trace(const Setting& setting, std::uint64_t seed, const ArrivalShapes& shapes,
                        std::uint64_t frames_per_video);

/// The input shapes of the setting's machine.
std::vector<Shape> shapes_of(const Setting& setting);
/// `count` different categories of the setting's networks and shapes.
std::vector<CategorySpec> draw_categories(Rng& rng, const Setting& setting, std::size_t count);

/// Gamma(2, 5) scaled to `mean`, whole microseconds, at least 1 ms.
Duration draw_gamma_time(Rng& rng, Duration mean);

}  // namespace laxity::study
