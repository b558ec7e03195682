// SPDX-License-Identifier: Apache-2.0
//
// Operators that read or write by indices, or give indices.
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "engine/base/checked.h"
#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {
namespace {

constexpr int64_t kMaxRows = int64_t{1} << 31;

// The first N inputs.
template <size_t N>
Result<std::array<ValueId, N>> inputs_of(Lowering& l, const ForeignNode& node) {
  std::array<ValueId, N> ids{};
  for (size_t i = 0; i < N; ++i) {
    INFERD_ASSIGN_OR_RETURN(ids[i], l.input(node, i));
  }
  return ids;
}

// `x` as output i of the node, converted to its type.
Status set_converted(Lowering& l, const ForeignNode& node, size_t i, ValueId x) {
  const OutputSpec out = spec(l, node, i);
  if (!out.set_dtype || out.dtype == l.info(x).dtype) return l.set_output(node, i, x);
  INFERD_ASSIGN_OR_RETURN(const ValueId y, l.builder().op(OpKind::kCast, {x}, {}, node.name, out));
  return l.set_output(node, i, y);
}

Result<int64_t> one_int(Lowering& l, const ForeignNode& node, size_t i) {
  INFERD_ASSIGN_OR_RETURN(const auto values, l.ints(node, i));
  if (values.size() != 1) {
    return invalid_argument("input '" + node.inputs[i] + "' is not a scalar");
  }
  return values[0];
}

// A tensor of one value, made of the bytes of a scalar.
Result<ValueId> filled(Lowering& l, const ForeignNode& node, DType dtype,
                       std::vector<std::byte> scalar, const std::vector<int64_t>& dims) {
  ir::Builder& b = l.builder();
  const ValueId value = b.constant_bytes("", dtype, Shape{}, std::move(scalar));
  return b.op(OpKind::kExpand, {value, b.constant_int64s("", dims)}, {}, node.name);
}

Status dynamic_update_slice(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, inputs_of<3>(l, node));
  return emit(l, node, OpKind::kUpdateSlice, inputs, {});
}

// Rows of a table, which may be quantized while what is looked up is not.
Status embedding_lookup(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId indices, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(ValueId table, l.input(node, 1));
  ir::Builder& b = l.builder();
  const OutputSpec out = spec(l, node);
  if (l.info(table).dtype == out.dtype) {
    return emit(l, node, OpKind::kGather, std::array{table, indices}, GatherAttrs{0});
  }
  const OutputSpec floats = OutputSpec::typed("", DType::kFloat32);
  if (l.info(table).quantization.per_channel()) {
    INFERD_ASSIGN_OR_RETURN(table, b.op(OpKind::kDequantize, {table}, {}, node.name, floats));
    return emit(l, node, OpKind::kGather, std::array{table, indices}, GatherAttrs{0});
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId rows,
                          b.op(OpKind::kGather, {table, indices}, GatherAttrs{0}, node.name));
  return emit(l, node, OpKind::kDequantize, std::array{rows}, {});
}

Status gather(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId indices, l.input(node, 1));
  INFERD_RETURN_IF_ERROR(l.known_rank(indices));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), x));
  const int64_t wanted = Lowering::int_attr(node, "batch_dims", 0);
  const int64_t batch_dims = wanted < 0 ? wanted + l.info(indices).shape.rank() : wanted;
  if (batch_dims < 0 || batch_dims > axis) {
    return invalid_argument("batch_dims " + std::to_string(wanted) + " is out of range");
  }
  return emit(l, node, OpKind::kGather, std::array{x, indices},
              GatherAttrs{axis, static_cast<int>(batch_dims)});
}

Status gather_nd(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, inputs_of<2>(l, node));
  return emit(l, node, OpKind::kGatherNd, inputs, GatherNdAttrs{});
}

