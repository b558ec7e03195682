// SPDX-License-Identifier: Apache-2.0
//
// Normalisations: by statistics that the model has (batch) and by those of the input itself.
#include <algorithm>
#include <array>
#include <limits>

#include "engine/import/onnx/formula.h"

namespace inferd::import::onnx_lower {
namespace {

// [C] against [N,C,...]: [C,1,...].
ValueId per_channel(Formula& f, ValueId p, int rank) {
  if (!f.ok()) return ir::kNoValue;
  if (f.rank(p) != 1) return f.fail(invalid_argument("a parameter is not one-dimensional"));
  if (rank <= 2) return p;
  std::vector<int64_t> dims(static_cast<size_t>(rank - 1), 1);
  dims[0] = -1;
  return f.op(OpKind::kReshape, {p}, ReshapeAttrs{std::move(dims), false});
}

// x * scale + shift along dimension 1.
ValueId scale_channels(Formula& f, ValueId x, ValueId scale, ValueId shift) {
  if (!f.ok()) return ir::kNoValue;
  if (f.info(x).dtype == DType::kFloat32) {
    return f.op(OpKind::kBatchNorm, {x, scale, shift}, BatchNormAttrs{1});
  }
  return f.add(f.mul(x, per_channel(f, scale, f.rank(x))), per_channel(f, shift, f.rank(x)));
}

struct Statistics {
  ValueId mean, variance;  // over everything but dimension 1: [C]
};

Statistics channel_statistics(Formula& f, ValueId x) {
  std::vector<int> axes = {0};
  for (int d = 2; d < f.rank(x); ++d) axes.push_back(d);
  const ReduceAttrs mean_of{ReduceKind::kMean, axes, false};
  const ValueId centred = f.sub(x, f.reduce(ReduceKind::kMean, x, axes));
  return {f.op(OpKind::kReduce, {x}, mean_of),
          f.op(OpKind::kReduce, {f.mul(centred, centred)}, mean_of)};
}

// What training would keep: momentum * before + (1 - momentum) * now.
void emit_running(Formula& f, const ForeignNode& node, size_t i, ValueId before, ValueId now) {
  const float momentum = Lowering::float_attr(node, "momentum", 0.9F);
  f.output(i, f.add(f.scale(before, momentum), f.scale(now, 1.F - momentum)));
}

ValueId same_shape(Formula& f, ValueId y, ValueId x, const char* what) {
  const Shape shape = f.static_shape(x, what);
  return f.reshape(y, {shape.begin(), shape.end()});
}

// kNormalize with scale and shift at inputs 1 and 2, where they are there.
ValueId normalize_rows(Formula& f, ValueId x, const NormalizeAttrs& attrs) {
  std::vector<ValueId> inputs = {x};
  for (size_t i = 1; i <= 2 && f.has(i); ++i) inputs.push_back(f.input(i));
  return f.op(OpKind::kNormalize, inputs, attrs);
}

// Mean and 1 / sqrt(variance + epsilon) of what LayerNormalization normalises.
void emit_row_statistics(Formula& f, ValueId x, const NormalizeAttrs& attrs, size_t mean_output) {
  if (!f.ok() || !(f.wants(mean_output) || f.wants(mean_output + 1))) return;
  const std::vector<int> axes = axes_between(attrs.axis, f.rank(x));
  const ValueId mean = f.reduce(ReduceKind::kMean, x, axes);
  const ValueId centred = f.sub(x, mean);
  const ValueId variance = f.reduce(ReduceKind::kMean, f.mul(centred, centred), axes);
  f.output(mean_output, mean);
  f.output(mean_output + 1,
           f.div(f.number(1, x), f.sqrt(f.add(variance, f.number(attrs.epsilon, x)))));
}

Result<int> axis_attr(const Formula& f, const ForeignNode& node, ValueId x, int64_t fallback) {
  return normalize_axis(Lowering::int_attr(node, "axis", fallback), f.rank(x));
}

template <NormalizeKind kKind>
Status layer_norm(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  const ValueId x = f.input(0);
  INFERD_RETURN_IF_ERROR(f.status());
  INFERD_ASSIGN_OR_RETURN(const int axis, axis_attr(f, node, x, -1));
  const NormalizeAttrs attrs{kKind, axis, Lowering::float_attr(node, "epsilon", 1e-5F)};
  if (kKind == NormalizeKind::kMeanVariance) emit_row_statistics(f, x, attrs, 1);
  return f.finish(normalize_rows(f, x, attrs));
}

}  // namespace

// (x - mean) / sqrt(variance + epsilon) * scale + bias. The parameters are folded where they are
// constants.
Status batch_normalization(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  const ValueId x = f.input(0);
  INFERD_RETURN_IF_ERROR(f.status());
  if (f.rank(x) < 2) return invalid_argument("an input without channels");
  Statistics used{f.input(3), f.input(4)};
  if (Lowering::int_attr(node, "training_mode", 0) != 0) {
    const Statistics now = channel_statistics(f, x);
    emit_running(f, node, 1, used.mean, now.mean);
    emit_running(f, node, 2, used.variance, now.variance);
    used = now;
  }
  const double epsilon = Lowering::float_attr(node, "epsilon", 1e-5F);
  const ValueId scale =
      f.div(f.input(1), f.sqrt(f.add(used.variance, f.number(epsilon, used.variance))));
  const ValueId shift = f.sub(f.input(2), f.mul(used.mean, scale));
  return f.finish(scale_channels(f, x, scale, shift));
}

Status instance_normalization(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  const ValueId x = f.input(0);
  INFERD_RETURN_IF_ERROR(f.status());
  if (f.rank(x) < 3) return invalid_argument("an input without channels and an image");
  const NormalizeAttrs attrs{NormalizeKind::kMeanVariance, 2,
                             Lowering::float_attr(node, "epsilon", 1e-5F)};
  const ValueId scale = per_channel(f, f.input(1), f.rank(x));
  const ValueId shift = per_channel(f, f.input(2), f.rank(x));
  return f.finish(f.op(OpKind::kNormalize, {x, scale, shift}, attrs));
}

// Channels in `num_groups` groups; until opset 21 scale and bias are given for groups.
Status group_normalization(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  const ValueId x = f.input(0);
  const ValueId scale = f.input(1);
  const ValueId shift = f.input(2);
  INFERD_RETURN_IF_ERROR(f.status());
  const Shape s = f.info(x).shape;
  const int64_t groups = Lowering::int_attr(node, "num_groups", 0);
  if (s.rank() < 3 || s[1] == kDynamicDim) return failed_precondition("channels of unknown number");
  if (groups < 1 || s[1] % groups != 0) {
    return invalid_argument("num_groups " + std::to_string(groups) + " does not divide the " +
                            std::to_string(s[1]) + " channels");
  }
  const NormalizeAttrs attrs{NormalizeKind::kMeanVariance, 2,
                             Lowering::float_attr(node, "epsilon", 1e-5F)};
  const ReshapeAttrs grouped{{0, groups, -1}, false};
  const ValueId rows = f.op(OpKind::kReshape, {x}, grouped);
  if (f.info(scale).shape == Shape{groups} && node.version < 21) {
    const ValueId y =
        f.op(OpKind::kNormalize, {rows, per_channel(f, scale, 3), per_channel(f, shift, 3)}, attrs);
    return f.finish(same_shape(f, y, x, "group normalisation of an image"));
  }
  const ValueId y =
      same_shape(f, f.op(OpKind::kNormalize, {rows}, attrs), x, "group normalisation of an image");
  return f.finish(scale_channels(f, y, scale, shift));
}

Status layer_normalization(Lowering& l, const ForeignNode& node) {
  return layer_norm<NormalizeKind::kMeanVariance>(l, node);
}
Status rms_normalization(Lowering& l, const ForeignNode& node) {
  return layer_norm<NormalizeKind::kRms>(l, node);
}

// x / norm along one axis; zeros stay zeros.
Status lp_normalization(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  const ValueId x = f.input(0);
  INFERD_RETURN_IF_ERROR(f.status());
  INFERD_ASSIGN_OR_RETURN(const int axis, axis_attr(f, node, x, -1));
  const int64_t p = Lowering::int_attr(node, "p", 2);
  if (p != 1 && p != 2) return invalid_argument("p is " + std::to_string(p) + ", not 1 or 2");
  if (p == 2 && axis == f.rank(x) - 1) {
    return f.finish(f.op(OpKind::kNormalize, {x}, NormalizeAttrs{NormalizeKind::kL2, axis, 0.F}));
  }
  const ValueId norm = f.reduce(p == 1 ? ReduceKind::kL1 : ReduceKind::kL2, x, {axis});
  const ValueId least = f.number(std::numeric_limits<float>::min(), x);
  return f.finish(f.div(x, f.binary(BinaryKind::kMax, norm, least)));
}

// (x - mean) / (sqrt(variance) + 1e-9) over `axes`, the batch and the image by default.
Status mean_variance_normalization(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  const ValueId x = f.input(0);
  INFERD_RETURN_IF_ERROR(f.status());
  std::vector<int> axes;
  std::vector<int64_t> wanted = Lowering::ints_attr(node, "axes");
  if (wanted.empty()) wanted = {0, 2, 3};
  for (int64_t axis : wanted) {
    INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis, f.rank(x)));
    axes.push_back(a);
  }
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  const ValueId centred = f.sub(x, f.reduce(ReduceKind::kMean, x, axes));
  const ValueId deviation = f.sqrt(f.reduce(ReduceKind::kMean, f.mul(centred, centred), axes));
  return f.finish(f.div(centred, f.add(deviation, f.number(1e-9, x))));
}

