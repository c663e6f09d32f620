#include "experiments/deeprt/device.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace laxity::study {
namespace {

struct Network {
  std::string_view name;
  double alone_ms, batch16_ms;
  std::array<double, kTableCount> beside_ms;  // Table 1, columns in this order
};

constexpr std::array<Network, kTableCount> kTable1 = {{
    {"resnet50", 3.5, 25, {6.4, 6.9, 7.1, 11.2, 11.6, 5.8}},
    {"resnet101", 6.4, 42, {11.1, 11.8, 12.0, 18.0, 20.3, 9.0}},
    {"resnet152", 9.0, 58, {15.5, 16.4, 16.8, 24.6, 27.6, 14.6}},
    {"vgg16", 4.5, 46, {5.9, 6.0, 6.3, 8.1, 8.8, 5.2}},
    {"vgg19", 5.3, 56, {6.9, 7.0, 7.4, 8.8, 9.6, 6.1}},
    {"inception-v3", 9.3, 38, {25.3, 29.0, 28.9, 37.6, 42.9, 15.2}},
}};
constexpr std::size_t kLikeMobileNet = 0;  // ResNet-50
constexpr double kMobileNetShare = 0.5;
constexpr double kPixelsOfTable = 224.0 * 224.0;

std::size_t in_table(std::size_t network) { return network < kTableCount ? network : kLikeMobileNet; }

Duration from_ms(double ms) { return Duration(std::llround(ms * 1e6)); }

struct VariantTimes {
  std::string name;
  std::vector<ExecutionTime> times;  // of batches of 1, 2, …
};

/// `variants`: cheapest first, at least one, all with the same cap.
void add_network(SystemModel& system, const std::string& name, const std::vector<VariantTimes>& variants) {
  Model model;
  model.name = name;
  for (const VariantTimes& variant : variants) model.variants.push_back({variant.name, {}});
  const std::vector<std::uint32_t> stage_counts(variants.size(), 1);
  const auto cap = static_cast<std::uint32_t>(variants.front().times.size());
  const ModelId id = system.catalog.add_model(std::move(model), stage_counts, cap);
  for (std::size_t v = 0; v < variants.size(); ++v) {
    const CategoryId category = system.catalog.model(id).variants[v].stages[0];
    for (std::uint32_t n = 1; n <= cap; ++n) system.table.set(category, n, variants[v].times[n - 1]);
  }
}

VariantTimes at_shape(std::size_t network, const Shape& shape, double time_factor, Scaling scaling) {
  VariantTimes made{shape.text(), {}};
  for (std::uint32_t n = 1; n <= kBatchCap; ++n) {
    const double ms = median_ms(network, shape, n, scaling) * time_factor;
    const Duration p99 = from_ms(ms * kP99OverMedian);
    made.times.push_back({from_ms(ms), p99, from_ms(ms * kMaxOverMedian), p99, 1});
  }
  return made;
}

void add_executors(SystemModel& system, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    system.executors.push_back({"gpu." + std::to_string(i), ExecutorKind::kEmulated, true, true});
  }
  system.limits.queue_length_max = 16384;  // baselines without admission let queues grow
  system.limits.streams_max = 128;
  system.limits.batch_size_max = kBatchSizeMax;
}

}  // namespace

std::string_view network_name(std::size_t network) {
  return network < kTableCount ? kTable1[network].name : "mobilenet-v2";
}

double table1_ms(std::size_t network, std::optional<std::size_t> beside) {
  return beside ? kTable1.at(network).beside_ms.at(*beside) : kTable1.at(network).alone_ms;
}

double median_ms(std::size_t network, const Shape& shape, std::uint32_t batch_size, Scaling scaling) {
  const Network& entry = kTable1[in_table(network)];
  const double each = (entry.batch16_ms - entry.alone_ms) / 15;
  const double larger = shape.pixels() / kPixelsOfTable;
  const double share = network < kTableCount ? 1 : kMobileNetShare;
  if (scaling == Scaling::kProportional) {
    return share * larger * (entry.alone_ms + (batch_size - 1) * each);
  }
  return share * (entry.alone_ms + (batch_size * larger - 1) * each);
}

