// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/result_binary.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace inferd::pipeline {
namespace {

template <typename T>
void put(T value, std::string& out) {
  static_assert(std::endian::native == std::endian::little);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

template <typename T, typename V>
T clipped(V value) {
  return static_cast<T>(std::min<uint64_t>(static_cast<uint64_t>(std::max<V>(value, 0)),
                                           std::numeric_limits<T>::max()));
}

}  // namespace

void append_binary(const FrameResult& r, std::string& out) {
  out += "IFDR";
  put<uint8_t>(1, out);
  put<uint8_t>(0, out);
  put(clipped<uint16_t>(r.detections.size()), out);
  put(r.sequence, out);
  put(r.capture_ns, out);
  put(r.result_ns, out);
  put(clipped<uint16_t>(r.width), out);
  put(clipped<uint16_t>(r.height), out);
  put<uint32_t>(0, out);
  for (const Detection& d : r.detections) {
    put<int32_t>(d.class_id, out);
    for (const float v : {d.score, d.box.x_min, d.box.y_min, d.box.x_max, d.box.y_max}) put(v, out);
    put(d.track_id, out);
  }
}

}  // namespace inferd::pipeline
