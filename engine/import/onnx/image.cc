// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

constexpr int64_t kMaxWindow = 1 << 20;

// `count` integers, each `fallback` when the attribute is absent.
Result<std::vector<int64_t>> window_ints(const ForeignNode& node, const char* name, size_t count,
                                         int64_t fallback, int64_t low) {
  std::vector<int64_t> values = Lowering::ints_attr(node, name);
  if (values.empty()) values.assign(count, fallback);
  if (values.size() != count) {
    return unimplemented(std::string(name) + " has " + std::to_string(values.size()) +
                         " entries; only 2-D images are supported");
  }
  for (int64_t value : values) {
    if (value < low || value > kMaxWindow) {
      return invalid_argument(std::string(name) + " " + std::to_string(value) + " is out of range");
    }
  }
  return values;
}

// ceil_mode becomes padding at the end, as long as the last window still starts on the image or its
// leading padding.
Status pad_ceil(int64_t in, int kernel, int stride, int dilation, int before, int* after) {
  if (in == kDynamicDim) return failed_precondition("ceil_mode over an image of unknown size");
  const int64_t span = int64_t{dilation} * (kernel - 1) + 1;
  const int64_t room = in + before + *after - span;
  if (room < 0) return ok_status();  // shape inference refuses it
  int64_t out = (room + stride - 1) / stride + 1;
  if ((out - 1) * stride >= in + before) --out;
  *after = static_cast<int>(std::max<int64_t>((out - 1) * stride + span - in - before, 0));
  return ok_status();
}

Status check_image(const Lowering& l, ValueId x) {
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape& shape = l.info(x).shape;
  if (shape.rank() == 4) return ok_status();
  return unimplemented("input " + shape.to_string() + " is not a 4-D image");
}

Status fill_pool(const Lowering& l, const ForeignNode& node, ValueId image, Pool2dAttrs* attrs) {
  INFERD_RETURN_IF_ERROR(check_image(l, image));
  const Shape& x = l.info(image).shape;
  INFERD_ASSIGN_OR_RETURN(const auto kernel, window_ints(node, "kernel_shape", 2, 0, 1));
  INFERD_RETURN_IF_ERROR(fill_window(node, x, kernel[0], kernel[1], &attrs->window));
  attrs->count_padding = Lowering::int_attr(node, "count_include_pad", 0) != 0;
  if (Lowering::int_attr(node, "ceil_mode", 0) == 0) return ok_status();
  if (attrs->count_padding) return unimplemented("ceil_mode together with count_include_pad");
  Window2d& w = attrs->window;
  INFERD_RETURN_IF_ERROR(
      pad_ceil(x[2], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, &w.pad_bottom));
  return pad_ceil(x[3], w.kernel_w, w.stride_w, w.dilation_w, w.pad_left, &w.pad_right);
}

Status emit_pool(Lowering& l, const ForeignNode& node, OpKind kind, ValueId x,
                 const Pool2dAttrs& attrs, const OutputSpec& spec) {
  INFERD_ASSIGN_OR_RETURN(const ValueId nhwc, to_nhwc(l, x, node));
  OutputSpec inner = spec;
  inner.name.clear();
  INFERD_ASSIGN_OR_RETURN(const ValueId y, l.builder().op(kind, {nhwc}, attrs, node.name, inner));
  return emit_nchw(l, node, y);
}

Result<std::vector<float>> floats_of(Lowering& l, const ForeignNode& node, size_t i) {
  INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, i));
  const ir::Value& v = l.info(id);
  if (!v.is_constant()) {
    return failed_precondition("input '" + node.inputs[i] + "' is not known before a request");
  }
  if (v.dtype != DType::kFloat32) {
    return invalid_argument("input '" + node.inputs[i] + "' is not FP32");
  }
  const auto* data = reinterpret_cast<const float*>(v.constant->bytes().data());
  return std::vector<float>(data, data + v.constant->size() / sizeof(float));
}

// Resize and Upsample once their scales or sizes are known.
Status emit_resize(Lowering& l, const ForeignNode& node, ResizeAttrs attrs) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(check_image(l, x));
  const std::string mode = Lowering::text_attr(node, "mode", "nearest");
  if (mode == "linear" || mode == "bilinear") {
    attrs.mode = ResizeMode::kLinear;
  } else if (mode != "nearest") {
    return unimplemented("mode '" + mode + "'");
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId nhwc, to_nhwc(l, x, node));
  INFERD_ASSIGN_OR_RETURN(const ValueId y,
                          l.builder().op(OpKind::kResize, {nhwc}, attrs, node.name));
  return emit_nchw(l, node, y);
}

