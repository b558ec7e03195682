// SPDX-License-Identifier: Apache-2.0
#include "media/preprocessor.h"

#include <algorithm>
#include <cstring>

#include "media/resample/gather.h"
#include "media/resample/warp.h"

namespace inferd::media {
namespace {

// Lines of the picture that become columns of the tensor are gathered, and written side by side.
constexpr int kStrip = 16;

size_t as_size(int value) { return static_cast<size_t>(value); }

// Element i of line k goes to out + i * stride + k * step.
template <size_t kSize>
void turn(const std::byte* lines, int count, size_t line_bytes, int length, std::byte* out,
          size_t stride, size_t step) {
  for (int i = 0; i < length; ++i) {
    for (int k = 0; k < count; ++k) {
      std::memcpy(out + as_size(i) * stride + as_size(k) * step,
                  lines + as_size(k) * line_bytes + as_size(i) * kSize, kSize);
    }
  }
}

}  // namespace

Result<Preprocessor> Preprocessor::create(const Preprocess& options, const TensorInfo& input,
                                          const RowKernels& kernels) {
  INFERD_ASSIGN_OR_RETURN(const ImageTensor tensor, image_tensor_of(input));
  INFERD_RETURN_IF_ERROR(check_preprocess(options));
  Preprocessor preprocessor(options, input, tensor, kernels);
  INFERD_RETURN_IF_ERROR(preprocessor.set_quantization(input.quantization));
  return preprocessor;
}

Result<Preprocessor> Preprocessor::create(const Preprocess& options, const TensorInfo& input,
                                          const LensView& view, const RowKernels& kernels) {
  INFERD_ASSIGN_OR_RETURN(Preprocessor preprocessor, create(options, input, kernels));
  preprocessor.view_ = view;
  return preprocessor;
}

Status Preprocessor::set_quantization(const Quantization& quantization) {
  input_.quantization = quantization;
  INFERD_ASSIGN_OR_RETURN(elements_, Elements::of(options_, input_));
  if (width_ > 0) make_pads();
  return ok_status();
}

Status Preprocessor::plan(const Picture& picture) {
  format_ = picture.format;
  width_ = picture.width;
  height_ = picture.height;
  mapping_ = map_picture(width_, height_, options_, tensor_);
  lines_.clear();
  for (int i = 0; i < mapping_.down.count; ++i) lines_.push_back(tap_at(mapping_.down, i));
  count_ = mapping_.across.count;
  room_ = (count_ + kBlock - 1) / kBlock * kBlock;
  if (mapping_.turned) strip_.resize(as_size(tensor_.channels * kStrip * count_) * elements_.size);
  make_pads();
  if (view_) {
    const Status planned = plan_warps(picture);
    if (!planned.ok()) width_ = 0;  // it is not planned for any
    return planned;
  }
  plan_planes(picture);
  plan_copy();
  return ok_status();
}

// Each position is found by way of the straight picture, once, and from there looks at the bent one
// as resizing looks at a picture: four pixels, whatever the scale.
Status Preprocessor::plan_warps(const Picture& picture) {
  INFERD_ASSIGN_OR_RETURN(const LensMap lens, LensMap::of(*view_, width_, height_));
  const int lines = mapping_.down.count;
  std::vector<std::optional<PlanePoint>> places;  // once for all planes
  places.reserve(as_size(lines) * as_size(count_));
  for (int line = 0; line < lines; ++line) {
    const double y = place_at(mapping_.down, line);
    for (int i = 0; i < count_; ++i) places.push_back(lens.at(place_at(mapping_.across, i), y));
  }
  const Components& components = components_of(picture.format);
  resampled_.resize(3 * as_size(room_));
  warped_.clear();
  for (const auto [first, count] : warp_groups(components)) {
    Warped warped;
    warped.first = first;
    warped.warp = make_warp(
        std::span(components.at).subspan(first, count), width_, height_, count_, lines,
        [&](int line, int i) { return places[as_size(line) * as_size(count_) + as_size(i)]; });
    if (warped.warp.blind) return lens.saw_nothing();
    for (size_t c = 0; c < count; ++c)
      warped.values[c] = resampled_.data() + (first + c) * as_size(room_);
    warped_.push_back(std::move(warped));
  }
  return ok_status();
}

void Preprocessor::plan_planes(const Picture& picture) {
  const Components& components = components_of(picture.format);
  const size_t kinds = components.grey ? 1 : 3;
  resampled_.resize(2 * kinds * as_size(room_));
  planes_.clear();
  int16_t* values = resampled_.data();
  for (size_t first = 0; first < kinds;) {
    const auto begin = components.at.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = std::find_if(begin, components.at.begin() + static_cast<std::ptrdiff_t>(kinds),
                                  [&](const Component& c) { return c.plane != begin->plane; });
    const int row_bytes = (((width_ - 1) >> begin->shift_x) + 1) * begin->step;
    Plane plane;
    plane.number = as_size(begin->plane);
    plane.first = first;
    plane.shift_y = begin->shift_y;
    plane.gather = make_gather(mapping_.across, {begin, end}, row_bytes);
    for (auto& row : plane.values) {
      for (int c = 0; c < plane.gather.components; ++c, values += room_) row[as_size(c)] = values;
    }
    first += as_size(plane.gather.components);
    planes_.push_back(std::move(plane));
  }
}

// Whether lines of the tensor are bytes of the picture's rows: the same pixels, in the same order.
void Preprocessor::plan_copy() {
  const bool rgb = format_ == PixelFormat::kRgb && !options_.bgr;
  const bool bgr = format_ == PixelFormat::kBgr && options_.bgr;
  const bool grey = format_ == PixelFormat::kGrey && tensor_.channels == 1;
  const auto unblended = [](const Axis& axis) {
    for (int i = 0; i < axis.count; ++i) {
      const Tap tap = tap_at(axis, i);
      if (tap.weight != 0 || tap.low != tap_at(axis, 0).low + i) return false;
    }
    return true;
  };
  copies_ = elements_.kind == ElementKind::kBytes && !mapping_.turned &&
            (grey || ((rgb || bgr) && tensor_.channels == 3 && !tensor_.nchw)) &&
            unblended(mapping_.across) && unblended(mapping_.down);
}

void Preprocessor::make_pads() {
  const auto channels = as_size(tensor_.channels);
  const auto width = as_size(tensor_.width);
  pads_.resize(width * channels * elements_.size);
  const int value = (options_.pad_value - 128) * 256;
  for (size_t c = 0; c < channels; ++c) {
    for (size_t x = 0; x < width; ++x) {
      const size_t at = tensor_.nchw ? c * width + x : x * channels + c;
      elements_.write(value, c, pads_.data() + at * elements_.size);
    }
  }
}

// The kept row that holds `row` of the plane; not in the place of `other`.
size_t Preprocessor::resampled(Plane& plane, const Picture& picture, int row, int other) const {
  for (size_t kept = 0; kept < 2; ++kept) {
    if (plane.rows[kept] == row) return kept;
  }
  const size_t kept = plane.rows[0] == other ? 1 : 0;
  plane.rows[kept] = row;
  kernels_->gather(plane.gather,
                   picture.planes[plane.number] + as_size(row) * picture.strides[plane.number],
                   plane.values[kept].data());
  return kept;
}

// The rows of all components that a line of the tensor lies between.
Line Preprocessor::line_of(const Picture& picture, const Tap& tap) {
  Line line;
  line.weight = tap.weight;
  for (Plane& plane : planes_) {
    const int low = tap.low >> plane.shift_y;
    const int high = (tap.weight == 0 ? tap.low : tap.high) >> plane.shift_y;
    const size_t a = resampled(plane, picture, low, high);
    const size_t b = low == high ? a : resampled(plane, picture, high, low);
    for (int c = 0; c < plane.gather.components; ++c) {
      line.low[plane.first + as_size(c)] = plane.values[a][as_size(c)];
      line.high[plane.first + as_size(c)] = plane.values[b][as_size(c)];
    }
  }
  describe(line, picture);
  return line;
}

// The same of a lens, where values are blended in both directions already.
Line Preprocessor::warped_line(const Picture& picture, int number) const {
  Line line;
  for (const Warped& w : warped_) {
    warp_line(*kernels_, w.warp, picture, w.first, number, w.values);
    for (size_t c = 0; c < as_size(w.warp.components); ++c)
      line.low[w.first + c] = line.high[w.first + c] = w.values[c];
  }
  describe(line, picture);
  return line;
}

// What all lines have in common.
void Preprocessor::describe(Line& line, const Picture& picture) const {
  const Components& components = components_of(format_);
  if (components.grey) {
    line.low.fill(line.low[0]);
    line.high.fill(line.high[0]);
  }
  line.yuv = components.yuv ? &kYuvMatrices[static_cast<size_t>(picture.color)] : nullptr;
  line.luma = tensor_.channels == 1;
  line.bgr = options_.bgr;
  line.kind = elements_.kind;
  line.flip = elements_.flip;
  line.steps = elements_.steps.data();
  line.reals = elements_.reals.data();
  line.count = count_;
}

// Of the element at the left end of row y of the picture's rectangle: its bytes' offset.
size_t Preprocessor::row_at(int y, size_t channel) const {
  const auto width = as_size(tensor_.width);
  const size_t pixel = as_size(mapping_.y + y) * width + as_size(mapping_.x);
  const size_t element = tensor_.nchw ? channel * width * as_size(tensor_.height) + pixel
                                      : pixel * as_size(tensor_.channels) + channel;
  return element * elements_.size;
}

void Preprocessor::write_upright(Line& line, int y, std::byte* tensor) const {
  line.mixed = !tensor_.nchw && tensor_.channels == 3;
  for (size_t c = 0; c < as_size(tensor_.channels); ++c) line.out[c] = tensor + row_at(y, c);
  kernels_->finish(line);
}

void Preprocessor::write_turned(Line& line, int x, std::byte* tensor) {
  const auto channels = as_size(tensor_.channels);
  const size_t line_bytes = as_size(count_) * elements_.size;
  const int in_strip = x % kStrip;
  for (size_t c = 0; c < channels; ++c)
    line.out[c] = strip_.data() + (c * kStrip + as_size(in_strip)) * line_bytes;
  kernels_->finish(line);
  if (in_strip != kStrip - 1 && x != mapping_.down.count - 1) return;
  const size_t step = (tensor_.nchw ? 1 : channels) * elements_.size;
  const size_t stride = step * as_size(tensor_.width);
  for (size_t c = 0; c < channels; ++c) {
    const std::byte* strip = strip_.data() + c * kStrip * line_bytes;
    std::byte* out = tensor + row_at(0, c) + as_size(x - in_strip) * step;
    if (elements_.size == 4) {
      turn<4>(strip, in_strip + 1, line_bytes, count_, out, stride, step);
    } else {
      turn<1>(strip, in_strip + 1, line_bytes, count_, out, stride, step);
    }
  }
}

void Preprocessor::copy_line(const Picture& picture, int line, std::byte* tensor) const {
  const auto pixel = as_size(tensor_.channels);
  const uint8_t* from = picture.planes[0] +
                        as_size(lines_[as_size(line)].low) * picture.strides[0] +
                        as_size(tap_at(mapping_.across, 0).low) * pixel;
  auto* to = reinterpret_cast<uint8_t*>(tensor + row_at(line, 0));
  const size_t bytes = as_size(count_) * pixel;
  const auto flip = static_cast<uint8_t>(elements_.flip ^ 0x80);
  if (flip == 0) {
    std::memcpy(to, from, bytes);
  } else {
    std::transform(from, from + bytes, to,
                   [flip](uint8_t byte) { return static_cast<uint8_t>(byte ^ flip); });
  }
}

void Preprocessor::fill_pads(std::byte* tensor) const {
  const Mapping& m = mapping_;
  if (m.width == tensor_.width && m.height == tensor_.height) return;
  const size_t planes = tensor_.nchw ? as_size(tensor_.channels) : 1;
  const size_t pixel = pads_.size() / planes / as_size(tensor_.width);
  const size_t row = pixel * as_size(tensor_.width);
  const size_t left = as_size(m.x) * pixel;
  const size_t right = as_size(m.x + m.width) * pixel;
  for (size_t p = 0; p < planes; ++p) {
    const std::byte* pad = pads_.data() + p * row;
    for (int y = 0; y < tensor_.height; ++y, tensor += row) {
      const bool inside = y >= m.y && y < m.y + m.height;
      std::memcpy(tensor, pad, inside ? left : row);
      if (inside) std::memcpy(tensor + right, pad + right, row - right);
    }
  }
}

Result<Placement> Preprocessor::fill(const Picture& picture, std::span<std::byte> tensor) {
  if (tensor.size() != as_size(tensor_.width) * as_size(tensor_.height) *
                           as_size(tensor_.channels) * elements_.size) {
    return invalid_argument("input '" + input_.name + "' needs another number of bytes");
  }
  if (picture.width < 1 || picture.height < 1) return invalid_argument("the picture has no pixels");
  if (!is_planned_for(picture)) INFERD_RETURN_IF_ERROR(plan(picture));
  fill_pads(tensor.data());
  for (Plane& plane : planes_) plane.rows = {-1, -1};
  for (int line = 0; line < mapping_.down.count; ++line) {
    if (copies_) {
      copy_line(picture, line, tensor.data());
      continue;
    }
    Line values = view_ ? warped_line(picture, line) : line_of(picture, lines_[as_size(line)]);
    if (mapping_.turned) {
      write_turned(values, line, tensor.data());
    } else {
      write_upright(values, line, tensor.data());
    }
  }
  return mapping_.placement;
}

}  // namespace inferd::media
