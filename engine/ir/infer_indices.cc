// SPDX-License-Identifier: Apache-2.0
//
// Shape rules of operators that read or write by indices, or give indices.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/base/checked.h"
#include "engine/ir/infer.h"

namespace inferd::ir {
namespace {

// Bound of what files may ask for, far from overflow in sums.
constexpr int64_t kMaxExtent = int64_t{1} << 40;

bool may_be_equal(int64_t a, int64_t b) { return a == b || a == kDynamicDim || b == kDynamicDim; }
bool may_be_equal(const Shape& a, const Shape& b) {
  return a.rank() == b.rank() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [](int64_t x, int64_t y) { return may_be_equal(x, y); });
}

// Appends dimensions [first, last) of `from`; false when there are too many.
bool append(const Shape& from, int first, int last, Shape* to) {
  for (int d = first; d < last; ++d) {
    if (to->rank() == kMaxRank) return false;
    to->push_back(from[d]);
  }
  return true;
}

Status check_axis(const InferContext& c, int axis, int rank) {
  if (axis >= 0 && axis < rank) return ok_status();
  return c.error("axis " + std::to_string(axis) + " is out of range for rank " +
                 std::to_string(rank));
}

Status check_indices(const InferContext& c) {
  return is_index(c.input(1)) ? ok_status() : c.error("indices must be INT32 or INT64");
}

// The first `batch_dims` dimensions of x and indices are the same.
Status check_batch(const InferContext& c, int batch_dims) {
  const Shape& x = c.input(0).shape;
  const Shape& indices = c.input(1).shape;
  bool same = batch_dims >= 0 && batch_dims <= std::min(x.rank(), indices.rank());
  for (int d = 0; same && d < batch_dims; ++d) same = may_be_equal(x[d], indices[d]);
  if (same) return ok_status();
  return c.error(x.to_string() + " and indices " + indices.to_string() + " do not share " +
                 std::to_string(batch_dims) + " batch dimensions");
}

// indices reach over no more of x than there is, outside of `axis`.
Status check_elements(const InferContext& c, int axis) {
  const Shape& x = c.input(0).shape;
  const Shape& indices = c.input(1).shape;
  INFERD_RETURN_IF_ERROR(check_indices(c));
  INFERD_RETURN_IF_ERROR(check_axis(c, axis, x.rank()));
  bool fits = indices.rank() == x.rank();
  for (int d = 0; fits && d < x.rank(); ++d) {
    fits = d == axis || x[d] == kDynamicDim || indices[d] <= x[d];
  }
  if (fits) return ok_status();
  return c.error("indices " + indices.to_string() + " do not fit " + x.to_string());
}

// What rows of indices lead to: batch and rows of indices, then the slice of x that each leads to.
Result<Shape> nd_slices(const InferContext& c, int batch_dims) {
  const Shape& x = c.input(0).shape;
  const Shape& indices = c.input(1).shape;
  INFERD_RETURN_IF_ERROR(check_indices(c));
  INFERD_RETURN_IF_ERROR(check_batch(c, batch_dims));
  if (indices.rank() <= batch_dims) return c.error("indices have no rows");
  const int64_t length = indices.back();
  if (length < 0 || length > x.rank() - batch_dims) {
    return c.error("rows of indices " + indices.to_string() + " do not lead into " + x.to_string());
  }
  Shape slices;
  if (!append(indices, 0, indices.rank() - 1, &slices) ||
      !append(x, batch_dims + static_cast<int>(length), x.rank(), &slices)) {
    return c.error("more than 8 dimensions");
  }
  return slices;
}

// How many numbers from `start` to before `limit` there are in steps of `delta`; -1: no end of
// them.
template <typename T>
int64_t steps_between(T start, T limit, T delta) {
  if (!(delta > 0) && !(delta < 0)) return -1;  // 0, or NaN
  if (delta > 0 ? !(start < limit) : !(start > limit)) return 0;
  if constexpr (std::is_floating_point_v<T>) {
    const double count = std::ceil(static_cast<double>(limit - start) / static_cast<double>(delta));
    return count < static_cast<double>(kMaxExtent) ? static_cast<int64_t>(count) : -1;  // or NaN
  } else {
    // Unsigned, since a distance may be larger than the largest number.
    const auto apart = [](int64_t from, int64_t to) {
      return static_cast<uint64_t>(to) - static_cast<uint64_t>(from);
    };
    const uint64_t span = delta > 0 ? apart(start, limit) : apart(limit, start);
    const uint64_t step = delta > 0 ? apart(0, delta) : apart(delta, 0);
    const uint64_t count = (span - 1) / step + 1;
    return count < static_cast<uint64_t>(kMaxExtent) ? static_cast<int64_t>(count) : -1;
  }
}

template <typename T>
int64_t constant_steps(const InferContext& c) {
  const auto read = [&](size_t i) {
    T number{};
    std::memcpy(&number, c.input(i).constant->bytes().data(), sizeof number);
    return number;
  };
  return steps_between(read(0), read(1), read(2));
}

}  // namespace

