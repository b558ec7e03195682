// SPDX-License-Identifier: Apache-2.0
#include <sstream>

#include "engine/ir/graph.h"

namespace inferd::ir {
namespace {

std::string value_text(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  std::ostringstream out;
  out << '%' << id << ':' << dtype_name(value.dtype)
      << (value.shape_known ? value.shape.to_string() : "[...]");
  if (!value.quantization.empty()) {
    out << " q(" << value.quantization.scale() << ',' << value.quantization.zero_point();
    if (value.quantization.per_channel()) {
      out << ",x" << value.quantization.scales.size() << "@" << value.quantization.axis;
    }
    out << ')';
  }
  return out.str();
}

std::string list_text(const Graph& graph, const std::vector<ValueId>& ids) {
  std::string text;
  for (ValueId id : ids) text += (text.empty() ? "" : ", ") + value_text(graph, id);
  return text;
}

template <typename T>
std::string numbers(const std::vector<T>& values) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) {
    const bool end = static_cast<int64_t>(values[i]) == kSliceEnd;
    text += (i > 0 ? "," : "") + (end ? "end" : std::to_string(values[i]));
  }
  return text + "]";
}

// Nothing for the usual value.
std::string number_text(const char* name, float value, float usual) {
  if (value == usual) return "";
  std::ostringstream out;
  out << name << value;
  return out.str();
}

std::string activation_text(const Activation& a) {
  if (a.none()) return "";
  std::ostringstream out;
  out << " clamp=" << a.min << ".." << a.max;
  return out.str();
}

std::string window_text(const Window2d& w) {
  std::ostringstream out;
  out << " kernel=" << w.kernel_h << 'x' << w.kernel_w << " stride=" << w.stride_h << 'x'
      << w.stride_w;
  if (w.dilation_h != 1 || w.dilation_w != 1)
    out << " dilation=" << w.dilation_h << 'x' << w.dilation_w;
  if (w.pad_top + w.pad_bottom + w.pad_left + w.pad_right != 0) {
    out << " pad=" << w.pad_top << ',' << w.pad_left << ',' << w.pad_bottom << ',' << w.pad_right;
  }
  return out.str();
}

