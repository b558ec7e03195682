// SPDX-License-Identifier: Apache-2.0
//
// Transposed convolutions, convolutions of volumes, and products of matrices.
#include <algorithm>
#include <array>

#include "engine/import/tflite/lower.h"
#include "engine/import/volume.h"

namespace inferd::import::tflite_lower {
namespace {

constexpr int64_t kPaddingSame = 0;
constexpr int64_t kMaxWindow = 1 << 20;

// One spatial dimension of a window.
struct Window1d {
  int64_t kernel = 1, stride = 1, dilation = 1;
  int64_t before = 0, after = 0;
  int64_t extra = 0;  // of a transposed convolution

  int64_t span() const { return dilation * (kernel - 1) + 1; }
};

Result<Window1d> window_1d(const ForeignNode& node, const std::string& dim, int64_t kernel) {
  const Window1d w{kernel, Lowering::int_attr(node, "stride_" + dim, 1),
                   Lowering::int_attr(node, "dilation_" + dim, 1)};
  for (int64_t value : {w.kernel, w.stride, w.dilation}) {
    if (value < 1 || value > kMaxWindow)
      return invalid_argument("kernel, stride or dilation is out of range");
  }
  return w;
}

bool is_same(const ForeignNode& node) {
  return Lowering::int_attr(node, "padding", kPaddingSame) == kPaddingSame;
}

// What is cut off of a transposed convolution: as much as the convolution of the output that gives
// the input would pad.
Status cut_to(int64_t in, int64_t out, bool same, Window1d* w) {
  if (in == kDynamicDim) return failed_precondition("an image of unknown size");
  if (out < 1 || out > kMaxWindow) return invalid_argument("the output size is out of range");
  const int64_t places =
      same ? (out + w->stride - 1) / w->stride : (out + w->stride - w->span()) / w->stride;
  w->before = std::max<int64_t>((places - 1) * w->stride + w->span() - out, 0) / 2;
  const int64_t rest = (in - 1) * w->stride + w->span() - w->before - out;
  w->after = std::max<int64_t>(rest, 0);
  w->extra = std::max<int64_t>(-rest, 0);
  if (w->after <= kMaxWindow && w->extra <= kMaxWindow) return ok_status();
  return invalid_argument("output size " + std::to_string(out) + " does not fit input size " +
                          std::to_string(in));
}

Window2d window_2d(const Window1d& h, const Window1d& w) {
  return {.kernel_h = static_cast<int>(h.kernel),
          .kernel_w = static_cast<int>(w.kernel),
          .stride_h = static_cast<int>(h.stride),
          .stride_w = static_cast<int>(w.stride),
          .dilation_h = static_cast<int>(h.dilation),
          .dilation_w = static_cast<int>(w.dilation),
          .pad_top = static_cast<int>(h.before),
          .pad_bottom = static_cast<int>(h.after),
          .pad_left = static_cast<int>(w.before),
          .pad_right = static_cast<int>(w.after)};
}

Result<ConvTranspose2dAttrs> spread_attrs(const ForeignNode& node, const Window1d& h,
                                          const Window1d& w) {
  ConvTranspose2dAttrs attrs;
  attrs.window = window_2d(h, w);
  attrs.extra_h = static_cast<int>(h.extra);
  attrs.extra_w = static_cast<int>(w.extra);
  INFERD_ASSIGN_OR_RETURN(attrs.activation, activation(node));
  return attrs;
}

Status needs_images(const Shape& x, const Shape& w, int rank) {
  if (x.rank() == rank && w.rank() == rank && w.is_static()) return ok_status();
  return invalid_argument("input " + x.to_string() + " and weights " + w.to_string() +
                          " are not both " + std::to_string(rank) + "-D");
}

// The sizes at input 0.
Result<std::vector<int64_t>> output_sizes(Lowering& l, const ForeignNode& node, size_t rank) {
  INFERD_ASSIGN_OR_RETURN(auto sizes, l.ints(node, 0));
  if (sizes.size() == rank) return sizes;
  return invalid_argument("the output shape has " + std::to_string(sizes.size()) +
                          " entries, not " + std::to_string(rank));
}

// Inputs: output shape, weights [O,KH,KW,I], x, bias?.
Status transpose_conv(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, weighted_inputs(l, node, 2, 1, 3));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  INFERD_ASSIGN_OR_RETURN(const auto sizes, output_sizes(l, node, 4));
  const Shape& x = l.info(inputs[0]).shape;
  const Shape& w = l.info(inputs[1]).shape;
  INFERD_RETURN_IF_ERROR(needs_images(x, w, 4));
  INFERD_ASSIGN_OR_RETURN(Window1d rows, window_1d(node, "h", w[1]));
  INFERD_ASSIGN_OR_RETURN(Window1d columns, window_1d(node, "w", w[2]));
  INFERD_RETURN_IF_ERROR(cut_to(x[1], sizes[1], is_same(node), &rows));
  INFERD_RETURN_IF_ERROR(cut_to(x[2], sizes[2], is_same(node), &columns));
  INFERD_ASSIGN_OR_RETURN(const auto attrs, spread_attrs(node, rows, columns));
  return emit(l, node, OpKind::kConvTranspose2d, inputs, attrs);
}

// MediaPipe's: x, weights [O,KH,KW,I], bias; the options are a struct of padding (1: SAME), stride
// along width and stride along height. With SAME the last windows end with the output.
Status transpose_conv_bias(Lowering& l, const ForeignNode& node) {
  const std::vector<int32_t> options = option_words(node, 3);
  if (options.empty()) return invalid_argument("has no options");
  ForeignNode plain = node;
  plain.attrs["stride_w"] = int64_t{options[1]};
  plain.attrs["stride_h"] = int64_t{options[2]};
  INFERD_ASSIGN_OR_RETURN(const auto inputs, weighted_inputs(l, node));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  const Shape& x = l.info(inputs[0]).shape;
  const Shape& w = l.info(inputs[1]).shape;
  INFERD_RETURN_IF_ERROR(needs_images(x, w, 4));
  INFERD_ASSIGN_OR_RETURN(Window1d rows, window_1d(plain, "h", w[1]));
  INFERD_ASSIGN_OR_RETURN(Window1d columns, window_1d(plain, "w", w[2]));
  const auto cut = [&](int64_t in, Window1d* window) -> Status {
    if (in == kDynamicDim) return failed_precondition("an image of unknown size");
    if (options[0] != 1) return ok_status();
    const int64_t all = std::max<int64_t>(window->kernel - (in - 1) % window->stride - 1, 0);
    window->before = all / 2;
    window->after = all - window->before;
    return ok_status();
  };
  INFERD_RETURN_IF_ERROR(cut(x[1], &rows));
  INFERD_RETURN_IF_ERROR(cut(x[2], &columns));
  INFERD_ASSIGN_OR_RETURN(const auto attrs, spread_attrs(node, rows, columns));
  return emit(l, node, OpKind::kConvTranspose2d, inputs, attrs);
}

// Weights of a volume, permuted to [O,KH,KW,KD,I], as [O,KH,KW,KD*I].
Result<ValueId> volume_weights(Lowering& l, ValueId w, std::vector<int> perm,
                               const ForeignNode& node) {
  const std::string name = node.name + "/weights";
  INFERD_ASSIGN_OR_RETURN(w, l.builder().transpose(w, std::move(perm), name));
  const Shape s = l.info(w).shape;
  return l.builder().reshape(w, {s[0], s[1], s[2], s[3] * s[4]}, name);
}

// Windows along depth, height and width of x [N,D,H,W,I] and weights [KD,KH,KW,...].
Result<std::array<Window1d, 3>> volume_windows(const ForeignNode& node, const Shape& w) {
  std::array<Window1d, 3> windows;
  const std::array<const char*, 3> names = {"d", "h", "w"};
  for (size_t i = 0; i < 3; ++i) {
    INFERD_ASSIGN_OR_RETURN(windows[i], window_1d(node, names[i], w[static_cast<int>(i)]));
  }
  return windows;
}

// The images of all depths as the node's output, a volume.
Status emit_volume(Lowering& l, const ForeignNode& node, OpKind kind,
                   std::span<const ValueId> inputs, OpAttrs attrs, int64_t positions) {
  const OutputSpec volume = spec(l, node);
  INFERD_ASSIGN_OR_RETURN(ValueId y,
                          l.builder().op(kind, inputs, std::move(attrs), node.name,
                                         OutputSpec::typed("", volume.dtype, volume.quantization)));
  INFERD_ASSIGN_OR_RETURN(y, unfold_depth(l, y, positions, node.name + "/volume"));
  return l.set_output(node, 0, y);
}

// x [N,D,H,W,I], weights [KD,KH,KW,I,O], bias?.
Status conv_3d(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(auto inputs, weighted_inputs(l, node));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  const Shape x = l.info(inputs[0]).shape;
  const Shape w = l.info(inputs[1]).shape;
  INFERD_RETURN_IF_ERROR(needs_images(x, w, 5));
  INFERD_ASSIGN_OR_RETURN(auto windows, volume_windows(node, w));
  for (size_t i = 0; i < 3; ++i) {
    Window1d& d = windows[i];
    int before = 0;
    int after = 0;
    if (is_same(node)) {
      INFERD_RETURN_IF_ERROR(same_padding(x[static_cast<int>(i) + 1], static_cast<int>(d.kernel),
                                          static_cast<int>(d.stride), static_cast<int>(d.dilation),
                                          false, &before, &after));
    }
    d.before = before;
    d.after = after;
  }
  const Window1d& depth = windows[0];
  if (x[1] == kDynamicDim) return failed_precondition("a volume of unknown size");
  const int64_t room = x[1] + depth.before + depth.after - depth.span();
  if (room < 0) return invalid_argument("the window is deeper than the volume");
  const int64_t positions = room / depth.stride + 1;
  INFERD_ASSIGN_OR_RETURN(
      inputs[0], fold_depth(l, inputs[0],
                            {depth.kernel, depth.stride, depth.dilation, depth.before, positions},
                            1, node.name + "/depth"));
  INFERD_ASSIGN_OR_RETURN(inputs[1], volume_weights(l, inputs[1], {4, 1, 2, 0, 3}, node));
  Conv2dAttrs attrs;
  attrs.window = window_2d(windows[1], windows[2]);
  INFERD_ASSIGN_OR_RETURN(attrs.activation, activation(node));
  return emit_volume(l, node, OpKind::kConv2d, inputs, attrs, positions);
}

// Output shape, weights [KD,KH,KW,O,I], x [N,D,H,W,I], bias?.
Status conv_3d_transpose(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(auto inputs, weighted_inputs(l, node, 2, 1, 3));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  INFERD_ASSIGN_OR_RETURN(const auto sizes, output_sizes(l, node, 5));
  const Shape x = l.info(inputs[0]).shape;
  const Shape w = l.info(inputs[1]).shape;
  INFERD_RETURN_IF_ERROR(needs_images(x, w, 5));
  INFERD_ASSIGN_OR_RETURN(auto windows, volume_windows(node, w));
  for (size_t i = 0; i < 3; ++i) {
    INFERD_RETURN_IF_ERROR(
        cut_to(x[static_cast<int>(i) + 1], sizes[i + 1], is_same(node), &windows[i]));
  }
  const Window1d& depth = windows[0];
  INFERD_ASSIGN_OR_RETURN(inputs[0], fold_spread_depth(l, inputs[0],
                                                       {depth.kernel, depth.stride, depth.dilation,
                                                        depth.before, sizes[1]},
                                                       1, node.name + "/depth"));
  INFERD_ASSIGN_OR_RETURN(inputs[1], volume_weights(l, inputs[1], {3, 1, 2, 0, 4}, node));
  INFERD_ASSIGN_OR_RETURN(const auto attrs, spread_attrs(node, windows[1], windows[2]));
  return emit_volume(l, node, OpKind::kConvTranspose2d, inputs, attrs, sizes[1]);
}

// An int8 matrix beside a float32 one is dequantized, as weights are.
Status batch_matmul(Lowering& l, const ForeignNode& node) {
  std::array<ValueId, 2> inputs{};
  for (size_t i = 0; i < 2; ++i) {
    INFERD_ASSIGN_OR_RETURN(inputs[i], l.input(node, i));
  }
  const bool float_input = l.info(inputs[0]).dtype == DType::kFloat32;
  if (float_input && l.info(inputs[1]).dtype != DType::kFloat32) {
    INFERD_ASSIGN_OR_RETURN(
        inputs[1], l.builder().op(OpKind::kDequantize, {inputs[1]}, {}, node.name + "/weights",
                                  OutputSpec::typed("", DType::kFloat32)));
  }
  const MatMulAttrs attrs{
      Lowering::int_attr(node, "adj_x", 0) != 0, Lowering::int_attr(node, "adj_y", 0) != 0, {}};
  return emit(l, node, OpKind::kMatMul, inputs, attrs);
}

const Row kRows[] = {
    {"", "BATCH_MATMUL", batch_matmul},
    {"", "CONV_3D", conv_3d},
    {"", "CONV_3D_TRANSPOSE", conv_3d_transpose},
    {"", "TRANSPOSE_CONV", transpose_conv},
    {kCustomDomain, "Convolution2DTransposeBias", transpose_conv_bias},
};

}  // namespace

std::span<const Row> conv_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower
