// SPDX-License-Identifier: Apache-2.0
#include "engine/export/onnx/tensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

namespace inferd::exporter {
namespace {

constexpr std::array<int64_t, 4> kToFirst = {0, 3, 1, 2};
constexpr std::array<int64_t, 4> kToLast = {0, 2, 3, 1};

// The elements of `bytes`, shaped `view`, with its dimensions in the order `perm`.
std::vector<std::byte> permuted(std::span<const std::byte> bytes, size_t element,
                                const std::vector<int64_t>& view, const std::vector<int>& perm) {
  std::vector<int64_t> strides(view.size(), 1);
  for (size_t d = view.size(); d-- > 1;) strides[d - 1] = strides[d] * view[d];
  std::vector<std::byte> out(bytes.size());
  std::vector<int64_t> at(view.size(), 0);
  for (size_t o = 0; o < out.size(); o += element) {
    int64_t from = 0;
    for (size_t d = 0; d < perm.size(); ++d) from += at[d] * strides[static_cast<size_t>(perm[d])];
    std::memcpy(out.data() + o, bytes.data() + static_cast<size_t>(from) * element, element);
    for (size_t d = perm.size(); d-- > 0;) {
      if (++at[d] < view[static_cast<size_t>(perm[d])]) break;
      at[d] = 0;
    }
  }
  return out;
}

}  // namespace

Tensors::Tensors(const ir::Graph& graph, Document& document)
    : graph_(graph),
      document_(document),
      base_(graph.value_count()),
      dequantized_(graph.value_count(), ir::kNoValue) {
  const auto take = [&](ir::ValueId id) {
    std::string& name = base_[static_cast<size_t>(id)];
    if (name.empty()) name = document_.unique(info(id).name);
  };
  for (const ir::ValueId id : graph.inputs()) {
    take(id);
    there_[{id, Layout::kPlain}] = base_[static_cast<size_t>(id)];
  }
  for (const ir::ValueId id : graph.outputs()) take(id);
  for (const ir::Node& node : graph.nodes()) {
    if (node.kind == OpKind::kDequantize && info(node.inputs[0]).is_constant()) {
      dequantized_[static_cast<size_t>(node.outputs[0])] = node.inputs[0];
    }
  }
}

ir::ValueId Tensors::constant_of(ir::ValueId id) const {
  return info(id).is_constant() ? id : dequantized_[static_cast<size_t>(id)];
}

bool Tensors::is_output(ir::ValueId id) const {
  return std::find(graph_.outputs().begin(), graph_.outputs().end(), id) != graph_.outputs().end();
}

bool Tensors::only_channels_first(ir::ValueId id) const {
  return there_.contains({id, Layout::kChannelsFirst}) && !there_.contains({id, Layout::kPlain});
}

Arrangement Tensors::as(ir::ValueId id, Layout layout) const {
  Arrangement a;
  const Quantization& q = info(constant_of(id)).quantization;
  a.view.assign(info(id).shape.begin(), info(id).shape.end());
  a.channel_axis = q.axis;
  if (layout == Layout::kChannelsFirst) {
    a.view.insert(a.view.begin(), 4 - a.view.size(), 1);
    a.perm = {0, 3, 1, 2};
    for (const int d : a.perm) a.shape.push_back(a.view[static_cast<size_t>(d)]);
    return a;
  }
  a.perm.resize(a.view.size());
  std::iota(a.perm.begin(), a.perm.end(), 0);
  a.shape = a.view;
  return a;
}

std::string Tensors::arranged(ir::ValueId id, const Arrangement& arrangement) {
  const ir::Value& constant = info(constant_of(id));
  const ConstantUse use(constant.constant);
  const std::vector<std::byte> bytes =
      permuted(use.bytes(), dtype_size(constant.dtype), arrangement.view, arrangement.perm);
  std::string name = document_.initializer(constant.name, constant.dtype, arrangement.shape, bytes);
  if (info(id).is_constant()) return name;
  std::vector<std::string> inputs = {name};
  const Quantization& q = constant.quantization;
  std::string result = document_.inner(name + "/dequantized");
  if (q.empty()) {  // float16
    document_.node("Cast", result, inputs, result)
        .attr("to", int64_t{element_type(DType::kFloat32)});
    return result;
  }
  inputs.push_back(document_.scales(q.scales));
  // Of an int32, runtimes want none.
  if (constant.dtype != DType::kInt32) {
    inputs.push_back(document_.zero_points(q.zero_points, constant.dtype));
  }
  NodeBuilder node = document_.node("DequantizeLinear", result, inputs, result);
  if (q.per_channel()) node.attr("axis", arrangement.channel_axis);
  return result;
}

std::string Tensors::name(ir::ValueId id, Layout layout) {
  if (const auto it = there_.find({id, layout}); it != there_.end()) return it->second;
  if (is_constant(id)) return there_[{id, layout}] = arranged(id, as(id, layout));
  const bool first = layout == Layout::kChannelsFirst;
  const Layout other = first ? Layout::kPlain : Layout::kChannelsFirst;
  const std::string from = there_.at({id, other});
  const std::string to = define(id, layout);
  document_.node("Transpose", to, {from}, to).attr("perm", first ? kToFirst : kToLast);
  return to;
}

std::string Tensors::define(ir::ValueId id, Layout layout) {
  std::string& base = base_[static_cast<size_t>(id)];
  if (base.empty()) base = document_.inner(info(id).name);
  const bool first = layout == Layout::kChannelsFirst;
  return there_[{id, layout}] = first ? document_.inner(base + "/nchw") : base;
}

void Tensors::alias(ir::ValueId id, Layout layout, const std::string& name) {
  there_[{id, layout}] = name;
}

}  // namespace inferd::exporter
