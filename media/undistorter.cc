// SPDX-License-Identifier: Apache-2.0
#include "media/undistorter.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "media/resample/mapping.h"

namespace inferd::media {
namespace {

constexpr int kShift = 7;
constexpr int kPart = 1 << kShift;         // a pixel
constexpr uint32_t kNowhere = UINT32_MAX;  // nobody saw it

std::string sides(int width, int height) {
  return std::to_string(width) + "x" + std::to_string(height);
}

// The lower of two neighbours that a place lies between, and how far towards the other one, of
// kPart; -1: outside of all pixels.
struct Between {
  int low = -1, part = 0;
};
Between between(double place, int count) {
  if (!(place >= -0.5 && place <= count - 0.5)) return {};
  const double inside = std::clamp(place, 0.0, count - 1.0);
  const int low = std::min(static_cast<int>(inside), count - 2);
  return {low, static_cast<int>(std::lround((inside - low) * kPart))};
}

// Whose value nobody saw.
uint8_t black(const Components& components, size_t component, ColorSpace color) {
  if (!components.yuv) return 0;
  if (component > 0) return 128;
  return color == ColorSpace::kBt601Full || color == ColorSpace::kBt709Full ? 0 : 16;
}

// A row of components that lie in one plane: of pixel x, component c is `at[c]` bytes behind
// x * step.
template <size_t kCount>
struct Row {
  const uint8_t* plane;
  size_t stride, step;
  std::array<size_t, kCount> at;
  std::array<uint8_t, kCount> black;

