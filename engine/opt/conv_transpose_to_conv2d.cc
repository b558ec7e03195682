// SPDX-License-Identifier: Apache-2.0
//
// A transposed convolution with known weights becomes an ordinary one, for which there are fast
// kernels. Output positions that leave the same remainder when divided by the stride (a phase) see
// the same taps of the kernel, and their neighbours see the same taps one input pixel on. So one
// convolution of stride 1 computes all phases of a place as channels, and a transpose puts them
// side by side:
//
//   y[q * stride + phase - pad] = sum over e of x[q - e] * w[(phase + e * stride) / dilation]
//
// where weights that do not exist are zero. With kernels that are a multiple of the stride nothing
// is multiplied in vain.
#include <algorithm>

#include "engine/ir/builder.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

// One dimension.
struct Phases {
  int64_t stride, dilation, kernel;
  int64_t taps;           // of the new convolution
  int64_t first, count;   // values of q that are needed
  int64_t before, after;  // padding of the new convolution
  int64_t cut;            // what its phases have before the output begins
  int64_t out;

  Phases(int64_t in, int64_t out_size, int stride_, int dilation_, int kernel_, int pad)
      : stride(stride_), dilation(dilation_), kernel(kernel_), out(out_size) {
    taps = (kernel - 1) * dilation / stride + 1;
    first = pad / stride;
    count = (pad + out - 1) / stride - first + 1;
    before = taps - 1 - first;
    after = std::max<int64_t>(count - in - before + taps - 1, 0);
    cut = pad - first * stride;
    count = in + before + after - taps + 1;
  }
  // The kernel's tap that tap `j` of the new convolution is for `phase`; -1: none.
  int64_t tap(int64_t phase, int64_t j) const {
    const int64_t at = phase + (taps - 1 - j) * stride;
    return at % dilation == 0 && at / dilation < kernel ? at / dilation : -1;
  }
};

struct Plan {
  Phases rows, columns;
  int64_t groups;
  int64_t channels;  // of the output

  int64_t phases() const { return rows.stride * columns.stride; }
  int64_t per_group() const { return channels / groups; }
  // Channels of the new convolution are [group][row phase][column phase][channel of the group].
  int64_t channel(int64_t c) const {
    return c / (phases() * per_group()) * per_group() + c % per_group();
  }
  int64_t row_phase(int64_t c) const { return c / (columns.stride * per_group()) % rows.stride; }
  int64_t column_phase(int64_t c) const { return c / per_group() % columns.stride; }
  // Where strides are much larger than kernels most weights would be zeros.
  bool fits() const {
    constexpr double kMostTimesWeights = 8;
    const double taps = static_cast<double>(phases()) * static_cast<double>(rows.taps) *
                        static_cast<double>(columns.taps);
    const double kernel = static_cast<double>(rows.kernel) * static_cast<double>(columns.kernel);
    return rows.before >= 0 && columns.before >= 0 && taps <= kMostTimesWeights * kernel;
  }
};

std::shared_ptr<const Constant> phase_weights(const ir::Value& w, const Plan& plan) {
  const int64_t pixel = w.shape[3] * static_cast<int64_t>(dtype_size(w.dtype));
  const int64_t bytes = plan.channels * plan.phases() * plan.rows.taps * plan.columns.taps * pixel;
  const auto make = [constant = w.constant, q = w.quantization, shape = w.shape, plan,
                     pixel](std::span<std::byte> to) {
    const ConstantUse use(constant);
    std::byte* out = to.data();
    for (int64_t c = 0; c < plan.channels * plan.phases(); ++c) {
      const int64_t o = plan.channel(c);
      const auto zero = q.empty() ? 0 : q.zero_points[q.per_channel() ? static_cast<size_t>(o) : 0];
      for (int64_t i = 0; i < plan.rows.taps; ++i) {
        const int64_t row = plan.rows.tap(plan.row_phase(c), i);
        for (int64_t j = 0; j < plan.columns.taps; ++j, out += pixel) {
          const int64_t column = plan.columns.tap(plan.column_phase(c), j);
          // Quantized weights have a byte each; zero in float32 and float16 is bytes of zero.
          if (row < 0 || column < 0) {
            std::fill_n(out, pixel, static_cast<std::byte>(static_cast<uint8_t>(zero)));
          } else {
            const int64_t from = ((o * shape[1] + row) * shape[2] + column) * pixel;
            std::copy_n(use.bytes().data() + from, pixel, out);
          }
        }
      }
    }
  };
  return Constant::made(static_cast<size_t>(bytes), make);
}

std::shared_ptr<const Constant> phase_bias(const ir::Value& bias, const Plan& plan) {
  const size_t width = dtype_size(bias.dtype);
  const auto make = [constant = bias.constant, plan, width](std::span<std::byte> to) {
    const ConstantUse use(constant);
    for (size_t c = 0; c * width < to.size(); ++c) {
      const auto from = static_cast<size_t>(plan.channel(static_cast<int64_t>(c))) * width;
      std::copy_n(use.bytes().data() + from, width, to.data() + c * width);
    }
  };
  return Constant::made(static_cast<size_t>(plan.channels * plan.phases()) * width, make);
}

