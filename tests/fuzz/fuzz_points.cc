// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as datagrams of points: each begins with its length.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "daemon/pipeline/sources/point_scan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace inferd::pipeline;
  constexpr size_t kMaxPoints = 20;
  if (size < 1) return 0;
  const size_t columns = data[0] % 4 + size_t{1};
  PointScan scan(columns, kMaxPoints);
  std::vector<float> values;
  for (size_t at = 1; at < size;) {
    const size_t length = std::min<size_t>(data[at], size - at - 1);
    // So that more of them get further.
    std::vector<uint8_t> datagram(data + at + 1, data + at + 1 + length);
    if (length >= 4) std::memcpy(datagram.data(), "IFPT", 4);
    at += 1 + length;
    const auto added = scan.add(datagram, values);
    if (values.size() % columns != 0 || values.size() > kMaxPoints * columns) __builtin_trap();
    if (const auto time = scan.unix_ns(); time && *time <= 0) __builtin_trap();
    for (const float value : values) {
      if (!std::isfinite(value)) __builtin_trap();
    }
    if (added.complete) values.clear();
  }
  return 0;
}
