// SPDX-License-Identifier: Apache-2.0
//
// Resize in the forms of all opsets, Upsample, and operators that sample images elsewhere. The
// usual ways to resize height and width are one image operator; everything else goes dimension by
// dimension, which is the same function.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/import/onnx/window.h"

namespace inferd::import::onnx_lower {
namespace {

template <typename T>
struct Named {
  const char* name;
  T value;
};

constexpr Named<ResizeMode> kModes[] = {
    {"nearest", ResizeMode::kNearest}, {"linear", ResizeMode::kLinear},
    {"bilinear", ResizeMode::kLinear}, {"cubic", ResizeMode::kCubic},
    {"bicubic", ResizeMode::kCubic},
};
constexpr Named<ResizeCoordinates> kCoordinates[] = {
    {"half_pixel", ResizeCoordinates::kHalfPixel},
    {"half_pixel_symmetric", ResizeCoordinates::kHalfPixelSymmetric},
    {"pytorch_half_pixel", ResizeCoordinates::kPytorchHalfPixel},
    {"align_corners", ResizeCoordinates::kAlignCorners},
    {"asymmetric", ResizeCoordinates::kAsymmetric},
    {"tf_half_pixel_for_nn", ResizeCoordinates::kTfHalfPixelForNn},
    {"tf_crop_and_resize", ResizeCoordinates::kTfCropAndResize},
};
constexpr Named<NearestRounding> kRoundings[] = {
    {"round_prefer_floor", NearestRounding::kRoundPreferFloor},
    {"round_prefer_ceil", NearestRounding::kRoundPreferCeil},
    {"floor", NearestRounding::kFloor},
    {"ceil", NearestRounding::kCeil},
};
constexpr Named<GridPadding> kPaddings[] = {
    {"zeros", GridPadding::kZeros},
    {"border", GridPadding::kBorder},
    {"reflection", GridPadding::kReflection},
};

// What the attribute `name` says, by a table of its values.
template <typename T, size_t kCount>
Result<T> choice(const ForeignNode& node, const char* name, const char* fallback,
                 const Named<T> (&table)[kCount]) {
  const std::string text = Lowering::text_attr(node, name, fallback);
  for (const Named<T>& row : table) {
    if (text == row.name) return row.value;
  }
  return unimplemented(std::string(name) + " '" + text + "'");
}

// How dimensions are resized; attributes of an axis are filled in one by one.
struct Sampling {
  ResizeAxisAttrs common;
  std::vector<float> crop;            // of all given dimensions: begins, then ends; or empty
  std::vector<ResizeAxisAttrs> axes;  // that change

  // Of the i-th given dimension, its size left open.
  ResizeAxisAttrs attributes(std::span<const int> given, size_t i) const {
    ResizeAxisAttrs attrs = common;
    attrs.axis = given[i];
    if (crop.empty()) return attrs;
    attrs.crop_begin = crop[i];
    attrs.crop_end = crop[given.size() + i];
    return attrs;
  }