Status take_scales(Lowering& l, const ForeignNode& node, size_t i, ResizeAttrs* attrs) {
  INFERD_ASSIGN_OR_RETURN(const auto scales, floats_of(l, node, i));
  if (scales.size() != 4 || scales[0] != 1.F || scales[1] != 1.F) {
    return unimplemented("only height and width of a 4-D image can be resized");
  }
  attrs->scale_h = scales[2];
  attrs->scale_w = scales[3];
  return ok_status();
}

Status take_sampling(const ForeignNode& node, ResizeAttrs* attrs) {
  const std::string coordinates =
      Lowering::text_attr(node, "coordinate_transformation_mode", "half_pixel");
  if (coordinates == "half_pixel") {
    attrs->coordinates = ResizeCoordinates::kHalfPixel;
  } else if (coordinates == "asymmetric") {
    attrs->coordinates = ResizeCoordinates::kAsymmetric;
  } else if (coordinates == "align_corners") {
    attrs->coordinates = ResizeCoordinates::kAlignCorners;
  } else if (coordinates == "pytorch_half_pixel") {
    attrs->coordinates = ResizeCoordinates::kPytorchHalfPixel;
  } else {
    return unimplemented("coordinate_transformation_mode '" + coordinates + "'");
  }
  const std::string rounding = Lowering::text_attr(node, "nearest_mode", "round_prefer_floor");
  if (rounding == "round_prefer_floor") {
    attrs->rounding = NearestRounding::kRoundPreferFloor;
  } else if (rounding == "round_prefer_ceil") {
    attrs->rounding = NearestRounding::kRoundPreferCeil;
  } else if (rounding == "floor") {
    attrs->rounding = NearestRounding::kFloor;
  } else if (rounding == "ceil") {
    attrs->rounding = NearestRounding::kCeil;
  } else {
    return unimplemented("nearest_mode '" + rounding + "'");
  }
  return ok_status();
}

}  // namespace

Result<ValueId> to_nhwc(Lowering& l, ValueId x, const ForeignNode& node) {
  return l.builder().transpose(x, {0, 2, 3, 1}, node.name + "/nhwc");
}

Status emit_nchw(Lowering& l, const ForeignNode& node, ValueId y) {
  return emit(l, node, OpKind::kTranspose, std::array{y}, TransposeAttrs{{0, 3, 1, 2}});
}

Status fill_window(const ForeignNode& node, const Shape& x, int64_t kernel_h, int64_t kernel_w,
                   Window2d* w) {
  INFERD_ASSIGN_OR_RETURN(const auto strides, window_ints(node, "strides", 2, 1, 1));
  INFERD_ASSIGN_OR_RETURN(const auto dilations, window_ints(node, "dilations", 2, 1, 1));
  INFERD_ASSIGN_OR_RETURN(const auto pads, window_ints(node, "pads", 4, 0, 0));
  if (kernel_h < 1 || kernel_w < 1 || kernel_h > kMaxWindow || kernel_w > kMaxWindow) {
    return invalid_argument("kernel size is out of range");
  }
  w->kernel_h = static_cast<int>(kernel_h);
  w->kernel_w = static_cast<int>(kernel_w);
  w->stride_h = static_cast<int>(strides[0]);
  w->stride_w = static_cast<int>(strides[1]);
  w->dilation_h = static_cast<int>(dilations[0]);
  w->dilation_w = static_cast<int>(dilations[1]);
  const std::string auto_pad = Lowering::text_attr(node, "auto_pad", "NOTSET");
  if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
    const bool lower = auto_pad == "SAME_LOWER";
    INFERD_RETURN_IF_ERROR(same_padding(x[2], w->kernel_h, w->stride_h, w->dilation_h, lower,
                                        &w->pad_top, &w->pad_bottom));
    return same_padding(x[3], w->kernel_w, w->stride_w, w->dilation_w, lower, &w->pad_left,
                        &w->pad_right);
  }
  if (auto_pad == "VALID") return ok_status();
  w->pad_top = static_cast<int>(pads[0]);
  w->pad_left = static_cast<int>(pads[1]);
  w->pad_bottom = static_cast<int>(pads[2]);
  w->pad_right = static_cast<int>(pads[3]);
  return ok_status();
}

