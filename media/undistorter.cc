// SPDX-License-Identifier: Apache-2.0
#include "media/undistorter.h"

#include <algorithm>

#include "media/resample/warp.h"

namespace inferd::media {
namespace {

// A line of centred values to bytes that lie `kStep` apart.
template <size_t kStep>
void store(const int16_t* values, int count, uint8_t* out) {
  for (size_t i = 0; i < static_cast<size_t>(count); ++i)
    out[i * kStep] = static_cast<uint8_t>(to_byte(values[i]) + 128);
}

void store(const int16_t* values, int count, uint8_t* out, size_t step) {
  if (step == 1) store<1>(values, count, out);
  if (step == 2) store<2>(values, count, out);
  if (step == 3) store<3>(values, count, out);
  if (step == 4) store<4>(values, count, out);
}

}  // namespace

Status Undistorter::plan(const Picture& picture) {
  width_ = 0;  // until all of it is known
  INFERD_ASSIGN_OR_RETURN(const LensMap lens, LensMap::of(options_, picture.width, picture.height));
  planes_.clear();
  const Components& components = components_of(picture.format);
  for (const auto [first, count] : warp_groups(components)) {
    const Component& one = components.at[first];
    const int across = picture.width >> one.shift_x, down = picture.height >> one.shift_y;
    // Pixels of a group lie around its middle.
    const auto middle = [](int group, int shift) {
      const int size = 1 << shift;
      return group * size + (size - 1) / 2.0;
    };
    const auto place = [&](int line, int i) {
      return lens.at(middle(i, one.shift_x), middle(line, one.shift_y));
    };
    Plane plane;
    plane.first = first;
    plane.warp = make_warp(std::span(components.at).subspan(first, count), picture.width,
                           picture.height, across, down, place);
    if (plane.warp.blind) return lens.saw_nothing();
    planes_.push_back(std::move(plane));
  }
  size_t room = 0;
  for (const Plane& plane : planes_) room = std::max(room, static_cast<size_t>(plane.warp.room()));
  values_.resize(3 * room);
  width_ = picture.width;
  height_ = picture.height;
  format_ = picture.format;
  return ok_status();
}

void Undistorter::blend(const Plane& plane, const Picture& from, uint8_t* to, size_t stride) {
  const Components& components = components_of(from.format);
  const Warp& warp = plane.warp;
  const auto room = static_cast<size_t>(warp.room());
  const std::array<int16_t*, 3> values{values_.data(), values_.data() + room,
                                       values_.data() + 2 * room};
  for (int line = 0; line < warp.lines; ++line, to += stride) {
    warp_line(*kernels_, warp, from, plane.first, line, values);
    for (size_t c = 0; c < static_cast<size_t>(warp.components); ++c) {
      store(values[c], warp.count, to + components.at[plane.first + c].first,
            static_cast<size_t>(warp.step));
    }
  }
}

Result<Picture> Undistorter::undistort(const Picture& picture, std::vector<uint8_t>& storage) {
  INFERD_ASSIGN_OR_RETURN(const size_t bytes,
                          packed_bytes(picture.format, picture.width, picture.height));
  if (picture.format != format_ || picture.width != width_ || picture.height != height_)
    INFERD_RETURN_IF_ERROR(plan(picture));
  storage.resize(bytes);
  INFERD_ASSIGN_OR_RETURN(Picture made,
                          packed_picture(picture.format, picture.width, picture.height, storage));
  made.color = picture.color;
  const Components& components = components_of(picture.format);
  for (const Plane& plane : planes_) {
    const auto number = static_cast<size_t>(components.at[plane.first].plane);
    uint8_t* to = storage.data() + (made.planes[number] - storage.data());
    blend(plane, picture, to, made.strides[number]);
  }
  return made;
}

}  // namespace inferd::media
