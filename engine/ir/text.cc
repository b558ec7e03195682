// SPDX-License-Identifier: Apache-2.0
#include <concepts>
#include <sstream>

#include "engine/base/op_fields.h"
#include "engine/ir/graph.h"
#include "engine/ir/late.h"

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

std::string number_text(float value) {
  std::ostringstream out;
  out << value;
  return out.str();
}
template <std::integral T>
std::string number_text(T value) {
  return std::to_string(value);
}

std::string activation_text(const Activation& a) {
  return a.none() ? "" : " clamp=" + number_text(a.min) + ".." + number_text(a.max);
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

// Names of enumerators stand alone; so do those of flags that are set. Numbers that are as by
// default are left out, but not an axis.
template <typename T>
std::string field_text(std::string_view name, const T& value, const T& usual) {
  const auto named = [&](const std::string& text) { return " " + std::string(name) + "=" + text; };
  if constexpr (std::is_same_v<T, Window2d>) {
    return window_text(value);
  } else if constexpr (std::is_same_v<T, Activation>) {
    return activation_text(value);
  } else if constexpr (std::is_same_v<T, Rounding> || std::is_same_v<T, PadMode>) {
    return value == usual ? "" : " " + std::string(enumerator_name(value));
  } else if constexpr (std::is_enum_v<T>) {
    return " " + std::string(enumerator_name(value));
  } else if constexpr (std::is_same_v<T, bool>) {
    return value == usual ? "" : " " + std::string(name);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return value == usual && name != "axis" ? "" : named(number_text(value));
  } else {
    return named(numbers(value));
  }
}

template <typename A>
std::string attrs_text(const A& attrs) {
  [[maybe_unused]] static const A kUsual;
  std::string text;
  std::apply(
      [&](const auto&... fields) {
        ((text += field_text(fields.name, attrs.*fields.member, kUsual.*fields.member)), ...);
      },
      kFields<A>);
  return text;
}

std::string attrs_text(const OpAttrs& attrs) {
  return std::visit([](const auto& alternative) { return attrs_text(alternative); }, attrs);
}

// "add" of a binary operator; empty where the operator is of one kind.
std::string kind_text(const OpAttrs& attrs) {
  std::string text;
  const auto take_kind = [&]<typename T>(std::string_view name, const T& value) {
    if constexpr (std::is_enum_v<T>) {
      if (name == "kind") text = enumerator_name(value);
    }
  };
  std::visit([&](const auto& alternative) { visit_fields(alternative, take_kind); }, attrs);
  return text;
}

}  // namespace

std::string title(const Node& node) {
  std::string kind(op_name(node.kind));
  // The usual softmax is named after the operator.
  const std::string which = kind_text(node.attrs);
  if (!which.empty() && which != kind) kind += " " + which;
  return kind + " '" + node.name + "'";
}

std::string to_text(const Graph& graph) {
  std::string text = "inputs " + list_text(graph, graph.inputs()) + "\n";
  for (const Node& node : graph.nodes()) {
    text += list_text(graph, node.outputs) + " = " + std::string(op_name(node.kind)) +
            (node.late != nullptr ? " " + std::string(node.late->op()) : "") +
            attrs_text(node.attrs) + " (";
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