struct AttrsText {
  std::string operator()(const std::monostate&) const { return ""; }
  std::string operator()(const Conv2dAttrs& a) const {
    return window_text(a.window) + (a.groups != 1 ? " groups=" + std::to_string(a.groups) : "") +
           activation_text(a.activation);
  }
  std::string operator()(const FullyConnectedAttrs& a) const {
    return activation_text(a.activation);
  }
  std::string operator()(const MatMulAttrs& a) const {
    return std::string(a.transpose_a ? " ta" : "") + (a.transpose_b ? " tb" : "") +
           activation_text(a.activation);
  }
  std::string operator()(const BinaryAttrs& a) const {
    constexpr const char* kNames[] = {"add", "sub", "mul", "div", "min", "max", "pow"};
    return std::string(" ") + kNames[static_cast<size_t>(a.kind)] + activation_text(a.activation);
  }
  std::string operator()(const UnaryAttrs& a) const {
    constexpr const char* kNames[] = {
        "sigmoid", "tanh", "hard_swish", "hard_sigmoid", "leaky_relu", "elu",
        "silu",    "exp",  "log",        "sqrt",         "rsqrt",      "square",
        "neg",     "abs",  "floor",      "ceil",         "round"};
    return std::string(" ") + kNames[static_cast<size_t>(a.kind)] +
           number_text(" alpha=", a.alpha, 0) + number_text(" beta=", a.beta, 0);
  }
  std::string operator()(const ClampAttrs& a) const { return activation_text(a.range); }
  std::string operator()(const Pool2dAttrs& a) const {
    return window_text(a.window) + (a.count_padding ? " count_padding" : "") +
           activation_text(a.activation);
  }
  std::string operator()(const ReduceAttrs& a) const {
    constexpr const char* kNames[] = {"mean", "sum", "max", "min", "prod"};
    return std::string(" ") + kNames[static_cast<size_t>(a.kind)] + " axes=" + numbers(a.axes) +
           (a.keep_dims ? " keep" : "");
  }
  std::string operator()(const ArgMaxAttrs& a) const {
    return " axis=" + std::to_string(a.axis) + (a.keep_dims ? " keep" : "");
  }
  std::string operator()(const SoftmaxAttrs& a) const {
    return " axis=" + std::to_string(a.axis) + number_text(" beta=", a.beta, 1);
  }
  std::string operator()(const ConcatAttrs& a) const { return " axis=" + std::to_string(a.axis); }
  std::string operator()(const SliceAttrs& a) const {
    return " begin=" + numbers(a.begin) + " end=" + numbers(a.end) + " step=" + numbers(a.step);
  }
  std::string operator()(const PadAttrs& a) const {
    return " before=" + numbers(a.before) + " after=" + numbers(a.after) +
           number_text(" value=", a.value, 0);
  }
  std::string operator()(const ReshapeAttrs& a) const { return " dims=" + numbers(a.dims); }
  std::string operator()(const TransposeAttrs& a) const { return " perm=" + numbers(a.perm); }
  std::string operator()(const StridedCopyAttrs& a) const {
    return " shape=" + numbers(a.shape) + " strides=" + numbers(a.strides) +
           " offset=" + std::to_string(a.offset) + (a.each_slice ? " each_slice" : "");
  }
  std::string operator()(const GatherAttrs& a) const { return " axis=" + std::to_string(a.axis); }
  std::string operator()(const ResizeAttrs& a) const {
    constexpr const char* kCoordinates[] = {" asymmetric", " half_pixel", " align_corners",
                                            " pytorch_half_pixel"};
    constexpr const char* kRounding[] = {" floor", " round_prefer_floor", " round_prefer_ceil",
                                         " ceil"};
    const bool nearest = a.mode == ResizeMode::kNearest;
    return (nearest ? " nearest" : " linear") +
           std::string(kCoordinates[static_cast<size_t>(a.coordinates)]) +
           (nearest ? kRounding[static_cast<size_t>(a.rounding)] : "");
  }
  std::string operator()(const RequantizeAttrs& a) const {
    return a.rounding == Rounding::kFixedPoint ? " fixed_point" : "";
  }
  std::string operator()(const BatchNormAttrs& a) const {
    return " axis=" + std::to_string(a.axis);
  }
  std::string operator()(const DetectionPostProcessAttrs& a) const {
    return " classes=" + std::to_string(a.num_classes);
  }
};

}  // namespace

std::string title(const Node& node) {
  std::string kind(op_name(node.kind));
  const bool one_of_many =
      node.kind == OpKind::kBinary || node.kind == OpKind::kUnary || node.kind == OpKind::kReduce;
  if (one_of_many) {
    const std::string attrs = std::visit(AttrsText{}, node.attrs);  // " div clamp=..."
    kind += attrs.substr(0, attrs.find(' ', 1));
  }
  return kind + " '" + node.name + "'";
}

std::string to_text(const Graph& graph) {
  std::string text = "inputs " + list_text(graph, graph.inputs()) + "\n";
  for (const Node& node : graph.nodes()) {
    text += list_text(graph, node.outputs) + " = " + std::string(op_name(node.kind)) +
            std::visit(AttrsText{}, node.attrs) + " (";
    std::string inputs;
    for (ValueId id : node.inputs) {
      const bool constant = graph.value(id).is_constant();
      inputs += (inputs.empty() ? "" : ", ") + std::string(constant ? "const " : "") + "%" +
                std::to_string(id);
    }
    text += inputs + ")  # " + node.name + "\n";
  }
  return text + "outputs " + list_text(graph, graph.outputs()) + "\n";
}

}  // namespace inferd::ir