  void blend(const uint32_t* from, const uint16_t* parts, int width, uint8_t* out) const {
    for (int x = 0; x < width; ++x, out += step) {
      if (from[x] == kNowhere) {
        for (size_t c = 0; c < kCount; ++c) out[at[c]] = black[c];
        continue;
      }
      const uint8_t* upper = plane + (from[x] >> 16) * stride + (from[x] & 0xFFFF) * step;
      const uint8_t* lower = upper + stride;
      const int right = parts[x] & 0xFF, down = parts[x] >> 8;
      for (size_t c = 0; c < kCount; ++c) {
        const auto between = [&](const uint8_t* row) {
          return row[at[c]] * (kPart - right) + row[step + at[c]] * right;
        };
        const int sum = between(upper) * (kPart - down) + between(lower) * down;
        out[at[c]] = static_cast<uint8_t>((sum + kPart * kPart / 2) >> (2 * kShift));
      }
    }
  }
};

}  // namespace

// False: none of it was seen.
bool Undistorter::fill(Table& table, const Lens& lens) const {
  const auto size = static_cast<size_t>(table.width) * static_cast<size_t>(table.height);
  table.from.resize(size);
  table.parts.resize(size);
  const double fx = lens.fx * options_.zoom, fy = lens.fy * options_.zoom;
  // Pixels of a group lie around its middle.
  const int across = 1 << table.shift_x, down = 1 << table.shift_y;
  const double middle_x = (across - 1) / 2.0, middle_y = (down - 1) / 2.0;
  const double far_x = std::max(std::abs(lens.cx), std::abs(width_ - lens.cx)) / fx;
  const double far_y = std::max(std::abs(lens.cy), std::abs(height_ - lens.cy)) / fy;
  const double reach = reach_of(lens, std::hypot(far_x, far_y));
  bool seen = false;
  size_t at = 0;
  for (int row = 0; row < table.height; ++row) {
    const double y = (row * down + middle_y - lens.cy) / fy;
    for (int column = 0; column < table.width; ++column, ++at) {
      const double x = (column * across + middle_x - lens.cx) / fx;
      table.from[at] = kNowhere;
      table.parts[at] = 0;
      if (std::hypot(x, y) > reach) continue;
      const PlanePoint place = project(lens, {x, y});
      const Between u = between((place.x - middle_x) / across, table.width);
      const Between v = between((place.y - middle_y) / down, table.height);
      if (u.low < 0 || v.low < 0) continue;
      table.from[at] = static_cast<uint32_t>(u.low) | static_cast<uint32_t>(v.low) << 16;
      table.parts[at] = static_cast<uint16_t>(u.part | v.part << 8);
      seen = true;
    }
  }
  return seen;
}

Status Undistorter::plan(const Picture& picture) {
  const int width = picture.width, height = picture.height;
  if (width < 4 || height < 4 || width > 65535 || height > 65535 ||
      int64_t{width} * height > kMostPixels) {
    return invalid_argument("a picture of " + sides(width, height) +
                            " pixels cannot be undistorted: it has at least 4x4 and at most " +
                            std::to_string(kMostPixels) + " pixels");
  }
  Lens lens = options_.lens;
  if (options_.width > 0) {
    const double scale_x = width / static_cast<double>(options_.width);
    const double scale_y = height / static_cast<double>(options_.height);
    if (std::abs(scale_x / scale_y - 1) > 0.01) {
      return invalid_argument("the calibration is of pictures of " +
                              sides(options_.width, options_.height) + " pixels, and one of " +
                              sides(width, height) + " has another aspect ratio");
    }
    lens = scaled(lens, scale_x, scale_y);
  }
  width_ = width;
  height_ = height;
  format_ = picture.format;
  tables_.clear();
  const Components& components = components_of(picture.format);
  for (size_t c = 0; c < (components.grey ? 1U : 3U); ++c) {
    const Component& at = components.at[c];
    const bool there = std::any_of(tables_.begin(), tables_.end(), [&](const Table& t) {
      return t.shift_x == at.shift_x && t.shift_y == at.shift_y;
    });
    if (there) continue;
    tables_.push_back({at.shift_x, at.shift_y, width >> at.shift_x, height >> at.shift_y, {}, {}});
    if (!fill(tables_.back(), lens)) {
      width_ = 0;
      return invalid_argument("the camera saw nothing of what the undistorted picture of " +
                              sides(width, height) +
                              " pixels would show: the calibration is of another camera, or of "
                              "pictures of another size ('width' and 'height')");
    }
  }
  return ok_status();
}

const Undistorter::Table& Undistorter::table_for(int shift_x, int shift_y) const {
  return *std::find_if(tables_.begin(), tables_.end(), [&](const Table& t) {
    return t.shift_x == shift_x && t.shift_y == shift_y;
  });
}

template <size_t kCount>
void Undistorter::blend(const Picture& from, const Picture& to, size_t first,
                        std::vector<uint8_t>& storage) const {
  const Components& components = components_of(from.format);
  const Component& one = components.at[first];
  const auto plane = static_cast<size_t>(one.plane);
  Row<kCount> row{from.planes[plane], from.strides[plane], static_cast<size_t>(one.step), {}, {}};
  for (size_t c = 0; c < kCount; ++c) {
    row.at[c] = static_cast<size_t>(components.at[first + c].first);
    row.black[c] = black(components, first + c, from.color);
  }
  const Table& table = table_for(one.shift_x, one.shift_y);
  uint8_t* out = storage.data() + (to.planes[plane] - storage.data());
  for (int y = 0; y < table.height; ++y, out += to.strides[plane]) {
    const size_t at = static_cast<size_t>(y) * static_cast<size_t>(table.width);
    row.blend(table.from.data() + at, table.parts.data() + at, table.width, out);
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
  const size_t kinds = components.grey ? 1 : 3;
  // Components of a plane that have the same grid go together.
  for (size_t first = 0, count = 0; first < kinds; first += count) {
    const Component& at = components.at[first];
    const auto together = [&](size_t c) {
      const Component& other = components.at[c];
      return other.plane == at.plane && other.step == at.step;
    };
    for (count = 1; first + count < kinds && together(first + count);) ++count;
    if (count == 1) blend<1>(picture, made, first, storage);
    if (count == 2) blend<2>(picture, made, first, storage);
    if (count == 3) blend<3>(picture, made, first, storage);
  }
  return made;
}

}  // namespace inferd::media
