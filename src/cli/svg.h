// The few words of SVG that the pictures of `laxity admit` are made of.
#pragma once

#include <string>
#include <string_view>

namespace laxity {

/// `text` with the characters escaped that mean something in XML; bytes that XML 1.0 does not know become
/// '?'.
std::string xml_escaped(std::string_view text);

/// With one decimal, without a trailing ".0": "12.5", "12".
std::string svg_number(double value);

/// A picture that grows element by element; text() closes it. Coordinates in pixels, y downwards.
class Svg {
 public:
  /// `style`: CSS rules for the classes used below.
  Svg(double width, double height, std::string_view title, std::string_view style);

  void rectangle(double x, double y, double width, double height, std::string_view css_class);
  void line(double x1, double y1, double x2, double y2, std::string_view css_class);
  void path(std::string_view data, std::string_view css_class);
  /// `anchor`: start, middle or end.
  void text(double x, double y, std::string_view words, std::string_view css_class,
            std::string_view anchor = "start");
  void begin_group(std::string_view css_class);
  void end_group();

  std::string finish() &&;

 private:
  std::string out_;
};

/// The eight colours that people with any colour vision tell apart. [Okabe & Ito 2008]
inline constexpr std::string_view kColours[] = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                                "#56b4e9", "#d55e00", "#f0e442", "#999999"};

}  // namespace laxity
