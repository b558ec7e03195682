// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "engine/ir/infer.h"

namespace inferd::ir {
namespace {

// Attributes come from files: bounds that keep every later multiplication far from overflow.
constexpr int kMaxWindow = 1 << 20;

bool in_range(int value, int low) { return value >= low && value <= kMaxWindow; }

Status check_window(const InferContext& c, const Window2d& w) {
  for (int v : {w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w}) {
    if (!in_range(v, 1)) return c.error("kernel, stride and dilation must be from 1 to 1048576");
  }
  for (int v : {w.pad_top, w.pad_bottom, w.pad_left, w.pad_right}) {
    if (!in_range(v, 0)) return c.error("padding must be from 0 to 1048576");
  }
  return ok_status();
}

// Size of one spatial dimension after a window slides over it.
int64_t slide(int64_t in, int kernel, int stride, int dilation, int before, int after) {
  if (in == kDynamicDim) return kDynamicDim;
  const int64_t span = int64_t{dilation} * (kernel - 1) + 1;
  const int64_t room = in + before + after - span;
  return room < 0 ? 0 : room / stride + 1;
}

Status slide_over(const InferContext& c, const Window2d& w, int64_t channels) {
  INFERD_RETURN_IF_ERROR(check_window(c, w));
  const Shape& x = c.input(0).shape;
  const int64_t h = slide(x[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.pad_bottom);
  const int64_t width = slide(x[2], w.kernel_w, w.stride_w, w.dilation_w, w.pad_left, w.pad_right);
  if (h == 0 || width == 0) {
    return c.error("the window is larger than the padded input " + x.to_string());
  }
  return c.set({x[0], h, width, channels});
}

Status check_bias(const InferContext& c, int64_t channels) {
  if (c.inputs() < 3) return ok_status();
  const Shape& bias = c.input(2).shape;
  if (bias.rank() == 1 && bias[0] == channels) return ok_status();
  return c.error("bias has shape " + bias.to_string() + ", not [" + std::to_string(channels) + "]");
}

int64_t batch_times_area(const Shape& y) { return y.elements(0, 3); }

}  // namespace

Status infer_conv2d(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<Conv2dAttrs>();
  const Shape& x = c.input(0).shape;
  const Shape& w = c.input(1).shape;
  if (x.rank() != 4 || w.rank() != 4) {
    return c.error("needs a 4-D input and weights, got " + x.to_string() + " and " + w.to_string());
  }
  if (!w.is_static()) return c.error("weights have a dynamic shape");
  if (attrs.groups < 1 || w[0] < 1 || w[0] % attrs.groups != 0) {
    return c.error(std::to_string(w[0]) + " output channels cannot be split into " +
                   std::to_string(attrs.groups) + " groups");
  }
  if (x[3] == kDynamicDim || x[3] / attrs.groups != w[3] || x[3] % attrs.groups != 0 || w[3] < 1) {
    return c.error("weights have " + std::to_string(w[3]) + " channels per group, the input " +
                   x.to_string() + " in " + std::to_string(attrs.groups) + " groups does not");
  }
  if (w[1] != attrs.window.kernel_h || w[2] != attrs.window.kernel_w) {
    return c.error("weights " + w.to_string() + " disagree with the kernel size");
  }
  INFERD_RETURN_IF_ERROR(check_bias(c, w[0]));
  return slide_over(c, attrs.window, w[0]);
}

Status infer_depthwise_conv2d(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<Conv2dAttrs>();
  const Shape& x = c.input(0).shape;
  const Shape& w = c.input(1).shape;
  if (x.rank() != 4 || w.rank() != 3) {
    return c.error("needs a 4-D input and 3-D weights, got " + x.to_string() + " and " +
                   w.to_string());
  }
  if (!w.is_static()) return c.error("weights have a dynamic shape");
  if (x[3] < 1 || w[2] < 1 || w[2] % x[3] != 0) {
    return c.error(std::to_string(w[2]) + " output channels are not a multiple of the input's " +
                   std::to_string(x[3]));
  }
  if (w[0] != attrs.window.kernel_h || w[1] != attrs.window.kernel_w) {
    return c.error("weights " + w.to_string() + " disagree with the kernel size");
  }
  INFERD_RETURN_IF_ERROR(check_bias(c, w[2]));
  return slide_over(c, attrs.window, w[2]);
}

Status infer_pool2d(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& w = c.attrs<Pool2dAttrs>().window;
  const Shape& x = c.input(0).shape;
  if (x.rank() != 4) return c.error("needs a 4-D input, got " + x.to_string());
  INFERD_RETURN_IF_ERROR(check_window(c, w));
  // A window that holds nothing but padding has no maximum and no mean.
  if (w.pad_top >= int64_t{w.dilation_h} * (w.kernel_h - 1) + 1 ||
      w.pad_left >= int64_t{w.dilation_w} * (w.kernel_w - 1) + 1) {
    return c.error("padding is as large as the window");
  }
  return slide_over(c, w, x[3]);
}

Status infer_resize(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<ResizeAttrs>();
  const Shape& x = c.input(0).shape;
  if (x.rank() != 4) return c.error("needs a 4-D input, got " + x.to_string());
  constexpr int64_t kMaxSide = 1 << 20;
  const auto side = [](int64_t in, int64_t out, float scale) -> int64_t {
    if (out > 0) return out;
    if (in == kDynamicDim) return kDynamicDim;
    const float size = std::floor(static_cast<float>(in) * scale);
    return size >= 1 && size <= static_cast<float>(kMaxSide) ? static_cast<int64_t>(size) : 0;
  };
  const int64_t h = side(x[1], attrs.out_h, attrs.scale_h);
  const int64_t w = side(x[2], attrs.out_w, attrs.scale_w);
  if (h == 0 || w == 0 || h > kMaxSide || w > kMaxSide) {
    return c.error("output size must be from 1 to 1048576");
  }
  if (x[1] == 0 || x[2] == 0) return c.error("the input " + x.to_string() + " has no pixels");
  return c.set({x[0], h, w, x[3]});
}

int64_t macs_conv2d(const Graph& graph, const Node& node) {
  const Shape& w = graph.value(node.inputs[1]).shape;
  return batch_times_area(graph.value(node.outputs[0]).shape) * w.elements();
}

int64_t macs_depthwise_conv2d(const Graph& graph, const Node& node) {
  const Shape& w = graph.value(node.inputs[1]).shape;
  return batch_times_area(graph.value(node.outputs[0]).shape) * w.elements();
}

}  // namespace inferd::ir
