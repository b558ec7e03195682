// SPDX-License-Identifier: Apache-2.0
#include "media/preprocess.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace inferd::media {
namespace {

struct Rect {
  float x = 0, y = 0, width = 0, height = 0;
};

// The part of the picture that is shown, and where in the tensor it is shown.
struct Mapping {
  Rect source;       // pixels of the picture
  int x = 0, y = 0;  // of the tensor
  int width = 0, height = 0;
};

Mapping map_picture(const Image& image, Fit fit, const ImageTensor& tensor) {
  const auto in_w = static_cast<float>(image.width);
  const auto in_h = static_cast<float>(image.height);
  const auto out_w = static_cast<float>(tensor.width);
  const auto out_h = static_cast<float>(tensor.height);
  Mapping m{{0, 0, in_w, in_h}, 0, 0, tensor.width, tensor.height};
  if (fit == Fit::kLetterbox) {
    const float scale = std::min(out_w / in_w, out_h / in_h);
    m.width = std::clamp(static_cast<int>(std::lround(in_w * scale)), 1, tensor.width);
    m.height = std::clamp(static_cast<int>(std::lround(in_h * scale)), 1, tensor.height);
    m.x = (tensor.width - m.width) / 2;
    m.y = (tensor.height - m.height) / 2;
  } else if (fit == Fit::kCrop) {
    const float scale = std::max(out_w / in_w, out_h / in_h);
    m.source.width = out_w / scale;
    m.source.height = out_h / scale;
    m.source.x = (in_w - m.source.width) / 2;
    m.source.y = (in_h - m.source.height) / 2;
  }
  return m;
}

// The two picture rows or columns a tensor position lies between (half-pixel centres), and the
// second's weight.
struct Sample {
  int low, high;
  float weight;
};

Sample sample(int i, int count, float start, float extent, int limit) {
  const float scale = extent / static_cast<float>(count);
  const float at = start + (static_cast<float>(i) + 0.5F) * scale - 0.5F;
  const float clamped = std::clamp(at, 0.F, static_cast<float>(limit - 1));
  const int low = static_cast<int>(clamped);
  return {low, std::min(low + 1, limit - 1), clamped - static_cast<float>(low)};
}

// Turns a pixel value of channel c into the bytes of one element.
class ElementWriter {
 public:
  ElementWriter(const TensorInfo& input, const Preprocess& options)
      : input_(input), options_(options) {}

  void write(std::byte* data, size_t index, float pixel, size_t channel) const {
    const float real =
        options_.normalize ? (pixel - options_.mean[channel]) / options_.std[channel] : pixel;
    switch (input_.dtype) {
      case DType::kFloat32:
        reinterpret_cast<float*>(data)[index] = real;
        break;
      case DType::kUInt8:
        data[index] = static_cast<std::byte>(stored(real, 0, 0, 255));
        break;
      default:
        data[index] = static_cast<std::byte>(static_cast<uint8_t>(stored(real, -128, -128, 127)));
        break;
    }
  }

 private:
  int stored(float real, int raw_offset, int low, int high) const {
    const Quantization& q = input_.quantization;
    float value = std::nearbyint(real) + static_cast<float>(raw_offset);
    if (options_.normalize && !q.empty()) {
      value = std::nearbyint(real / q.scale()) + static_cast<float>(q.zero_point());
    }
    return static_cast<int>(std::clamp(value, static_cast<float>(low), static_cast<float>(high)));
  }

