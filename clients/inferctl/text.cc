// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/text.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iostream>

namespace inferd::ctl {
namespace {

// Bytes of the character that begins here; 0: none does that a terminal should see.
size_t character(std::string_view text) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0};
  };
  const uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  const size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  uint32_t code = first & (0xFFU >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3FU);
  }
  const bool is_overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  const bool is_none = code > 0x10FFFF || (code >= 0xD800 && code < 0xE000);
  const bool is_control = code < 0xA0;
  // Marks that turn the direction of what follows.
  const bool turns = (code >= 0x200E && code <= 0x200F) || (code >= 0x202A && code <= 0x202E) ||
                     (code >= 0x2066 && code <= 0x2069);
  return is_overlong || is_none || is_control || turns ? 0 : size;
}

}  // namespace

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

std::string printable(std::string_view text) {
  std::string safe;
  while (!text.empty()) {
    const size_t size = character(text);
    safe += size == 0 ? std::string_view("?") : text.substr(0, size);
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  return safe;
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

nlohmann::json to_json(const Agreement& agreement) {
  nlohmann::json json = {{"task", agreement.task()}, {"samples", agreement.samples()}};
  if (agreement.is_classifier()) {
    json["same_top1"] = agreement.same_top1();
    return json;
  }
  json["boxes"] = agreement.boxes();
  json["found"] = agreement.found();
  json["mean_overlap"] = agreement.mean_overlap();
  json["share_overlapping_90"] = agreement.share_of_overlaps(0.9F);
  return json;
}

void print_agreement(const Agreement& a) {
  if (a.is_classifier()) {
    std::printf("the same class for %zu of %zu samples\n", a.same_top1(), a.samples());
    return;
  }
  std::printf(
      "%zu boxes over 0.5 in %zu samples: %zu found again, mean overlap %.3f, "
      "%.1f %% overlap by 0.9 or more\n",
      a.boxes(), a.samples(), a.found(), a.mean_overlap(), a.share_of_overlaps(0.9F) * 100);
}

double median(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

void print_warnings(LogLevel level, std::string_view message) {
  if (level >= LogLevel::kWarning) std::cerr << "inferctl: " << message << "\n";
}

}  // namespace inferd::ctl