// x[...,n] to [...,n,n]: a column of x, then n zeros for each element, as many of them as fill the
// matrix.
Status matrix_diag(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape s = l.info(x).shape;
  if (s.rank() == 0) return invalid_argument("a scalar has no diagonal");
  if (!s.is_static()) return failed_precondition("a diagonal of unknown size");
  if (s.rank() == kMaxRank) return unimplemented("more than 8 dimensions");
  const int64_t n = s.back();
  if (n > (1 << 24)) return invalid_argument(s.to_string() + " is too large for a diagonal");
  ir::Builder& b = l.builder();
  const int64_t batch = s.elements(0, s.rank() - 1);
  const auto literal = [](std::vector<int64_t> dims) {
    return ReshapeAttrs{std::move(dims), true};
  };
  INFERD_ASSIGN_OR_RETURN(ValueId y,
                          b.op(OpKind::kReshape, {x}, literal({batch, n, 1}), node.name));
  INFERD_ASSIGN_OR_RETURN(
      y,
      b.op(OpKind::kPad, {y}, PadAttrs{{0, 0, 0}, {0, 0, n}, 0.F, PadMode::kConstant}, node.name));
  INFERD_ASSIGN_OR_RETURN(y, b.op(OpKind::kReshape, {y}, literal({batch, n * (n + 1)}), node.name));
  SliceAttrs front = whole_slice(2);
  front.end[1] = n * n;
  INFERD_ASSIGN_OR_RETURN(y, b.op(OpKind::kSlice, {y}, front, node.name));
  std::vector<int64_t> dims(s.begin(), s.end());
  dims.push_back(n);
  return emit(l, node, OpKind::kReshape, std::array{y}, literal(std::move(dims)));
}

// x[...,m,n] with diagonal[...,min(m,n)]: each of its elements stands for a row, of which a
// constant selects the place on the diagonal.
Status matrix_set_diag(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, inputs_of<2>(l, node));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[1]));
  const Shape x = l.info(inputs[0]).shape;
  const Shape diagonal = l.info(inputs[1]).shape;
  if (!x.is_static() || !diagonal.is_static()) {
    return failed_precondition("a diagonal of unknown size");
  }
  const int64_t rows = x.rank() < 2 ? 0 : x[x.rank() - 2];
  const int64_t columns = x.rank() < 2 ? 0 : x.back();
  int64_t size = 0;
  if (x.rank() < 2 || diagonal.rank() != x.rank() - 1 ||
      diagonal.back() != std::min(rows, columns) || !checked_mul(rows, columns, &size) ||
      size > kMaxRows) {
    return invalid_argument("diagonal " + diagonal.to_string() + " does not fit " + x.to_string());
  }
  std::vector<std::byte> on_diagonal(static_cast<size_t>(size));
  for (int64_t i = 0; i < diagonal.back(); ++i) {
    on_diagonal[static_cast<size_t>(i * columns + i)] = std::byte{1};
  }
  ir::Builder& b = l.builder();
  const ValueId which = b.constant_bytes("", DType::kBool, {rows, columns}, std::move(on_diagonal));
  std::vector<int64_t> dims(diagonal.begin(), diagonal.end());
  dims.push_back(1);
  PadAttrs pad;
  pad.before.resize(dims.size());
  pad.after.resize(dims.size());
  pad.after[dims.size() - 2] = rows - diagonal.back();
  INFERD_ASSIGN_OR_RETURN(ValueId column, b.op(OpKind::kReshape, {inputs[1]},
                                               ReshapeAttrs{std::move(dims), true}, node.name));
  INFERD_ASSIGN_OR_RETURN(column, b.op(OpKind::kPad, {column}, pad, node.name));
  return emit(l, node, OpKind::kSelect, std::array{column, inputs[0], which}, {});
}