Status emit_conv(Lowering& l, const ForeignNode& node, ValueId x, ValueId w,
                 std::optional<ValueId> bias, const OutputSpec& spec) {
  const Shape xs = l.info(x).shape;
  const Shape ws = l.info(w).shape;
  INFERD_RETURN_IF_ERROR(check_image(l, x));
  if (ws.rank() != 4 || !ws.is_static())
    return unimplemented("weights " + ws.to_string() + " are not static 4-D");
  Conv2dAttrs attrs;
  INFERD_RETURN_IF_ERROR(fill_window(node, xs, ws[2], ws[3], &attrs.window));
  attrs.groups =
      static_cast<int>(std::clamp<int64_t>(Lowering::int_attr(node, "group", 1), 0, INT32_MAX));
  const bool depthwise = attrs.groups > 1 && attrs.groups == xs[1] && ws[1] == 1;

  INFERD_ASSIGN_OR_RETURN(const ValueId nhwc, to_nhwc(l, x, node));
  ir::Builder& b = l.builder();
  const std::vector<int> order =
      depthwise ? std::vector<int>{2, 3, 0, 1} : std::vector<int>{0, 2, 3, 1};
  INFERD_ASSIGN_OR_RETURN(ValueId weights, b.transpose(w, order, node.name + "/weights"));
  if (depthwise) {
    INFERD_ASSIGN_OR_RETURN(weights,
                            b.reshape(weights, {ws[2], ws[3], ws[0]}, node.name + "/weights"));
    attrs.groups = 1;
  }
  std::vector<ValueId> inputs = {nhwc, weights};
  if (bias) inputs.push_back(*bias);
  OutputSpec inner = spec;
  inner.name.clear();
  INFERD_ASSIGN_OR_RETURN(
      const ValueId y, b.op(depthwise ? OpKind::kDepthwiseConv2d : OpKind::kConv2d, inputs, attrs,
                            node.name, inner));
  return emit_nchw(l, node, y);
}

Status conv(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId w, l.input(node, 1));
  std::optional<ValueId> bias;
  if (l.has(node, 2)) {
    INFERD_ASSIGN_OR_RETURN(bias, l.input(node, 2));
  }
  return emit_conv(l, node, x, w, bias, named(node));
}

Status max_pool(Lowering& l, const ForeignNode& node) {
  if (node.outputs.size() > 1) return unimplemented("the Indices output");
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  Pool2dAttrs attrs;
  INFERD_RETURN_IF_ERROR(fill_pool(l, node, x, &attrs));
  attrs.count_padding = false;
  return emit_pool(l, node, OpKind::kMaxPool2d, x, attrs, named(node));
}

Status emit_average_pool(Lowering& l, const ForeignNode& node, ValueId x, const OutputSpec& spec) {
  Pool2dAttrs attrs;
  INFERD_RETURN_IF_ERROR(fill_pool(l, node, x, &attrs));
  return emit_pool(l, node, OpKind::kAveragePool2d, x, attrs, spec);
}

Status average_pool(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  return emit_average_pool(l, node, x, named(node));
}

Status global_average_pool(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  ReduceAttrs attrs{ReduceKind::kMean, {}, true};
  for (int d = 2; d < l.info(x).shape.rank(); ++d) attrs.axes.push_back(d);
  return emit(l, node, OpKind::kReduce, std::array{x}, attrs);
}

Status global_max_pool(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  ReduceAttrs attrs{ReduceKind::kMax, {}, true};
  for (int d = 2; d < l.info(x).shape.rank(); ++d) attrs.axes.push_back(d);
  return emit(l, node, OpKind::kReduce, std::array{x}, attrs);
}

