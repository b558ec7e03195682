// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {
namespace {

constexpr int64_t kPaddingSame = 0;

Status fill_window(const ForeignNode& node, const Shape& x, int64_t kernel_h, int64_t kernel_w,
                   Window2d* w) {
  constexpr int64_t kMax = 1 << 20;
  const int64_t values[] = {kernel_h,
                            kernel_w,
                            Lowering::int_attr(node, "stride_h", 1),
                            Lowering::int_attr(node, "stride_w", 1),
                            Lowering::int_attr(node, "dilation_h", 1),
                            Lowering::int_attr(node, "dilation_w", 1)};
  for (int64_t value : values) {
    if (value < 1 || value > kMax)
      return invalid_argument("kernel, stride or dilation is out of range");
  }
  if (x.rank() != 4) return invalid_argument("input " + x.to_string() + " is not 4-D");
  w->kernel_h = static_cast<int>(values[0]);
  w->kernel_w = static_cast<int>(values[1]);
  w->stride_h = static_cast<int>(values[2]);
  w->stride_w = static_cast<int>(values[3]);
  w->dilation_h = static_cast<int>(values[4]);
  w->dilation_w = static_cast<int>(values[5]);
  if (Lowering::int_attr(node, "padding", kPaddingSame) != kPaddingSame) return ok_status();
  INFERD_RETURN_IF_ERROR(same_padding(x[1], w->kernel_h, w->stride_h, w->dilation_h, false,
                                      &w->pad_top, &w->pad_bottom));
  return same_padding(x[2], w->kernel_w, w->stride_w, w->dilation_w, false, &w->pad_left,
                      &w->pad_right);
}

Status conv_2d(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, weighted_inputs(l, node));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  const Shape& x = l.info(inputs[0]).shape;
  const Shape& w = l.info(inputs[1]).shape;
  if (w.rank() != 4 || x.rank() != 4 || w[3] < 1)
    return invalid_argument("needs 4-D input and weights");
  Conv2dAttrs attrs;
  INFERD_RETURN_IF_ERROR(fill_window(node, x, w[1], w[2], &attrs.window));
  INFERD_ASSIGN_OR_RETURN(attrs.activation, activation(node));
  if (x[3] == kDynamicDim) return failed_precondition("an unknown number of channels");
  if (x[3] % w[3] != 0) {
    return invalid_argument("weights " + w.to_string() + " do not fit the input " + x.to_string());
  }
  attrs.groups = static_cast<int>(std::min<int64_t>(x[3] / w[3], INT32_MAX));
  return emit(l, node, OpKind::kConv2d, inputs, attrs);
}

// Weights [1,KH,KW,O] lose their first dimension, and a per-channel axis moves with it.
Status depthwise_conv_2d(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(auto inputs, weighted_inputs(l, node));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  const ir::Value& weights = l.info(inputs[1]);
  const Shape w = weights.shape;
  if (w.rank() != 4 || w[0] != 1)
    return invalid_argument("weights " + w.to_string() + " are not [1,H,W,C]");
  Quantization q = weights.quantization;
  if (q.per_channel()) {
    if (q.axis != 3)
      return invalid_argument("weights are quantized along axis " + std::to_string(q.axis));
    q.axis = 2;
  }
  Conv2dAttrs attrs;
  INFERD_RETURN_IF_ERROR(fill_window(node, l.info(inputs[0]).shape, w[1], w[2], &attrs.window));
  INFERD_ASSIGN_OR_RETURN(attrs.activation, activation(node));
  if (weights.is_constant()) {
    inputs[1] =
        l.builder().constant(weights.name, weights.dtype, {w[1], w[2], w[3]}, weights.constant, q);
  } else {
    if (q.per_channel()) return unimplemented("computed weights with per-channel quantization");
    INFERD_ASSIGN_OR_RETURN(
        inputs[1], l.builder().reshape(inputs[1], {w[1], w[2], w[3]}, node.name + "/weights"));
  }
  return emit(l, node, OpKind::kDepthwiseConv2d, inputs, attrs);
}

template <OpKind kKind>
Status pool_2d(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  Pool2dAttrs attrs;
  INFERD_RETURN_IF_ERROR(fill_window(node, l.info(x).shape, Lowering::int_attr(node, "filter_h", 1),
                                     Lowering::int_attr(node, "filter_w", 1), &attrs.window));
  INFERD_ASSIGN_OR_RETURN(attrs.activation, activation(node));
  return emit(l, node, kKind, std::array{x}, attrs);
}

