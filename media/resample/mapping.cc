// SPDX-License-Identifier: Apache-2.0
#include "media/resample/mapping.h"

#include <algorithm>
#include <cmath>

#include "media/resample/fixed_point.h"

namespace inferd::media {
namespace {

// Of the upright part with these sides: how much of them is shown.
struct Shown {
  double width, height;
};

Shown fit(double width, double height, Fit how, const ImageTensor& tensor, Mapping& m) {
  m.width = tensor.width;
  m.height = tensor.height;
  const double across = tensor.width / width;
  const double down = tensor.height / height;
  if (how == Fit::kLetterbox) {
    const double scale = std::min(across, down);
    m.width = std::clamp(static_cast<int>(std::lround(width * scale)), 1, tensor.width);
    m.height = std::clamp(static_cast<int>(std::lround(height * scale)), 1, tensor.height);
    m.x = (tensor.width - m.width) / 2;
    m.y = (tensor.height - m.height) / 2;
  } else if (how == Fit::kCrop) {
    const double scale = std::max(across, down);
    return {tensor.width / scale, tensor.height / scale};
  }
  return {width, height};
}

// Of a side of the upright picture that is the side `axis` of the picture as it came.
void place(const Axis& axis, double first, double size, double side, float* scale, float* offset) {
  const double begin =
      (axis.backwards ? axis.pixels - axis.start - axis.extent : axis.start) / axis.pixels;
  const double s = size / side * axis.pixels / axis.extent;
  *scale = static_cast<float>(s);
  *offset = static_cast<float>(first / side - s * begin);
}

}  // namespace

double place_at(const Axis& axis, int position) {
  const double i = axis.backwards ? axis.count - 1 - position : position;
  const double middle = axis.start + (i + 0.5) * axis.extent / axis.count;
  return std::clamp(middle - 0.5, 0.0, static_cast<double>(axis.pixels - 1));
}

Tap tap_at(const Axis& axis, int position) {
  const double at = place_at(axis, position);
  const auto fixed = static_cast<int64_t>(std::llround(at * kOneRow));
  const auto low = static_cast<int>(fixed / kOneRow);
  return {low, std::min(low + 1, axis.pixels - 1), static_cast<int>(fixed % kOneRow)};
}

Mapping map_picture(int width, int height, const Preprocess& o, const ImageTensor& tensor) {
  Mapping m;
  m.turned = o.rotate == 90 || o.rotate == 270;
  const double part_width = double{o.roi.width} * width;
  const double part_height = double{o.roi.height} * height;
  Shown shown = fit(m.turned ? part_height : part_width, m.turned ? part_width : part_height, o.fit,
                    tensor, m);
  if (m.turned) std::swap(shown.width, shown.height);
  m.across = {width, m.turned ? m.height : m.width,
              double{o.roi.x} * width + (part_width - shown.width) / 2, shown.width,
              o.rotate == 270 || (o.rotate == 0 && o.mirror) || (o.rotate == 180 && !o.mirror)};
  m.down = {height, m.turned ? m.width : m.height,
            double{o.roi.y} * height + (part_height - shown.height) / 2, shown.height,
            o.rotate == 180 || (o.rotate == 90 && !o.mirror) || (o.rotate == 270 && o.mirror)};
  m.placement.rotate = o.rotate;
  m.placement.mirror = o.mirror;
  const auto part = [](int pixels, int of) {
    return static_cast<float>(pixels) / static_cast<float>(of);
  };
  m.placement.shown = {part(m.x, tensor.width), part(m.y, tensor.height),
                       part(m.width, tensor.width), part(m.height, tensor.height)};
  place(m.turned ? m.down : m.across, m.x, m.width, tensor.width, &m.placement.scale_x,
        &m.placement.offset_x);
  place(m.turned ? m.across : m.down, m.y, m.height, tensor.height, &m.placement.scale_y,
        &m.placement.offset_y);
  return m;
}

const Components& components_of(PixelFormat format) {
  static constexpr Components kTable[] = {
      {{{{0, 0, 0, 3, 0}, {0, 0, 0, 3, 1}, {0, 0, 0, 3, 2}}}, false, false},  // kRgb
      {{{{0, 0, 0, 3, 2}, {0, 0, 0, 3, 1}, {0, 0, 0, 3, 0}}}, false, false},  // kBgr
      {{{{0, 0, 0, 4, 0}, {0, 0, 0, 4, 1}, {0, 0, 0, 4, 2}}}, false, false},  // kRgbx
      {{{{0, 0, 0, 4, 2}, {0, 0, 0, 4, 1}, {0, 0, 0, 4, 0}}}, false, false},  // kBgrx
      {{{{0, 0, 0, 1, 0}, {0, 0, 0, 1, 0}, {0, 0, 0, 1, 0}}}, false, true},   // kGrey
      {{{{0, 0, 0, 2, 0}, {0, 1, 0, 4, 1}, {0, 1, 0, 4, 3}}}, true, false},   // kYuyv
      {{{{0, 0, 0, 2, 1}, {0, 1, 0, 4, 0}, {0, 1, 0, 4, 2}}}, true, false},   // kUyvy
      {{{{0, 0, 0, 1, 0}, {1, 1, 1, 2, 0}, {1, 1, 1, 2, 1}}}, true, false},   // kNv12
      {{{{0, 0, 0, 1, 0}, {1, 1, 1, 2, 1}, {1, 1, 1, 2, 0}}}, true, false},   // kNv21
      {{{{0, 0, 0, 1, 0}, {1, 1, 1, 1, 0}, {2, 1, 1, 1, 0}}}, true, false},   // kI420
  };
  return kTable[static_cast<size_t>(format)];
}

}  // namespace inferd::media
