// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>

#include "engine/base/checked.h"
#include "engine/ir/infer.h"

namespace inferd::ir {
namespace {

// Bound of what files may ask for, far from overflow in sums.
constexpr int64_t kMaxExtent = int64_t{1} << 40;

int64_t product_or_dynamic(const Shape& shape) {
  int64_t product = 1;
  for (int64_t dim : shape) {
    if (dim == kDynamicDim) return kDynamicDim;
    if (!checked_mul(product, dim, &product)) return kDynamicDim;
  }
  return product;
}

// A vector of indices with an element for each dimension of `x`, as far as can be known.
bool is_vector_for(const Value& v, const Shape& x) {
  return is_index(v) && v.shape.rank() == 1 &&
         (v.shape[0] == kDynamicDim || v.shape[0] == x.rank());
}

}  // namespace

Status infer_concat(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const int axis = c.attrs<ConcatAttrs>().axis;
  Shape y = c.input(0).shape;
  if (axis < 0 || axis >= y.rank()) {
    return c.error("axis " + std::to_string(axis) + " is out of range for " + y.to_string());
  }
  for (size_t i = 1; i < c.inputs(); ++i) {
    const Shape& x = c.input(i).shape;
    if (x.rank() != y.rank()) return c.error("inputs have different ranks");
    if (c.input(i).dtype != c.input(0).dtype) return c.error("inputs have different types");
    for (int d = 0; d < y.rank(); ++d) {
      if (d == axis) {
        const bool known = y[d] != kDynamicDim && x[d] != kDynamicDim;
        if (known && !checked_add(y[d], x[d], &y[d])) return c.error("the result is too large");
        if (!known) y[d] = kDynamicDim;
      } else if (y[d] == kDynamicDim) {
        y[d] = x[d];
      } else if (x[d] != kDynamicDim && x[d] != y[d]) {
        return c.error("shapes " + c.input(0).shape.to_string() + " and " + x.to_string() +
                       " differ outside axis " + std::to_string(axis));
      }
    }
  }
  return c.set(y);
}

Status infer_slice(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<SliceAttrs>();
  const Shape& x = c.input(0).shape;
  const auto rank = static_cast<size_t>(x.rank());
  if (attrs.begin.size() != rank || attrs.end.size() != rank || attrs.step.size() != rank) {
    return c.error("begin, end and step must have one entry per dimension of " + x.to_string());
  }
  Shape y;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t dim = x[static_cast<int>(i)];
    const int64_t step = attrs.step[i];
    const int64_t begin = attrs.begin[i];
    int64_t end = attrs.end[i];
    if (step == 0 || std::abs(step) > kMaxExtent) return c.error("step is 0 or too large");
    if (dim == kDynamicDim) {
      const bool whole = begin == 0 && end == kSliceEnd && step == 1;
      y.push_back(!whole && begin >= 0 && end != kSliceEnd && end > begin && step == 1
                      ? end - begin
                      : kDynamicDim);
      continue;
    }
    if (end == kSliceEnd) end = step > 0 ? dim : -1;
    const bool inside = step > 0 ? begin >= 0 && begin <= dim && end >= 0 && end <= dim
                                 : begin >= -1 && begin < std::max<int64_t>(dim, 1) && end >= -1 &&
                                       end < std::max<int64_t>(dim, 1);
    if (!inside) return c.error("slice is outside " + x.to_string());
    const int64_t span = step > 0 ? end - begin : begin - end;
    const int64_t stride = std::abs(step);
    y.push_back(span <= 0 ? 0 : (span + stride - 1) / stride);
  }
  return c.set(y);
}

Status infer_trim(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const int axis = c.attrs<TrimAttrs>().axis;
  Shape y = c.input(0).shape;
  if (axis < 0 || axis >= y.rank()) {
    return c.error("axis " + std::to_string(axis) + " is out of range for " + y.to_string());
  }
  if (c.input(1).dtype != DType::kInt64) return c.error("the count must be INT64");
  const Result<std::vector<int64_t>> count = constant_ints(graph, node.inputs[1]);
  if (!count.ok()) {
    y[axis] = kDynamicDim;
    return c.set(y);
  }
  const int64_t wanted = count->size() == 1 ? (*count)[0] : -1;
  if (wanted < 0 || (y[axis] != kDynamicDim && wanted > y[axis])) {
    return c.error("the count is not one number from 0 to the size of axis " +
                   std::to_string(axis) + " of " + y.to_string());
  }
  y[axis] = wanted;
  return c.set(y);
}

