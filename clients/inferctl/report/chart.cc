// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/report/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "clients/inferctl/report/html.h"

namespace inferd::ctl::report {
namespace {

constexpr double kWidth = 900, kLeft = 60, kRight = 20, kTop = 20, kBottom = 40;

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string pixels(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

// From values to pixels, by their logarithm.
class LogScale {
 public:
  LogScale(double least, double most, double from, double to)
      : least_(std::log10(least)), most_(std::log10(most)), from_(from), to_(to) {
    if (most_ - least_ < 1e-6) {
      least_ -= 0.01;
      most_ += 0.01;
    }
  }
  double at(double value) const {
    return from_ + (std::log10(value) - least_) / (most_ - least_) * (to_ - from_);
  }
  // Round numbers, few enough to be read.
  std::vector<double> ticks() const {
    std::vector<double> ticks;
    for (const auto& steps :
         {std::vector<double>{1}, {1, 2, 5}, {1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9}}) {
      ticks.clear();
      for (int power = static_cast<int>(std::floor(least_)); power <= most_; ++power) {
        for (const double step : steps) add(ticks, step * std::pow(10, power));
      }
      if (ticks.size() >= 4) return ticks;
    }
    if (ticks.size() < 2) {
      ticks.clear();
      for (int i = 0; i <= 5; ++i) ticks.push_back(std::pow(10, least_ + (most_ - least_) * i / 5));
    }
    return ticks;
  }

 private:
  void add(std::vector<double>& ticks, double value) const {
    const double log = std::log10(value);
    if (log >= least_ - 1e-9 && log <= most_ + 1e-9) ticks.push_back(value);
  }

  double least_, most_, from_, to_;
};

std::string line(const char* kind, double x1, double y1, double x2, double y2) {
  return std::string("<line class=\"") + kind + "\" x1=\"" + pixels(x1) + "\" y1=\"" + pixels(y1) +
         "\" x2=\"" + pixels(x2) + "\" y2=\"" + pixels(y2) + "\"/>\n";
}

std::string label(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + pixels(x) + "\" y=\"" + pixels(y) + "\" text-anchor=\"" + anchor + "\">" +
         escaped(text) + "</text>\n";
}

std::string svg(double height, const char* about, const std::string& content) {
  return "<svg viewBox=\"0 0 " + pixels(kWidth) + " " + pixels(height) +
         "\" role=\"img\" aria-label=\"" + about + "\">\n" + content + "</svg>\n";
}

std::string axis_below(const LogScale& x, double height, const std::string& unit) {
  std::string html = line("axis", kLeft, height - kBottom, kWidth - kRight, height - kBottom);
  for (const double tick : x.ticks()) {
    html += line("grid", x.at(tick), kTop, x.at(tick), height - kBottom);
    html += label(x.at(tick), height - kBottom + 15, "middle", text_of(tick));
  }
  return html + label(kWidth - kRight, height - 6, "end", unit);
}

}  // namespace

std::string histogram(const std::vector<Bar>& bars, const std::vector<Line>& marks,
                      const std::string& unit) {
  if (bars.empty()) return "";
  constexpr double kHeight = 280;
  double tallest = 0;
  for (const Bar& bar : bars) tallest = std::max(tallest, bar.height);
  const LogScale x(bars.front().begin, bars.back().end, kLeft, kWidth - kRight);
  std::string html = axis_below(x, kHeight, unit);
  for (const Bar& bar : bars) {
    if (bar.height <= 0) continue;
    const double height = bar.height / tallest * (kHeight - kTop - kBottom);
    const double left = x.at(bar.begin), right = x.at(bar.end);
    html += "<rect class=\"bar\" x=\"" + pixels(left) + "\" y=\"" +
            pixels(kHeight - kBottom - height) + "\" width=\"" +
            pixels(std::max(right - left - 0.5, 0.5)) + "\" height=\"" + pixels(height) +
            "\"><title>" + text_of(bar.begin) + " to " + text_of(bar.end) + " " + escaped(unit) +
            ": " + text_of(bar.height) + "</title></rect>\n";
  }
  html += label(kLeft - 6, kTop + 4, "end", text_of(tallest));
  double y = kTop + 4;
  for (const Line& mark : marks) {
    html += line("mark", x.at(mark.at), kTop, x.at(mark.at), kHeight - kBottom);
    html += label(x.at(mark.at) + 4, y, "start", mark.name);
    y += 13;
  }
  return svg(kHeight, "how often there was which latency", html);
}

std::string roofline(const std::vector<Point>& points, const Roof& roof) {
  if (points.empty()) return "";
  constexpr double kHeight = 420;
  double least_x = points[0].x, most_x = points[0].x;
  double least_y = points[0].y, most_y = std::max({points[0].y, roof.int8, roof.float32});
  for (const Point& point : points) {
    least_x = std::min(least_x, point.x);
    most_x = std::max(most_x, point.x);
    least_y = std::min(least_y, point.y);
    most_y = std::max(most_y, point.y);
  }
  // Where memory no longer decides is in sight.
  if (roof.memory > 0) most_x = std::max(most_x, std::max(roof.int8, roof.float32) / roof.memory);
  const LogScale x(least_x / 1.5, most_x * 1.5, kLeft, kWidth - kRight);
  const LogScale y(least_y / 1.5, most_y * 1.5, kHeight - kBottom, kTop);
  std::string html = axis_below(x, kHeight, "multiply-adds for each byte");
  for (const double tick : y.ticks()) {
    html += line("grid", kLeft, y.at(tick), kWidth - kRight, y.at(tick));
    html += label(kLeft - 6, y.at(tick) + 4, "end", text_of(tick));
  }
  html += label(4, kTop - 6, "start", "GMAC/s");
  const auto level = [&](const char* kind, double value, const std::string& name) {
    if (value <= 0) return;
    // From where memory can keep up.
    const double begin =
        roof.memory > 0 ? std::max(value / roof.memory, least_x / 1.5) : least_x / 1.5;
    html += line(kind, x.at(begin), y.at(value), kWidth - kRight, y.at(value));
    html += label(kWidth - kRight, y.at(value) - 5, "end", name + " " + text_of(value) + " GMAC/s");
  };
  level("roof-int8", roof.int8, "int8");
  level("roof-float32", roof.float32, "float32");
  if (roof.memory > 0) {
    const double top = std::max(roof.int8, roof.float32);
    const double end = top > 0 ? top / roof.memory : most_x;
    const double begin = std::max(least_x / 1.5, least_y / 1.5 / roof.memory);
    if (begin < end) {
      html += line("memory", x.at(begin), y.at(begin * roof.memory), x.at(end),
                   y.at(end * roof.memory));
      html += label(x.at(begin) + 6, y.at(begin * roof.memory) - 8, "start",
                    "memory " + text_of(roof.memory) + " GB/s");
    }
  }
  double largest = 0;
  for (const Point& point : points) largest = std::max(largest, point.size);
  for (const Point& point : points) {
    const double radius = 3 + 9 * std::sqrt(largest > 0 ? point.size / largest : 0);
    html += std::string("<circle class=\"") + (point.is_float ? "dot-float32" : "dot-int8") +
            "\" cx=\"" + pixels(x.at(point.x)) + "\" cy=\"" + pixels(y.at(point.y)) + "\" r=\"" +
            pixels(radius) + "\"><title>" + escaped(point.about) + "</title></circle>\n";
  }
  return svg(kHeight, "layers below what the machine can do", html);
}

}  // namespace inferd::ctl::report
