#include "cli/plan_drawing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "cli/svg.h"

namespace laxity {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::size_t count(std::string_view text, std::string_view wanted) {
  std::size_t found = 0;
  for (std::size_t at = text.find(wanted); at != std::string_view::npos; at = text.find(wanted, at + 1))
    ++found;
  return found;
}

PlanPicture picture_of(std::size_t batches, Duration length, Duration gap) {
  PlanPicture picture;
  picture.title = "a < b & \"c\"";
  picture.subtitle = "s";
  picture.models = {"m", "n"};
  picture.executors = {{"cpu0", {}, {}}};
  for (std::size_t i = 0; i < batches; ++i) {
    const Duration start = static_cast<std::int64_t>(i) * (length + gap);
    picture.executors[0].batches.push_back(
        {start, length, start + gap, static_cast<std::uint32_t>(i + 1), static_cast<std::uint32_t>(i % 2)});
    picture.executors[0].deadlines.push_back({start + length + gap, static_cast<std::uint32_t>(i % 2)});
  }
  return picture;
}

TEST(PlanDrawing, EachBatchWithinTheSpanIsDrawnOnce) {
  const PlanPicture picture = picture_of(100, 5ms, 2ms);
  const PlanScale scale = plan_scale(picture, 300ms);
  ASSERT_GE(scale.span(), 300ms);
  std::size_t within = 0;
  for (const DrawnBatch& batch : picture.executors[0].batches) within += batch.start < scale.span();
  const std::string svg = draw_plan(picture, scale);
  EXPECT_EQ(count(svg, "<g class=\"batch "), within);
  EXPECT_EQ(count(svg, "</g>"), within);
}

// A batch that crosses the end of a row is one batch in two pieces.
TEST(PlanDrawing, ABatchAcrossTwoRowsIsOneGroup) {
  PlanPicture picture = picture_of(1, 20ms, 0ms);
  picture.executors[0].batches[0].start = picture.executors[0].batches[0].latest_start = 90ms;
  const std::string one = draw_plan(picture, {200ms, 1});
  const std::string two = draw_plan(picture, {100ms, 2});
  EXPECT_EQ(count(one, "<g class=\"batch "), 1u);
  EXPECT_EQ(count(two, "<g class=\"batch "), 1u);
  EXPECT_EQ(count(one, "v20h"), 1u);
  EXPECT_EQ(count(two, "v20h"), 2u);  // two boxes of the same path
}

TEST(PlanDrawing, RowsAreWideEnoughForTheirBatches) {
  EXPECT_LE(plan_scale(picture_of(1000, 1ms, 0ms), 2s).row, 100ms);
  EXPECT_EQ(plan_scale(picture_of(20, 100ms, 0ms), 2s).row, 1s);
  EXPECT_LE(plan_scale(picture_of(100'000, 10us, 0ms), 2s).row_count, 8u);
  EXPECT_EQ(plan_scale(picture_of(0, 1ms, 0ms), 2s).row_count, 1u);
}

/// The number behind the first `before`.
double attribute(std::string_view svg, std::string_view before) {
  const std::size_t at = svg.find(before);
  return at == std::string_view::npos ? -1 : std::stod(std::string(svg.substr(at + before.size(), 12)));
}

// A legend that is too long for the page goes on in the next line, and what is below moves down.
TEST(PlanDrawing, LongNamesStayOnThePage) {
  PlanPicture picture = picture_of(3, 5ms, 0ms);
  const double height = attribute(draw_plan(picture, {100ms, 1}), "height=\"");
  picture.title = std::string(60, 'a') + std::string(60, 'b') + ": the plan of 3 streams";
  picture.executors[0].name = "the-gpu-in-the-rack";
  picture.models.clear();
  for (int m = 0; m < 10; ++m) picture.models.push_back("a-network-with-a-name-" + std::to_string(m));
  const std::string svg = draw_plan(picture, {100ms, 1});
  EXPECT_EQ(attribute(svg, "height=\""), height + 2 * 20);
  for (std::size_t at = svg.find("<text x=\""); at != std::string::npos;
       at = svg.find("<text x=\"", at + 1)) {
    EXPECT_LT(attribute(std::string_view(svg).substr(at), "x=\""), 1100 - 18);
  }
  EXPECT_THAT(svg, HasSubstr("a-network-with-a-name-9"));
  EXPECT_THAT(svg, HasSubstr("deadline of a frame"));
  EXPECT_THAT(svg, HasSubstr("\u2026b"));  // the title is cut in the middle
  EXPECT_THAT(svg, HasSubstr(": the plan of 3 streams</text>"));
  EXPECT_THAT(svg, HasSubstr("the-\u2026rack</text>"));
}

TEST(PlanDrawing, NamesAreEscaped) {
  const std::string svg = draw_plan(picture_of(1, 1ms, 1ms), {10ms, 1});
  EXPECT_THAT(svg, HasSubstr("a &lt; b &amp; &quot;c&quot;"));
  EXPECT_THAT(svg, Not(HasSubstr("a < b")));
  EXPECT_EQ(xml_escaped(std::string("x\x01y\n", 4)), "x?y?");
}

TEST(PlanDrawing, DemandIsAStepLineAndSaysWhereItIsTooMuch) {
  DemandPicture picture{"t", "s", {{10ms, 4ms}, {20ms, 25ms}}, std::nullopt};
  const std::string fits = draw_demand(picture);
  EXPECT_EQ(count(fits, "class=\"curve\""), 2u);  // the line and its place in the legend
  EXPECT_THAT(fits, Not(HasSubstr("too much")));
  picture.exceeded = 20ms;
  EXPECT_THAT(draw_demand(picture), HasSubstr("too much at 20 ms"));
  EXPECT_EQ(count(draw_demand({"t", "s", {}, std::nullopt}), "class=\"curve\""), 1u);
}

TEST(Svg, Numbers) {
  EXPECT_EQ(svg_number(12), "12");
  EXPECT_EQ(svg_number(12.54), "12.5");
  EXPECT_EQ(svg_number(-0.01), "0");
}

}  // namespace
}  // namespace laxity
