#include "cli/plan_drawing.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "cli/svg.h"

namespace laxity {
namespace {

// Everything in pixels.
constexpr double kWidth = 1100, kLeft = 62, kRight = 18, kPlotWidth = kWidth - kLeft - kRight;
constexpr double kTop = 96;  // title, subtitle, a line of legend
constexpr double kLegendLine = 20;
constexpr double kLeaders = 18;  // above the batches: how long each may be put off
constexpr double kBoxHeight = 20;
constexpr double kDeadlines = 12;  // below them
constexpr double kLane = kLeaders + kBoxHeight + kDeadlines + 4;
constexpr double kAxis = 30;       // below the lanes of a row
constexpr int kLeaderLevels = 3;   // so that neighbours' leaders do not cover each other
constexpr double kLabelWidth = 9;  // a narrower batch bears no number
constexpr double kMeanBatchWidth = 11;
constexpr std::uint32_t kRowsMax = 8;
// So many characters fit, by their mean width.
constexpr std::size_t kTitleLength = 104, kModelLength = 40, kExecutorLength = 9;

double ms(Duration time) { return static_cast<double>(time.count()) / 1e6; }

std::string style_of(std::size_t model_count) {
  std::string css =
      "text{font:12px system-ui,sans-serif;fill:#222}.page{fill:#fff}.title{font-size:17px;font-weight:600}"
      ".small{font-size:11px;fill:#555}.n{font-size:10px;fill:#fff;font-weight:600}.axis{stroke:#888;fill:"
      "none}"
      ".grid{stroke:#e4e4e4}.lane{fill:#f6f6f6}.over{stroke:#d00000;stroke-width:1.5;fill:none}"
      ".curve{stroke:#0072b2;stroke-width:1.5;fill:none}.limit{stroke:#222;stroke-dasharray:6 4;fill:none}\n";
  for (std::size_t m = 0; m < model_count; ++m) {
    const std::string colour(kColours[m % std::size(kColours)]);
    const std::string name = "m" + std::to_string(m);
    css += "." + name + "{fill:" + colour + "}.l" + name + "{stroke:" + colour + ";fill:none}";
  }
  return css;
}

std::string triangle(double x, double y) {
  return "M" + svg_number(x - 3.5) + " " + svg_number(y - 5) + "h7l-3.5 5z";
}

std::string box(double x, double y, double width, double height) {
  return "M" + svg_number(x) + " " + svg_number(y) + "h" + svg_number(width) + "v" + svg_number(height) +
         "h" + svg_number(-width) + "z";
}

/// At most `length` characters of `text`: its begin and its end, for the end tells what is shown.
std::string shortened(const std::string& text, std::size_t length) {
  const auto begins_character = [&](std::size_t i) {
    return (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80;  // UTF-8
  };
  std::vector<std::size_t> at;  // of each character
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (begins_character(i)) at.push_back(i);
  }
  if (at.size() <= length) return text;
  const std::size_t end = length / 2, begin = length - 1 - end;
  return text.substr(0, at[begin]) + "\u2026" + text.substr(at[at.size() - end]);
}

/// Steps of an axis that people count in, at least `least` milliseconds apart.
double nice_step(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double times : {1.0, 2.0, 5.0}) {
    if (power * times >= least) return power * times;
  }
  return power * 10;
}

/// Draws rows of one time line. Where an interval crosses the end of a row it goes on in the next.
class Timeline {
 public:
  Timeline(const PlanPicture& picture, const PlanScale& scale)
      : picture_(picture),
        scale_(scale),
        row_height_(kLane * static_cast<double>(picture.executors.size()) + kAxis),
        legend_(legend_places(picture)),
        top_(kTop + legend_.back().y),
        svg_(kWidth, top_ + row_height_ * scale.row_count, picture.title, style_of(picture.models.size())) {}

  std::string draw() && {
    head();
    for (std::uint32_t row = 0; row < scale_.row_count; ++row) axis(row);
    for (std::size_t e = 0; e < picture_.executors.size(); ++e) {
      const DrawnExecutor& executor = picture_.executors[e];
      std::size_t number = 0;
      for (const DrawnBatch& batch : executor.batches) {
        if (batch.start < scale_.span()) draw(batch, e, number++);
      }
      for (std::uint32_t model = 0; model < picture_.models.size(); ++model) draw_deadlines(e, model);
    }
    return std::move(svg_).finish();
  }

 private:
  double x(Duration in_row) const { return kLeft + kPlotWidth * ms(in_row) / ms(scale_.row); }
  double lane_top(std::size_t row, std::size_t executor) const {
    return top_ + row_height_ * static_cast<double>(row) + kLane * static_cast<double>(executor);
  }