  const TensorInfo& input_;
  const Preprocess& options_;
};

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
  } else if (part == "raw") {
    options->normalize = false;
  } else if (key == "mean" || key == "std") {
    options->normalize = true;
    auto& channels = key == "mean" ? options->mean : options->std;
    INFERD_RETURN_IF_ERROR(parse_channels(value, &channels).with_context(std::string(key)));
    if (key == "std" && std::find(channels.begin(), channels.end(), 0.F) != channels.end()) {
      return invalid_argument("std must not be 0");
    }
  } else if (key == "pad") {
    INFERD_ASSIGN_OR_RETURN(const float pad, parse_number(value));
    if (pad < 0 || pad > 255) return invalid_argument("pad must be from 0 to 255");
    options->pad_value = static_cast<uint8_t>(pad);
  } else {
    return invalid_argument("'" + std::string(part) +
                            "' is none of stretch, letterbox, crop, bgr, raw, mean=, std=, pad=");
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
  return options;
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

Result<Placement> fill_tensor(const Image& image, const Preprocess& options,
                              const TensorInfo& input, std::span<std::byte> tensor) {
  INFERD_ASSIGN_OR_RETURN(const ImageTensor t, image_tensor_of(input));
  const auto plane = static_cast<size_t>(t.width) * static_cast<size_t>(t.height);
  const auto channels = static_cast<size_t>(t.channels);
  if (tensor.size() != plane * channels * dtype_size(input.dtype)) {
    return invalid_argument("input '" + input.name + "' needs another number of bytes");
  }
  if (image.width < 1 || image.height < 1) return invalid_argument("the picture has no pixels");
  const Mapping m = map_picture(image, options.fit, t);
  const ElementWriter writer(input, options);
  thread_local std::vector<Sample> columns;  // kept: a stream of pictures allocates nothing
  columns.resize(static_cast<size_t>(m.width));
  for (int x = 0; x < m.width; ++x) {
    columns[static_cast<size_t>(x)] = sample(x, m.width, m.source.x, m.source.width, image.width);
  }
  const auto index = [&](size_t pixel, size_t c) {
    return t.nchw ? c * plane + pixel : pixel * channels + c;
  };
  for (int y = 0; y < t.height; ++y) {
    const bool row_inside = y >= m.y && y < m.y + m.height;
    const Sample r = sample(y - m.y, m.height, m.source.y, m.source.height, image.height);
    for (int x = 0; x < t.width; ++x) {
      const size_t pixel =
          static_cast<size_t>(y) * static_cast<size_t>(t.width) + static_cast<size_t>(x);
      std::array<float, 3> rgb{};
      if (row_inside && x >= m.x && x < m.x + m.width) {
        const Sample& c = columns[static_cast<size_t>(x - m.x)];
        for (size_t k = 0; k < 3; ++k) {
          const auto at = [&](int row, int column) {
            return static_cast<float>(image.row(row)[static_cast<size_t>(column) * 3 + k]);
          };
          const float top = at(r.low, c.low) * (1 - c.weight) + at(r.low, c.high) * c.weight;
          const float bottom = at(r.high, c.low) * (1 - c.weight) + at(r.high, c.high) * c.weight;
          rgb[k] = top * (1 - r.weight) + bottom * r.weight;
        }
      } else {
        rgb.fill(static_cast<float>(options.pad_value));
      }
      if (channels == 1) {
        // Luma of BT.601.
        writer.write(tensor.data(), index(pixel, 0),
                     0.299F * rgb[0] + 0.587F * rgb[1] + 0.114F * rgb[2], 0);
        continue;
      }
      for (size_t c = 0; c < 3; ++c) {
        writer.write(tensor.data(), index(pixel, c), rgb[options.bgr ? 2 - c : c], c);
      }
    }
  }
  Placement placement;
  placement.scale_x = static_cast<float>(m.width) / static_cast<float>(t.width) *
                      static_cast<float>(image.width) / m.source.width;
  placement.scale_y = static_cast<float>(m.height) / static_cast<float>(t.height) *
                      static_cast<float>(image.height) / m.source.height;
  placement.offset_x = static_cast<float>(m.x) / static_cast<float>(t.width) -
                       placement.scale_x * m.source.x / static_cast<float>(image.width);
  placement.offset_y = static_cast<float>(m.y) / static_cast<float>(t.height) -
                       placement.scale_y * m.source.y / static_cast<float>(image.height);
  return placement;
}

Result<Placement> fill_tensor(const Picture& picture, const Preprocess& options,
                              const TensorInfo& input, std::span<std::byte> tensor) {
  thread_local Image rgb;
  to_rgb(picture, rgb);
  return fill_tensor(rgb, options, input, tensor);
}

}  // namespace inferd::media