// NON_MAX_SUPPRESSION_V4 and _V5: one image and class, outputs as long as there may be boxes.
template <bool kSoft>
Status non_max_suppression(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId boxes, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(ValueId scores, l.input(node, 1));
  NonMaxSuppressionAttrs attrs;
  attrs.at_threshold = true;
  INFERD_ASSIGN_OR_RETURN(attrs.max_per_class, one_int(l, node, 2));
  INFERD_ASSIGN_OR_RETURN(attrs.iou_threshold, l.scalar(node, 3));
  INFERD_ASSIGN_OR_RETURN(attrs.score_threshold, l.scalar(node, 4));
  if (kSoft) {
    INFERD_ASSIGN_OR_RETURN(attrs.soft_sigma, l.scalar(node, 5));
  }
  if (attrs.max_per_class < 0 || attrs.max_per_class > kMaxRows) {
    return invalid_argument("max_output_size is out of range");
  }
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(boxes, b.reshape(boxes, {1, -1, 4}, node.name));
  INFERD_ASSIGN_OR_RETURN(scores, b.reshape(scores, {1, 1, -1}, node.name));
  const std::vector<OutputSpec> unnamed(3);
  INFERD_ASSIGN_OR_RETURN(
      const auto found,
      b.ops(OpKind::kNonMaxSuppression, std::array{boxes, scores}, attrs, node.name, unnamed));
  const int64_t room = l.info(found[0]).shape[0];
  if (room == kDynamicDim) return failed_precondition("suppresses an unknown number of boxes");
  const auto lengthened = [&](ValueId x) {
    const PadAttrs zeros{{0}, {attrs.max_per_class - room}, 0.F, PadMode::kConstant};
    return b.op(OpKind::kPad, {x}, zeros, node.name);
  };
  SliceAttrs last = whole_slice(2);
  last.begin[1] = 2;
  INFERD_ASSIGN_OR_RETURN(ValueId selected, b.op(OpKind::kSlice, {found[0]}, last, node.name));
  INFERD_ASSIGN_OR_RETURN(selected, b.reshape(selected, {room}, node.name));
  INFERD_ASSIGN_OR_RETURN(selected, lengthened(selected));
  INFERD_RETURN_IF_ERROR(set_converted(l, node, 0, selected));
  if (kSoft) {
    INFERD_ASSIGN_OR_RETURN(const ValueId kept, lengthened(found[1]));
    INFERD_RETURN_IF_ERROR(set_converted(l, node, 1, kept));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId count, b.reshape(found[2], {}, node.name));
  return set_converted(l, node, kSoft ? 2 : 1, count);
}

Status one_hot(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, inputs_of<4>(l, node));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  INFERD_ASSIGN_OR_RETURN(const int axis, normalize_axis(Lowering::int_attr(node, "axis", 0),
                                                         l.info(inputs[0]).shape.rank() + 1));
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(const ValueId on, b.reshape(inputs[2], {1}, node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId off, b.reshape(inputs[3], {1}, node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId values,
                          b.op(OpKind::kConcat, {off, on}, ConcatAttrs{0}, node.name));
  return emit(l, node, OpKind::kOneHot, std::array{inputs[0], inputs[1], values},
              OneHotAttrs{axis, false});
}

Status range(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, inputs_of<3>(l, node));
  return emit(l, node, OpKind::kRange, inputs, {});
}

Status reverse_sequence(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, inputs_of<2>(l, node));
  INFERD_ASSIGN_OR_RETURN(const int batch,
                          l.axis(Lowering::int_attr(node, "batch_dim", 0), inputs[0]));
  INFERD_ASSIGN_OR_RETURN(const int time,
                          l.axis(Lowering::int_attr(node, "seq_dim", 0), inputs[0]));
  return emit(l, node, OpKind::kReverseSequence, inputs, ReverseSequenceAttrs{batch, time});
}

// Updates of zeros; several of one element add up.
Status scatter_nd(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, inputs_of<3>(l, node));
  ir::Builder& b = l.builder();
  const DType dtype = l.info(inputs[1]).dtype;
  const ValueId zero =
      b.constant_bytes("", dtype, Shape{}, std::vector<std::byte>(dtype_size(dtype)));
  INFERD_ASSIGN_OR_RETURN(const ValueId zeros,
                          b.op(OpKind::kExpand, {zero, inputs[2]}, {}, node.name));
  return emit(l, node, OpKind::kScatterNd, std::array{zeros, inputs[0], inputs[1]},
              ScatterAttrs{ScatterReduction::kAdd, 0});
}

