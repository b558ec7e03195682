// SPDX-License-Identifier: Apache-2.0
//
// Charts as SVG that stands in HTML; colours are those of the page's style.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace inferd::ctl::report {

struct Bar {
  double begin = 0, end = 0;  // on the axis below; above 0
  double height = 0;
};
struct Line {
  double at = 0;
  std::string name;
};
// How often there is what, on a logarithmic axis; `marks` are upright lines. Nothing without bars.
std::string histogram(const std::vector<Bar>& bars, const std::vector<Line>& marks,
                      const std::string& unit);

struct Point {
  double x = 0, y = 0;  // above 0
  double size = 0;      // of its area, relative to the others'
  bool is_float = false;
  std::string about;  // shown when it is pointed at
};
// What a machine can do: a level for each type, and a slope, all above 0 or left out.
struct Roof {
  double int8 = 0, float32 = 0;  // GMAC/s
  double memory = 0;             // GB/s
};
// Both axes logarithmic: multiply-adds for each byte, and for each second. Nothing without points.
std::string roofline(const std::vector<Point>& points, const Roof& roof);

}  // namespace inferd::ctl::report
