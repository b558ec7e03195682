// SPDX-License-Identifier: Apache-2.0
//
// Sequences inside a model: lists that are known when it is lowered, and then only their tensors
// remain.
#include <algorithm>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

Result<std::vector<ValueId>> sequence_input(const Lowering& l, const ForeignNode& node) {
  const std::string name = node.inputs.empty() ? "" : node.inputs[0];
  if (const auto* tensors = l.sequence(name)) return *tensors;
  return unimplemented("'" + name + "' is not a sequence that is known before a request");
}

void make_sequence(Lowering& l, const ForeignNode& node, std::vector<ValueId> tensors) {
  if (!node.outputs.empty()) l.set_sequence(node.outputs[0], std::move(tensors));
}

// The position that input `i` tells, below `end`: `fallback` when there is none. Negative ones
// count from the end of a list of `size`.
Result<size_t> position(Lowering& l, const ForeignNode& node, size_t i, size_t size, size_t end,
                        int64_t fallback) {
  int64_t at = fallback;
  if (l.has(node, i)) {
    INFERD_ASSIGN_OR_RETURN(const auto given, l.ints(node, i));
    if (given.size() != 1) return invalid_argument("the position is not one number");
    at = given[0];
  }
  if (at < 0) at += static_cast<int64_t>(size);
  if (at >= 0 && at < static_cast<int64_t>(end)) return static_cast<size_t>(at);
  return invalid_argument("position " + std::to_string(at) + " is outside of a sequence of " +
                          std::to_string(size));
}

}  // namespace

Status sequence_construct(Lowering& l, const ForeignNode& node) {
  std::vector<ValueId> tensors;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(tensors.emplace_back(), l.input(node, i));
  }
  make_sequence(l, node, std::move(tensors));
  return ok_status();
}

Status sequence_empty(Lowering& l, const ForeignNode& node) {
  make_sequence(l, node, {});
  return ok_status();
}

Status sequence_insert(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(std::vector<ValueId> tensors, sequence_input(l, node));
  INFERD_ASSIGN_OR_RETURN(const ValueId tensor, l.input(node, 1));
  const size_t size = tensors.size();
  INFERD_ASSIGN_OR_RETURN(const size_t at,
                          position(l, node, 2, size, size + 1, static_cast<int64_t>(size)));
  tensors.insert(tensors.begin() + static_cast<ptrdiff_t>(at), tensor);
  make_sequence(l, node, std::move(tensors));
  return ok_status();
}

Status sequence_erase(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(std::vector<ValueId> tensors, sequence_input(l, node));
  INFERD_ASSIGN_OR_RETURN(const size_t at,
                          position(l, node, 1, tensors.size(), tensors.size(), -1));
  tensors.erase(tensors.begin() + static_cast<ptrdiff_t>(at));
  make_sequence(l, node, std::move(tensors));
  return ok_status();
}

Status sequence_at(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const std::vector<ValueId> tensors, sequence_input(l, node));
  INFERD_ASSIGN_OR_RETURN(const size_t at, position(l, node, 1, tensors.size(), tensors.size(), 0));
  return l.set_output(node, 0, tensors[at]);
}

Status sequence_length(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const std::vector<ValueId> tensors, sequence_input(l, node));
  const auto length = static_cast<int64_t>(tensors.size());
  const auto bytes = std::as_bytes(std::span(&length, 1));
  return l.set_output(
      node, 0,
      l.builder().constant_bytes("", DType::kInt64, Shape(), {bytes.begin(), bytes.end()}));
}

Status concat_from_sequence(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(std::vector<ValueId> tensors, sequence_input(l, node));
  if (tensors.empty()) return invalid_argument("concatenates an empty sequence");
  const bool new_axis = Lowering::int_attr(node, "new_axis", 0) != 0;
  INFERD_RETURN_IF_ERROR(l.known_rank(tensors[0]));
  const int rank = l.info(tensors[0]).shape.rank() + (new_axis ? 1 : 0);
  INFERD_ASSIGN_OR_RETURN(const int axis,
                          normalize_axis(Lowering::int_attr(node, "axis", 0), rank));
  for (ValueId& tensor : tensors) {
    if (!new_axis) break;
    const Shape& shape = l.info(tensor).shape;
    if (!shape.is_static()) return failed_precondition("stacks tensors of unknown size");
    std::vector<int64_t> dims(shape.begin(), shape.end());
    if (axis > shape.rank()) return invalid_argument("tensors of a sequence differ in rank");
    dims.insert(dims.begin() + axis, 1);
    INFERD_ASSIGN_OR_RETURN(tensor, l.builder().reshape(tensor, std::move(dims), node.name));
  }
  return emit(l, node, OpKind::kConcat, tensors, ConcatAttrs{axis});
}

Status split_to_sequence(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), x));
  const Shape shape = l.info(x).shape;
  const int64_t dim = shape[axis];
  if (dim == kDynamicDim) return unimplemented("splits a dimension of unknown size");
  const bool each = !l.has(node, 1);
  const bool squeeze = each && Lowering::int_attr(node, "keepdims", 1) == 0;
  std::vector<int64_t> sizes;
  bool by_size = each;
  int64_t size = 1;
  if (!each) {
    INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, 1));
    INFERD_ASSIGN_OR_RETURN(sizes, l.ints(node, 1));
    by_size = l.info(id).shape.rank() == 0;
    if (by_size) size = sizes.at(0);
  }
  if (by_size) {
    if (size < 1) return invalid_argument("splits into pieces of " + std::to_string(size));
    sizes.clear();
    for (int64_t at = 0; at < dim; at += size) sizes.push_back(std::min(size, dim - at));
  }
  std::vector<ValueId> pieces;
  int64_t begin = 0;
  for (int64_t piece : sizes) {
    if (piece < 0 || piece > dim - begin) {
      return invalid_argument("split does not fit " + shape.to_string());
    }
    SliceAttrs attrs = whole_slice(shape.rank());
    attrs.begin[static_cast<size_t>(axis)] = begin;
    attrs.end[static_cast<size_t>(axis)] = begin += piece;
    INFERD_ASSIGN_OR_RETURN(ValueId id, l.builder().op(OpKind::kSlice, {x}, attrs, node.name));
    if (squeeze) {
      const Shape s = l.info(id).shape;
      if (!s.is_static()) return unimplemented("splits a tensor of unknown size");
      std::vector<int64_t> dims(s.begin(), s.end());
      dims.erase(dims.begin() + axis);
      INFERD_ASSIGN_OR_RETURN(id, l.builder().reshape(id, std::move(dims), node.name));
    }
    pieces.push_back(id);
  }
  if (begin != dim) return invalid_argument("split does not fit " + shape.to_string());
  make_sequence(l, node, std::move(pieces));
  return ok_status();
}

}  // namespace inferd::import::onnx_lower
