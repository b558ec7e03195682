// SPDX-License-Identifier: Apache-2.0
#include "media/picture.h"

#include <algorithm>
#include <cstring>

#include "media/resample/fixed_point.h"
#include "media/resample/mapping.h"

namespace inferd::media {
namespace {

// How a format lies in memory: bytes of a group's row in each plane, for groups of `across` by
// `down` pixels; `rows` of each plane in a group.
struct Layout {
  PixelFormat format;
  const char* name;
  int across, down;
  struct Plane {
    int bytes, rows;
  };
  std::array<Plane, 3> planes;
};
constexpr Layout kLayouts[] = {
    {PixelFormat::kRgb, "rgb", 1, 1, {{{3, 1}, {0, 0}, {0, 0}}}},
    {PixelFormat::kBgr, "bgr", 1, 1, {{{3, 1}, {0, 0}, {0, 0}}}},
    {PixelFormat::kRgbx, "rgbx", 1, 1, {{{4, 1}, {0, 0}, {0, 0}}}},
    {PixelFormat::kBgrx, "bgrx", 1, 1, {{{4, 1}, {0, 0}, {0, 0}}}},
    {PixelFormat::kGrey, "grey", 1, 1, {{{1, 1}, {0, 0}, {0, 0}}}},
    {PixelFormat::kYuyv, "yuyv", 2, 1, {{{4, 1}, {0, 0}, {0, 0}}}},
    {PixelFormat::kUyvy, "uyvy", 2, 1, {{{4, 1}, {0, 0}, {0, 0}}}},
    {PixelFormat::kNv12, "nv12", 2, 2, {{{2, 2}, {2, 1}, {0, 0}}}},
    {PixelFormat::kNv21, "nv21", 2, 2, {{{2, 2}, {2, 1}, {0, 0}}}},
    {PixelFormat::kI420, "i420", 2, 2, {{{2, 2}, {1, 1}, {1, 1}}}},
};

const Layout& layout_of(PixelFormat format) {
  for (const Layout& layout : kLayouts) {
    if (layout.format == format) return layout;
  }
  return kLayouts[0];
}

void row_to_rgb(const Picture& p, int y, uint8_t* rgb) {
  const Components& components = components_of(p.format);
  const YuvMatrix& m = kYuvMatrices[static_cast<size_t>(p.color)];
  std::array<const uint8_t*, 3> rows{};
  for (size_t c = 0; c < 3; ++c) {
    const Component& at = components.at[c];
    const auto plane = static_cast<size_t>(at.plane);
    rows[c] = p.planes[plane] + static_cast<size_t>(y >> at.shift_y) * p.strides[plane] + at.first;
  }
  for (int x = 0; x < p.width; ++x, rgb += 3) {
    const auto value = [&](size_t c) {
      const Component& at = components.at[c];
      return rows[c][(x >> at.shift_x) * at.step];
    };
    if (!components.yuv) {
      for (size_t c = 0; c < 3; ++c) rgb[c] = value(c);
      continue;
    }
    std::array<int16_t, 3> centred{};
    const auto centre = [&](size_t c) { return (value(c) - 128) * 256; };
    yuv_to_rgb(m, centre(0), centre(1), centre(2), centred[0], centred[1], centred[2]);
    for (size_t c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(to_byte(centred[c]) + 128);
  }
}

Status check_sides(const Layout& layout, int width, int height) {
  constexpr int kMaxSide = 65536;
  const std::string size = std::to_string(width) + "x" + std::to_string(height);
  if (width < 1 || height < 1 || width > kMaxSide || height > kMaxSide ||
      int64_t{width} * height > kMaxPixels) {
    return invalid_argument("a picture of " + size + " pixels is none, or too large");
  }
  if (width % layout.across != 0 || height % layout.down != 0) {
    return invalid_argument(std::string("a picture of ") + layout.name + " has no " + size +
                            " pixels: its width" + (layout.down > 1 ? " and height are" : " is") +
                            " even");
  }
  return ok_status();
}

}  // namespace

std::string pixel_format_name(PixelFormat format) { return layout_of(format).name; }

Result<PixelFormat> parse_pixel_format(const std::string& name) {
  std::string known;
  for (const Layout& layout : kLayouts) {
    if (name == layout.name) return layout.format;
    known += (known.empty() ? "" : ", ") + std::string(layout.name);
  }
  return invalid_argument("'" + name + "' is no pixel format; known: " + known);
}

Result<size_t> packed_bytes(PixelFormat format, int width, int height) {
  const Layout& layout = layout_of(format);
  INFERD_RETURN_IF_ERROR(check_sides(layout, width, height));
  const auto groups =
      static_cast<size_t>(width / layout.across) * static_cast<size_t>(height / layout.down);
  size_t bytes = 0;
  for (const Layout::Plane& plane : layout.planes)
    bytes += groups * static_cast<size_t>(plane.bytes * plane.rows);
  return bytes;
}

Result<Picture> packed_picture(PixelFormat format, int width, int height,
                               std::span<const uint8_t> bytes) {
  INFERD_ASSIGN_OR_RETURN(const size_t needed, packed_bytes(format, width, height));
  if (bytes.size() < needed) {
    return invalid_argument("a picture of " + std::to_string(width) + "x" + std::to_string(height) +
                            " pixels in " + pixel_format_name(format) + " takes " +
                            std::to_string(needed) + " bytes, not " + std::to_string(bytes.size()));
  }
  const Layout& layout = layout_of(format);
  Picture picture{format, ColorSpace::kBt601, width, height, {}, {}};
  const uint8_t* at = bytes.data();
  for (size_t p = 0; p < 3 && layout.planes[p].bytes > 0; ++p) {
    picture.planes[p] = at;
    picture.strides[p] =
        static_cast<size_t>(width / layout.across) * static_cast<size_t>(layout.planes[p].bytes);
    at += picture.strides[p] * static_cast<size_t>(height / layout.down) *
          static_cast<size_t>(layout.planes[p].rows);
  }
  return picture;
}

Result<Picture> strided_picture(PixelFormat format, int width, int height, size_t stride,
                                std::span<const uint8_t> bytes) {
  const Layout& layout = layout_of(format);
  INFERD_RETURN_IF_ERROR(check_sides(layout, width, height));
  constexpr size_t kMaxStride = size_t{1} << 24;
  const auto across = static_cast<size_t>(width / layout.across);
  const auto down = static_cast<size_t>(height / layout.down);
  const auto first = static_cast<size_t>(layout.planes[0].bytes);
  Picture picture{format, ColorSpace::kBt601, width, height, {}, {}};
  size_t end = 0, gap = 0;  // of the planes so far; behind the pixels of the last row
  std::array<size_t, 3> begins{};
  for (size_t p = 0; p < 3 && layout.planes[p].bytes > 0; ++p) {
    const auto bytes_of_group = static_cast<size_t>(layout.planes[p].bytes);
    const size_t row = across * bytes_of_group;
    picture.strides[p] = stride / first * bytes_of_group;
    if (stride > kMaxStride || stride % first != 0 || picture.strides[p] < row) {
      // Formats whose groups are pixels may have rows of any length.
      if (layout.planes[1].bytes > 0 || stride > kMaxStride || stride < row) {
        return invalid_argument("rows of " + std::to_string(stride) + " bytes do not fit " +
                                std::to_string(width) + " pixels in " + layout.name);
      }
      picture.strides[p] = stride;
    }
    begins[p] = end;
    end += picture.strides[p] * down * static_cast<size_t>(layout.planes[p].rows);
    gap = picture.strides[p] - row;
  }
  if (bytes.size() < end - gap) {
    return invalid_argument("a picture of " + std::to_string(width) + "x" + std::to_string(height) +
                            " pixels in " + layout.name + ", rows of " + std::to_string(stride) +
                            " bytes, takes " + std::to_string(end - gap) + " bytes, not " +
                            std::to_string(bytes.size()));
  }
  for (size_t p = 0; p < 3 && picture.strides[p] > 0; ++p)
    picture.planes[p] = bytes.data() + begins[p];
  return picture;
}

Result<Picture> copy_packed(const Picture& picture, std::span<uint8_t> to) {
  INFERD_ASSIGN_OR_RETURN(Picture packed,
                          packed_picture(picture.format, picture.width, picture.height, to));
  packed.color = picture.color;
  const Layout& layout = layout_of(picture.format);
  uint8_t* at = to.data();
  for (size_t p = 0; p < 3 && layout.planes[p].bytes > 0; ++p) {
    const int rows = picture.height / layout.down * layout.planes[p].rows;
    for (int y = 0; y < rows; ++y, at += packed.strides[p])
      std::memcpy(at, picture.planes[p] + static_cast<size_t>(y) * picture.strides[p],
                  packed.strides[p]);
  }
  return packed;
}

Picture view_of(const Image& image) {
  return {PixelFormat::kRgb,
          ColorSpace::kBt601,
          image.width,
          image.height,
          {image.pixels.data(), nullptr, nullptr},
          {static_cast<size_t>(image.width) * 3, 0, 0}};
}

Picture crop(const Picture& picture, int x, int y, int width, int height) {
  if (picture.width < 1 || picture.height < 1) return picture;
  const Layout& layout = layout_of(picture.format);
  // [begin, end) in groups, from [at, at + size) in pixels.
  const auto range = [](int64_t at, int64_t size, int group, int limit) {
    const int64_t groups = limit / group;
    const int64_t begin = std::clamp<int64_t>(at, 0, limit - 1) / group;
    const int64_t end = (std::clamp<int64_t>(at + size, 0, limit) + group - 1) / group;
    return std::pair<int, int>(static_cast<int>(begin),
                               static_cast<int>(std::clamp(end, begin + 1, groups)));
  };
  const auto [left, right] = range(x, width, layout.across, picture.width);
  const auto [top, bottom] = range(y, height, layout.down, picture.height);
  Picture part = picture;
  part.width = (right - left) * layout.across;
  part.height = (bottom - top) * layout.down;
  for (size_t p = 0; p < 3; ++p) {
    if (part.planes[p] == nullptr) continue;
    part.planes[p] += static_cast<size_t>(top * layout.planes[p].rows) * part.strides[p] +
                      static_cast<size_t>(left * layout.planes[p].bytes);
  }
  return part;
}

void to_rgb(const Picture& picture, Image& out) {
  out.width = picture.width;
  out.height = picture.height;
  out.pixels.resize(static_cast<size_t>(picture.width) * static_cast<size_t>(picture.height) * 3);
  for (int y = 0; y < picture.height; ++y) row_to_rgb(picture, y, out.row(y));
}

}  // namespace inferd::media
