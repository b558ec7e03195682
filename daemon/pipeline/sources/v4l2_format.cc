// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/v4l2_format.h"

#include <algorithm>
#include <string_view>

namespace inferd::pipeline {
namespace {

using media::ColorSpace;
using media::PixelFormat;

// From the best on: what costs least to turn into a model's input first.
struct Row {
  uint32_t fourcc;
  const char* name;
  std::optional<PixelFormat> format;  // none: compressed
};
const Row kRows[] = {
    {V4L2_PIX_FMT_NV12, "nv12", PixelFormat::kNv12},
    {V4L2_PIX_FMT_NV21, "nv21", PixelFormat::kNv21},
    {V4L2_PIX_FMT_YUV420, "i420", PixelFormat::kI420},
    {V4L2_PIX_FMT_YUYV, "yuyv", PixelFormat::kYuyv},
    {V4L2_PIX_FMT_UYVY, "uyvy", PixelFormat::kUyvy},
    {V4L2_PIX_FMT_RGB24, "rgb", PixelFormat::kRgb},
    {V4L2_PIX_FMT_BGR24, "bgr", PixelFormat::kBgr},
    {V4L2_PIX_FMT_XBGR32, "bgrx", PixelFormat::kBgrx},
    {V4L2_PIX_FMT_RGBX32, "rgbx", PixelFormat::kRgbx},
    {V4L2_PIX_FMT_MJPEG, "mjpeg", std::nullopt},
    {V4L2_PIX_FMT_JPEG, "mjpeg", std::nullopt},
    {V4L2_PIX_FMT_GREY, "grey", PixelFormat::kGrey},
};

const Row* row_of(uint32_t fourcc) {
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows),
                                 [&](const Row& r) { return r.fourcc == fourcc; });
  return row == std::end(kRows) ? nullptr : row;
}

struct Offered {
  uint32_t fourcc;
  std::string description;
};

std::vector<Offered> offered_formats(V4l2Calls& calls, int fd) {
  std::vector<Offered> formats;
  constexpr uint32_t kMax = 256;
  for (uint32_t i = 0; i < kMax; ++i) {
    v4l2_fmtdesc description{};
    description.index = i;
    description.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (calls.ioctl(fd, VIDIOC_ENUM_FMT, &description) < 0) break;
    const auto* text = reinterpret_cast<const char*>(description.description);
    formats.push_back({description.pixelformat,
                       {text, std::find(text, text + sizeof description.description, '\0')}});
  }
  return formats;
}

// Cameras that list no sizes are believed to have each.
bool has_size(V4l2Calls& calls, int fd, uint32_t fourcc, uint32_t width, uint32_t height) {
  const auto steps_to = [](uint32_t size, uint32_t min, uint32_t max, uint32_t step) {
    return size >= min && size <= max && (size - min) % std::max(step, 1U) == 0;
  };
  constexpr uint32_t kMax = 256;
  for (uint32_t i = 0; i < kMax; ++i) {
    v4l2_frmsizeenum size{};
    size.index = i;
    size.pixel_format = fourcc;
    if (calls.ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &size) < 0) return i == 0;
    if (size.type == V4L2_FRMSIZE_TYPE_DISCRETE) {
      if (size.discrete.width == width && size.discrete.height == height) return true;
      continue;
    }
    const v4l2_frmsize_stepwise& s = size.stepwise;
    return steps_to(width, s.min_width, s.max_width, s.step_width) &&
           steps_to(height, s.min_height, s.max_height, s.step_height);
  }
  return false;
}

// The same of rates: pictures a second, at least.
bool has_rate(V4l2Calls& calls, int fd, uint32_t fourcc, uint32_t width, uint32_t height,
              double fps) {
  constexpr uint32_t kMax = 256;
  for (uint32_t i = 0; i < kMax; ++i) {
    v4l2_frmivalenum interval{};
    interval.index = i;
    interval.pixel_format = fourcc;
    interval.width = width;
    interval.height = height;
    if (calls.ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval) < 0) return i == 0;
    const bool discrete = interval.type == V4L2_FRMIVAL_TYPE_DISCRETE;
    const v4l2_fract shortest = discrete ? interval.discrete : interval.stepwise.min;
    // 29.97 will do for 30.
    if (shortest.numerator > 0 && shortest.denominator >= fps * 0.99 * shortest.numerator)
      return true;
    if (!discrete) return false;
  }
  return false;
}