// x / (bias + alpha / size * sum of squares of `size` channels around it) ^ beta
Status local_response_normalization(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  const ValueId x = f.input(0);
  INFERD_RETURN_IF_ERROR(f.status());
  const int64_t size = Lowering::int_attr(node, "size", 0);
  if (size < 1) return invalid_argument("size " + std::to_string(size) + " is not positive");
  const LocalResponseNormAttrs attrs{
      .axis = 1,
      .before = (size - 1) / 2,
      .after = size / 2,
      .alpha = Lowering::float_attr(node, "alpha", 1e-4F) / static_cast<float>(size),
      .beta = Lowering::float_attr(node, "beta", 0.75F),
      .bias = Lowering::float_attr(node, "bias", 1.F)};
  return f.finish(f.op(OpKind::kLocalResponseNorm, {x}, attrs));
}

// com.microsoft: LayerNormalization of x + skip + bias, or the same without a mean.
template <NormalizeKind kKind>
Status skip_norm(Lowering& l, const ForeignNode& node) {
  constexpr bool kShifts = kKind == NormalizeKind::kMeanVariance;
  constexpr size_t kGamma = 2, kBeta = 3, kBias = kShifts ? 4 : 3;
  Formula f(l, node);
  ValueId x = f.add(f.input(0), f.input(1));
  if (f.has(kBias)) x = f.add(x, f.input(kBias));
  INFERD_RETURN_IF_ERROR(f.status());
  const NormalizeAttrs attrs{kKind, f.rank(x) - 1, Lowering::float_attr(node, "epsilon", 1e-12F)};
  f.output(3, x);
  std::vector<ValueId> inputs = {x, f.input(kGamma)};
  if (kShifts && f.has(kBeta)) inputs.push_back(f.input(kBeta));
  if (kShifts) emit_row_statistics(f, x, attrs, 1);
  return f.finish(f.op(OpKind::kNormalize, inputs, attrs));
}

Status skip_layer_normalization(Lowering& l, const ForeignNode& node) {
  return skip_norm<NormalizeKind::kMeanVariance>(l, node);
}
Status skip_rms_normalization(Lowering& l, const ForeignNode& node) {
  return skip_norm<NormalizeKind::kRms>(l, node);
}

}  // namespace inferd::import::onnx_lower