bool is_index(const Value& v) { return v.dtype == DType::kInt32 || v.dtype == DType::kInt64; }

bool may_be_scalar(const Value& v) {
  if (!v.shape.is_static()) return true;
  const Result<int64_t> elements = checked_elements(v.shape);
  return elements.ok() && *elements == 1;
}

Status infer_gather(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<GatherAttrs>();
  const Shape& x = c.input(0).shape;
  const Shape& indices = c.input(1).shape;
  INFERD_RETURN_IF_ERROR(check_axis(c, attrs.axis, x.rank()));
  INFERD_RETURN_IF_ERROR(check_indices(c));
  INFERD_RETURN_IF_ERROR(check_batch(c, attrs.batch_dims));
  if (attrs.batch_dims > attrs.axis) return c.error("axis is one of the batch dimensions");
  Shape y;
  if (!append(x, 0, attrs.axis, &y) || !append(indices, attrs.batch_dims, indices.rank(), &y) ||
      !append(x, attrs.axis + 1, x.rank(), &y)) {
    return c.error("more than 8 dimensions");
  }
  return c.set(y);
}

Status infer_gather_elements(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<GatherAttrs>();
  if (attrs.batch_dims != 0) return c.error("has no batch dimensions");
  INFERD_RETURN_IF_ERROR(check_elements(c, attrs.axis));
  return c.set(c.input(1).shape);
}

Status infer_gather_nd(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  INFERD_ASSIGN_OR_RETURN(const Shape y, nd_slices(c, c.attrs<GatherNdAttrs>().batch_dims));
  return c.set(y);
}

Status infer_scatter_elements(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  INFERD_RETURN_IF_ERROR(check_elements(c, c.attrs<ScatterAttrs>().axis));
  if (!may_be_equal(c.input(2).shape, c.input(1).shape) || c.input(2).dtype != c.input(0).dtype) {
    return c.error("updates must be as many as indices and of the input's type");
  }
  return c.set(c.input(0).shape);
}

Status infer_scatter_nd(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  INFERD_ASSIGN_OR_RETURN(const Shape slices, nd_slices(c, 0));
  if (!may_be_equal(c.input(2).shape, slices) || c.input(2).dtype != c.input(0).dtype) {
    return c.error("updates " + c.input(2).shape.to_string() + " must have the shape " +
                   slices.to_string() + " and the input's type");
  }
  return c.set(c.input(0).shape);
}

Status infer_range(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  bool constant = true;
  for (size_t i = 0; i < 3; ++i) {
    const Value& x = c.input(i);
    if (x.dtype != c.input(0).dtype) return c.error("start, limit and delta differ in type");
    if (!may_be_scalar(x)) return c.error("start, limit and delta must be scalars");
    constant = constant && x.is_constant();
  }
  c.output().dtype = c.input(0).dtype;
  if (!constant) return c.set({kDynamicDim});
  int64_t count = -1;
  switch (c.input(0).dtype) {
    case DType::kFloat32:
      count = constant_steps<float>(c);
      break;
    case DType::kFloat64:
      count = constant_steps<double>(c);
      break;
    case DType::kInt16:
      count = constant_steps<int16_t>(c);
      break;
    case DType::kInt32:
      count = constant_steps<int32_t>(c);
      break;
    case DType::kInt64:
      count = constant_steps<int64_t>(c);
      break;
    default:
      return c.error("has no numbers of type " + std::string(dtype_name(c.input(0).dtype)));
  }
  if (count < 0) return c.error("delta leads nowhere, or is too small");
  return c.set({count});
}