  /// Calls draw(row, from, to) for each part of [from, to) that lies in a drawn row; times within the row.
  template <typename Draw>
  void in_rows(Duration from, Duration to, Draw draw) const {
    for (auto row = from / scale_.row; row < static_cast<std::int64_t>(scale_.row_count); ++row) {
      const Duration begin = row * scale_.row;
      if (begin >= to) return;
      draw(static_cast<std::size_t>(row), std::max(from - begin, Duration::zero()),
           std::min(to - begin, scale_.row));
    }
  }

  struct Place {
    double x = kLeft, y = 0;  // y: below the first line of the legend
  };
  /// Models first, then batch, latest start and deadline; what does not fit goes on in the next line.
  static std::vector<Place> legend_places(const PlanPicture& picture) {
    std::vector<double> widths;
    for (const std::string& model : picture.models) {
      widths.push_back(34 + 7.0 * static_cast<double>(shortened(model, kModelLength).size()));
    }
    widths.insert(widths.end(), {262, 132, 130});
    std::vector<Place> places;
    Place next;
    for (const double width : widths) {
      if (next.x > kLeft && next.x + width > kLeft + kPlotWidth) next = {kLeft, next.y + kLegendLine};
      places.push_back(next);
      next.x += width;
    }
    return places;
  }

  void head() {
    svg_.text(kLeft, 26, shortened(picture_.title, kTitleLength), "title");
    svg_.text(kLeft, 46, picture_.subtitle, "small");
    auto place = legend_.begin();
    for (std::size_t m = 0; m < picture_.models.size(); ++m, ++place) {
      svg_.rectangle(place->x, place->y + 60, 14, 14, "m" + std::to_string(m));
      svg_.text(place->x + 19, place->y + 71, shortened(picture_.models[m], kModelLength), "");
    }
    svg_.rectangle(place->x, place->y + 60, 14, 14, "m0");
    svg_.text(place->x + 4, place->y + 71, "3", "n");
    svg_.text(place->x + 19, place->y + 71, "planned batch of 3 frames, at its latest", "");
    ++place;
    svg_.line(place->x, place->y + 69, place->x + 22, place->y + 69, "lm0");
    svg_.path(triangle(place->x + 22, place->y + 72), "m0");
    svg_.text(place->x + 31, place->y + 71, "its latest start", "");
    ++place;
    svg_.line(place->x, place->y + 60, place->x, place->y + 74, "lm0");
    svg_.text(place->x + 7, place->y + 71, "deadline of a frame", "");
  }

  void axis(std::uint32_t row) {
    const double bottom = lane_top(row, picture_.executors.size());
    for (std::size_t e = 0; e < picture_.executors.size(); ++e) {
      svg_.rectangle(kLeft, lane_top(row, e) + kLeaders, kPlotWidth, kBoxHeight, "lane");
      svg_.text(kLeft - 6, lane_top(row, e) + kLeaders + 14,
                shortened(picture_.executors[e].name, kExecutorLength), "small", "end");
    }
    svg_.line(kLeft, bottom, kLeft + kPlotWidth, bottom, "axis");
    const double step = nice_step(60 * ms(scale_.row) / kPlotWidth);
    const double begin = ms(scale_.row) * row;
    for (int tick = 0; step * tick <= ms(scale_.row) + 1e-9; ++tick) {
      const double at = kLeft + kPlotWidth * step * tick / ms(scale_.row);
      svg_.line(at, bottom, at, bottom + 4, "axis");
      svg_.text(at, bottom + 15, svg_number(begin + step * tick) + (tick == 0 ? " ms" : ""), "small",
                "middle");
    }
  }

  // One path a batch: the box, its leader and the triangle at its latest start; many batches make a large
  // file.
  void draw(const DrawnBatch& batch, std::size_t executor, std::size_t number) {
    std::string shape;
    std::optional<std::pair<double, double>> label;
    in_rows(batch.start, batch.start + batch.length, [&](std::size_t row, Duration from, Duration to) {
      const double top = lane_top(row, executor) + kLeaders;
      // A gap of half a pixel tells neighbours apart.
      shape += box(x(from), top, std::max(x(to) - x(from) - 0.5, 0.5), kBoxHeight);
      const bool is_first = from + static_cast<std::int64_t>(row) * scale_.row == batch.start;
      if (is_first && x(to) - x(from) >= kLabelWidth) label = {(x(from) + x(to)) / 2, top + 14};
    });
    const double level = 4 + 5.0 * static_cast<double>(number % kLeaderLevels);
    in_rows(batch.start, batch.latest_start + 1ns, [&](std::size_t row, Duration from, Duration to) {
      const double y = lane_top(row, executor) + level;
      shape += box(x(from), y, x(to) - x(from), 0.7);
      const bool is_last = to + static_cast<std::int64_t>(row) * scale_.row > batch.latest_start;
      if (is_last) shape += triangle(x(to), y + 3);
    });
    svg_.begin_group("batch m" + std::to_string(batch.model));
    svg_.path(shape, "");
    if (label) svg_.text(label->first, label->second, std::to_string(batch.frame_count), "n", "middle");
    svg_.end_group();
  }

