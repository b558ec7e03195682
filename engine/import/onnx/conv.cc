// SPDX-License-Identifier: Apache-2.0
//
// Convolutions and what is made of them.
#include <algorithm>
#include <array>

#include "engine/import/onnx/window.h"

namespace inferd::import::onnx_lower {
namespace {

int groups_of(const ForeignNode& node) {
  return static_cast<int>(std::clamp<int64_t>(Lowering::int_attr(node, "group", 1), 0, INT32_MAX));
}

// The bias at input `i`, if there is one.
Result<std::optional<ValueId>> bias_at(Lowering& l, const ForeignNode& node, size_t i) {
  if (!l.has(node, i)) return std::optional<ValueId>();
  INFERD_ASSIGN_OR_RETURN(const ValueId bias, l.input(node, i));
  return std::optional(bias);
}

Result<Shape> weight_shape(const Lowering& l, ValueId w, size_t dims) {
  INFERD_RETURN_IF_ERROR(l.known_rank(w));
  const Shape& shape = l.info(w).shape;
  if (shape.rank() != static_cast<int>(dims) + 2) {
    return invalid_argument("weights " + shape.to_string() + " are not " +
                            std::to_string(dims + 2) + "-D");
  }
  if (!shape.is_static()) return failed_precondition("weights of unknown size");
  return shape;
}

// Weights [O,I,K...] as [O,KH,KW,I], those of a volume as [O,KH,KW,KD*I].
Result<ValueId> dense_weights(Lowering& l, ValueId w, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  const std::string name = node.name + "/weights";
  const Shape s = l.info(w).shape;
  if (s.rank() == 5) {
    INFERD_ASSIGN_OR_RETURN(const ValueId last, b.transpose(w, {0, 3, 4, 2, 1}, name));
    return b.reshape(last, {s[0], s[3], s[4], s[2] * s[1]}, name);
  }
  if (s.rank() == 3) {
    INFERD_ASSIGN_OR_RETURN(w, b.reshape(w, {s[0], s[1], 1, s[2]}, name));
  }
  return b.transpose(w, {0, 2, 3, 1}, name);
}

// Weights [O,1,K...] of a line or an image as [KH,KW,O].
Result<ValueId> depthwise_weights(Lowering& l, ValueId w, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  const std::string name = node.name + "/weights";
  const Shape s = l.info(w).shape;
  if (s.rank() == 3) {
    INFERD_ASSIGN_OR_RETURN(w, b.reshape(w, {s[0], s[1], 1, s[2]}, name));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId last, b.transpose(w, {2, 3, 0, 1}, name));
  const Shape t = l.info(last).shape;
  return b.reshape(last, {t[0], t[1], t[2]}, name);
}

// A dense convolution of `image` (as to_nhwc() makes it), output in the same form.
Result<ValueId> dense_conv(Lowering& l, const ForeignNode& node, ValueId image, ValueId w,
                           std::optional<ValueId> bias, const Windows& windows, int groups,
                           const OutputSpec& spec) {
  const bool volume = windows.dims() == 3;
  int64_t positions = 1;
  if (volume) {
    if (l.info(image).shape[1] == kDynamicDim) return failed_precondition("an unknown depth");
    const int64_t room = l.info(image).shape[1] + windows.before[0] + windows.after[0];
    if (room < windows.span(0)) return invalid_argument("the window is deeper than the volume");
    positions = (room - windows.span(0)) / windows.stride[0] + 1;
    const DepthWindow depth{windows.kernel[0], windows.stride[0], windows.dilation[0],
                            windows.before[0], positions};
    INFERD_ASSIGN_OR_RETURN(image,
                            fold_depth(l, image, depth, std::max(groups, 1), node.name + "/depth"));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId weights, dense_weights(l, w, node));
  std::vector<ValueId> inputs = {image, weights};
  if (bias) inputs.push_back(*bias);
  INFERD_ASSIGN_OR_RETURN(
      const ValueId y, l.builder().op(OpKind::kConv2d, inputs,
                                      Conv2dAttrs{windows.image(), groups, {}}, node.name, spec));
  return volume ? unfold_depth(l, y, positions, node.name + "/volume") : y;
}

// One dimension of a transposed convolution: `cut` pixels are cut off of what the windows cover at
// its begin and end, `extra` are added.
struct Spread {
  int64_t cut_begin = 0, cut_end = 0, extra = 0;
};

Result<std::vector<Spread>> spreads_of(const ForeignNode& node, std::span<const int64_t> spatial,
                                       const Windows& w) {
  const size_t dims = w.dims();
  INFERD_ASSIGN_OR_RETURN(const auto extra, window_ints(node, "output_padding", dims, 0, 0));
  INFERD_ASSIGN_OR_RETURN(auto wanted, window_ints(node, "output_shape", dims, 0, 0));
  const std::string auto_pad = Lowering::text_attr(node, "auto_pad", "NOTSET");
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  std::vector<Spread> spreads;
  for (size_t d = 0; d < dims; ++d) {
    if (wanted[d] == 0 && !same) {
      spreads.push_back({w.before[d], w.after[d], extra[d]});
      continue;
    }
    if (spatial[d] == kDynamicDim)
      return failed_precondition("an output size for an unknown input");
    if (wanted[d] == 0) wanted[d] = spatial[d] * w.stride[d];
    const int64_t total = (spatial[d] - 1) * w.stride[d] + w.span(d) + extra[d] - wanted[d];
    const int64_t half = std::max<int64_t>(total, 0) / 2;
    const int64_t other = std::max<int64_t>(total, 0) - half;
    const bool smaller_first = auto_pad == "SAME_UPPER";
    spreads.push_back({smaller_first ? half : other, smaller_first ? other : half,
                       extra[d] + std::max<int64_t>(-total, 0)});
  }
  return spreads;
}

// Weights [C,O/groups,K...] as [O,C/groups,K...].
Result<ValueId> outputs_first(Lowering& l, ValueId w, int64_t groups, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  const std::string name = node.name + "/weights";
  const Shape s = l.info(w).shape;
  if (groups < 1 || s[0] % groups != 0) {
    return invalid_argument(std::to_string(s[0]) + " channels cannot be split into " +
                            std::to_string(groups) + " groups");
  }
  if (groups == 1) {
    std::vector<int> swap = {1, 0};
    for (int d = 2; d < s.rank(); ++d) swap.push_back(d);
    return b.transpose(w, swap, name);
  }
  std::vector<int64_t> split = {groups, s[0] / groups, s[1]};
  std::vector<int64_t> merged = {groups * s[1], s[0] / groups};
  std::vector<int> perm = {0, 2, 1};
  for (int d = 2; d < s.rank(); ++d) {
    split.push_back(s[d]);
    merged.push_back(s[d]);
    perm.push_back(d + 1);
  }
  INFERD_ASSIGN_OR_RETURN(w, b.reshape(w, split, name));
  INFERD_ASSIGN_OR_RETURN(w, b.transpose(w, perm, name));
  return b.reshape(w, merged, name);
}

// conv_transpose2d of `image` (as to_nhwc() makes it), output in the same form.
Result<ValueId> spread_conv(Lowering& l, const ForeignNode& node, ValueId image, ValueId w,
                            std::optional<ValueId> bias, const Windows& windows,
                            std::span<const Spread> spreads) {
  const int groups = groups_of(node);
  const size_t dims = windows.dims();
  INFERD_ASSIGN_OR_RETURN(w, outputs_first(l, w, groups, node));
  int64_t positions = 1;
  if (dims == 3) {
    if (l.info(image).shape[1] == kDynamicDim) return failed_precondition("an unknown depth");
    const Spread& s = spreads[0];
    positions = (l.info(image).shape[1] - 1) * windows.stride[0] + windows.span(0) + s.extra -
                s.cut_begin - s.cut_end;
    if (positions < 1) return invalid_argument("padding cuts off all of the output");
    const DepthSpread depth{windows.kernel[0], windows.stride[0], windows.dilation[0], s.cut_begin,
                            positions};
    INFERD_ASSIGN_OR_RETURN(image,
                            fold_spread_depth(l, image, depth, groups, node.name + "/depth"));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId weights, dense_weights(l, w, node));
  ConvTranspose2dAttrs attrs;
  attrs.window = windows.image();
  attrs.groups = groups;
  const Spread& columns = spreads[dims - 1];
  attrs.window.pad_left = static_cast<int>(columns.cut_begin);
  attrs.window.pad_right = static_cast<int>(columns.cut_end);
  attrs.extra_w = static_cast<int>(columns.extra);
  if (dims > 1) {
    const Spread& rows = spreads[dims - 2];
    attrs.window.pad_top = static_cast<int>(rows.cut_begin);
    attrs.window.pad_bottom = static_cast<int>(rows.cut_end);
    attrs.extra_h = static_cast<int>(rows.extra);
  }
  std::vector<ValueId> inputs = {image, weights};
  if (bias) inputs.push_back(*bias);
  INFERD_ASSIGN_OR_RETURN(const ValueId y,
                          l.builder().op(OpKind::kConvTranspose2d, inputs, attrs, node.name));
  return dims == 3 ? unfold_depth(l, y, positions, node.name + "/volume") : y;
}

// What emit_conv() emits.
Result<ValueId> make_conv(Lowering& l, const ForeignNode& node, ValueId x, ValueId w,
                          std::optional<ValueId> bias, const OutputSpec& spec) {
  INFERD_ASSIGN_OR_RETURN(const auto spatial, spatial_of(l, x));
  const size_t dims = spatial.size();
  INFERD_ASSIGN_OR_RETURN(const Shape ws, weight_shape(l, w, dims));
  INFERD_ASSIGN_OR_RETURN(const Windows windows,
                          windows_of(node, spatial, {ws.begin() + 2, ws.end()}));
  const int groups = groups_of(node);
  const bool depthwise = groups > 1 && groups == l.info(x).shape[1] && ws[1] == 1 && dims < 3;
  INFERD_ASSIGN_OR_RETURN(const ValueId image, to_nhwc(l, x, node));
  OutputSpec inner = spec;
  inner.name.clear();
  ValueId y = ir::kNoValue;
  if (depthwise && l.info(x).dtype != DType::kInt32) {
    INFERD_ASSIGN_OR_RETURN(const ValueId weights, depthwise_weights(l, w, node));
    std::vector<ValueId> inputs = {image, weights};
    if (bias) inputs.push_back(*bias);
    INFERD_ASSIGN_OR_RETURN(
        y, l.builder().op(OpKind::kDepthwiseConv2d, inputs, Conv2dAttrs{windows.image(), 1, {}},
                          node.name, inner));
  } else {
    INFERD_ASSIGN_OR_RETURN(y, dense_conv(l, node, image, w, bias, windows, groups, inner));
  }
  return to_nchw(l, y, dims, node, spec.name);
}

// FusedConv's activation, with its parameters in the order of the attributes of the operator it is.
Result<std::pair<OpKind, OpAttrs>> fused_activation(const ForeignNode& node) {
  const std::string name = Lowering::text_attr(node, "activation", "");
  std::vector<float> params;
  if (const auto attr = node.attrs.find("activation_params"); attr != node.attrs.end()) {
    if (const auto* given = std::get_if<std::vector<float>>(&attr->second)) params = *given;
  }
  const auto param = [&](size_t i, float usual) { return i < params.size() ? params[i] : usual; };
  const auto unary = [](UnaryKind kind, float alpha, float beta) {
    return std::pair<OpKind, OpAttrs>(OpKind::kUnary, UnaryAttrs{kind, alpha, beta});
  };
  const auto clamp = [](float low, float high) {
    return std::pair<OpKind, OpAttrs>(OpKind::kClamp, ClampAttrs{{low, high}});
  };
  if (name == "Relu") return clamp(0.F, kInf);
  if (name == "Clip") return clamp(param(0, -kInf), param(1, kInf));
  if (name == "Sigmoid") return unary(UnaryKind::kSigmoid, 0.F, 0.F);
  if (name == "Tanh") return unary(UnaryKind::kTanh, 0.F, 0.F);
  if (name == "LeakyRelu") return unary(UnaryKind::kLeakyRelu, param(0, 0.01F), 0.F);
  if (name == "HardSigmoid") {
    return unary(UnaryKind::kHardSigmoid, param(0, 0.2F), param(1, 0.5F));
  }
  return unimplemented("activation '" + name + "'");
}

}  // namespace

Status emit_conv(Lowering& l, const ForeignNode& node, ValueId x, ValueId w,
                 std::optional<ValueId> bias, const OutputSpec& spec) {
  INFERD_ASSIGN_OR_RETURN(const ValueId y, make_conv(l, node, x, w, bias, spec));
  return l.set_output(node, 0, y);
}

// A convolution, plus what is at input 3, then an activation.
Status fused_conv(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId w, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const auto bias, bias_at(l, node, 2));
  INFERD_ASSIGN_OR_RETURN(const auto activation, fused_activation(node));
  INFERD_ASSIGN_OR_RETURN(ValueId y, make_conv(l, node, x, w, bias, {}));
  if (l.has(node, 3)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId sum, l.input(node, 3));
    INFERD_ASSIGN_OR_RETURN(
        y, l.builder().op(OpKind::kBinary, {y, sum}, BinaryAttrs{BinaryKind::kAdd, {}}, node.name));
  }
  return emit(l, node, activation.first, std::array{y}, activation.second);
}

