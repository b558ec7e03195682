// SPDX-License-Identifier: Apache-2.0
#include "media/pixelate.h"

#include <algorithm>
#include <cstring>

#include "media/resample/mapping.h"

namespace inferd::media {
namespace {

// The values of one component, on a grid of its own.
struct Plane {
  uint8_t* first = nullptr;
  size_t step = 0, stride = 0;
  int width = 0, height = 0;
};

void fill_with_mean(const Plane& plane, int x0, int y0, int x1, int y1) {
  uint64_t sum = 0;
  for (int y = y0; y < y1; ++y) {
    const uint8_t* row = plane.first + static_cast<size_t>(y) * plane.stride;
    for (int x = x0; x < x1; ++x) sum += row[static_cast<size_t>(x) * plane.step];
  }
  const auto count = static_cast<uint64_t>(x1 - x0) * static_cast<uint64_t>(y1 - y0);
  const auto mean = static_cast<uint8_t>((sum + count / 2) / count);
  for (int y = y0; y < y1; ++y) {
    uint8_t* row = plane.first + static_cast<size_t>(y) * plane.stride;
    for (int x = x0; x < x1; ++x) row[static_cast<size_t>(x) * plane.step] = mean;
  }
}

void fill_with_blocks(const Plane& plane, int width, int height) {
  for (int y = 0; y < plane.height; y += height) {
    for (int x = 0; x < plane.width; x += width) {
      fill_with_mean(plane, x, y, std::min(x + width, plane.width),
                     std::min(y + height, plane.height));
    }
  }
}

// `part` lies in `storage`.
void pixelate(const Picture& part, int blocks, std::vector<uint8_t>& storage) {
  const Components& components = components_of(part.format);
  // Even, so that blocks of all components cover the same pixels.
  const int longer = std::max(part.width, part.height);
  const int side = std::max((longer + blocks - 1) / blocks + 1, 2) & ~1;
  for (size_t c = 0; c < (components.grey ? 1U : 3U); ++c) {
    const Component& at = components.at[c];
    const auto p = static_cast<size_t>(at.plane);
    Plane plane;
    plane.first = storage.data() + (part.planes[p] - storage.data()) + at.first;
    plane.step = static_cast<size_t>(at.step);
    plane.stride = part.strides[p];
    plane.width = (part.width + (1 << at.shift_x) - 1) >> at.shift_x;
    plane.height = (part.height + (1 << at.shift_y) - 1) >> at.shift_y;
    fill_with_blocks(plane, side >> at.shift_x, side >> at.shift_y);
  }
}

void copy_planes(const Picture& from, const Picture& to, std::vector<uint8_t>& storage) {
  for (size_t p = 0; p < 3 && to.planes[p] != nullptr; ++p) {
    const bool last = p == 2 || to.planes[p + 1] == nullptr;
    const uint8_t* end = last ? storage.data() + storage.size() : to.planes[p + 1];
    const size_t rows = static_cast<size_t>(end - to.planes[p]) / to.strides[p];
    uint8_t* out = storage.data() + (to.planes[p] - storage.data());
    for (size_t y = 0; y < rows; ++y)
      std::memcpy(out + y * to.strides[p], from.planes[p] + y * from.strides[p], to.strides[p]);
  }
}

}  // namespace

Result<Picture> pixelated(const Picture& picture, std::span<const Rectangle> parts, int blocks,
                          std::vector<uint8_t>& storage) {
  INFERD_ASSIGN_OR_RETURN(const size_t bytes,
                          packed_bytes(picture.format, picture.width, picture.height));
  storage.resize(bytes);
  INFERD_ASSIGN_OR_RETURN(Picture copy,
                          packed_picture(picture.format, picture.width, picture.height, storage));
  copy.color = picture.color;
  copy_planes(picture, copy, storage);
  for (const Rectangle& r : parts) {
    const bool inside = r.x < picture.width && r.y < picture.height && r.width > 0 &&
                        r.height > 0 && r.x > -r.width && r.y > -r.height;
    if (inside) pixelate(crop(copy, r.x, r.y, r.width, r.height), blocks, storage);
  }
  return copy;
}

}  // namespace inferd::media