Status infer_one_hot(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const int axis = c.attrs<OneHotAttrs>().axis;
  const Shape& indices = c.input(0).shape;
  const Shape& values = c.input(2).shape;
  if (indices.rank() == kMaxRank) return c.error("more than 8 dimensions");
  INFERD_RETURN_IF_ERROR(check_axis(c, axis, indices.rank() + 1));
  if (values.rank() != 1 || !may_be_equal(values[0], 2)) {
    return c.error("needs two values, off and on, got " + values.to_string());
  }
  int64_t depth = kDynamicDim;
  if (const Result<std::vector<int64_t>> known = constant_ints(graph, node.inputs[1]); known.ok()) {
    if (known->size() != 1 || (*known)[0] < 0) return c.error("the depth must be one number >= 0");
    depth = (*known)[0];
  }
  Shape y;
  append(indices, 0, axis, &y);
  y.push_back(depth);
  append(indices, axis, indices.rank(), &y);
  c.output().dtype = c.input(2).dtype;
  c.output().quantization = c.input(2).quantization;
  return c.set(y);
}

Status infer_top_k(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const int axis = c.attrs<TopKAttrs>().axis;
  Shape y = c.input(0).shape;
  INFERD_RETURN_IF_ERROR(check_axis(c, axis, y.rank()));
  int64_t k = kDynamicDim;
  if (const Result<std::vector<int64_t>> known = constant_ints(graph, node.inputs[1]); known.ok()) {
    if (known->size() != 1 || (*known)[0] < 0) return c.error("k must be one number >= 0");
    k = (*known)[0];
    if (y[axis] != kDynamicDim && k > y[axis]) {
      return c.error("there are no " + std::to_string(k) + " elements along axis " +
                     std::to_string(axis) + " of " + y.to_string());
    }
  }
  y[axis] = k;
  INFERD_RETURN_IF_ERROR(c.set(y, 0));
  return c.set(y, 1);
}

Status infer_non_zero(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const Shape& x = c.input(0).shape;
  int64_t elements = kDynamicDim;
  if (x.is_static()) {
    INFERD_ASSIGN_OR_RETURN(elements, checked_elements(x));
  }
  INFERD_RETURN_IF_ERROR(c.set({x.rank(), elements}, 0));
  return c.set({1}, 1);
}

Status infer_unique(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const int axis = c.attrs<UniqueAttrs>().axis;
  const Shape& x = c.input(0).shape;
  INFERD_RETURN_IF_ERROR(check_axis(c, axis, x.rank()));
  INFERD_RETURN_IF_ERROR(c.set(x, 0));
  for (size_t i = 1; i < 5; ++i) {
    INFERD_RETURN_IF_ERROR(c.set({i < 4 ? x[axis] : 1}, i));
  }
  return ok_status();
}

Status infer_non_max_suppression(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<NonMaxSuppressionAttrs>();
  const Shape& boxes = c.input(0).shape;
  const Shape& scores = c.input(1).shape;
  if (boxes.rank() != 3 || scores.rank() != 3 || !may_be_equal(boxes[0], scores[0]) ||
      !may_be_equal(boxes[1], scores[2]) || !may_be_equal(boxes[2], 4)) {
    return c.error("needs boxes [B,A,4] and scores [B,K,A], got " + boxes.to_string() + " and " +
                   scores.to_string());
  }
  if (attrs.max_per_class < 0) return c.error("max_per_class is negative");
  int64_t room = kDynamicDim;
  if (scores.is_static() && (!checked_mul(scores[0], scores[1], &room) ||
                             !checked_mul(room, std::min(scores[2], attrs.max_per_class), &room))) {
    return c.error("the result is too large");
  }
  INFERD_RETURN_IF_ERROR(c.set({room, 3}, 0));
  INFERD_RETURN_IF_ERROR(c.set({room}, 1));
  return c.set({1}, 2);
}

}  // namespace inferd::ir