// scale * (x - mean) / sqrt(var + epsilon) + bias, with constant parameters.
Status batch_normalization(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "training_mode", 0) != 0) return unimplemented("training mode");
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(auto scale, floats_of(l, node, 1));
  INFERD_ASSIGN_OR_RETURN(auto shift, floats_of(l, node, 2));
  INFERD_ASSIGN_OR_RETURN(const auto mean, floats_of(l, node, 3));
  INFERD_ASSIGN_OR_RETURN(const auto variance, floats_of(l, node, 4));
  if (shift.size() != scale.size() || mean.size() != scale.size() ||
      variance.size() != scale.size()) {
    return invalid_argument("parameters differ in size");
  }
  const float epsilon = Lowering::float_attr(node, "epsilon", 1e-5F);
  for (size_t i = 0; i < scale.size(); ++i) {
    scale[i] /= std::sqrt(variance[i] + epsilon);
    shift[i] -= mean[i] * scale[i];
  }
  const Shape channels{static_cast<int64_t>(scale.size())};
  const ValueId s = l.builder().constant_floats(node.name + "/scale", channels, scale);
  const ValueId b = l.builder().constant_floats(node.name + "/shift", channels, shift);
  return emit(l, node, OpKind::kBatchNorm, std::array{x, s, b}, BatchNormAttrs{1});
}

Status resize(Lowering& l, const ForeignNode& node) {
  ResizeAttrs attrs;
  if (node.version == 10) {
    attrs.coordinates = ResizeCoordinates::kAsymmetric;
    attrs.rounding = NearestRounding::kFloor;
    INFERD_RETURN_IF_ERROR(take_scales(l, node, 1, &attrs));
    return emit_resize(l, node, attrs);
  }
  INFERD_RETURN_IF_ERROR(take_sampling(node, &attrs));
  if (Lowering::text_attr(node, "keep_aspect_ratio_policy", "stretch") != "stretch") {
    return unimplemented("keep_aspect_ratio_policy other than stretch");
  }
  if (Lowering::has_attr(node, "axes") || Lowering::int_attr(node, "antialias", 0) != 0) {
    return unimplemented("axes or antialias");
  }
  // An empty scales input stands for "use sizes".
  bool scales = l.has(node, 2);
  if (scales) {
    INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, 2));
    scales = l.info(id).shape_known && !(l.info(id).shape == Shape{0});
  }
  if (scales) {
    INFERD_RETURN_IF_ERROR(take_scales(l, node, 2, &attrs));
    return emit_resize(l, node, attrs);
  }
  INFERD_ASSIGN_OR_RETURN(const auto sizes, l.ints(node, 3));
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const Shape& xs = l.info(x).shape;
  if (sizes.size() != 4 || xs.rank() != 4 || sizes[1] != xs[1]) {
    return unimplemented("only height and width of a 4-D image can be resized");
  }
  attrs.out_h = sizes[2];
  attrs.out_w = sizes[3];
  return emit_resize(l, node, attrs);
}

Status upsample(Lowering& l, const ForeignNode& node) {
  ResizeAttrs attrs;
  attrs.coordinates = ResizeCoordinates::kAsymmetric;
  attrs.rounding = NearestRounding::kFloor;
  INFERD_RETURN_IF_ERROR(take_scales(l, node, 1, &attrs));
  return emit_resize(l, node, attrs);
}

Status depth_to_space(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const Shape s = l.info(x).shape;
  const int64_t block = Lowering::int_attr(node, "blocksize", 0);
  INFERD_RETURN_IF_ERROR(check_image(l, x));
  if (!s.is_static()) return failed_precondition("rearranges an image of unknown size");
  if (block < 1 || block > 1024 || s[1] % (block * block) != 0) {
    return invalid_argument("block size " + std::to_string(block) + " does not fit " +
                            s.to_string());
  }
  const int64_t depth = s[1] / (block * block);
  const bool column_row_depth = Lowering::text_attr(node, "mode", "DCR") == "CRD";
  ir::Builder& b = l.builder();
  const std::vector<int64_t> split =
      column_row_depth ? std::vector<int64_t>{s[0], depth, block, block, s[2], s[3]}
                       : std::vector<int64_t>{s[0], block, block, depth, s[2], s[3]};
  INFERD_ASSIGN_OR_RETURN(const ValueId parts, b.reshape(x, split, node.name));
  const std::vector<int> order =
      column_row_depth ? std::vector<int>{0, 1, 4, 2, 5, 3} : std::vector<int>{0, 3, 4, 1, 5, 2};
  INFERD_ASSIGN_OR_RETURN(const ValueId moved, b.transpose(parts, order, node.name));
  return emit(l, node, OpKind::kReshape, std::array{moved},
              ReshapeAttrs{{s[0], depth, s[2] * block, s[3] * block}, true});
}

}  // namespace inferd::import::onnx_lower