Status infer_pad(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<PadAttrs>();
  const Shape& x = c.input(0).shape;
  const auto rank = static_cast<size_t>(x.rank());
  if (c.inputs() > 1 && (c.input(1).dtype != c.input(0).dtype || !may_be_scalar(c.input(1)))) {
    return c.error("the value to pad with must be a scalar of the input's type");
  }
  if (attrs.before.size() != rank || attrs.after.size() != rank) {
    return c.error("needs padding for each dimension of " + x.to_string());
  }
  Shape y = x;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t before = attrs.before[i];
    const int64_t after = attrs.after[i];
    if (before < 0 || after < 0 || before > kMaxExtent || after > kMaxExtent) {
      return c.error("padding is negative or too large");
    }
    int64_t& dim = y[static_cast<int>(i)];
    if (dim == kDynamicDim) {
      continue;
    }
    if (attrs.mode != PadMode::kConstant && dim == 0 && before + after > 0) {
      return c.error("has nothing to pad " + x.to_string() + " with");
    }
    if (!checked_add(dim, before + after, &dim)) return c.error("the result is too large");
  }
  return c.set(y);
}

Status infer_reshape(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<ReshapeAttrs>();
  const Shape& x = c.input(0).shape;
  std::vector<int64_t> dims = attrs.dims;
  if (c.inputs() > 1) {
    Result<std::vector<int64_t>> target = constant_ints(graph, node.inputs[1]);
    if (!target.ok()) {
      // The shape is computed: only its length may be known.
      const Shape& s = c.input(1).shape;
      if (s.rank() != 1 || s[0] < 0 || s[0] > kMaxRank) return c.set_unknown();
      const int64_t elements = product_or_dynamic(x);
      if (s[0] == 0 && elements != kDynamicDim && elements != 1) {
        return c.error("cannot make a scalar of " + x.to_string());
      }
      Shape y;
      for (int64_t i = 0; i < s[0]; ++i) y.push_back(kDynamicDim);
      return c.set(y);
    }
    dims = *target;
  }
  if (dims.size() > static_cast<size_t>(kMaxRank)) return c.error("more than 8 dimensions");

  Shape y;
  int inferred = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    int64_t dim = dims[i];
    if (dim == 0 && !attrs.zero_is_literal) {
      if (static_cast<int>(i) >= x.rank()) return c.error("copies a dimension the input lacks");
      dim = x[static_cast<int>(i)];
    } else if (dim == -1) {
      if (inferred >= 0) return c.error("more than one dimension is -1");
      inferred = static_cast<int>(i);
    } else if (dim < 0) {
      return c.error("dimension " + std::to_string(dim) + " is negative");
    }
    y.push_back(dim);
  }
  const int64_t total = product_or_dynamic(x);
  if (inferred < 0) {
    const int64_t wanted = product_or_dynamic(y);
    if (total != kDynamicDim && wanted != kDynamicDim && wanted != total) {
      return c.error("cannot make " + y.to_string() + " of " + x.to_string());
    }
    return c.set(y);
  }
  // What remains for -1: equal dimensions on both sides cancel, so that [?,7,7,64] -> [?,-1] works.
  Shape rest = y;
  rest[inferred] = 1;
  Shape source = x;
  for (int i = 0; i < std::min(rest.rank(), source.rank()); ++i) {
    if (i != inferred && rest[i] == kDynamicDim && source[i] == kDynamicDim)
      rest[i] = source[i] = 1;
  }
  const int64_t have = product_or_dynamic(source);
  const int64_t taken = product_or_dynamic(rest);
  if (have == kDynamicDim || taken == kDynamicDim) {
    y[inferred] = kDynamicDim;
  } else if (taken == 0 ? have != 0 : have % taken != 0) {
    return c.error("cannot make " + y.to_string() + " of " + x.to_string());
  } else {
    y[inferred] = taken == 0 ? 0 : have / taken;
  }
  return c.set(y);
}

Status infer_transpose(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& perm = c.attrs<TransposeAttrs>().perm;
  const Shape& x = c.input(0).shape;
  if (static_cast<int>(perm.size()) != x.rank()) {
    return c.error("permutation does not fit " + x.to_string());
  }
  std::vector<bool> seen(perm.size(), false);
  Shape y;
  for (int p : perm) {
    if (p < 0 || p >= x.rank() || seen[static_cast<size_t>(p)]) {
      return c.error("not a permutation of the dimensions");
    }
    seen[static_cast<size_t>(p)] = true;
    y.push_back(x[p]);
  }
  Quantization& q = c.output().quantization;
  if (q.per_channel() && c.input(0).quantization == q) {
    q.axis = static_cast<int>(std::find(perm.begin(), perm.end(), q.axis) - perm.begin());
  }
  return c.set(y);
}

