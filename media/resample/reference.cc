// SPDX-License-Identifier: Apache-2.0
#include "media/resample/reference.h"

#include "media/resample/elements.h"
#include "media/resample/mapping.h"

namespace inferd::media {
namespace {

// A component between four pixels, centred: along the row first.
int sample(const Picture& p, const Component& c, const Tap& x, const Tap& y) {
  const auto at = [&](int column, int row) {
    return p.planes[static_cast<size_t>(
        c.plane)][static_cast<size_t>(row >> c.shift_y) * p.strides[static_cast<size_t>(c.plane)] +
                  static_cast<size_t>((column >> c.shift_x) * c.step + c.first)];
  };
  const auto along = [&](int row) {
    return blend_bytes(at(x.low, row), at(x.high, row), kOne - x.weight, x.weight);
  };
  return blend_rows(along(y.low), along(y.high), kOne - y.weight, y.weight);
}

std::array<int16_t, 3> rgb_at(const Picture& p, const Tap& x, const Tap& y) {
  const Components& components = components_of(p.format);
  std::array<int16_t, 3> rgb{};
  for (size_t c = 0; c < 3; ++c) rgb[c] = static_cast<int16_t>(sample(p, components.at[c], x, y));
  if (components.yuv) {
    const YuvMatrix& m = kYuvMatrices[static_cast<size_t>(p.color)];
    yuv_to_rgb(m, rgb[0], rgb[1], rgb[2], rgb[0], rgb[1], rgb[2]);
  }
  return rgb;
}

}  // namespace

Result<Placement> fill_tensor_reference(const Picture& picture, const Preprocess& options,
                                        const TensorInfo& input, std::span<std::byte> tensor) {
  INFERD_ASSIGN_OR_RETURN(const ImageTensor t, image_tensor_of(input));
  INFERD_ASSIGN_OR_RETURN(const Elements elements, Elements::of(options, input));
  const Mapping m = map_picture(picture.width, picture.height, options, t);
  const auto channels = static_cast<size_t>(t.channels);
  const size_t plane = static_cast<size_t>(t.width) * static_cast<size_t>(t.height);
  for (int y = 0; y < t.height; ++y) {
    for (int x = 0; x < t.width; ++x) {
      const bool inside = x >= m.x && x < m.x + m.width && y >= m.y && y < m.y + m.height;
      std::array<int16_t, 3> rgb{};
      rgb.fill(static_cast<int16_t>((options.pad_value - 128) * 256));
      if (inside) {
        rgb = rgb_at(picture, tap_at(m.across, m.turned ? y - m.y : x - m.x),
                     tap_at(m.down, m.turned ? x - m.x : y - m.y));
      }
      if (channels == 1) rgb[0] = luma_of(rgb[0], rgb[1], rgb[2]);
      for (size_t c = 0; c < channels; ++c) {
        const size_t pixel =
            static_cast<size_t>(y) * static_cast<size_t>(t.width) + static_cast<size_t>(x);
        const size_t index = t.nchw ? c * plane + pixel : pixel * channels + c;
        elements.write(rgb[options.bgr && channels == 3 ? 2 - c : c], c,
                       tensor.data() + index * elements.size);
      }
    }
  }
  return m.placement;
}

}  // namespace inferd::media