  bool plain() const {
    return common.mode != ResizeMode::kCubic && !common.antialias && !common.exclude_outside &&
           common.coordinates != ResizeCoordinates::kTfCropAndResize;
  }
  const ResizeAxisAttrs* axis(int wanted) const {
    const auto found = std::find_if(axes.begin(), axes.end(),
                                    [&](const ResizeAxisAttrs& a) { return a.axis == wanted; });
    return found == axes.end() ? nullptr : &*found;
  }
};

// The attribute or all dimensions.
Result<std::vector<int>> axes_of(const Lowering& l, const ForeignNode& node, ValueId x) {
  std::vector<int> axes;
  if (!Lowering::has_attr(node, "axes")) {
    for (int d = 0; d < l.info(x).shape.rank(); ++d) axes.push_back(d);
    return axes;
  }
  for (int64_t wanted : Lowering::ints_attr(node, "axes")) {
    INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(wanted, x));
    if (std::find(axes.begin(), axes.end(), axis) != axes.end()) {
      return invalid_argument("axis " + std::to_string(wanted) + " appears twice");
    }
    axes.push_back(axis);
  }
  return axes;
}

Status wrong_count(const char* what, size_t count, size_t wanted) {
  return invalid_argument(std::string(what) + " has " + std::to_string(count) + " entries, not " +
                          std::to_string(wanted));
}

// Adds the dimension, unless nothing happens to it.
void add_axis(Sampling& sampling, const Shape& x, ResizeAxisAttrs attrs) {
  const int64_t in = x[attrs.axis];
  const bool whole = attrs.crop_begin == 0.F && attrs.crop_end == 1.F;
  const bool same_size = attrs.out > 0 ? in == attrs.out : attrs.scale == 1.F;
  if (!same_size || !whole) sampling.axes.push_back(attrs);
}

Status take_scales(const Shape& x, std::span<const int> axes, std::span<const float> scales,
                   Sampling& sampling) {
  if (scales.size() != axes.size()) return wrong_count("scales", scales.size(), axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (!(scales[i] > 0)) return invalid_argument("a scale is not above 0");
    ResizeAxisAttrs attrs = sampling.attributes(axes, i);
    attrs.scale = scales[i];
    add_axis(sampling, x, attrs);
  }
  return ok_status();
}

Status take_sizes(const ForeignNode& node, const Shape& x, std::span<const int> axes,
                  std::span<const int64_t> sizes, Sampling& sampling) {
  if (sizes.size() != axes.size()) return wrong_count("sizes", sizes.size(), axes.size());
  const std::string policy = Lowering::text_attr(node, "keep_aspect_ratio_policy", "stretch");
  const bool stretch = policy == "stretch";
  if (!stretch && policy != "not_larger" && policy != "not_smaller") {
    return unimplemented("keep_aspect_ratio_policy '" + policy + "'");
  }
  float scale = policy == "not_larger" ? kInf : 0.F;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (sizes[i] < 1) return invalid_argument("a size is not above 0");
    if (stretch) continue;
    if (x[axes[i]] < 1) return failed_precondition(policy + " for an image of unknown size");
    const float ratio = static_cast<float>(sizes[i]) / static_cast<float>(x[axes[i]]);
    scale = policy == "not_larger" ? std::min(scale, ratio) : std::max(scale, ratio);
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    ResizeAxisAttrs attrs = sampling.attributes(axes, i);
    attrs.out = sizes[i];
    if (!stretch) {
      attrs.scale = scale;
      attrs.out = static_cast<int64_t>(std::floor(scale * static_cast<float>(x[axes[i]]) + 0.5F));
    }
    add_axis(sampling, x, attrs);
  }
  return ok_status();
}

// The attributes that say how, of opset 11 and later.
Result<ResizeAxisAttrs> sampling_of(const ForeignNode& node) {
  ResizeAxisAttrs attrs;
  INFERD_ASSIGN_OR_RETURN(attrs.mode, choice(node, "mode", "nearest", kModes));
  INFERD_ASSIGN_OR_RETURN(attrs.coordinates, choice(node, "coordinate_transformation_mode",
                                                    "half_pixel", kCoordinates));
  INFERD_ASSIGN_OR_RETURN(attrs.rounding,
                          choice(node, "nearest_mode", "round_prefer_floor", kRoundings));
  attrs.cubic = Lowering::float_attr(node, "cubic_coeff_a", -0.75F);
  attrs.exclude_outside = Lowering::int_attr(node, "exclude_outside", 0) != 0;
  attrs.antialias = Lowering::int_attr(node, "antialias", 0) != 0;
  attrs.outside = Lowering::float_attr(node, "extrapolation_value", 0.F);
  return attrs;
}

// Height and width of [N,C,H,W], or of [N,H,W,C], as one operator.
Status emit_image_resize(Lowering& l, const ForeignNode& node, ValueId x, const Sampling& sampling,
                         bool channels_last) {
  ResizeAttrs attrs{.mode = sampling.common.mode,
                    .coordinates = sampling.common.coordinates,
                    .rounding = sampling.common.rounding,
                    .scale_h = 1.F,
                    .scale_w = 1.F};
  const int rows = channels_last ? 1 : 2;
  if (const ResizeAxisAttrs* h = sampling.axis(rows)) {
    attrs.out_h = h->out;
    attrs.scale_h = h->scale;
  }
  if (const ResizeAxisAttrs* w = sampling.axis(rows + 1)) {
    attrs.out_w = w->out;
    attrs.scale_w = w->scale;
  }
  if (channels_last) return emit(l, node, OpKind::kResize, std::array{x}, attrs);
  INFERD_ASSIGN_OR_RETURN(const ValueId image, to_nhwc(l, x, node));
  INFERD_ASSIGN_OR_RETURN(ValueId y, l.builder().op(OpKind::kResize, {image}, attrs, node.name));
  INFERD_ASSIGN_OR_RETURN(y, to_nchw(l, y, 2, node, named(node).name));
  return l.set_output(node, 0, y);
}