// What a segment has to which nothing belongs.
template <typename T>
std::vector<std::byte> empty_segment(ScatterReduction reduction) {
  T value = 0;
  if (reduction == ScatterReduction::kMul) value = 1;
  if (reduction == ScatterReduction::kMax) value = std::numeric_limits<T>::lowest();
  if (reduction == ScatterReduction::kMin) value = std::numeric_limits<T>::max();
  const auto bytes = std::as_bytes(std::span(&value, 1));
  return {bytes.begin(), bytes.end()};
}
Result<std::vector<std::byte>> empty_segment(DType dtype, ScatterReduction reduction) {
  if (dtype == DType::kFloat32) return empty_segment<float>(reduction);
  if (dtype == DType::kInt32) return empty_segment<int32_t>(reduction);
  if (dtype == DType::kInt64) return empty_segment<int64_t>(reduction);
  return unimplemented("segments of " + std::string(dtype_name(dtype)));
}

// Reduces the slices of `data` that have the same id, which are in [0, rows).
Result<ValueId> reduce_segments(Lowering& l, const ForeignNode& node, ValueId data, ValueId ids,
                                int64_t rows, ScatterReduction reduction, const OutputSpec& out) {
  const Shape x = l.info(data).shape;
  const Shape i = l.info(ids).shape;
  if (i.rank() > x.rank() || i.rank() == kMaxRank || rows < 0 || rows > kMaxRows) {
    return invalid_argument("segments do not fit " + x.to_string());
  }
  std::vector<int64_t> dims = {rows};
  dims.insert(dims.end(), x.begin() + i.rank(), x.end());
  if (std::find(dims.begin(), dims.end(), kDynamicDim) != dims.end()) {
    return failed_precondition("segments of unknown size");
  }
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(auto scalar, empty_segment(l.info(data).dtype, reduction));
  INFERD_ASSIGN_OR_RETURN(const ValueId empty,
                          filled(l, node, l.info(data).dtype, std::move(scalar), dims));
  std::vector<int64_t> row(i.begin(), i.end());
  row.push_back(1);
  INFERD_ASSIGN_OR_RETURN(
      const ValueId indices,
      b.op(OpKind::kReshape, {ids}, ReshapeAttrs{std::move(row), true}, node.name));
  return b.op(OpKind::kScatterNd, {empty, indices, data}, ScatterAttrs{reduction, 0}, node.name,
              out);
}

Status segment_sum(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, inputs_of<2>(l, node));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  INFERD_ASSIGN_OR_RETURN(const auto ids, l.ints(node, 1));
  if (!std::is_sorted(ids.begin(), ids.end()) || (!ids.empty() && ids.front() < 0)) {
    return invalid_argument("segment ids must be ascending and not negative");
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId y, reduce_segments(l, node, inputs[0], inputs[1],
                                                           ids.empty() ? 0 : ids.back() + 1,
                                                           ScatterReduction::kAdd, spec(l, node)));
  return l.set_output(node, 0, y);
}

// A negative id means that the slice belongs nowhere: here to one segment more, which is cut off.
template <ScatterReduction kReduction>
Status unsorted_segment(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(auto inputs, inputs_of<2>(l, node));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[1]));
  INFERD_ASSIGN_OR_RETURN(const int64_t segments, one_int(l, node, 2));
  if (segments < 0 || segments >= kMaxRows) {
    return invalid_argument(std::to_string(segments) + " segments");
  }
  ir::Builder& b = l.builder();
  const std::array<int32_t, 1> minus_one = {-1};
  ValueId lowest = b.constant_int32s("", Shape{}, minus_one);
  if (l.info(inputs[1]).dtype == DType::kInt64) {
    INFERD_ASSIGN_OR_RETURN(
        lowest, b.op(OpKind::kCast, {lowest}, {}, node.name, OutputSpec::typed("", DType::kInt64)));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId ids, b.op(OpKind::kBinary, {inputs[1], lowest},
                                                  BinaryAttrs{BinaryKind::kMax, {}}, node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId all,
                          reduce_segments(l, node, inputs[0], ids, segments + 1, kReduction, {}));
  SliceAttrs wanted = whole_slice(l.info(all).shape.rank());
  wanted.end[0] = segments;
  return emit(l, node, OpKind::kSlice, std::array{all}, wanted);
}

