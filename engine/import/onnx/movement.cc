// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

constexpr int64_t kFar = int64_t{1} << 40;  // what files use for "to the end" is beyond this

Status reshape_to(Lowering& l, const ForeignNode& node, ValueId x, std::vector<int64_t> dims,
                  bool zero_is_literal) {
  return emit(l, node, OpKind::kReshape, std::array{x},
              ReshapeAttrs{std::move(dims), zero_is_literal});
}

// One dimension of a slice, clipped as numpy clips.
Status clip(int64_t dim, int64_t step, int64_t* begin, int64_t* end) {
  if (dim == kDynamicDim) {
    if (step != 1 || *begin < 0 || (*end < kFar && (*end < 0 || *begin != 0))) {
      return failed_precondition("slices a dimension of unknown size");
    }
    if (*end >= kFar) {
      *end = kSliceEnd;
      if (*begin != 0) return failed_precondition("slices a dimension of unknown size");
    }
    return ok_status();
  }
  const int64_t low = step > 0 ? 0 : -1;
  const int64_t high = step > 0 ? dim : dim - 1;
  const auto clipped = [&](int64_t v) {
    return std::clamp(v < 0 && v > -kFar ? v + dim : v, low, std::max(low, high));
  };
  *begin = clipped(*begin);
  *end = clipped(*end);
  return ok_status();
}

Result<std::vector<int64_t>> piece_sizes(Lowering& l, const ForeignNode& node, int64_t dim) {
  INFERD_ASSIGN_OR_RETURN(auto sizes, ints_from(l, node, "split", 1));
  const auto pieces = static_cast<int64_t>(node.outputs.size());
  if (dim == kDynamicDim) return failed_precondition("splits a dimension of unknown size");
  if (!sizes.empty()) return sizes;
  if (pieces == 0) return invalid_argument("has no outputs");
  const int64_t each = (dim + pieces - 1) / pieces;
  for (int64_t i = 0; i < pieces; ++i)
    sizes.push_back(std::clamp<int64_t>(dim - i * each, 0, each));
  return sizes;
}

Result<PadMode> pad_mode(const ForeignNode& node) {
  const std::string mode = Lowering::text_attr(node, "mode", "constant");
  if (mode == "constant") return PadMode::kConstant;
  if (mode == "reflect") return PadMode::kReflect;
  if (mode == "edge") return PadMode::kEdge;
  if (mode == "wrap") return PadMode::kWrap;
  return invalid_argument("mode '" + mode + "' is none of constant, reflect, edge and wrap");
}

// The axes that Pad's amounts are for: all, or those of its fourth input.
Result<std::vector<int>> pad_axes(Lowering& l, const ForeignNode& node, int rank) {
  std::vector<int> axes;
  if (!l.has(node, 3)) {
    for (int d = 0; d < rank; ++d) axes.push_back(d);
    return axes;
  }
  INFERD_ASSIGN_OR_RETURN(const auto wanted, l.ints(node, 3));
  for (int64_t axis : wanted) {
    INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis, rank));
    axes.push_back(a);
  }
  std::vector<int> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return invalid_argument("axes are repeated");
  }
  return axes;
}

// A float that is known is an attribute, which kernels and passes like best; another value, which
// may not be exact as a float or is computed, stays an input.
Status set_pad_value(Lowering& l, const ForeignNode& node, PadAttrs* attrs,
                     std::vector<ValueId>* inputs) {
  INFERD_ASSIGN_OR_RETURN(const ValueId value, l.input(node, 2));
  const ir::Value& v = l.info(value);
  const bool is_float = v.dtype == DType::kFloat32 || v.dtype == DType::kFloat16;
  if (v.is_constant() && is_float) {
    INFERD_ASSIGN_OR_RETURN(attrs->value, l.scalar(node, 2));
  } else {
    inputs->push_back(value);
  }
  return ok_status();
}

// Negative amounts of padding take away instead: first, and they are 0 then.
Result<ValueId> crop(Lowering& l, const ForeignNode& node, ValueId x, PadAttrs* attrs) {
  const Shape s = l.info(x).shape;
  SliceAttrs slice = whole_slice(s.rank());
  bool crops = false;
  for (size_t d = 0; d < attrs->before.size(); ++d) {
    const int64_t before = std::exchange(attrs->before[d], std::max<int64_t>(attrs->before[d], 0));
    const int64_t after = std::exchange(attrs->after[d], std::max<int64_t>(attrs->after[d], 0));
    if (before >= 0 && after >= 0) continue;
    const int64_t dim = s[static_cast<int>(d)];
    if (dim == kDynamicDim) return failed_precondition("crops a dimension of unknown size");
    const int64_t left = std::max(dim + std::min<int64_t>(before, 0), -kFar);
    if (left + std::max(std::min<int64_t>(after, 0), -kFar) < 0) {
      return invalid_argument("pads take away more than all of " + s.to_string());
    }
    crops = true;
    slice.begin[d] = dim - left;
    slice.end[d] = dim + std::min<int64_t>(after, 0);
  }
  if (!crops) return x;
  return l.builder().op(OpKind::kSlice, {x}, slice, node.name);
}

}  // namespace

