// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/text.h"

#include <cstdio>
#include <iostream>

namespace inferd::ctl {

nlohmann::json to_json(const TensorInfo& info) {
  nlohmann::json json = {{"name", info.name}, {"datatype", dtype_name(info.dtype)}};
  json["shape"] = std::vector<int64_t>(info.shape.begin(), info.shape.end());
  if (!info.quantization.empty()) {
    json["scales"] = info.quantization.scales;
    json["zero_points"] = info.quantization.zero_points;
  }
  return json;
}

std::string to_text(const TensorInfo& info) {
  std::string text = info.name + " " + std::string(dtype_name(info.dtype)) + info.shape.to_string();
  if (!info.quantization.empty()) {
    char scale[32];
    std::snprintf(scale, sizeof scale, "%g", static_cast<double>(info.quantization.scale()));
    text += std::string(" scale ") + scale + " zero point " +
            std::to_string(info.quantization.zero_point());
  }
  return text;
}

std::string human(int64_t count) {
  constexpr const char* kUnits[] = {"", " k", " M", " G", " T"};
  auto value = static_cast<double>(count);
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f%s" : "%.3g%s", value, kUnits[unit]);
  return text;
}

void print_warnings(LogLevel level, std::string_view message) {
  if (level >= LogLevel::kWarning) std::cerr << "inferctl: " << message << "\n";
}

}  // namespace inferd::ctl