Status conv(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId w, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const auto bias, bias_at(l, node, 2));
  return emit_conv(l, node, x, w, bias, named(node));
}

Status conv_transpose(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId w, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const auto bias, bias_at(l, node, 2));
  INFERD_ASSIGN_OR_RETURN(const auto spatial, spatial_of(l, x));
  const size_t dims = spatial.size();
  INFERD_ASSIGN_OR_RETURN(const Shape ws, weight_shape(l, w, dims));
  // The padding of SAME means something else here: see spreads_of().
  ForeignNode unpadded = node;
  if (Lowering::text_attr(node, "auto_pad", "NOTSET") != "NOTSET") {
    unpadded.attrs["auto_pad"] = std::string("VALID");
  }
  INFERD_ASSIGN_OR_RETURN(const Windows windows,
                          windows_of(unpadded, spatial, {ws.begin() + 2, ws.end()}));
  INFERD_ASSIGN_OR_RETURN(const auto spreads, spreads_of(node, spatial, windows));
  INFERD_ASSIGN_OR_RETURN(const ValueId image, to_nhwc(l, x, node));
  INFERD_ASSIGN_OR_RETURN(ValueId y, spread_conv(l, node, image, w, bias, windows, spreads));
  INFERD_ASSIGN_OR_RETURN(y, to_nchw(l, y, dims, node, named(node).name));
  return l.set_output(node, 0, y);
}

}  // namespace inferd::import::onnx_lower
