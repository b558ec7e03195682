// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <string>
#include <utility>

#include "engine/ir/graph.h"
#include "engine/ir/ops.h"
#include "engine/ir/shape_inference.h"

namespace inferd::ir {
namespace {

std::pair<int32_t, int32_t> zero_point_range(DType dtype) {
  switch (dtype) {
    case DType::kInt8:
      return {-128, 127};
    case DType::kUInt8:
      return {0, 255};
    case DType::kInt16:
      return {-32768, 32767};
    case DType::kUInt16:
      return {0, 65535};
    default:
      return {INT32_MIN, INT32_MAX};
  }
}

Status check_quantization(const Value& value) {
  const Quantization& q = value.quantization;
  if (q.empty()) {
    return q.zero_points.empty() ? ok_status() : invalid_argument("zero points without scales");
  }
  if (q.scales.size() != q.zero_points.size()) {
    return invalid_argument("scales and zero points differ in number");
  }
  // Stored values and zero points lie in the same range, so that their differences fit in 32 bits.
  const auto [low, high] = zero_point_range(value.dtype);
  for (int32_t zero_point : q.zero_points) {
    if (zero_point < low || zero_point > high) {
      return invalid_argument("zero point " + std::to_string(zero_point) + " is out of range for " +
                              std::string(dtype_name(value.dtype)));
    }
  }
  for (float scale : q.scales) {
    // NaN fails both comparisons.
    if (!(scale > 0.F && scale < 1e30F))
      return invalid_argument("a scale is not a positive number");
  }
  if (q.per_channel()) {
    if (q.axis < 0 || q.axis >= value.shape.rank()) {
      return invalid_argument("quantized axis " + std::to_string(q.axis) + " is out of range");
    }
    if (value.shape[q.axis] != static_cast<int64_t>(q.scales.size())) {
      return invalid_argument(std::to_string(q.scales.size()) + " scales for a dimension of " +
                              std::to_string(value.shape[q.axis]));
    }
  }
  return ok_status();
}

Status check_value(const Value& value) {
  if (value.shape_known) INFERD_RETURN_IF_ERROR(check_quantization(value));
  if (!value.is_constant()) return ok_status();
  INFERD_ASSIGN_OR_RETURN(const int64_t bytes, checked_bytes(value.dtype, value.shape));
  if (static_cast<int64_t>(value.constant->size()) == bytes) return ok_status();
  return invalid_argument("constant has " + std::to_string(value.constant->size()) + " bytes, " +
                          value.shape.to_string() + " needs " + std::to_string(bytes));
}

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph), made_(graph.value_count(), false) {}

  Status run() {
    for (size_t i = 0; i < graph_.value_count(); ++i) {
      const Value& value = graph_.value(static_cast<ValueId>(i));
      INFERD_RETURN_IF_ERROR(check_value(value).with_context("tensor '" + value.name + "'"));
      made_[i] = value.is_constant();
    }
    for (ValueId id : graph_.inputs()) {
      if (!in_range(id)) return invalid_argument("a graph input does not exist");
      if (made_[index(id)]) {
        return invalid_argument("input '" + graph_.value(id).name +
                                "' is also a constant or listed twice");
      }
      made_[index(id)] = true;
    }
    for (const Node& node : graph_.nodes()) {
      INFERD_RETURN_IF_ERROR(
          check_node(node).with_context(std::string(op_name(node.kind)) + " '" + node.name + "'"));
    }
    for (ValueId id : graph_.outputs()) {
      if (!in_range(id) || !made_[index(id)])
        return invalid_argument("a graph output is made by no node");
    }
    INFERD_RETURN_IF_ERROR(check_states());
    Graph copy = graph_;
    return infer_shapes(copy);
  }

 private:
  static size_t index(ValueId id) { return static_cast<size_t>(id); }
  bool in_range(ValueId id) const { return id >= 0 && index(id) < graph_.value_count(); }

  Status check_node(const Node& node) {
    for (ValueId id : node.inputs) {
      if (!in_range(id)) return invalid_argument("an input does not exist");
      if (!made_[index(id)]) {
        return invalid_argument("input '" + graph_.value(id).name +
                                "' is used before it is made, or made by no node");
      }
    }
    if ((node.kind == OpKind::kLate) != (node.late != nullptr)) {
      return invalid_argument("only a late operator may have yet to be lowered");
    }
    for (const auto& body : node.bodies) {
      if (body == nullptr) return invalid_argument("a body is missing");
      INFERD_RETURN_IF_ERROR(verify(*body).with_context("body"));
    }
    for (ValueId id : node.outputs) {
      if (!in_range(id)) return invalid_argument("an output does not exist");
      if (made_[index(id)]) {
        return invalid_argument("output '" + graph_.value(id).name + "' is made twice");
      }
      made_[index(id)] = true;
    }
    return ok_status();
  }

  Status check_states() const {
    const size_t count = graph_.initial_states().size();
    if (count > graph_.inputs().size() || count > graph_.outputs().size()) {
      return invalid_argument("more states than inputs or outputs");
    }
    for (size_t i = 0; i < count; ++i) {
      const Value& before = graph_.value(graph_.inputs()[graph_.inputs().size() - count + i]);
      const Value& after = graph_.value(graph_.outputs()[graph_.outputs().size() - count + i]);
      const std::string name = "state '" + before.name + "'";
      if (before.dtype != after.dtype) return invalid_argument(name + " changes its type");
      if (!before.shape.is_static()) return invalid_argument(name + " is of unknown size");
      INFERD_ASSIGN_OR_RETURN(const int64_t bytes, checked_bytes(before.dtype, before.shape));
      const auto& initial = graph_.initial_states()[i];
      if (initial != nullptr && static_cast<int64_t>(initial->size()) != bytes) {
        return invalid_argument(name + " begins as something of another size");
      }
    }
    return ok_status();
  }

  const Graph& graph_;
  std::vector<bool> made_;
};

}  // namespace

Status verify(const Graph& graph) { return Verifier(graph).run(); }

}  // namespace inferd::ir
