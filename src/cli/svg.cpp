#include "cli/svg.h"

#include <cstdio>
#include <utility>

namespace laxity {
namespace {

std::string attribute(std::string_view name, double value) {
  return " " + std::string(name) + "=\"" + svg_number(value) + "\"";
}
std::string attribute(std::string_view name, std::string_view value) {
  return " " + std::string(name) + "=\"" + xml_escaped(value) + "\"";
}

std::string class_of(std::string_view css_class) {
  return css_class.empty() ? "" : attribute("class", css_class);
}

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return out;
}

std::string svg_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  std::string out = text;
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out == "-0" ? "0" : out;
}

Svg::Svg(double width, double height, std::string_view title, std::string_view style) {
  out_ = "<svg xmlns=\"http://www.w3.org/2000/svg\"" + attribute("width", width) +
         attribute("height", height) + " viewBox=\"0 0 " + svg_number(width) + " " + svg_number(height) +
         "\" role=\"img\">\n<title>" + xml_escaped(title) + "</title>\n<style>" + std::string(style) +
         "</style>\n";
  rectangle(0, 0, width, height, "page");
}

void Svg::rectangle(double x, double y, double width, double height, std::string_view css_class) {
  out_ += "<rect" + class_of(css_class) + attribute("x", x) + attribute("y", y) + attribute("width", width) +
          attribute("height", height) + "/>\n";
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view css_class) {
  path("M" + svg_number(x1) + " " + svg_number(y1) + "L" + svg_number(x2) + " " + svg_number(y2), css_class);
}

void Svg::path(std::string_view data, std::string_view css_class) {
  out_ += "<path" + class_of(css_class) + " d=\"" + std::string(data) + "\"/>\n";
}

void Svg::text(double x, double y, std::string_view words, std::string_view css_class,
               std::string_view anchor) {
  out_ += "<text" + class_of(css_class) + attribute("x", x) + attribute("y", y);
  if (anchor != "start") out_ += attribute("text-anchor", anchor);
  out_ += ">" + xml_escaped(words) + "</text>\n";
}

void Svg::begin_group(std::string_view css_class) { out_ += "<g" + class_of(css_class) + ">"; }
void Svg::end_group() { out_ += "</g>\n"; }

std::string Svg::finish() && {
  out_ += "</svg>\n";
  return std::move(out_);
}

}  // namespace laxity
