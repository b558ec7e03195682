// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

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

// Size of one spatial dimension of a transposed convolution; 0 when nothing is left of it.
int64_t spread(int64_t in, int kernel, int stride, int dilation, int cut, int extra) {
  if (in == kDynamicDim) return kDynamicDim;
  const int64_t full = (in - 1) * stride + int64_t{dilation} * (kernel - 1) + 1 + extra;
  return in < 1 ? 0 : std::max<int64_t>(full - cut, 0);
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

// Weights [O,KH,KW,C/groups] that fit input, kernel size and bias.
Status check_dense(const InferContext& c, const Window2d& window, int groups) {
  const Shape& x = c.input(0).shape;
  const Shape& w = c.input(1).shape;
  if (x.rank() != 4 || w.rank() != 4) {
    return c.error("needs a 4-D input and weights, got " + x.to_string() + " and " + w.to_string());
  }
  if (!w.is_static()) return c.error("weights have a dynamic shape");
  if (groups < 1 || w[0] < 1 || w[0] % groups != 0) {
    return c.error(std::to_string(w[0]) + " output channels cannot be split into " +
                   std::to_string(groups) + " groups");
  }
  if (x[3] == kDynamicDim || x[3] / groups != w[3] || x[3] % groups != 0 || w[3] < 1) {
    return c.error("weights have " + std::to_string(w[3]) + " channels per group, the input " +
                   x.to_string() + " in " + std::to_string(groups) + " groups does not");
  }
  if (w[1] != window.kernel_h || w[2] != window.kernel_w) {
    return c.error("weights " + w.to_string() + " disagree with the kernel size");
  }
  return check_bias(c, w[0]);
}

Status pool_over(const InferContext& c, const Window2d& w) {
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

int64_t batch_times_area(const Shape& y) { return y.elements(0, 3); }

}  // namespace

Status infer_conv2d(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<Conv2dAttrs>();
  INFERD_RETURN_IF_ERROR(check_dense(c, attrs.window, attrs.groups));
  return slide_over(c, attrs.window, c.input(1).shape[0]);
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

Status infer_conv_transpose2d(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<ConvTranspose2dAttrs>();
  const Window2d& window = attrs.window;
  const Shape& x = c.input(0).shape;
  const Shape& w = c.input(1).shape;
  INFERD_RETURN_IF_ERROR(check_dense(c, window, attrs.groups));
  INFERD_RETURN_IF_ERROR(check_window(c, window));
  constexpr int64_t kMaxSide = int64_t{1} << 40;  // times a stride it is far from overflow
  if (x[1] > kMaxSide || x[2] > kMaxSide) return c.error("the image is too large");
  if (!in_range(attrs.extra_h, 0) || !in_range(attrs.extra_w, 0)) {
    return c.error("extra must be from 0 to 1048576");
  }
  const int64_t h = spread(x[1], window.kernel_h, window.stride_h, window.dilation_h,
                           window.pad_top + window.pad_bottom, attrs.extra_h);
  const int64_t width = spread(x[2], window.kernel_w, window.stride_w, window.dilation_w,
                               window.pad_left + window.pad_right, attrs.extra_w);
  if (h == 0 || width == 0) return c.error("padding cuts off all of the output");
  return c.set({x[0], h, width, w[0]});
}

Status infer_pool2d(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  return pool_over(c, c.attrs<Pool2dAttrs>().window);
}

Status infer_max_pool_indices(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  return pool_over(c, c.attrs<MaxPoolIndicesAttrs>().window);
}

int64_t macs_conv2d(const Graph& graph, const Node& node) {
  const Shape& w = graph.value(node.inputs[1]).shape;
  return batch_times_area(graph.value(node.outputs[0]).shape) * w.elements();
}

int64_t macs_depthwise_conv2d(const Graph& graph, const Node& node) {
  const Shape& w = graph.value(node.inputs[1]).shape;
  return batch_times_area(graph.value(node.outputs[0]).shape) * w.elements();
}

int64_t macs_conv_transpose2d(const Graph& graph, const Node& node) {
  const Shape& w = graph.value(node.inputs[1]).shape;
  return batch_times_area(graph.value(node.inputs[0]).shape) * w.elements();
}

}  // namespace inferd::ir
