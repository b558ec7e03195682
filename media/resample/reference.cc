// SPDX-License-Identifier: Apache-2.0
#include "media/resample/reference.h"

#include <optional>

#include "media/resample/elements.h"
#include "media/resample/mapping.h"
#include "media/resample/warp.h"

namespace inferd::media {
namespace {

// Of the component's own grid.
int value_at(const Picture& p, const Component& c, int column, int row) {
  const auto plane = static_cast<size_t>(c.plane);
  return p.planes[plane][static_cast<size_t>(row) * p.strides[plane] +
                         static_cast<size_t>(column * c.step + c.first)];
}

// A component between four pixels, centred: along the row first.
int16_t sample(const Picture& p, const Component& c, const Tap& x, const Tap& y) {
  const auto at = [&](int column, int row) {
    return value_at(p, c, column >> c.shift_x, row >> c.shift_y);
  };
  const auto along = [&](int row) {
    const int weight = pixel_weight(x.weight);
    return blend_bytes(at(x.low, row), at(x.high, row), kOnePixel - weight, weight);
  };
  return blend_rows(along(y.low), along(y.high), kOneRow - y.weight, y.weight);
}

// The same at a place of a bent picture.
int16_t sample(const Picture& p, const Component& c, const PlanePoint& place) {
  const PlanePoint in = in_plane(c, place);
  const WarpTap x = warp_tap(in.x, p.width >> c.shift_x);
  const WarpTap y = warp_tap(in.y, p.height >> c.shift_y);
  const auto at = [&](int right, int down) { return value_at(p, c, x.low + right, y.low + down); };
  return blend_four(at(0, 0), at(1, 0), at(0, 1), at(1, 1), kWarpOne - y.part, y.part,
                    kWarpOne - x.part, x.part);
}

// What the picture, bent if there is a lens, shows where the axes have these positions.
std::array<int16_t, 3> rgb_at(const Picture& p, const Mapping& mapping, int across, int down,
                              const std::optional<LensMap>& lens) {
  const Components& components = components_of(p.format);
  const auto place = lens ? lens->at(place_at(mapping.across, across), place_at(mapping.down, down))
                          : std::optional<PlanePoint>();
  std::array<int16_t, 3> rgb{};
  for (size_t c = 0; c < 3; ++c) {
    const Component& component = components.at[c];
    rgb[c] = !lens
                 ? sample(p, component, tap_at(mapping.across, across), tap_at(mapping.down, down))
             : place ? sample(p, component, *place)
                     : unseen_value(components, c, p.color);
  }
  if (components.yuv) {
    const YuvMatrix& m = kYuvMatrices[static_cast<size_t>(p.color)];
    yuv_to_rgb(m, rgb[0], rgb[1], rgb[2], rgb[0], rgb[1], rgb[2]);
  }
  return rgb;
}

Result<Placement> fill(const Picture& picture, const Preprocess& options, const TensorInfo& input,
                       const std::optional<LensMap>& lens, std::span<std::byte> tensor) {
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
        rgb = rgb_at(picture, m, m.turned ? y - m.y : x - m.x, m.turned ? x - m.x : y - m.y, lens);
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

}  // namespace

Result<Placement> fill_tensor_reference(const Picture& picture, const Preprocess& options,
                                        const TensorInfo& input, std::span<std::byte> tensor) {
  return fill(picture, options, input, std::nullopt, tensor);
}

Result<Placement> fill_tensor_reference(const Picture& picture, const Preprocess& options,
                                        const TensorInfo& input, const LensView& view,
                                        std::span<std::byte> tensor) {
  INFERD_ASSIGN_OR_RETURN(const LensMap lens, LensMap::of(view, picture.width, picture.height));
  return fill(picture, options, input, lens, tensor);
}

}  // namespace inferd::media
