// SPDX-License-Identifier: Apache-2.0
//
// Attention, and the embedding that comes before it: softmax(q k' * scale + mask) v for each head.
#include <cmath>
#include <limits>
#include <optional>

#include "engine/import/onnx/formula.h"

namespace inferd::import::onnx_lower {
namespace {

// Queries, keys and values as [batch, heads, positions, size of a head].
struct Heads {
  ValueId q, k, v;
};

// [B,S,heads * D] -> [B,heads,S,D]
ValueId split_heads(Formula& f, ValueId x, int64_t heads) {
  const Shape s = f.static_shape(x, "attention");
  if (!f.ok()) return ir::kNoValue;
  if (s.rank() != 3 || heads < 1 || s[2] % heads != 0) {
    return f.fail(invalid_argument("cannot split " + s.to_string() + " into " +
                                   std::to_string(heads) + " heads"));
  }
  return f.transpose(f.reshape(x, {s[0], s[1], heads, s[2] / heads}), {0, 2, 1, 3});
}

// [B,heads,S,D] -> [B,S,heads * D]
ValueId join_heads(Formula& f, ValueId x) {
  const Shape s = f.static_shape(x, "attention");
  if (!f.ok()) return ir::kNoValue;
  return f.reshape(f.transpose(x, {0, 2, 1, 3}), {s[0], s[2], s[1] * s[3]});
}

// What masked positions get: as little as float32 has room for beside other numbers.
constexpr float kMasked = std::numeric_limits<float>::lowest() / 4;

// 0 where query i may look at key j, and kMasked at the keys after it: [q,k].
ValueId causal_mask(Formula& f, Lowering& l, int64_t q, int64_t k) {
  constexpr int64_t kMost = int64_t{1} << 24;
  if (q > 0 && k > kMost / q) return f.fail(unimplemented("a causal mask of so many positions"));
  std::vector<float> mask;
  for (int64_t i = 0; i < q; ++i) {
    for (int64_t j = 0; j < k; ++j) mask.push_back(j > i ? kMasked : 0.F);
  }
  return l.builder().constant_floats("causal", {q, k}, mask);
}

// (keep - 1) * -masked: 0 where `keep` is 1, `masked` where it is 0.
ValueId mask_of(Formula& f, ValueId keep, float masked) {
  const ValueId kept = f.cast(keep, DType::kFloat32);
  return f.scale(f.sub(kept, f.number(1, kept)), -masked);
}

ValueId attend(Formula& f, const Heads& h, float scale, std::optional<ValueId> mask) {
  ValueId scores = f.scale(f.matmul(h.q, h.k, MatMulAttrs{false, true, {}}), scale);
  if (mask) scores = f.add(scores, *mask);
  return f.matmul(f.op(OpKind::kSoftmax, {scores}, SoftmaxAttrs{-1}), h.v);
}

float scale_attr(const ForeignNode& node, int64_t head_size) {
  const float given = Lowering::float_attr(node, "scale", 0.F);
  return given != 0.F ? given : 1.F / std::sqrt(static_cast<float>(head_size));
}

// Columns [begin, end) of the last dimension.
ValueId columns(Formula& f, ValueId x, int64_t begin, int64_t end) {
  if (!f.ok()) return ir::kNoValue;
  SliceAttrs attrs = whole_slice(f.rank(x));
  attrs.begin.back() = begin;
  attrs.end.back() = end;
  return f.op(OpKind::kSlice, {x}, attrs);
}

// Whole heads again and again, so that each is there for `times` heads of the queries.
ValueId repeat_heads(Formula& f, ValueId x, int64_t times) {
  constexpr int64_t kMost = 1024;
  const Shape s = f.static_shape(x, "attention");
  if (!f.ok() || times == 1) return x;
  if (times > kMost) return f.fail(unimplemented("a key for so many queries"));
  const ValueId apart = f.reshape(x, {s[0], s[1], 1, s[2] * s[3]});
  const std::vector<ValueId> copies(static_cast<size_t>(times), apart);
  return f.reshape(f.op(OpKind::kConcat, copies, ConcatAttrs{2}), {s[0], s[1] * times, s[2], s[3]});
}

}  // namespace

// com.microsoft: x[B,S,K], weights[K,3 * N], bias[3 * N], mask?[B,T] -> [B,S,N]
Status packed_attention(Lowering& l, const ForeignNode& node) {
  constexpr size_t kMask = 3, kPast = 4, kBias = 5;
  if (Lowering::has_attr(node, "qkv_hidden_sizes") || Lowering::int_attr(node, "do_rotary", 0)) {
    return unimplemented("queries of another size than values, or rotary positions");
  }
  Formula f(l, node);
  if (f.has(kPast) || node.inputs.size() > kBias + 1 || f.wants(1)) {
    return unimplemented("keys and values of earlier runs");
  }
  const ValueId packed = f.add(f.matmul(f.input(0), f.input(1)), f.input(2));
  const Shape s = f.static_shape(packed, "attention");
  INFERD_RETURN_IF_ERROR(f.status());
  if (s.rank() != 3 || s[2] % 3 != 0) {
    return invalid_argument("queries, keys and values together are " + s.to_string());
  }
  const int64_t width = s[2] / 3;
  const int64_t heads = Lowering::int_attr(node, "num_heads", 0);
  const auto part = [&](int64_t i) {
    return split_heads(f, columns(f, packed, i * width, (i + 1) * width), heads);
  };
  const Heads h{part(0), part(1), part(2)};
  std::optional<ValueId> mask;
  const auto also = [&](ValueId more) { mask = mask ? f.add(*mask, more) : more; };
  if (f.has(kMask)) {
    const ValueId keep = f.input(kMask);
    INFERD_RETURN_IF_ERROR(f.status());
    if (f.rank(keep) != 2) return unimplemented("a mask that is not [batch, positions]");
    const float masked = Lowering::float_attr(node, "mask_filter_value", -10000.F);
    also(mask_of(f, f.reshape(keep, {s[0], 1, 1, s[1]}), masked));
  }
  if (f.has(kBias)) also(f.input(kBias));
  if (Lowering::int_attr(node, "unidirectional", 0) != 0) also(causal_mask(f, l, s[1], s[1]));
  INFERD_RETURN_IF_ERROR(f.status());
  return f.finish(join_heads(f, attend(f, h, scale_attr(node, width / heads), mask)));
}

// q, k, v as [B,heads,S,D], or [B,S,heads * D] with the number of heads as attributes.
Status attention(Lowering& l, const ForeignNode& node) {
  constexpr size_t kMask = 3, kPast = 4;
  Formula f(l, node);
  if (f.has(kPast) || f.wants(1)) return unimplemented("keys and values of earlier runs");
  if (Lowering::float_attr(node, "softcap", 0.F) != 0.F) return unimplemented("softcap");
  const ValueId q = f.input(0);
  INFERD_RETURN_IF_ERROR(f.status());
  const bool joined = f.rank(q) == 3;
  const int64_t q_heads = Lowering::int_attr(node, "q_num_heads", 0);
  const int64_t kv_heads = Lowering::int_attr(node, "kv_num_heads", q_heads);
  const auto apart = [&](ValueId x, int64_t heads) {
    return joined ? split_heads(f, x, heads) : x;
  };
  Heads h{apart(q, q_heads), apart(f.input(1), kv_heads), apart(f.input(2), kv_heads)};
  const Shape qs = f.static_shape(h.q, "attention");
  const Shape ks = f.static_shape(h.k, "attention");
  INFERD_RETURN_IF_ERROR(f.status());
  if (qs.rank() != 4 || ks.rank() != 4 || ks[1] == 0 || qs[1] % ks[1] != 0) {
    return invalid_argument("queries " + qs.to_string() + " do not fit keys " + ks.to_string());
  }
  h.k = repeat_heads(f, h.k, qs[1] / ks[1]);
  h.v = repeat_heads(f, h.v, qs[1] / ks[1]);
  std::optional<ValueId> mask;
  if (f.has(kMask)) {
    mask = f.input(kMask);
    INFERD_RETURN_IF_ERROR(f.status());
    if (f.info(*mask).dtype == DType::kBool) mask = mask_of(f, *mask, kMasked);
  }
  if (Lowering::int_attr(node, "is_causal", 0) != 0) {
    const ValueId causal = causal_mask(f, l, qs[2], ks[2]);
    mask = mask ? f.add(*mask, causal) : causal;
  }
  const ValueId y = attend(f, h, scale_attr(node, qs[3]), mask);
  return f.finish(joined ? join_heads(f, y) : y);
}

// com.microsoft: layer normalisation of word, position and segment embeddings; the second output
// counts what the mask has, the third is what was normalised.
Status embed_layer_normalization(Lowering& l, const ForeignNode& node) {
  constexpr size_t kSegmentIds = 1, kWords = 2, kPositions = 3, kSegments = 4, kGamma = 5,
                   kBeta = 6, kMask = 7, kPositionIds = 8;
  Formula f(l, node);
  const ValueId ids = f.input(0);
  const Shape s = f.static_shape(ids, "an embedding");
  const auto looked_up = [&](size_t table, ValueId indices) {
    return f.op(OpKind::kGather, {f.input(table), indices}, GatherAttrs{.axis = 0});
  };
  ValueId sum = looked_up(kWords, ids);
  INFERD_RETURN_IF_ERROR(f.status());
  if (s.rank() != 2)
    return invalid_argument("ids are " + s.to_string() + ", not [batch, positions]");
  if (f.has(kPositionIds)) {
    sum = f.add(sum, looked_up(kPositions, f.input(kPositionIds)));
  } else {
    sum = f.add(sum, f.op(OpKind::kSlice, {f.input(kPositions)},
                          SliceAttrs{{0, 0}, {s[1], kSliceEnd}, {1, 1}}));
  }
  if (f.has(kSegments) && f.has(kSegmentIds)) {
    sum = f.add(sum, looked_up(kSegments, f.input(kSegmentIds)));
  }
  if (f.has(kMask)) {
    f.output(1, f.op(OpKind::kReduce, {f.input(kMask)}, ReduceAttrs{ReduceKind::kSum, {1}, false}));
  } else if (f.wants(1)) {
    const std::vector<int32_t> none(static_cast<size_t>(s[0]), 0);
    f.output(1, l.builder().constant_int32s(node.outputs[1], {s[0]}, none));
  }
  f.output(2, sum);
  const NormalizeAttrs attrs{NormalizeKind::kMeanVariance, 2,
                             Lowering::float_attr(node, "epsilon", 1e-12F)};
  return f.finish(f.op(OpKind::kNormalize, {sum, f.input(kGamma), f.input(kBeta)}, attrs));
}

}  // namespace inferd::import::onnx_lower