Result<DType> element_type(int64_t code) {
  constexpr std::array<std::pair<int64_t, DType>, 12> kTypes = {{{1, DType::kFloat32},
                                                                 {2, DType::kUInt8},
                                                                 {3, DType::kInt8},
                                                                 {4, DType::kUInt16},
                                                                 {5, DType::kInt16},
                                                                 {6, DType::kInt32},
                                                                 {7, DType::kInt64},
                                                                 {9, DType::kBool},
                                                                 {10, DType::kFloat16},
                                                                 {11, DType::kFloat64},
                                                                 {12, DType::kUInt32},
                                                                 {13, DType::kUInt64}}};
  for (const auto& [known, dtype] : kTypes) {
    if (known == code) return dtype;
  }
  return unimplemented("element type " + std::to_string(code) + " is not supported");
}

Result<ValueId> zeros_of(Lowering& l, const ForeignNode& node, DType dtype,
                         const std::vector<int64_t>& dims) {
  ir::Builder& b = l.builder();
  const ValueId zero =
      b.constant_bytes("", dtype, Shape{}, std::vector<std::byte>(dtype_size(dtype)));
  return b.op(OpKind::kExpand, {zero, b.constant_int64s("", dims)}, {}, node.name);
}

Status cast(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const DType dtype, element_type(Lowering::int_attr(node, "to", 0)));
  return emit(l, node, OpKind::kCast, std::array{x}, {},
              OutputSpec::typed(named(node).name, dtype));
}

Status cast_like(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId like, l.input(node, 1));
  return emit(l, node, OpKind::kCast, std::array{x}, {},
              OutputSpec::typed(named(node).name, l.info(like).dtype));
}

Status concat(Lowering& l, const ForeignNode& node) {
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const ValueId id, l.input(node, i));
    inputs.push_back(id);
  }
  if (inputs.empty()) return invalid_argument("has no inputs");
  const int64_t usual = node.version < 4 ? 1 : 0;
  INFERD_ASSIGN_OR_RETURN(const int axis,
                          l.axis(Lowering::int_attr(node, "axis", usual), inputs[0]));
  return emit(l, node, OpKind::kConcat, inputs, ConcatAttrs{axis});
}

Status constant(Lowering& l, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  const std::string name = named(node).name;
  const auto attr = [&](const char* key) {
    const auto it = node.attrs.find(key);
    return it == node.attrs.end() ? nullptr : &it->second;
  };
  if (const ForeignAttr* value = attr("value"); value != nullptr) {
    const auto* t = std::get_if<ForeignTensor>(value);
    if (t == nullptr) return invalid_argument("value is not a tensor");
    if (!t->unsupported.empty()) return unimplemented(t->unsupported);
    return l.set_output(node, 0, b.constant(name, t->dtype, t->shape, t->data));
  }
  if (const ForeignAttr* value = attr("value_float"); value != nullptr) {
    const float number = Lowering::float_attr(node, "value_float", 0.F);
    return l.set_output(node, 0, b.constant_floats(name, Shape{}, std::span(&number, 1)));
  }
  if (const ForeignAttr* value = attr("value_floats"); value != nullptr) {
    const auto* list = std::get_if<std::vector<float>>(value);
    if (list == nullptr) return invalid_argument("value_floats is not a list");
    return l.set_output(node, 0,
                        b.constant_floats(name, {static_cast<int64_t>(list->size())}, *list));
  }
  if (attr("value_int") != nullptr) {
    const int64_t number = Lowering::int_attr(node, "value_int", 0);
    std::vector<std::byte> bytes(sizeof number);
    std::memcpy(bytes.data(), &number, sizeof number);
    return l.set_output(node, 0, b.constant_bytes(name, DType::kInt64, Shape{}, std::move(bytes)));
  }
  if (attr("value_ints") != nullptr) {
    return l.set_output(node, 0, b.constant_int64s(name, Lowering::ints_attr(node, "value_ints")));
  }
  return unimplemented("a constant that is neither a tensor nor numbers");
}

