// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

template <typename W>
void fully_connected_float(const RunArgs& args) {
  const Shape& w_shape = args.op.inputs[1].shape;
  const int64_t out = w_shape[0];
  const int64_t depth = w_shape[1];
  const int64_t rows = out == 0 ? 0 : args.op.outputs[0].elements() / out;
  const float* bias = args.op.has_input(2) ? args.input<float>(2) : nullptr;
  const Activation& activation = args.op.attrs_as<FullyConnectedAttrs>().activation;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t o = 0; o < out; ++o) {
      float acc = 0;
      for (int64_t i = 0; i < depth; ++i) {
        acc += args.input<float>(0)[r * depth + i] *
               static_cast<float>(args.input<W>(1)[o * depth + i]);
      }
      args.output<float>(0)[r * out + o] = clamp(bias != nullptr ? acc + bias[o] : acc, activation);
    }
  }
}

void fully_connected_quantized(const RunArgs& args) {
  const OpDesc& op = args.op;
  const Operand& x = op.inputs[0];
  const Operand& w = op.inputs[1];
  const Operand& y = op.outputs[0];
  const int64_t out = w.shape[0];
  const int64_t depth = w.shape[1];
  const int64_t rows = out == 0 ? 0 : y.elements() / out;
  const int32_t x_zero = x.quantization.zero_point();
  const QuantRange range =
      activation_range(op.attrs_as<FullyConnectedAttrs>().activation, y.dtype, y.quantization);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t o = 0; o < out; ++o) {
      const int32_t w_zero = channel_zero_point(w.quantization, static_cast<size_t>(o));
      int32_t acc = op.has_input(2) ? args.input<int32_t>(2)[o] : 0;
      for (int64_t i = 0; i < depth; ++i) {
        acc += (load8(args.inputs[0], r * depth + i, x.dtype) - x_zero) *
               (load8(args.inputs[1], o * depth + i, w.dtype) - w_zero);
      }
      const float m = channel_multiplier(op, static_cast<size_t>(o));
      store8(args.outputs[0], r * out + o,
             requantize(static_cast<float>(acc) * m, y.quantization.zero_point(), range));
    }
  }
}

// Sizes and strides of a[M,K] * b[K,N] after transposition.
struct MatMulGeometry {
  int64_t m, n, k;
  int64_t a_row, a_column, b_row, b_column;

  explicit MatMulGeometry(const OpDesc& op) {
    const auto& attrs = op.attrs_as<MatMulAttrs>();
    const Shape& a = op.inputs[0].shape;
    const Shape& b = op.inputs[1].shape;
    m = a[a.rank() - (attrs.transpose_a ? 1 : 2)];
    k = a[a.rank() - (attrs.transpose_a ? 2 : 1)];
    n = b[b.rank() - (attrs.transpose_b ? 2 : 1)];
    a_row = attrs.transpose_a ? 1 : k;
    a_column = attrs.transpose_a ? m : 1;
    b_row = attrs.transpose_b ? 1 : n;
    b_column = attrs.transpose_b ? k : 1;
  }
};

// f(a offset, b offset, y offset) for each matrix of the broadcast leading dimensions.
template <typename F>
void for_matrices(const OpDesc& op, const MatMulGeometry& g, F f) {
  const auto leading = [](const Shape& s) {
    return Shape(s.dims().first(static_cast<size_t>(s.rank() - 2)));
  };
  const Shape batch = leading(op.outputs[0].shape);
  const std::array<Index, 2> strides = {broadcast_strides(leading(op.inputs[0].shape), batch),
                                        broadcast_strides(leading(op.inputs[1].shape), batch)};
  Index index{};
  std::array<int64_t, 2> offsets{};
  for (int64_t i = 0; i < batch.elements(); ++i) {
    f(offsets[0] * g.m * g.k, offsets[1] * g.k * g.n, i * g.m * g.n);
    advance(batch, index, offsets, strides);
  }
}

}  // namespace

bool accepts_fully_connected(const OpDesc& op) { return accepts_weighted(op, 0); }

void run_fully_connected(const RunArgs& args) {
  if (!is_float(args.op.inputs[0])) return fully_connected_quantized(args);
  args.op.inputs[1].dtype == DType::kFloat16 ? fully_connected_float<Half>(args)
                                             : fully_connected_float<float>(args);
}

bool accepts_matmul(const OpDesc& op) {
  const Operand& a = op.inputs[0];
  const Operand& b = op.inputs[1];
  const Operand& y = op.outputs[0];
  return (is_float(a) && is_float(b) && is_float(y)) ||
         (is_quantized(a) && is_quantized(b) && is_quantized(y));
}

void run_matmul(const RunArgs& args) {
  const OpDesc& op = args.op;
  const Operand& a = op.inputs[0];
  const Operand& b = op.inputs[1];
  const Operand& y = op.outputs[0];
  const MatMulGeometry g(op);
  const Activation& activation = op.attrs_as<MatMulAttrs>().activation;
  if (is_float(a)) {
    for_matrices(op, g, [&](int64_t a0, int64_t b0, int64_t y0) {
      for (int64_t i = 0; i < g.m; ++i) {
        for (int64_t j = 0; j < g.n; ++j) {
          float acc = 0;
          for (int64_t k = 0; k < g.k; ++k) {
            acc += args.input<float>(0)[a0 + i * g.a_row + k * g.a_column] *
                   args.input<float>(1)[b0 + k * g.b_row + j * g.b_column];
          }
          args.output<float>(0)[y0 + i * g.n + j] = clamp(acc, activation);
        }
      }
    });
    return;
  }
  const QuantRange range = activation_range(activation, y.dtype, y.quantization);
  const float m = a.quantization.scale() * b.quantization.scale() / y.quantization.scale();
  for_matrices(op, g, [&](int64_t a0, int64_t b0, int64_t y0) {
    for (int64_t i = 0; i < g.m; ++i) {
      for (int64_t j = 0; j < g.n; ++j) {
        int32_t acc = 0;
        for (int64_t k = 0; k < g.k; ++k) {
          acc += (load8(args.inputs[0], a0 + i * g.a_row + k * g.a_column, a.dtype) -
                  a.quantization.zero_point()) *
                 (load8(args.inputs[1], b0 + k * g.b_row + j * g.b_column, b.dtype) -
                  b.quantization.zero_point());
        }
        store8(args.outputs[0], y0 + i * g.n + j,
               requantize(static_cast<float>(acc) * m, y.quantization.zero_point(), range));
      }
    }
  });
}

}  // namespace inferd::kernels::ref