Status nothing_fits(const std::vector<Offered>& offered, const std::string& wished) {
  std::string list;
  bool bayer = false;
  for (const Offered& format : offered) {
    list += (list.empty() ? "" : ", ") + fourcc_text(format.fourcc);
    bayer = bayer || format.description.find("Bayer") != std::string::npos;
  }
  if (wished == "auto" && bayer)
    return unimplemented("the camera gives raw Bayer patterns (" + list +
                         "), which need an image signal processor: use it by libcamera");
  return unimplemented("the camera does not give " +
                       (wished == "auto" ? "a format that is known here" : "'" + wished + "'") +
                       "; it has: " + (list.empty() ? "none" : list));
}

ColorSpace color_of(const v4l2_pix_format& format) {
  uint32_t encoding = format.ycbcr_enc, range = format.quantization;
  if (encoding == V4L2_YCBCR_ENC_DEFAULT) encoding = V4L2_MAP_YCBCR_ENC_DEFAULT(format.colorspace);
  if (range == V4L2_QUANTIZATION_DEFAULT)
    range = V4L2_MAP_QUANTIZATION_DEFAULT(false, format.colorspace, encoding);
  const bool full = range == V4L2_QUANTIZATION_FULL_RANGE;
  if (encoding == V4L2_YCBCR_ENC_709 || encoding == V4L2_YCBCR_ENC_XV709)
    return full ? ColorSpace::kBt709Full : ColorSpace::kBt709;
  return full ? ColorSpace::kBt601Full : ColorSpace::kBt601;
}

}  // namespace

std::string fourcc_text(uint32_t fourcc) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    const auto c = static_cast<char>((fourcc >> (8 * i)) & 0x7F);
    text += c >= ' ' && c <= '~' ? c : '?';
  }
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

std::vector<std::string> v4l2_format_names() {
  std::vector<std::string> names = {"auto"};
  for (const Row& row : kRows) {
    if (names.back() != row.name) names.emplace_back(row.name);
  }
  return names;
}

bool v4l2_is_compressed(uint32_t fourcc) {
  const Row* row = row_of(fourcc);
  return row != nullptr && !row->format;
}

Result<uint32_t> choose_v4l2_format(V4l2Calls& calls, int fd, const V4l2Wish& wish) {
  const std::vector<Offered> offered = offered_formats(calls, fd);
  const Row* best = nullptr;
  int best_score = 0;
  for (const Row& row : kRows) {
    const bool has = std::any_of(offered.begin(), offered.end(),
                                 [&](const Offered& o) { return o.fourcc == row.fourcc; });
    if (!has || (wish.format != "auto" && wish.format != row.name)) continue;
    int score = 1;
    if (has_size(calls, fd, row.fourcc, wish.width, wish.height)) {
      score = has_rate(calls, fd, row.fourcc, wish.width, wish.height, wish.fps) ? 3 : 2;
    }
    if (score > best_score) {
      best = &row;
      best_score = score;
    }
  }
  if (best == nullptr) return nothing_fits(offered, wish.format);
  return best->fourcc;
}

Result<media::Picture> v4l2_picture(const v4l2_pix_format& format, std::span<const uint8_t> bytes) {
  const Row* row = row_of(format.pixelformat);
  if (row == nullptr || !row->format)
    return internal_error("'" + fourcc_text(format.pixelformat) + "' is not a picture");
  const auto width = static_cast<int>(format.width), height = static_cast<int>(format.height);
  // Checks the sides, and says how long rows without gaps are.
  INFERD_ASSIGN_OR_RETURN(const size_t packed, media::packed_bytes(*row->format, width, height));
  const bool chroma = row->format == PixelFormat::kNv12 || row->format == PixelFormat::kNv21 ||
                      row->format == PixelFormat::kI420;
  const size_t rows = format.height;
  const size_t shortest = chroma ? format.width : packed / rows;
  const size_t stride = std::max<size_t>(format.bytesperline, shortest);
  const size_t total = stride * rows + (chroma ? stride * (rows / 2) : 0);
  const bool planar = row->format == PixelFormat::kI420;
  // The last row may end where its pixels do.
  if (bytes.size() + (stride - shortest) / (planar ? 2 : 1) < total)
    return data_loss("a picture of " + std::to_string(bytes.size()) + " bytes instead of " +
                     std::to_string(total));
  media::Picture picture;
  picture.format = *row->format;
  picture.color = color_of(format);
  picture.width = width;
  picture.height = height;
  picture.planes[0] = bytes.data();
  picture.strides[0] = stride;
  if (!chroma) return picture;
  picture.planes[1] = bytes.data() + stride * rows;
  picture.strides[1] = planar ? stride / 2 : stride;
  if (planar) {
    picture.planes[2] = picture.planes[1] + stride / 2 * (rows / 2);
    picture.strides[2] = stride / 2;
  }
  return picture;
}

}  // namespace inferd::pipeline