bool only_within(const Sampling& sampling, int first, int last) {
  return std::all_of(sampling.axes.begin(), sampling.axes.end(),
                     [&](const ResizeAxisAttrs& a) { return a.axis >= first && a.axis <= last; });
}

bool is_8bit(DType dtype) { return dtype == DType::kInt8 || dtype == DType::kUInt8; }

// One dimension after the other, in float32 where numbers are mixed.
Status emit_axes(Lowering& l, const ForeignNode& node, ValueId x, const Sampling& sampling) {
  ir::Builder& b = l.builder();
  const ir::Value original = l.info(x);
  const bool copies = sampling.common.mode == ResizeMode::kNearest &&
                      sampling.common.coordinates != ResizeCoordinates::kTfCropAndResize;
  const bool convert = !copies && original.dtype != DType::kFloat32;
  const bool quantized = !original.quantization.empty();
  const std::string name = node.name + "/float";
  if (convert) {
    INFERD_ASSIGN_OR_RETURN(x, b.op(quantized ? OpKind::kDequantize : OpKind::kCast, {x}, {}, name,
                                    OutputSpec::typed("", DType::kFloat32)));
  }
  const OutputSpec type = OutputSpec::typed("", l.info(x).dtype, l.info(x).quantization);
  for (const ResizeAxisAttrs& axis : sampling.axes) {
    INFERD_ASSIGN_OR_RETURN(x, b.op(OpKind::kResizeAxis, {x}, axis, node.name, type));
  }
  if (!convert) return l.set_output(node, 0, x);
  return emit(l, node, quantized ? OpKind::kQuantize : OpKind::kCast, std::array{x}, {},
              OutputSpec::typed(named(node).name, original.dtype, original.quantization));
}

Status emit_resize(Lowering& l, const ForeignNode& node, ValueId x, const Sampling& sampling) {
  const Shape& shape = l.info(x).shape;
  const DType dtype = l.info(x).dtype;
  const bool typed =
      sampling.common.mode == ResizeMode::kNearest || dtype == DType::kFloat32 || is_8bit(dtype);
  if (sampling.axes.empty()) {
    return emit(l, node, OpKind::kReshape, std::array{x},
                ReshapeAttrs{std::vector<int64_t>(static_cast<size_t>(shape.rank()), 0), false});
  }
  if (shape.rank() == 4 && sampling.plain() && typed) {
    if (only_within(sampling, 2, 3)) return emit_image_resize(l, node, x, sampling, false);
    if (only_within(sampling, 1, 2)) return emit_image_resize(l, node, x, sampling, true);
  }
  return emit_axes(l, node, x, sampling);
}

// Scales at input `i`, or in an attribute; opset 10's Resize, and Upsample.
Status resize_simply(Lowering& l, const ForeignNode& node, size_t i) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  Sampling sampling;
  INFERD_ASSIGN_OR_RETURN(sampling.common.mode, choice(node, "mode", "nearest", kModes));
  sampling.common.coordinates = ResizeCoordinates::kAsymmetric;
  sampling.common.rounding = NearestRounding::kFloor;
  INFERD_ASSIGN_OR_RETURN(const auto axes, axes_of(l, node, x));
  std::vector<float> scales;
  if (const auto attr = node.attrs.find("scales"); attr != node.attrs.end()) {
    if (const auto* given = std::get_if<std::vector<float>>(&attr->second)) scales = *given;
  } else {
    INFERD_ASSIGN_OR_RETURN(scales, floats_of(l, node, i));
  }
  INFERD_RETURN_IF_ERROR(take_scales(l.info(x).shape, axes, scales, sampling));
  return emit_resize(l, node, x, sampling);
}

// The part of each dimension that tf_crop_and_resize takes: begins, then ends, at input 1.
Status take_crop(Lowering& l, const ForeignNode& node, std::span<const int> axes,
                 Sampling& sampling) {
  INFERD_ASSIGN_OR_RETURN(sampling.crop, floats_of(l, node, 1));
  if (sampling.crop.size() == 2 * axes.size()) return ok_status();
  return wrong_count("roi", sampling.crop.size(), 2 * axes.size());
}

}  // namespace

