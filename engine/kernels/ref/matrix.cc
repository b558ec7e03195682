// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/ref/rows.h"
#include "engine/kernels/ref/weighted.h"

namespace inferd::kernels::ref {
namespace {

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

// 32 or 64 bits.
bool is_plain_number(DType dtype) {
  return dtype == DType::kInt32 || dtype == DType::kUInt32 || dtype == DType::kInt64 ||
         dtype == DType::kUInt64 || dtype == DType::kFloat64;
}

// store(index, 0, sum of products) for every element of the output.
template <typename Acc, typename A, typename B, typename Store>
void multiply(const RunArgs& args, const Store& store) {
  const OpDesc& op = args.op;
  const MatMulGeometry g(op);
  const Acc a_zero = zero_of<Acc>(op.inputs[0], 0);
  const Acc b_zero = zero_of<Acc>(op.inputs[1], 0);
  for_matrices(op, g, [&](int64_t a0, int64_t b0, int64_t y0) {
    args.parallel_for(g.m, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t j = 0; j < g.n; ++j) {
          const A* a = args.input<A>(0) + a0 + i * g.a_row;
          const B* b = args.input<B>(1) + b0 + j * g.b_column;
          Acc sum = 0;
          for (int64_t k = 0; k < g.k; ++k, a += g.a_column, b += g.b_row) {
            sum += (static_cast<Acc>(*a) - a_zero) * (static_cast<Acc>(*b) - b_zero);
          }
          store(y0 + i * g.n + j, 0, sum);
        }
      }
    });
  });
}

}  // namespace

bool accepts_fully_connected(const OpDesc& op) { return accepts_weighted(op, 0); }

void run_fully_connected(const RunArgs& args) {
  const OpDesc& op = args.op;
  const int64_t out = op.inputs[1].shape[0];
  const int64_t depth = op.inputs[1].shape[1];
  const int64_t rows = out == 0 ? 0 : op.outputs[0].elements() / out;
  const Finish finish(args, op.attrs_as<FullyConnectedAttrs>().activation);
  with_weighted_types(op, [&]<typename Acc, typename X, typename W>() {
    const X* x = args.input<X>(0);
    const Acc x_zero = zero_of<Acc>(op.inputs[0], 0);
    for (int64_t r = 0; r < rows; ++r, x += depth) {
      const W* w = args.input<W>(1);
      for (int64_t o = 0; o < out; ++o, w += depth) {
        const Acc w_zero = zero_of<Acc>(op.inputs[1], static_cast<size_t>(o));
        Acc sum = 0;
        for (int64_t i = 0; i < depth; ++i) {
          sum += (static_cast<Acc>(x[i]) - x_zero) * (static_cast<Acc>(w[i]) - w_zero);
        }
        finish(r * out + o, static_cast<size_t>(o), sum);
      }
    }
  });
}

bool accepts_matmul(const OpDesc& op) {
  const Operand& a = op.inputs[0];
  const Operand& b = op.inputs[1];
  const Operand& y = op.outputs[0];
  if (is_wide(a)) return (is_wide(b) || is_quantized(b)) && is_wide(y);
  if (is_quantized(a)) return is_quantized(b) && is_quantized(y);
  const bool plain = a.quantization.empty() && b.quantization.empty() && y.quantization.empty();
  if (!plain || a.dtype != b.dtype || a.dtype != y.dtype) return false;
  return is_float(a) || (is_plain_number(a.dtype) && op.attrs_as<MatMulAttrs>().activation.none());
}

void run_matmul(const RunArgs& args) {
  const OpDesc& op = args.op;
  const Finish finish(args, op.attrs_as<MatMulAttrs>().activation);
  const auto run = [&]<typename Acc, typename A, typename B>(const auto& store) {
    multiply<Acc, A, B>(args, store);
  };
  const auto plain = [&]<typename T>() {
    run.template operator()<T, T, T>([&](int64_t i, size_t, T sum) { args.output<T>(0)[i] = sum; });
  };
  switch (op.inputs[0].dtype) {
    case DType::kFloat64:
      return plain.template operator()<double>();
    case DType::kInt64:
    case DType::kUInt64:
      return plain.template operator()<uint64_t>();
    case DType::kInt32:
    case DType::kUInt32:
      return plain.template operator()<uint32_t>();
    case DType::kInt16:
      if (op.inputs[1].dtype == DType::kInt16) {
        return run.template operator()<int64_t, int16_t, int16_t>(finish);
      }
      [[fallthrough]];
    default:
      return with_weighted_types(op, [&]<typename Acc, typename A, typename B>() {
        run.template operator()<Acc, A, B>(finish);
      });
  }
}

}  // namespace inferd::kernels::ref