// The root of the mean of squares, padding not counted.
Status l2_pool_2d(Lowering& l, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  Pool2dAttrs attrs;
  INFERD_RETURN_IF_ERROR(fill_window(node, l.info(x).shape, Lowering::int_attr(node, "filter_h", 1),
                                     Lowering::int_attr(node, "filter_w", 1), &attrs.window));
  INFERD_ASSIGN_OR_RETURN(const Activation act, activation(node));
  INFERD_ASSIGN_OR_RETURN(x, b.op(OpKind::kUnary, {x}, UnaryAttrs{UnaryKind::kSquare}, node.name));
  INFERD_ASSIGN_OR_RETURN(x, b.op(OpKind::kAveragePool2d, {x}, attrs, node.name));
  if (act.none()) {
    return emit(l, node, OpKind::kUnary, std::array{x}, UnaryAttrs{UnaryKind::kSqrt});
  }
  INFERD_ASSIGN_OR_RETURN(x, b.op(OpKind::kUnary, {x}, UnaryAttrs{UnaryKind::kSqrt}, node.name));
  return emit(l, node, OpKind::kClamp, std::array{x}, ClampAttrs{act});
}

template <ResizeMode kMode>
Status resize(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto size, l.ints(node, 1));
  if (size.size() != 2 || size[0] < 1 || size[1] < 1)
    return invalid_argument("size is not two positive numbers");
  ResizeAttrs attrs;
  attrs.mode = kMode;
  attrs.out_h = size[0];
  attrs.out_w = size[1];
  attrs.coordinates = ResizeCoordinates::kAsymmetric;
  attrs.rounding = NearestRounding::kFloor;
  if (Lowering::int_attr(node, "align_corners", 0) != 0) {
    attrs.coordinates = ResizeCoordinates::kAlignCorners;
    attrs.rounding = NearestRounding::kRoundPreferCeil;
  } else if (Lowering::int_attr(node, "half_pixel_centers", 0) != 0) {
    attrs.coordinates = ResizeCoordinates::kHalfPixel;
    attrs.rounding = NearestRounding::kRoundPreferCeil;  // floor((i + 0.5) / scale)
  }
  return emit(l, node, OpKind::kResize, std::array{x}, attrs);
}

Status detection_post_process(Lowering& l, const ForeignNode& node) {
  DetectionPostProcessAttrs attrs;
  const auto integer = [&](const char* name, int fallback) {
    return static_cast<int>(
        std::clamp<int64_t>(Lowering::int_attr(node, name, fallback), -1, INT32_MAX));
  };
  attrs.max_detections = integer("max_detections", 10);
  attrs.max_classes_per_detection = integer("max_classes_per_detection", 1);
  attrs.detections_per_class = integer("detections_per_class", 100);
  attrs.num_classes = integer("num_classes", 0);
  attrs.regular_nms = integer("use_regular_nms", 0) != 0;
  attrs.score_threshold = Lowering::float_attr(node, "nms_score_threshold", 0.F);
  attrs.iou_threshold = Lowering::float_attr(node, "nms_iou_threshold", 0.6F);
  attrs.y_scale = Lowering::float_attr(node, "y_scale", 10.F);
  attrs.x_scale = Lowering::float_attr(node, "x_scale", 10.F);
  attrs.h_scale = Lowering::float_attr(node, "h_scale", 5.F);
  attrs.w_scale = Lowering::float_attr(node, "w_scale", 5.F);
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < 3; ++i) {
    INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, i));
    inputs.push_back(id);
  }
  std::vector<OutputSpec> specs;
  for (size_t i = 0; i < 4; ++i) {
    specs.push_back(
        OutputSpec::typed(i < node.outputs.size() ? node.outputs[i] : "", DType::kFloat32));
  }
  INFERD_ASSIGN_OR_RETURN(const auto ids, l.builder().ops(OpKind::kDetectionPostProcess, inputs,
                                                          attrs, node.name, specs));
  for (size_t i = 0; i < ids.size(); ++i) INFERD_RETURN_IF_ERROR(l.set_output(node, i, ids[i]));
  return ok_status();
}

const Row kRows[] = {
    {"", "AVERAGE_POOL_2D", pool_2d<OpKind::kAveragePool2d>},
    {"", "CONV_2D", conv_2d},
    {"", "DEPTHWISE_CONV_2D", depthwise_conv_2d},
    {"", "L2_POOL_2D", l2_pool_2d},
    {"", "MAX_POOL_2D", pool_2d<OpKind::kMaxPool2d>},
    {"", "RESIZE_BILINEAR", resize<ResizeMode::kLinear>},
    {"", "RESIZE_NEAREST_NEIGHBOR", resize<ResizeMode::kNearest>},
    {kCustomDomain, "TFLite_Detection_PostProcess", detection_post_process},
};

}  // namespace

std::span<const Row> image_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower
