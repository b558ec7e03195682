// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/libcamera_format.h"

#include <libcamera/formats.h>

#include <algorithm>
#include <optional>

namespace inferd::pipeline {
namespace {

using libcamera::StreamConfiguration;
using media::ColorSpace;
using media::PixelFormat;
namespace formats = libcamera::formats;

// From the best on: what costs least to turn into a model's input first. libcamera names bytes from
// the last in memory to the first.
struct Row {
  libcamera::PixelFormat theirs;
  const char* name;
  std::optional<PixelFormat> format;  // none: compressed
};
const Row kRows[] = {
    {formats::NV12, "nv12", PixelFormat::kNv12},
    {formats::NV21, "nv21", PixelFormat::kNv21},
    {formats::YUV420, "i420", PixelFormat::kI420},
    {formats::YUYV, "yuyv", PixelFormat::kYuyv},
    {formats::UYVY, "uyvy", PixelFormat::kUyvy},
    {formats::BGR888, "rgb", PixelFormat::kRgb},
    {formats::RGB888, "bgr", PixelFormat::kBgr},
    {formats::XRGB8888, "bgrx", PixelFormat::kBgrx},
    {formats::ARGB8888, "bgrx", PixelFormat::kBgrx},
    {formats::XBGR8888, "rgbx", PixelFormat::kRgbx},
    {formats::ABGR8888, "rgbx", PixelFormat::kRgbx},
    {formats::MJPEG, "mjpeg", std::nullopt},
    {formats::R8, "grey", PixelFormat::kGrey},
};

const Row* row_of(const libcamera::PixelFormat& format) {
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows),
                                 [&](const Row& r) { return r.theirs == format; });
  return row == std::end(kRows) ? nullptr : row;
}

bool has_size(const libcamera::StreamFormats& offered, const libcamera::PixelFormat& format,
              const libcamera::Size& size) {
  const auto sizes = offered.sizes(format);
  if (sizes.empty() || std::find(sizes.begin(), sizes.end(), size) != sizes.end()) return true;
  const libcamera::SizeRange range = offered.range(format);
  return range.hStep > 0 && range.contains(size);  // else only those that are listed
}

Status nothing_fits(const std::vector<libcamera::PixelFormat>& offered, const std::string& wished) {
  std::string list;
  bool raw = !offered.empty();
  for (const libcamera::PixelFormat& format : offered) {
    const std::string name = format.toString();
    const Row* row = row_of(format);
    list += (list.empty() ? "" : ", ") + name + (row ? std::string(" (") + row->name + ")" : "");
    // "SRGGB10_CSI2P": S, and the colours of a pattern.
    raw = raw && name.size() >= 5 && name[0] == 'S' && name.find_first_not_of("RGB", 1) >= 5;
  }
  if (raw)
    return unimplemented("the camera gives raw Bayer patterns only (" + list +
                         "); libcamera has no image signal processor for it on this board");
  return unimplemented("the camera does not give " +
                       (wished == "auto" ? "a format that is known here" : "'" + wished + "'") +
                       "; it has: " + (list.empty() ? "none" : list));
}

ColorSpace color_of(const std::optional<libcamera::ColorSpace>& color) {
  if (!color) return ColorSpace::kBt601;
  const bool full = color->range == libcamera::ColorSpace::Range::Full;
  if (color->ycbcrEncoding == libcamera::ColorSpace::YcbcrEncoding::Rec709)
    return full ? ColorSpace::kBt709Full : ColorSpace::kBt709;
  return full ? ColorSpace::kBt601Full : ColorSpace::kBt601;
}

}  // namespace

std::vector<std::string> libcamera_format_names() {
  std::vector<std::string> names = {"auto"};
  for (const Row& row : kRows) {
    if (names.back() != row.name) names.emplace_back(row.name);
  }
  return names;
}

std::string libcamera_format_name(const libcamera::PixelFormat& format) {
  const Row* row = row_of(format);
  return row == nullptr ? "" : row->name;
}

bool libcamera_is_picture(const libcamera::PixelFormat& format) {
  const Row* row = row_of(format);
  return row != nullptr && row->format;
}

