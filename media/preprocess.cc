// SPDX-License-Identifier: Apache-2.0
#include "media/preprocess.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "media/preprocessor.h"

namespace inferd::media {
namespace {

Result<float> parse_number(std::string_view text) {
  float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return invalid_argument("'" + std::string(text) + "' is not a number");
  }
  return value;
}

// "A" or "A/B/C"
Status parse_channels(std::string_view text, std::array<float, 3>* out) {
  for (size_t c = 0; c < 3; ++c) {
    const size_t slash = text.find('/');
    INFERD_ASSIGN_OR_RETURN((*out)[c], parse_number(text.substr(0, slash)));
    if (slash == std::string_view::npos) {
      if (c == 0) out->fill((*out)[0]);
      return c == 0 || c == 2 ? ok_status()
                              : invalid_argument("needs one value or three, as A/B/C");
    }
    text.remove_prefix(slash + 1);
  }
  return invalid_argument("needs one value or three, as A/B/C");
}

// "X/Y/WIDTH/HEIGHT"
Status parse_part(std::string_view text, Part* out) {
  std::array<float, 4> sides{};
  for (size_t i = 0; i < 4; ++i) {
    const size_t slash = text.find('/');
    if ((slash == std::string_view::npos) != (i == 3)) {
      return invalid_argument("roi needs four parts of the picture, as X/Y/WIDTH/HEIGHT");
    }
    INFERD_ASSIGN_OR_RETURN(sides[i], parse_number(text.substr(0, slash)));
    text.remove_prefix(i == 3 ? 0 : slash + 1);
  }
  *out = {sides[0], sides[1], sides[2], sides[3]};
  return ok_status();
}

Status apply_option(std::string_view part, Preprocess* options) {
  const size_t equals = part.find('=');
  const std::string_view key = part.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : part.substr(equals + 1);
  if (part == "stretch") {
    options->fit = Fit::kStretch;
  } else if (part == "letterbox") {
    options->fit = Fit::kLetterbox;
  } else if (part == "crop") {
    options->fit = Fit::kCrop;
  } else if (part == "bgr") {
    options->bgr = true;
  } else if (part == "mirror") {
    options->mirror = true;
  } else if (part == "raw") {
    options->normalize = false;
  } else if (key == "mean" || key == "std") {
    options->normalize = true;
    auto& channels = key == "mean" ? options->mean : options->std;
    INFERD_RETURN_IF_ERROR(parse_channels(value, &channels).with_context(std::string(key)));
  } else if (key == "pad") {
    INFERD_ASSIGN_OR_RETURN(const float pad, parse_number(value));
    if (pad < 0 || pad > 255) return invalid_argument("pad must be from 0 to 255");
    options->pad_value = static_cast<uint8_t>(pad);
  } else if (key == "rotate") {
    INFERD_ASSIGN_OR_RETURN(const float degrees, parse_number(value));
    options->rotate = degrees >= 0 && degrees < 360 ? static_cast<int>(degrees) : -1;
  } else if (key == "roi") {
    INFERD_RETURN_IF_ERROR(parse_part(value, &options->roi));
  } else {
    return invalid_argument(
        "'" + std::string(part) +
        "' is none of stretch, letterbox, crop, bgr, raw, mean=, std=, pad=, roi=, "
        "rotate=, mirror");
  }
  return ok_status();
}

}  // namespace

Result<Preprocess> parse_preprocess(const std::string& text) {
  Preprocess options;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    INFERD_RETURN_IF_ERROR(apply_option(rest.substr(0, comma), &options));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  INFERD_RETURN_IF_ERROR(check_preprocess(options));
  return options;
}

Status check_preprocess(const Preprocess& o) {
  // Written so that NaN is refused.
  const auto inside = [](float at, float size) {
    return at >= 0 && size > 0 && at + size <= 1.00001F;  // 1/3 and 2/3 of a decimal fraction
  };
  if (!inside(o.roi.x, o.roi.width) || !inside(o.roi.y, o.roi.height)) {
    return invalid_argument("the part of the picture must lie within it, 0 to 1, and have a size");
  }
  if (o.rotate != 0 && o.rotate != 90 && o.rotate != 180 && o.rotate != 270) {
    return invalid_argument("pictures are turned by 0, 90, 180 or 270 degrees");
  }
  if (std::find(o.std.begin(), o.std.end(), 0.F) != o.std.end()) {
    return invalid_argument("std must not be 0");
  }
  return ok_status();
}

Point Placement::to_picture(Point tensor) const {
  float x = (tensor.x - offset_x) / scale_x;
  const float y = (tensor.y - offset_y) / scale_y;
  if (mirror) x = 1 - x;
  switch (rotate) {
    case 90:
      return {y, 1 - x};
    case 180:
      return {1 - x, 1 - y};
    case 270:
      return {1 - y, x};
    default:
      return {x, y};
  }
}

Corners Placement::to_picture(const Corners& tensor) const {
  Point a = to_picture(tensor.nearest);
  Point b = to_picture(tensor.farthest);
  // The picture's x is the turned one's y after a quarter.
  const bool quarter = rotate == 90 || rotate == 270;
  if (quarter ? rotate == 270 : mirror != (rotate == 180)) std::swap(a.x, b.x);
  if (quarter ? mirror != (rotate == 90) : rotate == 180) std::swap(a.y, b.y);
  return {a, b};
}

Result<ImageTensor> image_tensor_of(const TensorInfo& input) {
  const Shape& s = input.shape;
  const bool type =
      input.dtype == DType::kFloat32 || input.dtype == DType::kUInt8 || input.dtype == DType::kInt8;
  const auto channels = [](int64_t c) { return c == 1 || c == 3; };
  const auto side = [](int64_t d) { return d >= 1 && d <= 1 << 16; };
  if (type && s.rank() == 4) {
    const auto as_int = [&](int d) { return static_cast<int>(s[d]); };
    if (channels(s[3]) && side(s[1]) && side(s[2]))
      return ImageTensor{as_int(1), as_int(2), as_int(3), false};
    if (channels(s[1]) && side(s[2]) && side(s[3]))
      return ImageTensor{as_int(2), as_int(3), as_int(1), true};
  }
  return invalid_argument("input '" + input.name + "' " + std::string(dtype_name(input.dtype)) +
                          s.to_string() + " does not take pictures");
}

Result<Placement> fill_tensor(const Picture& picture, const Preprocess& options,
                              const TensorInfo& input, std::span<std::byte> tensor) {
  INFERD_ASSIGN_OR_RETURN(Preprocessor preprocessor, Preprocessor::create(options, input));
  return preprocessor.fill(picture, tensor);
}

Result<Placement> fill_tensor(const Image& image, const Preprocess& options,
                              const TensorInfo& input, std::span<std::byte> tensor) {
  return fill_tensor(view_of(image), options, input, tensor);
}

}  // namespace inferd::media