Status constant_of_shape(Lowering& l, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  ValueId value = 0;
  const auto it = node.attrs.find("value");
  const auto* t = it == node.attrs.end() ? nullptr : std::get_if<ForeignTensor>(&it->second);
  if (t != nullptr && !t->unsupported.empty()) return unimplemented(t->unsupported);
  if (t != nullptr && t->shape.elements() == 1) {
    value = b.constant("", t->dtype, {1}, t->data);
  } else {
    const float zero = 0.F;
    value = b.constant_floats("", {1}, std::span(&zero, 1));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId shape, l.input(node, 0));
  return emit(l, node, OpKind::kExpand, std::array{value, shape}, {});
}

Status expand(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId shape, l.input(node, 1));
  return emit(l, node, OpKind::kExpand, std::array{x, shape}, {});
}

Status flatten(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape& s = l.info(x).shape;
  const int64_t wanted = Lowering::int_attr(node, "axis", 1);
  const int64_t axis = wanted < 0 ? wanted + s.rank() : wanted;
  if (axis < 0 || axis > s.rank())
    return invalid_argument("axis " + std::to_string(wanted) + " is out of range");
  if (axis == 1) return reshape_to(l, node, x, {0, -1}, false);
  if (axis == 0) return reshape_to(l, node, x, {1, -1}, true);
  if (!s.is_static()) return failed_precondition("flattens dimensions of unknown size");
  return reshape_to(l, node, x, {s.elements(0, static_cast<int>(axis)), -1}, true);
}

Status identity(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  return l.set_output(node, 0, x);
}

Status pad(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(const auto pads, ints_from(l, node, "pads", 1));
  INFERD_ASSIGN_OR_RETURN(const auto axes, pad_axes(l, node, l.info(x).shape.rank()));
  const auto rank = static_cast<size_t>(l.info(x).shape.rank());
  if (pads.size() != 2 * axes.size()) {
    return invalid_argument("pads does not fit the input's rank or axes");
  }
  PadAttrs attrs;
  INFERD_ASSIGN_OR_RETURN(attrs.mode, pad_mode(node));
  attrs.value = Lowering::float_attr(node, "value", 0.F);
  attrs.before.resize(rank);
  attrs.after.resize(rank);
  for (size_t i = 0; i < axes.size(); ++i) {
    attrs.before[static_cast<size_t>(axes[i])] = pads[i];
    attrs.after[static_cast<size_t>(axes[i])] = pads[i + axes.size()];
  }
  std::vector<ValueId> inputs = {x};
  if (l.has(node, 2) && attrs.mode == PadMode::kConstant) {
    INFERD_RETURN_IF_ERROR(set_pad_value(l, node, &attrs, &inputs));
  }
  INFERD_ASSIGN_OR_RETURN(inputs[0], crop(l, node, x, &attrs));
  return emit(l, node, OpKind::kPad, inputs, attrs);
}

Status reshape(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  if (Lowering::has_attr(node, "shape")) {  // until opset 5
    return reshape_to(l, node, x, Lowering::ints_attr(node, "shape"), false);
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId target, l.input(node, 1));
  const bool literal = Lowering::int_attr(node, "allowzero", 0) != 0;
  if (!l.info(target).is_constant()) {
    return emit(l, node, OpKind::kReshape, std::array{x, target}, ReshapeAttrs{{}, literal});
  }
  INFERD_ASSIGN_OR_RETURN(auto dims, l.ints(node, 1));
  return reshape_to(l, node, x, std::move(dims), literal);
}

Status shape(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  if (!Lowering::has_attr(node, "start") && !Lowering::has_attr(node, "end")) {
    return emit(l, node, OpKind::kShape, std::array{x}, {});
  }
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const int64_t rank = l.info(x).shape.rank();
  SliceAttrs part{
      {Lowering::int_attr(node, "start", 0)}, {Lowering::int_attr(node, "end", rank)}, {1}};
  INFERD_RETURN_IF_ERROR(clip(rank, 1, part.begin.data(), part.end.data()));
  INFERD_ASSIGN_OR_RETURN(const ValueId dims, l.builder().op(OpKind::kShape, {x}, {}, node.name));
  return emit(l, node, OpKind::kSlice, std::array{dims}, part);
}

Status size(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId dims, l.builder().op(OpKind::kShape, {x}, {}, node.name));
  return emit(l, node, OpKind::kReduce, std::array{dims},
              ReduceAttrs{ReduceKind::kProd, {0}, false});
}