Status resize(Lowering& l, const ForeignNode& node) {
  if (node.version == 10) return resize_simply(l, node, 1);
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  Sampling sampling;
  INFERD_ASSIGN_OR_RETURN(sampling.common, sampling_of(node));
  INFERD_ASSIGN_OR_RETURN(const auto axes, axes_of(l, node, x));
  if (sampling.common.coordinates == ResizeCoordinates::kTfCropAndResize) {
    INFERD_RETURN_IF_ERROR(take_crop(l, node, axes, sampling));
  }
  // An empty scales input stands for "use sizes".
  bool by_scales = l.has(node, 2);
  if (by_scales) {
    INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, 2));
    INFERD_RETURN_IF_ERROR(l.known_rank(id));
    by_scales = !(l.info(id).shape == Shape{0});
  }
  if (by_scales) {
    INFERD_ASSIGN_OR_RETURN(const auto scales, floats_of(l, node, 2));
    INFERD_RETURN_IF_ERROR(take_scales(l.info(x).shape, axes, scales, sampling));
  } else {
    INFERD_ASSIGN_OR_RETURN(const auto sizes, l.ints(node, 3));
    INFERD_RETURN_IF_ERROR(take_sizes(node, l.info(x).shape, axes, sizes, sampling));
  }
  return emit_resize(l, node, x, sampling);
}

Status upsample(Lowering& l, const ForeignNode& node) { return resize_simply(l, node, 1); }

Status grid_sample(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId grid, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const auto spatial, spatial_of(l, x));
  GridSampleAttrs attrs;
  INFERD_ASSIGN_OR_RETURN(attrs.mode, choice(node, "mode", "linear", kModes));
  INFERD_ASSIGN_OR_RETURN(attrs.padding, choice(node, "padding_mode", "zeros", kPaddings));
  const bool aligned = Lowering::int_attr(node, "align_corners", 0) != 0;
  attrs.positions = aligned ? GridPositions::kAlignCorners : GridPositions::kEdges;
  if (spatial.size() == 1) return unimplemented("an image of one dimension");
  INFERD_ASSIGN_OR_RETURN(const ValueId image, to_nhwc(l, x, node));
  INFERD_ASSIGN_OR_RETURN(ValueId y,
                          l.builder().op(OpKind::kGridSample, {image, grid}, attrs, node.name));
  INFERD_ASSIGN_OR_RETURN(y, to_nchw(l, y, spatial.size(), node, named(node).name));
  return l.set_output(node, 0, y);
}

Status roi_align(Lowering& l, const ForeignNode& node) {
  constexpr int kShifted = 16;  // since this opset pixel centers are at halves by default
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId rois, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const ValueId images, l.input(node, 2));
  INFERD_ASSIGN_OR_RETURN(const auto spatial, spatial_of(l, x));
  if (spatial.size() != 2) return invalid_argument("the input is not a 4-D image");
  RoiAlignAttrs attrs;
  attrs.out_h = Lowering::int_attr(node, "output_height", 1);
  attrs.out_w = Lowering::int_attr(node, "output_width", 1);
  attrs.sampling_ratio = static_cast<int>(
      std::clamp<int64_t>(Lowering::int_attr(node, "sampling_ratio", 0), -1, INT32_MAX));
  attrs.spatial_scale = Lowering::float_attr(node, "spatial_scale", 1.F);
  const std::string mode = Lowering::text_attr(node, "mode", "avg");
  if (mode != "avg" && mode != "max") return unimplemented("mode '" + mode + "'");
  attrs.max = mode == "max";
  const char* usual = node.version >= kShifted ? "half_pixel" : "output_half_pixel";
  attrs.half_pixel =
      Lowering::text_attr(node, "coordinate_transformation_mode", usual) == "half_pixel";
  INFERD_ASSIGN_OR_RETURN(const ValueId image, to_nhwc(l, x, node));
  INFERD_ASSIGN_OR_RETURN(
      ValueId y, l.builder().op(OpKind::kRoiAlign, {image, rois, images}, attrs, node.name));
  INFERD_ASSIGN_OR_RETURN(y, to_nchw(l, y, 2, node, named(node).name));
  return l.set_output(node, 0, y);
}

}  // namespace inferd::import::onnx_lower