  /// All deadlines of one model on one executor.
  void draw_deadlines(std::size_t executor, std::uint32_t model) {
    std::string marks;
    for (const DrawnDeadline& deadline : picture_.executors[executor].deadlines) {
      if (deadline.model != model) continue;
      in_rows(deadline.at, deadline.at + 1ns, [&](std::size_t row, Duration from, Duration) {
        marks += "M" + svg_number(x(from)) + " " +
                 svg_number(lane_top(row, executor) + kLeaders + kBoxHeight + 1) + "v" +
                 svg_number(kDeadlines);
      });
    }
    if (!marks.empty()) svg_.path(marks, "lm" + std::to_string(model));
  }

  const PlanPicture& picture_;
  PlanScale scale_;
  double row_height_;
  std::vector<Place> legend_;
  double top_;
  Svg svg_;
};

}  // namespace

PlanScale plan_scale(const PlanPicture& picture, Duration span) {
  constexpr Duration kRows[] = {1s, 500ms, 250ms, 200ms, 100ms, 50ms, 20ms, 10ms, 5ms, 2ms, 1ms};
  Duration total{};
  Duration end{};
  std::int64_t count = 0;
  for (const DrawnExecutor& executor : picture.executors) {
    for (const DrawnBatch& batch : executor.batches) {
      if (batch.start >= span) break;
      total += batch.length;
      end = std::max(end, batch.start + batch.length);
      ++count;
    }
  }
  PlanScale scale{kRows[0], 1};
  for (const Duration row : kRows) {
    scale.row = row;
    const double mean = count == 0 ? ms(row) : ms(total) / static_cast<double>(count);
    if (kPlotWidth * mean / ms(row) >= kMeanBatchWidth) break;
  }
  const Duration drawn = std::clamp(end, scale.row, span);
  scale.row_count = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>((drawn + scale.row - 1ns) / scale.row, 1, kRowsMax));
  return scale;
}

std::string draw_plan(const PlanPicture& picture, const PlanScale& scale) {
  return Timeline(picture, scale).draw();
}

std::string draw_demand(const DemandPicture& picture) {
  constexpr double kHeight = 560, kBottom = kHeight - 60, kPlotHeight = kBottom - kTop;
  Svg svg(kWidth, kHeight, picture.title, style_of(1));
  Duration most = 1ms;
  for (const auto& step : picture.steps) most = std::max({most, step.at, step.demand});
  const double scale_ms = ms(most) * 1.02;
  const auto x = [&](Duration t) { return kLeft + kPlotWidth * ms(t) / scale_ms; };
  const auto y = [&](Duration t) { return kBottom - kPlotHeight * ms(t) / scale_ms; };

  svg.text(kLeft, 26, shortened(picture.title, kTitleLength), "title");
  svg.text(kLeft, 46, picture.subtitle, "small");
  svg.line(kLeft, 67, kLeft + 24, 67, "curve");
  svg.text(kLeft + 30, 71, "demand: what must be done within t, and one batch that cannot be stopped", "");
  svg.line(kLeft + 520, 67, kLeft + 544, 67, "limit");
  svg.text(kLeft + 550, 71, "the time there is", "");
  const double step = nice_step(70 * scale_ms / kPlotWidth);
  for (int tick = 0; step * tick <= scale_ms; ++tick) {
    const auto at = Duration(static_cast<std::int64_t>(step * tick * 1e6));
    svg.line(x(at), kTop, x(at), kBottom, "grid");
    svg.line(kLeft, y(at), kLeft + kPlotWidth, y(at), "grid");
    svg.text(x(at), kBottom + 16, svg_number(step * tick), "small", "middle");
    svg.text(kLeft - 6, y(at) + 4, svg_number(step * tick), "small", "end");
  }
  svg.line(kLeft, kBottom, kLeft + kPlotWidth, kBottom, "axis");
  svg.line(kLeft, kTop, kLeft, kBottom, "axis");
  svg.text(kLeft + kPlotWidth, kBottom + 36, "t, length of an interval (ms)", "small", "end");
  svg.text(kLeft, kTop - 8, "demand (ms)", "small", "middle");
  svg.line(x(Duration::zero()), y(Duration::zero()), x(most), y(most), "limit");
  std::string data = "M" + svg_number(kLeft) + " " + svg_number(kBottom);
  for (const auto& one : picture.steps) data += "H" + svg_number(x(one.at)) + "V" + svg_number(y(one.demand));
  if (!picture.steps.empty()) svg.path(data + "H" + svg_number(x(most)), "curve");
  if (picture.exceeded) {
    svg.line(x(*picture.exceeded), kTop, x(*picture.exceeded), kBottom, "over");
    svg.text(x(*picture.exceeded) + 5, kTop + 12, "too much at " + svg_number(ms(*picture.exceeded)) + " ms",
             "");
  }
  return std::move(svg).finish();
}

}  // namespace laxity
