// The emulated accelerators of DeepRT's evaluation: an RTX 2080 as far as the paper describes it, and a
// Jetson TX2 scaled from it.
//
// What is published: Table 1 (execution time of each of six networks at 3x224x224, alone and beside each
// other one) and figures from which batches of 16 and of 4 are read by eye. What is ours:
//   - E(n) of a network is the line through the table's E(1) and the figure's E(16). It meets the figure's
//     E(4) within 10 %.
//   - Other input shapes. The work of a convolution grows with the pixels that it sees, whether they come as
//     one large frame or as many small ones: a frame of s times 224x224 pixels counts as s frames, and the
//     line is extended beyond 16.
//     `Scaling::kProportional` is the other extreme: s times the time of a small frame, at every batch size.
//   - MobileNet-v2 has no published row: half of ResNet-50's times, and its slow-downs.
//   - The TX2 has no published table: every time is multiplied by 2944 / 256, the ratio of the cores.
//   - The table holds medians. Execution times spread: p99 is 1.05, the rare maximum 1.25 times the median.
//   - Slow-down of one network beside another is the ratio of the table's times, whatever shape and batch;
//     among more than two the excess adds up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/batch_times.h"
#include "base/time.h"
#include "core/slowdown_table.h"
#include "core/system_model.h"
#include "profile/profile.h"

namespace laxity::study {

inline constexpr std::size_t kNetworkCount = 7;  ///< MobileNet-v2 is the last one.
inline constexpr std::size_t kTableCount = 6;    ///< Networks of Table 1.
inline constexpr std::uint32_t kBatchCap = 16;   ///< The largest batch that the paper plots.
inline constexpr double kP99OverMedian = 1.05;
inline constexpr double kMaxOverMedian = 1.25;
inline constexpr double kTx2OverRtx = 2944.0 / 256.0;

std::string_view network_name(std::size_t network);
/// Table 1, milliseconds; `beside` none: alone. Preconditions: below kTableCount.
double table1_ms(std::size_t network, std::optional<std::size_t> beside);

struct Shape {
  int height = 224, width = 224;
  double pixels() const { return static_cast<double>(height) * width; }
  std::string text() const { return std::to_string(height) + "x" + std::to_string(width); }
  bool operator==(const Shape&) const = default;
};

enum class Scaling : std::uint8_t {
  kPixelsAsBatch,  ///< Large frames gain little from batching: they fill the device alone.
  kProportional,   ///< They gain as much as small ones.
};

/// Median execution time of `batch_size` frames on an RTX 2080, milliseconds.
double median_ms(std::size_t network, const Shape& shape, std::uint32_t batch_size,
                 Scaling scaling = Scaling::kPixelsAsBatch);

/// A network at one input shape: what can share a batch.
struct CategorySpec {
  std::size_t network = 0;
  Shape shape;
  std::string name() const { return std::string(network_name(network)) + "@" + shape.text(); }
  bool operator==(const CategorySpec&) const = default;
};

/// `executor_count` slots of one device that knows these categories. `time_factor`: 1 is the RTX 2080.
SystemModel device(const std::vector<CategorySpec>& categories, double time_factor,
                   std::size_t executor_count, Scaling scaling = Scaling::kPixelsAsBatch);
/// All networks at 224x224 and at the desktop's shapes as a profile (docs/profile.md): its times
/// are those of `device` at factor 1, its slow-down is device_slowdown's.
Profile rtx2080_profile();
/// One slot of it; each network can also be run at those of `shapes` that are smaller than its own, as
/// cheaper variants: what DeepRT's Adaptation Module falls back on.
SystemModel device_with_smaller_shapes(const std::vector<CategorySpec>& categories,
                                       const std::vector<Shape>& shapes, double time_factor);
/// How its slots slow each other down.
SlowdownTable device_slowdown(const std::vector<CategorySpec>& categories);

/// A device of networks with E(n) = first + n * each, milliseconds, n <= cap; nothing spreads.
SystemModel linear_device(std::size_t category_count, double first_ms, double each_ms, std::uint32_t cap);

/// What the analyses plan with: the table's p99, a category of analysis for each of the system.
BatchTimes planning_times(const SystemModel& system);

}  // namespace laxity::study
