// SPDX-License-Identifier: Apache-2.0
//
// Points out of datagrams, as LiDARs and depth sensors send them: bare records, or with a header
// that says which datagrams make a scan. Everything is little endian. The header:
//
//   offset  bytes
//        0      4  "IFPT"
//        4      1  version: 1
//        5      1  type of all values: 0 float32, 1 int16, 2 uint16, 3 int32
//        6      1  columns: values of a point
//        7      1  flags: bit 0: the scan's last datagram; the others are 0
//        8      4  scan: its number, another one than the last scan's
//       12      2  part: the datagram's number in its scan, from 0
//       14      2  0
//       16      8  time of day when its last point was measured, Unix ns; 0: unknown
//       24      4  points in this datagram
//       28      4  scale, float32: what a value is multiplied with
//       32      -  points * columns values, point by point, and nothing after them
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace inferd::pipeline {

enum class PointType : uint8_t { kFloat32, kInt16, kUint16, kInt32 };
size_t point_type_size(PointType type);

// Appends `bytes`, whole points of `columns` values each, times `scale`. Points with a value that
// is not finite (nothing came back from there) are left out.
void append_points(std::span<const uint8_t> bytes, PointType type, size_t columns, float scale,
                   std::vector<float>& values);

// Puts the datagrams of a scan together, in order.
class PointScan {
 public:
  // Points of `columns` values, and no more than `max_points` in a scan.
  PointScan(size_t columns, size_t max_points) : columns_(columns), max_points_(max_points) {}

  struct Added {
    bool complete = false;  // `values` is a scan
    std::string left_out;   // why a datagram or scan is left out; mostly nothing
  };
  // `values` is the scan so far: what add() left there the last time. A datagram that is not for
  // us changes nothing; where a part is missing, the rest of its scan is left out.
  Added add(std::span<const uint8_t> datagram, std::vector<float>& values);

  // Of the last datagram; none: unknown.
  std::optional<int64_t> unix_ns() const { return unix_ns_; }

 private:
  struct Header {
    PointType type = PointType::kFloat32;
    bool last = false;
    uint32_t scan = 0;
    uint16_t part = 0;
    uint64_t unix_ns = 0;
    uint32_t points = 0;
    float scale = 1;
  };
  // Why it is none; "": it is.
  std::string read_header(std::span<const uint8_t> datagram, Header& header) const;
  Added skip(std::vector<float>& values, const std::string& why);

  enum class State : uint8_t {
    kDone,      // the next datagram begins a scan
    kOpen,      // scan_ has begun
    kSkipping,  // what is left of scan_
  };

  size_t columns_, max_points_;
  State state_ = State::kDone;
  uint32_t scan_ = 0;
  uint32_t next_part_ = 0;
  std::optional<int64_t> unix_ns_;
};

}  // namespace inferd::pipeline