Status slice(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(const auto starts, ints_from(l, node, "starts", 1));
  INFERD_ASSIGN_OR_RETURN(const auto ends, ints_from(l, node, "ends", 2));
  INFERD_ASSIGN_OR_RETURN(auto axes, ints_from(l, node, "axes", 3));
  INFERD_ASSIGN_OR_RETURN(auto steps, ints_from(l, node, "steps", 4));
  const Shape& s = l.info(x).shape;
  for (size_t i = axes.size(); axes.size() < starts.size(); ++i)
    axes.push_back(static_cast<int64_t>(i));
  steps.resize(std::max(steps.size(), starts.size()), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    return invalid_argument("starts, ends, axes and steps differ in number");
  }
  SliceAttrs attrs = whole_slice(s.rank());
  for (size_t i = 0; i < starts.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const int axis, normalize_axis(axes[i], s.rank()));
    const auto d = static_cast<size_t>(axis);
    if (steps[i] == 0) return invalid_argument("a step is 0");
    attrs.begin[d] = starts[i];
    attrs.end[d] = ends[i];
    attrs.step[d] = steps[i];
    INFERD_RETURN_IF_ERROR(clip(s[axis], steps[i], &attrs.begin[d], &attrs.end[d]));
  }
  return emit(l, node, OpKind::kSlice, std::array{x}, attrs);
}

Status split(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const Shape s = l.info(x).shape;
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), x));
  INFERD_ASSIGN_OR_RETURN(const auto sizes, piece_sizes(l, node, s[axis]));
  if (sizes.size() != node.outputs.size())
    return invalid_argument("split does not fit the outputs");
  const auto a = static_cast<size_t>(axis);
  int64_t begin = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] < 0 || sizes[i] > s[axis] - begin)
      return invalid_argument("split does not fit " + s.to_string());
    SliceAttrs attrs = whole_slice(s.rank());
    attrs.begin[a] = begin;
    attrs.end[a] = begin += sizes[i];
    INFERD_ASSIGN_OR_RETURN(const ValueId piece,
                            l.builder().op(OpKind::kSlice, {x}, attrs, node.name, named(node, i)));
    INFERD_RETURN_IF_ERROR(l.set_output(node, i, piece));
  }
  return ok_status();
}

Status squeeze(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(const auto axes, ints_from(l, node, "axes", 1));
  const Shape& s = l.info(x).shape;
  std::vector<bool> drop(static_cast<size_t>(s.rank()), false);
  for (int64_t axis : axes) {
    INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis, s.rank()));
    drop[static_cast<size_t>(a)] = true;
  }
  std::vector<int64_t> dims;
  int dynamic = 0;
  for (int d = 0; d < s.rank(); ++d) {
    if (axes.empty() ? s[d] == 1 : drop[static_cast<size_t>(d)]) continue;
    dims.push_back(s[d]);
    dynamic += s[d] == kDynamicDim ? 1 : 0;
  }
  if (dynamic > 1) return failed_precondition("squeezes a shape with several unknown dimensions");
  return reshape_to(l, node, x, std::move(dims), true);
}

Status transpose(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  TransposeAttrs attrs;
  const int rank = l.info(x).shape.rank();
  for (int64_t p : Lowering::ints_attr(node, "perm")) {
    INFERD_ASSIGN_OR_RETURN(const int axis, normalize_axis(p, rank));
    attrs.perm.push_back(axis);
  }
  for (int d = rank - 1; attrs.perm.size() < static_cast<size_t>(rank) && d >= 0; --d)
    attrs.perm.push_back(d);
  return emit(l, node, OpKind::kTranspose, std::array{x}, attrs);
}

Status unsqueeze(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(auto axes, ints_from(l, node, "axes", 1));
  const Shape& s = l.info(x).shape;
  const int rank = s.rank() + static_cast<int>(std::min<size_t>(axes.size(), 64));
  for (int64_t& axis : axes) {
    INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis, rank));
    axis = a;
  }
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) {
    return invalid_argument("axes are repeated");
  }
  std::vector<int64_t> dims(s.begin(), s.end());
  int dynamic = 0;
  for (int64_t dim : dims) dynamic += dim == kDynamicDim ? 1 : 0;
  if (dynamic > 1) return failed_precondition("unsqueezes a shape with several unknown dimensions");
  for (int64_t axis : axes) dims.insert(dims.begin() + axis, 1);
  return reshape_to(l, node, x, std::move(dims), true);
}

}  // namespace inferd::import::onnx_lower