Status choose_libcamera_format(const LibcameraWish& wish,
                               libcamera::CameraConfiguration& configuration) {
  StreamConfiguration& stream = configuration.at(0);
  const libcamera::Size size(wish.width > 0 ? wish.width : stream.size.width,
                             wish.height > 0 ? wish.height : stream.size.height);
  const auto offered = stream.formats().pixelformats();
  const Row* best = nullptr;
  bool best_has_size = false;
  for (const Row& row : kRows) {
    const bool has = std::find(offered.begin(), offered.end(), row.theirs) != offered.end();
    if (!has || (wish.format != "auto" && wish.format != row.name)) continue;
    const bool fits = has_size(stream.formats(), row.theirs, size);
    if (best != nullptr && (best_has_size || !fits)) continue;
    best = &row;
    best_has_size = fits;
  }
  if (best == nullptr) return nothing_fits(offered, wish.format);
  stream.pixelFormat = best->theirs;
  stream.size = size;
  if (configuration.validate() == libcamera::CameraConfiguration::Invalid ||
      configuration.size() != 1)
    return invalid_argument("cannot be configured for " + size.toString() + " as " + best->name);
  const StreamConfiguration& valid = configuration.at(0);
  if (valid.pixelFormat != best->theirs)
    return unavailable(std::string("was asked for ") + best->name + " and gives " +
                       valid.pixelFormat.toString());
  const bool as_wished = (wish.width == 0 || valid.size.width == wish.width) &&
                         (wish.height == 0 || valid.size.height == wish.height);
  if (as_wished) return ok_status();
  return invalid_argument("has no pictures of " + std::to_string(size.width) + " x " +
                          std::to_string(size.height) + " as " + best->name + "; the nearest are " +
                          std::to_string(valid.size.width) + " x " +
                          std::to_string(valid.size.height));
}

Result<media::Picture> libcamera_picture(const StreamConfiguration& stream,
                                         std::span<const std::span<const uint8_t>> planes) {
  const Row* row = row_of(stream.pixelFormat);
  if (row == nullptr || !row->format)
    return internal_error("'" + stream.pixelFormat.toString() + "' is not a picture");
  const PixelFormat format = *row->format;
  const auto width = static_cast<int>(stream.size.width);
  const auto height = static_cast<int>(stream.size.height);
  // Checks the sides, which are even where the format wants that.
  INFERD_ASSIGN_OR_RETURN(const size_t packed, media::packed_bytes(format, width, height));
  const bool planar = format == PixelFormat::kI420;
  const bool chroma = planar || format == PixelFormat::kNv12 || format == PixelFormat::kNv21;
  // Cameras that say nothing leave no gaps.
  const size_t row_bytes = chroma ? stream.size.width : packed / stream.size.height;
  const size_t stride = stream.stride > 0 ? stream.stride : row_bytes;
  media::Picture picture;
  if (planes.size() == 1) {
    INFERD_ASSIGN_OR_RETURN(picture,
                            media::strided_picture(format, width, height, stride, planes[0]));
  } else {
    picture = {format, ColorSpace::kBt601, width, height, {}, {}};
    const size_t count = planar ? 3 : chroma ? 2 : 1;
    if (planes.size() != count)
      return invalid_argument("pictures as " + std::string(row->name) + " in " +
                              std::to_string(planes.size()) + " planes");
    for (size_t p = 0; p < count; ++p) {
      const size_t half = p == 0 ? 1 : 2, across = planar ? half : 1;
      const size_t bytes = stream.size.width / across, rows = stream.size.height / half;
      picture.strides[p] = stride / across;
      picture.planes[p] = planes[p].data();
      if (picture.strides[p] < bytes)
        return invalid_argument("rows of " + std::to_string(stride) + " bytes for " +
                                std::to_string(width) + " pixels");
      // The last row may end where its pixels do.
      if (planes[p].size() < picture.strides[p] * (rows - 1) + bytes)
        return data_loss("a plane of " + std::to_string(planes[p].size()) + " bytes");
    }
  }
  picture.color = color_of(stream.colorSpace);
  return picture;
}

int64_t sensor_ns(int64_t timestamp_ns, int64_t monotonic_ns, int64_t boottime_ns) {
  // What lies ahead by CLOCK_MONOTONIC is by the clock that is never behind it.
  if (timestamp_ns > monotonic_ns) timestamp_ns -= boottime_ns - monotonic_ns;
  return timestamp_ns > 0 ? std::min(timestamp_ns, monotonic_ns) : monotonic_ns;
}

}  // namespace inferd::pipeline