Status sparse_to_dense(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, inputs_of<4>(l, node));
  ir::Builder& b = l.builder();
  ValueId indices = inputs[0];
  INFERD_RETURN_IF_ERROR(l.known_rank(indices));
  if (l.info(indices).shape.rank() < 2) {  // elements of a vector, or one
    INFERD_ASSIGN_OR_RETURN(indices, b.reshape(indices, {-1, 1}, node.name));
  }
  const int64_t count = l.info(indices).shape[0];
  ValueId values = inputs[2];
  INFERD_RETURN_IF_ERROR(l.known_rank(values));
  if (l.info(values).shape.rank() == 0) {
    if (count == kDynamicDim) return failed_precondition("an unknown number of indices");
    const std::array<int64_t, 1> dims = {count};
    INFERD_ASSIGN_OR_RETURN(
        values, b.op(OpKind::kExpand, {values, b.constant_int64s("", dims)}, {}, node.name));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId dense,
                          b.op(OpKind::kExpand, {inputs[3], inputs[1]}, {}, node.name));
  return emit(l, node, OpKind::kScatterNd, std::array{dense, indices, values}, ScatterAttrs{});
}

Status top_k(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, inputs_of<2>(l, node));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(-1, inputs[0]));
  INFERD_ASSIGN_OR_RETURN(const auto found,
                          l.builder().ops(OpKind::kTopK, inputs, TopKAttrs{axis, true}, node.name,
                                          std::array{spec(l, node), OutputSpec{}}));
  INFERD_RETURN_IF_ERROR(l.set_output(node, 0, found[0]));
  return set_converted(l, node, 1, found[1]);
}

Status unique(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  ir::Builder& b = l.builder();
  const std::vector<OutputSpec> unnamed(5);
  INFERD_ASSIGN_OR_RETURN(const auto found, b.ops(OpKind::kUnique, std::array{x},
                                                  UniqueAttrs{0, false}, node.name, unnamed));
  INFERD_ASSIGN_OR_RETURN(const ValueId y, b.op(OpKind::kTrim, {found[0], found[4]}, TrimAttrs{0},
                                                node.name, spec(l, node)));
  INFERD_RETURN_IF_ERROR(l.set_output(node, 0, y));
  return set_converted(l, node, 1, found[2]);
}

// Where a condition holds: a row of indices for each such element.
Status where(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId condition, l.input(node, 0));
  ir::Builder& b = l.builder();
  const std::vector<OutputSpec> unnamed(2);
  INFERD_ASSIGN_OR_RETURN(const auto found,
                          b.ops(OpKind::kNonZero, std::array{condition}, {}, node.name, unnamed));
  INFERD_ASSIGN_OR_RETURN(const ValueId rows, b.transpose(found[0], {1, 0}, node.name));
  return emit(l, node, OpKind::kTrim, std::array{rows, found[1]}, TrimAttrs{0});
}

const Row kRows[] = {
    {"", "DYNAMIC_UPDATE_SLICE", dynamic_update_slice},
    {"", "EMBEDDING_LOOKUP", embedding_lookup},
    {"", "GATHER", gather},
    {"", "GATHER_ND", gather_nd},
    {"", "MATRIX_DIAG", matrix_diag},
    {"", "MATRIX_SET_DIAG", matrix_set_diag},
    {"", "NON_MAX_SUPPRESSION_V4", non_max_suppression<false>},
    {"", "NON_MAX_SUPPRESSION_V5", non_max_suppression<true>},
    {"", "ONE_HOT", one_hot},
    {"", "RANGE", range},
    {"", "REVERSE_SEQUENCE", reverse_sequence},
    {"", "SCATTER_ND", scatter_nd},
    {"", "SEGMENT_SUM", segment_sum},
    {"", "SPARSE_TO_DENSE", sparse_to_dense},
    {"", "TOPK_V2", top_k},
    {"", "UNIQUE", unique},
    {"", "UNSORTED_SEGMENT_MAX", unsorted_segment<ScatterReduction::kMax>},
    {"", "UNSORTED_SEGMENT_MIN", unsorted_segment<ScatterReduction::kMin>},
    {"", "UNSORTED_SEGMENT_PROD", unsorted_segment<ScatterReduction::kMul>},
    {"", "UNSORTED_SEGMENT_SUM", unsorted_segment<ScatterReduction::kAdd>},
    {"", "WHERE", where},
};

}  // namespace

std::span<const Row> index_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower
