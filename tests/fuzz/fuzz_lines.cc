// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as lines of a sensor, in pieces of any size.
#include <cmath>

#include "daemon/pipeline/sources/line_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace inferd::pipeline;
  if (size < 2) return 0;
  constexpr size_t kMaxLine = 200;
  const size_t piece = data[0] + size_t{1};
  const char separator = data[1] % 2 == 0 ? ',' : ' ';
  auto parser = LineParser::create({"t", "a.b", "_", "c.0"}, "t", separator);
  if (!parser.ok()) __builtin_trap();
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  LineSplitter splitter(kMaxLine);
  std::vector<float> values;
  size_t rows = 0;
  for (size_t at = 0; at < text.size(); at += piece) {
    splitter.add(text.substr(at, piece));
    while (const auto line = splitter.next()) {
      if (line->empty() || line->size() > kMaxLine) __builtin_trap();
      if (line->find('\n') != std::string_view::npos) __builtin_trap();
      const auto time = parser->parse(*line, values);
      if (time.ok() && (!*time || **time < 0)) __builtin_trap();
      rows += time.ok() ? 1 : 0;
      if (values.size() != rows * 2) __builtin_trap();
    }
  }
  for (const float value : values) {
    if (!std::isfinite(value)) __builtin_trap();
  }
  return 0;
}