SystemModel device(const std::vector<CategorySpec>& categories, double time_factor,
                   std::size_t executor_count, Scaling scaling) {
  SystemModel system;
  for (const CategorySpec& spec : categories) {
    add_network(system, spec.name(), {at_shape(spec.network, spec.shape, time_factor, scaling)});
  }
  add_executors(system, executor_count);
  return system;
}

SystemModel device_with_smaller_shapes(const std::vector<CategorySpec>& categories,
                                       const std::vector<Shape>& shapes, double time_factor) {
  SystemModel system;
  for (const CategorySpec& spec : categories) {
    std::vector<Shape> ladder = {spec.shape};
    for (const Shape& shape : shapes) {
      if (shape.pixels() < spec.shape.pixels()) ladder.push_back(shape);
    }
    std::sort(ladder.begin(), ladder.end(),
              [](const Shape& a, const Shape& b) { return a.pixels() < b.pixels(); });
    std::vector<VariantTimes> variants;
    for (const Shape& shape : ladder) {
      variants.push_back(at_shape(spec.network, shape, time_factor, Scaling::kPixelsAsBatch));
    }
    add_network(system, spec.name(), variants);
  }
  add_executors(system, 1);
  return system;
}

SlowdownTable device_slowdown(const std::vector<CategorySpec>& categories) {
  SlowdownTable slowdown;
  for (std::size_t a = 0; a < categories.size(); ++a) {
    for (std::size_t b = 0; b < categories.size(); ++b) {
      const Network& of = kTable1[in_table(categories[a].network)];
      const double ratio = of.beside_ms[in_table(categories[b].network)] / of.alone_ms;
      slowdown.set(static_cast<CategoryId>(a), static_cast<CategoryId>(b),
                   static_cast<FactorPpm>(std::llround(ratio * kFactorOne)));
    }
  }
  return slowdown;
}

Profile rtx2080_profile() {
  std::vector<CategorySpec> categories;
  for (const Shape& shape : {Shape{}, Shape{240, 352}, Shape{480, 854}, Shape{1080, 1920}}) {
    for (std::size_t network = 0; network < kNetworkCount; ++network) categories.push_back({network, shape});
  }
  const SystemModel system = device(categories, 1, 1);
  const SlowdownTable slowdown = device_slowdown(categories);
  Profile profile;
  profile.machine = {"NVIDIA RTX 2080", 0, "emulated", true};
  profile.source =
      "DeepRT (SEC 2021): table 1, and batches of 16 read off its figure; between them a line, a larger "
      "frame "
      "counts as a batch of small ones with as many pixels, MobileNet-v2 is half of ResNet-50, p99 and "
      "maximum "
      "are 1.05 and 1.25 of the median";
  for (std::size_t c = 0; c < categories.size(); ++c) {
    const auto category = static_cast<CategoryId>(c);
    const Shape& shape = categories[c].shape;
    for (std::uint32_t n = 1; n <= kBatchCap; ++n) {
      profile.execution.push_back({categories[c].name(),
                                   shape.text(),
                                   0,
                                   {3, shape.height, shape.width},
                                   n,
                                   *system.table.measured(category, n)});
    }
    for (std::size_t other = 0; other < categories.size(); ++other) {
      const auto beside = static_cast<CategoryId>(other);
      profile.slowdown.push_back({system.catalog.category_name(category),
                                  system.catalog.category_name(beside), slowdown.factor(category, beside)});
    }
  }
  return profile;
}

SystemModel linear_device(std::size_t category_count, double first_ms, double each_ms, std::uint32_t cap) {
  SystemModel system;
  for (std::size_t c = 0; c < category_count; ++c) {
    std::vector<ExecutionTime> times;
    for (std::uint32_t n = 1; n <= cap; ++n) {
      const Duration t = from_ms(first_ms + n * each_ms);
      times.push_back({t, t, t, t, 1});
    }
    add_network(system, "network-" + std::to_string(c), {{"full", std::move(times)}});
  }
  add_executors(system, 1);
  return system;
}

BatchTimes planning_times(const SystemModel& system) {
  BatchTimes times;
  for (std::size_t c = 0; c < system.catalog.categories.size(); ++c) {
    const auto category = static_cast<CategoryId>(c);
    std::vector<Duration> row;
    for (std::uint32_t n = 1; n <= system.batch_size_max(category); ++n) {
      row.push_back(system.planned(category, n, 0));
    }
    times.add_category(std::move(row));
  }
  return times;
}

}  // namespace laxity::study
