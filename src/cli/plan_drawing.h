// Pictures of an admission: the plan that serves the admitted streams, or the demand curve of a stream set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace laxity {

/// A planned batch, placed as if every frame came at its latest and every batch took its full table time.
struct DrawnBatch {
  Duration start{};
  Duration length{};
  Duration latest_start{};  ///< L: started by then, it and all behind it are on time.
  std::uint32_t frame_count = 0;
  std::uint32_t model = 0;  ///< Index into PlanPicture::models.
};

struct DrawnDeadline {
  Duration at{};
  std::uint32_t model = 0;
};

struct DrawnExecutor {
  std::string name;
  std::vector<DrawnBatch> batches;  ///< In order of time.
  std::vector<DrawnDeadline> deadlines;
};

struct PlanPicture {
  std::string title;
  std::string subtitle;
  std::vector<std::string> models;
  std::vector<DrawnExecutor> executors;
};

/// How much of time is drawn: rows of `row`, from 0 on, wrapped like lines of text.
struct PlanScale {
  Duration row{};
  std::uint32_t row_count = 0;
  Duration span() const { return row * row_count; }
};
/// Rows as long as lets a batch of mean length still be seen; at most eight, and at most `span` in all.
PlanScale plan_scale(const PlanPicture& picture, Duration span);

/// An SVG document. Batches that start within the scale's span are drawn, each as one group of class "batch".
std::string draw_plan(const PlanPicture& picture, const PlanScale& scale);

struct DemandPicture {
  struct Step {
    Duration at{};
    Duration demand{};
  };
  std::string title;
  std::string subtitle;
  std::vector<Step> steps;           ///< In order; holds from `at` until the next.
  std::optional<Duration> exceeded;  ///< Where the demand first exceeds the time there is.
};

/// An SVG document: demand against time, and the line that it must stay under.
std::string draw_demand(const DemandPicture& picture);

}  // namespace laxity