Quantization phase_quantization(const Quantization& q, const Plan& plan) {
  if (!q.per_channel()) return q;
  Quantization all;
  all.axis = 0;
  for (int64_t c = 0; c < plan.channels * plan.phases(); ++c) {
    const auto o = static_cast<size_t>(plan.channel(c));
    all.scales.push_back(q.scales[o]);
    all.zero_points.push_back(q.zero_points[o]);
  }
  return all;
}

// The node's inputs for the new convolution.
std::vector<ir::ValueId> phase_inputs(ir::Builder& b, const ir::Node& node, const Plan& plan) {
  const ir::Value w = b.graph().value(node.inputs[1]);
  const int64_t channels = plan.channels * plan.phases();
  std::vector<ir::ValueId> inputs = {
      node.inputs[0],
      b.constant(w.name, w.dtype, {channels, plan.rows.taps, plan.columns.taps, w.shape[3]},
                 phase_weights(w, plan), phase_quantization(w.quantization, plan))};
  if (node.inputs.size() > 2) {
    const ir::Value bias = b.graph().value(node.inputs[2]);
    inputs.push_back(b.constant(bias.name, bias.dtype, {channels}, phase_bias(bias, plan),
                                phase_quantization(bias.quantization, plan)));
  }
  return inputs;
}

// [N,H,W,groups * phases * C] with phases side by side.
Result<ir::ValueId> spread_phases(ir::Builder& b, ir::ValueId y, const Plan& plan,
                                  const std::string& name) {
  if (plan.phases() == 1) return y;
  const Phases& r = plan.rows;
  const Phases& c = plan.columns;
  INFERD_ASSIGN_OR_RETURN(
      y, b.reshape(y, {-1, r.count, c.count, plan.groups, r.stride, c.stride, plan.per_group()},
                   name));
  INFERD_ASSIGN_OR_RETURN(y, b.transpose(y, {0, 1, 4, 2, 5, 3, 6}, name));
  return b.reshape(y, {-1, r.count * r.stride, c.count * c.stride, plan.channels}, name);
}

bool can_convert(const ir::Graph& graph, const ir::Node& node) {
  if (node.kind != OpKind::kConvTranspose2d) return false;
  const ir::Value& x = graph.value(node.inputs[0]);
  const ir::Value& w = graph.value(node.inputs[1]);
  return x.shape_known && x.shape[1] > 0 && x.shape[2] > 0 && w.is_constant() &&
         (node.inputs.size() < 3 || graph.value(node.inputs[2]).is_constant()) &&
         (w.quantization.empty() || dtype_size(w.dtype) == 1);
}

Plan plan_of(const ir::Graph& graph, const ir::Node& node) {
  const auto& attrs = std::get<ConvTranspose2dAttrs>(node.attrs);
  const Window2d& w = attrs.window;
  const Shape& x = graph.value(node.inputs[0]).shape;
  const Shape& y = graph.value(node.outputs[0]).shape;
  return {Phases(x[1], y[1], w.stride_h, w.dilation_h, w.kernel_h, w.pad_top),
          Phases(x[2], y[2], w.stride_w, w.dilation_w, w.kernel_w, w.pad_left), attrs.groups, y[3]};
}

Status convert(ir::Graph& graph, const ir::Node& node, const Plan& plan) {
  ir::Builder b(graph);
  const auto& attrs = std::get<ConvTranspose2dAttrs>(node.attrs);
  const ir::Value y = graph.value(node.outputs[0]);
  Conv2dAttrs conv{{}, attrs.groups, attrs.activation};
  conv.window = {.kernel_h = static_cast<int>(plan.rows.taps),
                 .kernel_w = static_cast<int>(plan.columns.taps),
                 .pad_top = static_cast<int>(plan.rows.before),
                 .pad_bottom = static_cast<int>(plan.rows.after),
                 .pad_left = static_cast<int>(plan.columns.before),
                 .pad_right = static_cast<int>(plan.columns.after)};
  INFERD_ASSIGN_OR_RETURN(ir::ValueId all,
                          b.op(OpKind::kConv2d, phase_inputs(b, node, plan), conv, node.name,
                               ir::OutputSpec::typed("", y.dtype, y.quantization)));
  INFERD_ASSIGN_OR_RETURN(all, spread_phases(b, all, plan, node.name));
  SliceAttrs part{
      {0, plan.rows.cut, plan.columns.cut, 0},
      {kSliceEnd, plan.rows.cut + plan.rows.out, plan.columns.cut + plan.columns.out, kSliceEnd},
      {1, 1, 1, 1}};
  graph.add_node({OpKind::kSlice, node.name, std::move(part), {all}, node.outputs});
  return ok_status();
}

}  // namespace

Result<bool> conv_transpose_to_conv2d(ir::Graph& graph, const PassContext&) {
  bool changed = false;
  std::vector<ir::Node> nodes = std::move(graph.nodes());
  graph.nodes().clear();
  for (ir::Node& node : nodes) {
    if (can_convert(graph, node)) {
      if (const Plan plan = plan_of(graph, node); plan.fits()) {
        INFERD_RETURN_IF_ERROR(convert(graph, node, plan));
        changed = true;
        continue;
      }
    }
    graph.add_node(std::move(node));
  }
  return changed;
}

}  // namespace inferd::opt
