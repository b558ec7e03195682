// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/point_scan.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace inferd::pipeline {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr size_t kHeaderBytes = 32;
constexpr uint8_t kVersion = 1, kLast = 1, kTypes = 4;
constexpr uint64_t kLatestNs = 4'000'000'000'000'000'000;  // the year 2096

template <typename T>
T read(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <typename T>
void append(std::span<const uint8_t> bytes, size_t columns, float scale,
            std::vector<float>& values) {
  const size_t points = bytes.size() / sizeof(T) / columns;
  const uint8_t* at = bytes.data();
  for (size_t i = 0; i < points; ++i) {
    const size_t before = values.size();
    bool finite = true;
    for (size_t c = 0; c < columns; ++c, at += sizeof(T)) {
      values.push_back(static_cast<float>(read<T>(at)) * scale);
      finite = finite && std::isfinite(values.back());
    }
    if (!finite) values.resize(before);
  }
}

}  // namespace

size_t point_type_size(PointType type) {
  return type == PointType::kInt16 || type == PointType::kUint16 ? 2 : 4;
}

void append_points(std::span<const uint8_t> bytes, PointType type, size_t columns, float scale,
                   std::vector<float>& values) {
  switch (type) {
    case PointType::kFloat32:
      return append<float>(bytes, columns, scale, values);
    case PointType::kInt16:
      return append<int16_t>(bytes, columns, scale, values);
    case PointType::kUint16:
      return append<uint16_t>(bytes, columns, scale, values);
    case PointType::kInt32:
      return append<int32_t>(bytes, columns, scale, values);
  }
}

std::string PointScan::read_header(std::span<const uint8_t> datagram, Header& h) const {
  const uint8_t* d = datagram.data();
  if (datagram.size() < kHeaderBytes || std::memcmp(d, "IFPT", 4) != 0)
    return "a datagram has no header";
  if (d[4] != kVersion) return "a datagram has version " + std::to_string(d[4]) + ", not 1";
  if (d[5] >= kTypes) return "a datagram has the unknown type " + std::to_string(d[5]);
  if (d[6] != columns_)
    return "a datagram has " + std::to_string(d[6]) + " columns, not " + std::to_string(columns_);
  h.type = static_cast<PointType>(d[5]);
  h.last = (d[7] & kLast) != 0;
  h.scan = read<uint32_t>(d + 8);
  h.part = read<uint16_t>(d + 12);
  h.unix_ns = read<uint64_t>(d + 16);
  h.points = read<uint32_t>(d + 24);
  h.scale = read<float>(d + 28);
  if ((d[7] & ~kLast) != 0 || read<uint16_t>(d + 14) != 0)
    return "a datagram has flags that version 1 has not";
  if (h.unix_ns > kLatestNs) return "a datagram has no time of day in nanoseconds";
  if (!std::isfinite(h.scale)) return "a datagram's scale is not finite";
  // No product of these is larger than 2^42.
  if (uint64_t{h.points} * columns_ * point_type_size(h.type) != datagram.size() - kHeaderBytes)
    return "a datagram has other bytes than its " + std::to_string(h.points) + " points take";
  return {};
}

PointScan::Added PointScan::add(std::span<const uint8_t> datagram, std::vector<float>& values) {
  Header h;
  Added added;
  added.left_out = read_header(datagram, h);
  if (!added.left_out.empty()) return added;
  if (state_ == State::kSkipping && h.scan == scan_) return added;
  if (state_ != State::kOpen || h.scan != scan_) {
    if (state_ == State::kOpen) added.left_out = "scan " + std::to_string(scan_) + " has no end";
    values.clear();
    state_ = State::kOpen;
    scan_ = h.scan;
    next_part_ = 0;
  }
  if (h.part != next_part_)
    return skip(values, "part " + std::to_string(next_part_) + " is missing");
  if (h.points > max_points_ - values.size() / columns_)
    return skip(values, "it has more points than " + std::to_string(max_points_));
  ++next_part_;
  unix_ns_.reset();
  if (h.unix_ns != 0) unix_ns_ = static_cast<int64_t>(h.unix_ns);
  append_points(datagram.subspan(kHeaderBytes), h.type, columns_, h.scale, values);
  added.complete = h.last;
  if (h.last) state_ = State::kDone;
  return added;
}

PointScan::Added PointScan::skip(std::vector<float>& values, const std::string& why) {
  state_ = State::kSkipping;
  values.clear();
  return {false, "scan " + std::to_string(scan_) + ": " + why};
}

}  // namespace inferd::pipeline
