#include "experiments/deeprt/request_trace.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "sim/distributions.h"

namespace laxity::study {
namespace {

constexpr std::size_t kCategoriesPerTrace = 4;
constexpr std::size_t kSyntheticSeconds = 300;
constexpr double kGammaShape = 2;

std::vector<double> synthetic_shape(Rng& rng) {
  std::vector<double> counts;
  double x = 0;
  for (std::size_t i = 0; i < kSyntheticSeconds; ++i) {
    x = 0.97 * x + 0.15 * draw_normal(rng);
    counts.push_back(exponential_function(x));
  }
  return counts;
}

/// Where in [0, 1) a request falls when its density is `counts`.
double draw_place(Rng& rng, const std::vector<double>& counts, double total) {
  double left = rng.unit() * total;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (left < counts[i])
      return (static_cast<double>(i) + left / counts[i]) / static_cast<double>(counts.size());
    left -= counts[i];
  }
  return 0;  // rounding
}

}  // namespace

std::vector<Setting> paper_settings() {
  return {{"T1", false, 50ms, 50ms},   {"T2", false, 150ms, 150ms}, {"T3", false, 250ms, 250ms},
          {"T1'", true, 300ms, 300ms}, {"T2'", true, 450ms, 450ms}, {"T3'", true, 600ms, 600ms}};
}

std::vector<Setting> variant_settings() {
  std::vector<Setting> settings;
  for (const bool is_small : {true, false}) {
    for (std::size_t i = 0; i < 3; ++i) {
      settings.push_back(paper_settings()[i]);
      settings.back().is_small = is_small;
      if (!is_small) settings.back().scaling = Scaling::kProportional;
    }
  }
  return settings;
}

double time_factor(const Setting& setting) { return setting.is_tx2 ? kTx2OverRtx : 1; }

Duration draw_gamma_time(Rng& rng, Duration mean) {
  const double ms = draw_gamma(rng, kGammaShape) / kGammaShape * static_cast<double>(mean.count()) / 1e6;
  return std::max<Duration>(1ms, std::chrono::microseconds(std::llround(ms * 1e3)));
}

std::vector<Shape> shapes_of(const Setting& setting) {
  if (setting.is_small) return {{224, 224}};
  if (setting.is_tx2) return {{360, 640}, {240, 352}, {224, 224}};
  return {{1080, 1920}, {480, 854}, {240, 352}};
}

std::vector<CategorySpec> draw_categories(Rng& rng, const Setting& setting, std::size_t count) {
  const std::vector<Shape> shapes = shapes_of(setting);
  std::vector<CategorySpec> drawn;
  LAXITY_CHECK(count <= kNetworkCount * shapes.size());
  while (drawn.size() < count) {
    const auto network = static_cast<std::size_t>(rng.uniform(0, kNetworkCount - 1));
    const auto shape = static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(shapes.size()) - 1));
    const CategorySpec spec{network, shapes[shape]};
    if (std::find(drawn.begin(), drawn.end(), spec) == drawn.end()) drawn.push_back(spec);
  }
  return drawn;
}

RequestTrace make_trace(const Setting& setting, std::uint64_t seed, const ArrivalShapes& shapes,
                        std::uint64_t frames_per_video) {
  const Rng root = Rng(seed).split(static_cast<std::uint64_t>(setting.mean_period.count()));
  Rng rng = root.split(setting.is_tx2 ? 1 : 0);
  RequestTrace trace;
  trace.scaling = setting.scaling;
  trace.categories = draw_categories(rng, setting, kCategoriesPerTrace);
  const std::vector<double> counts = shapes.empty() ? synthetic_shape(rng) : shapes[seed % shapes.size()];
  double total = 0;
  for (const double count : counts) total += count;
  LAXITY_CHECK(total > 0);
  const auto mean_video = static_cast<double>((frames_per_video * setting.mean_period).count());
  const std::int64_t count = rng.uniform(20, 30);
  for (std::int64_t i = 0; i < count; ++i) {
    Request request;
    request.arrival =
        std::chrono::microseconds(std::llround(draw_place(rng, counts, total) * 1.5 * mean_video / 1e3));
    request.category = static_cast<std::size_t>(rng.uniform(0, kCategoriesPerTrace - 1));
    const auto time = [&](Duration mean) { return setting.is_constant ? mean : draw_gamma_time(rng, mean); };
    request.period = time(setting.mean_period);
    request.deadline = time(setting.mean_deadline);
    request.frames = frames_per_video;
    trace.requests.push_back(request);
  }
  std::stable_sort(trace.requests.begin(), trace.requests.end(),
                   [](const Request& a, const Request& b) { return a.arrival < b.arrival; });
  return trace;
}

}  // namespace laxity::study
