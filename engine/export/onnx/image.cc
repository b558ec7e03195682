// SPDX-License-Identifier: Apache-2.0
//
// Image operators, which are channels first in ONNX.
#include <array>

#include "engine/export/onnx/operators.h"

namespace inferd::exporter {
namespace {

void set_window(NodeBuilder& node, const Window2d& w) {
  node.attr("kernel_shape", {w.kernel_h, w.kernel_w})
      .attr("strides", {w.stride_h, w.stride_w})
      .attr("pads", {w.pad_top, w.pad_left, w.pad_bottom, w.pad_right});
  if (w.dilation_h != 1 || w.dilation_w != 1) node.attr("dilations", {w.dilation_h, w.dilation_w});
}

void emit_conv(Emit& e, const ir::Node& node, const Arrangement& weights, int64_t groups) {
  const auto& attrs = std::get<Conv2dAttrs>(node.attrs);
  std::vector<std::string> inputs = {e.tensors.name(node.inputs[0], Layout::kChannelsFirst),
                                     e.tensors.arranged(node.inputs[1], weights)};
  if (node.inputs.size() > 2) inputs.push_back(e.tensors.name(node.inputs[2], Layout::kPlain));
  NodeBuilder conv = emit(e, node, "Conv", inputs, Layout::kChannelsFirst, attrs.activation);
  set_window(conv, attrs.window);
  conv.attr("group", groups);
}

Status constant_weights(const Emit& e, const ir::Node& node) {
  if (e.tensors.is_constant(node.inputs[1])) return ok_status();
  return unimplemented("its weights are computed");
}

const char* coordinates_name(ResizeCoordinates coordinates) {
  switch (coordinates) {
    case ResizeCoordinates::kAsymmetric:
      return "asymmetric";
    case ResizeCoordinates::kHalfPixel:
      return "half_pixel";
    case ResizeCoordinates::kAlignCorners:
      return "align_corners";
    case ResizeCoordinates::kPytorchHalfPixel:
      return "pytorch_half_pixel";
    case ResizeCoordinates::kHalfPixelSymmetric:  // since opset 19
    case ResizeCoordinates::kTfHalfPixelForNn:    // until opset 12
    case ResizeCoordinates::kTfCropAndResize:
      break;
  }
  return nullptr;
}

const char* rounding_name(NearestRounding rounding) {
  switch (rounding) {
    case NearestRounding::kFloor:
      return "floor";
    case NearestRounding::kRoundPreferFloor:
      return "round_prefer_floor";
    case NearestRounding::kRoundPreferCeil:
      return "round_prefer_ceil";
    case NearestRounding::kCeil:
      return "ceil";
  }
  return nullptr;
}

const char* mode_name(ResizeMode mode) {
  switch (mode) {
    case ResizeMode::kNearest:
      return "nearest";
    case ResizeMode::kLinear:
      return "linear";
    case ResizeMode::kCubic:
      return "cubic";
  }
  return nullptr;
}

}  // namespace

Status write_conv(Emit& e, const ir::Node& node) {
  INFERD_RETURN_IF_ERROR(constant_weights(e, node));
  const Shape& w = e.tensors.info(node.inputs[1]).shape;  // [O,KH,KW,I]
  const Arrangement oihw = {{w.begin(), w.end()}, {0, 3, 1, 2}, {w[0], w[3], w[1], w[2]}, 0};
  emit_conv(e, node, oihw, std::get<Conv2dAttrs>(node.attrs).groups);
  return ok_status();
}

Status write_depthwise_conv(Emit& e, const ir::Node& node) {
  INFERD_RETURN_IF_ERROR(constant_weights(e, node));
  const Shape& w = e.tensors.info(node.inputs[1]).shape;  // [KH,KW,O]
  const Arrangement oihw = {{w.begin(), w.end()}, {2, 0, 1}, {w[2], 1, w[0], w[1]}, 0};
  emit_conv(e, node, oihw, e.tensors.info(node.inputs[0]).shape[3]);
  return ok_status();
}

Status write_max_pool(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<Pool2dAttrs>(node.attrs);
  NodeBuilder pool =
      emit(e, node, "MaxPool", {e.tensors.name(node.inputs[0], Layout::kChannelsFirst)},
           Layout::kChannelsFirst, attrs.activation);
  set_window(pool, attrs.window);
  return ok_status();
}

Status write_average_pool(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<Pool2dAttrs>(node.attrs);
  if (attrs.window.dilation_h != 1 || attrs.window.dilation_w != 1) {
    return unimplemented("average pooling with dilation");
  }
  NodeBuilder pool =
      emit(e, node, "AveragePool", {e.tensors.name(node.inputs[0], Layout::kChannelsFirst)},
           Layout::kChannelsFirst, attrs.activation);
  set_window(pool, attrs.window);
  if (attrs.count_padding) pool.attr("count_include_pad", int64_t{1});
  return ok_status();
}

Status write_conv_transpose(Emit& e, const ir::Node& node) {
  INFERD_RETURN_IF_ERROR(constant_weights(e, node));
  const auto& attrs = std::get<ConvTranspose2dAttrs>(node.attrs);
  const Shape& w = e.tensors.info(node.inputs[1]).shape;  // [O,KH,KW,C/groups]
  const int64_t groups = attrs.groups;
  // ONNX has them as [C,O/groups,KH,KW].
  const Arrangement cohw = {{groups, w[0] / groups, w[1], w[2], w[3]},
                            {0, 4, 1, 2, 3},
                            {groups * w[3], w[0] / groups, w[1], w[2]},
                            1};
  if (groups > 1 && e.tensors.has_scales(node.inputs[1])) {
    return unimplemented("scales for the channels of several groups");
  }
  std::vector<std::string> inputs = {e.tensors.name(node.inputs[0], Layout::kChannelsFirst),
                                     e.tensors.arranged(node.inputs[1], cohw)};
  if (node.inputs.size() > 2) inputs.push_back(e.tensors.name(node.inputs[2], Layout::kPlain));
  NodeBuilder conv =
      emit(e, node, "ConvTranspose", inputs, Layout::kChannelsFirst, attrs.activation);
  set_window(conv, attrs.window);
  conv.attr("group", groups).attr("output_padding", {attrs.extra_h, attrs.extra_w});
  return ok_status();
}

Status write_resize_axis(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<ResizeAxisAttrs>(node.attrs);
  const char* coordinates = coordinates_name(attrs.coordinates);
  const bool cubic = attrs.mode == ResizeMode::kCubic;
  if (coordinates == nullptr || attrs.antialias || (attrs.exclude_outside && !cubic)) {
    return unimplemented("this way of resizing");
  }
  const Layout layout = layout_of(e, node);
  std::vector<std::string> inputs = {e.tensors.name(node.inputs[0], layout), ""};
  if (attrs.scale > 0) {
    std::vector<float> scales(static_cast<size_t>(e.tensors.rank(node.inputs[0])), 1.F);
    scales[static_cast<size_t>(axis_in(layout, attrs.axis))] = attrs.scale;
    inputs.push_back(e.document.floats(scales));
  } else {
    inputs.emplace_back();
    inputs.push_back(
        e.document.ints(reordered(layout, e.tensors.info(node.outputs[0]).shape.dims())));
  }
  NodeBuilder resize = emit(e, node, "Resize", inputs, layout);
  resize.attr("mode", mode_name(attrs.mode))
      .attr("coordinate_transformation_mode", coordinates)
      .attr("nearest_mode", rounding_name(attrs.rounding));
  if (!cubic) return ok_status();
  resize.attr("cubic_coeff_a", attrs.cubic)
      .attr("exclude_outside", int64_t{attrs.exclude_outside ? 1 : 0});
  return ok_status();
}

Status write_grid_sample(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<GridSampleAttrs>(node.attrs);
  const char* padding = attrs.padding == GridPadding::kZeros        ? "zeros"
                        : attrs.padding == GridPadding::kBorder     ? "border"
                        : attrs.padding == GridPadding::kReflection ? "reflection"
                                                                    : nullptr;
  if (padding == nullptr || attrs.positions == GridPositions::kPixels ||
      e.tensors.rank(node.inputs[0]) != 4) {
    return unimplemented("this way of sampling");
  }
  const char* mode = attrs.mode == ResizeMode::kNearest  ? "nearest"
                     : attrs.mode == ResizeMode::kLinear ? "bilinear"
                                                         : "bicubic";
  emit(e, node, "GridSample",
       {e.tensors.name(node.inputs[0], Layout::kChannelsFirst),
        e.tensors.name(node.inputs[1], Layout::kPlain)},
       Layout::kChannelsFirst)
      .attr("mode", mode)
      .attr("padding_mode", padding)
      .attr("align_corners", int64_t{attrs.positions == GridPositions::kAlignCorners ? 1 : 0});
  return ok_status();
}

Status write_resize(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<ResizeAttrs>(node.attrs);
  const char* mode = mode_name(attrs.mode);
  const char* coordinates = coordinates_name(attrs.coordinates);
  const char* rounding = rounding_name(attrs.rounding);
  if (coordinates == nullptr || attrs.mode == ResizeMode::kCubic) {
    return unimplemented("this way of resizing");
  }
  std::vector<std::string> inputs = {e.tensors.name(node.inputs[0], Layout::kChannelsFirst), ""};
  if (attrs.scale_h > 0 && attrs.scale_w > 0) {
    const std::array scales = {1.F, 1.F, attrs.scale_h, attrs.scale_w};
    inputs.push_back(e.document.floats(scales));
  } else {
    const Shape& y = e.tensors.info(node.outputs[0]).shape;
    const std::array sizes = {y[0], y[3], y[1], y[2]};
    inputs.emplace_back();
    inputs.push_back(e.document.ints(sizes));
  }
  emit(e, node, "Resize", inputs, Layout::kChannelsFirst)
      .attr("mode", mode)
      .attr("coordinate_transformation_mode", coordinates)
      .attr("nearest_mode", rounding);
  return ok_status();
}

}  // namespace inferd::exporter