Status infer_strided_copy(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<StridedCopyAttrs>();
  if (attrs.shape.size() != attrs.strides.size()) return c.error("needs a stride per dimension");
  if (c.input(0).quantization.per_channel()) return c.error("needs one scale for the tensor");
  Shape slice = c.input(0).shape;
  Shape y;
  if (attrs.each_slice) {
    if (slice.rank() == 0) return c.error("a scalar has no slices");
    y.push_back(slice[0]);
    slice = Shape(slice.dims().subspan(1));
  }
  if (attrs.shape.size() + static_cast<size_t>(y.rank()) > static_cast<size_t>(kMaxRank)) {
    return c.error("more than 8 dimensions");
  }
  const int64_t elements = product_or_dynamic(slice);
  if (elements == kDynamicDim) return c.error("needs static dimensions");
  int64_t lowest = attrs.offset;
  int64_t highest = attrs.offset;
  bool empty = false;
  for (size_t d = 0; d < attrs.shape.size(); ++d) {
    const int64_t dim = attrs.shape[d];
    if (dim < 0) return c.error("dimension " + std::to_string(dim) + " is negative");
    y.push_back(dim);
    empty |= dim == 0;
    if (dim <= 1) continue;
    const int64_t stride = attrs.strides[d];
    int64_t& end = stride < 0 ? lowest : highest;
    int64_t reach = 0;
    if (!checked_mul(stride, dim - 1, &reach) || !checked_add(end, reach, &end)) {
      return c.error("strides are too large");
    }
  }
  if (!empty && (lowest < 0 || highest >= elements)) {
    return c.error("reads outside of " + c.input(0).shape.to_string());
  }
  return c.set(y);
}

Status infer_expand(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const Result<std::vector<int64_t>> target = constant_ints(graph, node.inputs[1]);
  if (!target.ok()) return c.set_unknown();
  if (target->size() > static_cast<size_t>(kMaxRank)) return c.error("more than 8 dimensions");
  Shape y;
  for (int64_t dim : *target) {
    if (dim < 0) return c.error("dimension " + std::to_string(dim) + " is negative");
  }
  if (!broadcast(c.input(0).shape, Shape(std::span<const int64_t>(*target)), &y)) {
    return c.error(c.input(0).shape.to_string() + " does not broadcast to the target shape");
  }
  return c.set(y);
}

Status infer_shape(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  return c.set({c.input(0).shape.rank()});
}

Status infer_tile(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  Shape y = c.input(0).shape;
  if (!is_vector_for(c.input(1), y)) {
    return c.error("needs a number of repeats for each dimension of " + y.to_string());
  }
  const Result<std::vector<int64_t>> repeats = constant_ints(graph, node.inputs[1]);
  for (int d = 0; d < y.rank(); ++d) {
    const int64_t times = repeats.ok() ? (*repeats)[static_cast<size_t>(d)] : kDynamicDim;
    if (repeats.ok() && times < 0) return c.error("repeats a dimension a negative number of times");
    if (!repeats.ok() || y[d] == kDynamicDim) {
      y[d] = kDynamicDim;
    } else if (!checked_mul(y[d], times, &y[d])) {
      return c.error("the result is too large");
    }
  }
  return c.set(y);
}

Status infer_reverse_sequence(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<ReverseSequenceAttrs>();
  const Shape& x = c.input(0).shape;
  const auto outside = [&](int axis) { return axis < 0 || axis >= x.rank(); };
  if (outside(attrs.batch_axis) || outside(attrs.time_axis) ||
      attrs.batch_axis == attrs.time_axis) {
    return c.error("batch and time must be two dimensions of " + x.to_string());
  }
  const Shape& lengths = c.input(1).shape;
  const int64_t batch = x[attrs.batch_axis];
  if (!is_index(c.input(1)) || lengths.rank() != 1 ||
      (lengths[0] != kDynamicDim && batch != kDynamicDim && lengths[0] != batch)) {
    return c.error("needs a length for each of the batch of " + x.to_string());
  }
  return c.set(x);
}

Status infer_trilu(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const Shape& x = c.input(0).shape;
  if (x.rank() < 2) return c.error("needs two dimensions, has " + x.to_string());
  if (c.inputs() > 1 && (c.input(1).dtype != DType::kInt64 || !may_be_scalar(c.input(1)))) {
    return c.error("the diagonal must be an INT64 scalar");
  }
  return c.set(x);
}

Status infer_update_slice(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const Shape& x = c.input(0).shape;
  const Shape& update = c.input(1).shape;
  bool fits = update.rank() == x.rank();
  for (int d = 0; fits && d < x.rank(); ++d) {
    fits = x[d] == kDynamicDim || update[d] <= x[d];
  }
  if (!fits || c.input(1).dtype != c.input(0).dtype) {
    return c.error("update " + update.to_string() + " does not fit into " + x.to_string());
  }
  if (!is_vector_for(c.input(2), x)) {
    return c.error("needs a start for each dimension of " + x.to_string());
  }
  return c.set(x);
}

}  // namespace inferd::ir
