// SPDX-License-Identifier: Apache-2.0
//
// Fourier transforms as products with constant matrices of sines and cosines, which the fast matrix
// kernels compute: quadratic in the length, but lengths in models are those of audio frames.
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

constexpr int64_t kMaxLength = 4096;  // 128 MiB of weights for complex numbers

struct Transform {
  int64_t length = 0;
  bool complex = false;  // the input has imaginary parts
  bool inverse = false;
  int64_t frequencies = 0;  // of the output: the first so many
};

Result<Transform> transform_of(const ForeignNode& node, int64_t length, int64_t components,
                               bool one_sided) {
  if (components != 1 && components != 2) {
    return invalid_argument("the last dimension is neither real (1) nor complex (2)");
  }
  if (length < 1 || length > kMaxLength) {
    return unimplemented("a transform of length " + std::to_string(length) + ", not from 1 to " +
                         std::to_string(kMaxLength));
  }
  const bool inverse = Lowering::int_attr(node, "inverse", 0) != 0;
  if (inverse && one_sided) return unimplemented("an inverse transform of one side");
  return Transform{length, components == 2, inverse, one_sided ? length / 2 + 1 : length};
}

// Weights [frequencies * 2, length * components]: the real and the imaginary part of the k-th sum
// of x[n] * exp(-2 pi i n k / length); with the opposite sign and divided by the length for the
// inverse.
std::shared_ptr<const Constant> fourier_matrix(const Transform& t) {
  const int64_t columns = t.length * (t.complex ? 2 : 1);
  const auto bytes = static_cast<size_t>(t.frequencies * 2 * columns) * sizeof(float);
  return Constant::made(bytes, [t, columns](std::span<std::byte> out) {
    const double scale = t.inverse ? 1.0 / static_cast<double>(t.length) : 1.0;
    const auto put = [&](int64_t row, int64_t column, double value) {
      const auto number = static_cast<float>(value * scale);
      std::memcpy(out.data() + static_cast<size_t>(row * columns + column) * sizeof number, &number,
                  sizeof number);
    };
    for (int64_t k = 0; k < t.frequencies; ++k) {
      for (int64_t n = 0; n < t.length; ++n) {
        const double turn = 2 * std::numbers::pi * static_cast<double>(n * k % t.length) /
                            static_cast<double>(t.length);
        const double real = std::cos(turn);
        const double imaginary = t.inverse ? std::sin(turn) : -std::sin(turn);
        const int64_t column = t.complex ? 2 * n : n;
        put(2 * k, column, real);
        put(2 * k + 1, column, imaginary);
        if (!t.complex) continue;
        put(2 * k, column + 1, -imaginary);
        put(2 * k + 1, column + 1, real);
      }
    }
  });
}

ValueId fourier_weights(Lowering& l, const ForeignNode& node, const Transform& t,
                        const Shape& shape) {
  return l.builder().constant(node.name + "/fourier", DType::kFloat32, shape, fourier_matrix(t));
}

// Dimension `axis` of `x` cut off or filled with zeros at its end.
Result<ValueId> with_length(Lowering& l, const ForeignNode& node, ValueId x, int axis,
                            int64_t length) {
  const Shape s = l.info(x).shape;
  const auto d = static_cast<size_t>(axis);
  if (s[axis] == kDynamicDim) return failed_precondition("a signal of unknown length");
  if (s[axis] > length) {
    SliceAttrs slice = whole_slice(s.rank());
    slice.end[d] = length;
    return l.builder().op(OpKind::kSlice, {x}, slice, node.name + "/length");
  }
  if (s[axis] == length) return x;
  PadAttrs pad;
  pad.before.assign(static_cast<size_t>(s.rank()), 0);
  pad.after = pad.before;
  pad.after[d] = length - s[axis];
  return l.builder().op(OpKind::kPad, {x}, pad, node.name + "/length");
}

// The axis of a DFT: an attribute, since opset 20 an input.
Result<int> dft_axis(Lowering& l, const ForeignNode& node, ValueId x) {
  constexpr int kAxisInput = 20;
  if (node.version < kAxisInput) return l.axis(Lowering::int_attr(node, "axis", 1), x);
  if (!l.has(node, 2)) return l.axis(-2, x);
  INFERD_ASSIGN_OR_RETURN(const auto axis, l.ints(node, 2));
  if (axis.size() != 1) return invalid_argument("axis is not a scalar");
  return l.axis(axis[0], x);
}

}  // namespace

// The axis goes behind all others but the components; there a row of length * components numbers
// is multiplied with the matrix.
Status dft(Lowering& l, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const int axis, dft_axis(l, node, x));
  const int rank = l.info(x).shape.rank();
  if (axis == rank - 1) return invalid_argument("the axis is that of the components");
  int64_t length = l.info(x).shape[axis];
  if (l.has(node, 1)) {
    INFERD_ASSIGN_OR_RETURN(const auto given, l.ints(node, 1));
    if (given.size() != 1) return invalid_argument("dft_length is not a scalar");
    length = given[0];
  }
  if (length == kDynamicDim) return failed_precondition("a signal of unknown length");
  INFERD_ASSIGN_OR_RETURN(const Transform t,
                          transform_of(node, length, l.info(x).shape.back(),
                                       Lowering::int_attr(node, "onesided", 0) != 0));
  INFERD_ASSIGN_OR_RETURN(x, with_length(l, node, x, axis, length));
  std::vector<int> perm;
  for (int d = 0; d < rank - 1; ++d) {
    if (d != axis) perm.push_back(d);
  }
  perm.push_back(axis);
  perm.push_back(rank - 1);
  std::vector<int> back(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) {
    back[static_cast<size_t>(perm[i])] = static_cast<int>(i);
  }
  INFERD_ASSIGN_OR_RETURN(x, b.transpose(x, perm, node.name + "/axis"));
  std::vector<int64_t> rows(static_cast<size_t>(rank - 2), 0);
  const int64_t columns = t.length * (t.complex ? 2 : 1);
  rows.push_back(columns);
  INFERD_ASSIGN_OR_RETURN(x, b.reshape(x, rows, node.name + "/rows"));
  const ValueId w = fourier_weights(l, node, t, {t.frequencies * 2, columns});
  INFERD_ASSIGN_OR_RETURN(ValueId y,
                          b.op(OpKind::kFullyConnected, {x, w}, FullyConnectedAttrs{}, node.name));
  rows.back() = t.frequencies;
  rows.push_back(2);
  INFERD_ASSIGN_OR_RETURN(y, b.reshape(y, rows, node.name + "/components"));
  return emit(l, node, OpKind::kTranspose, std::array{y}, TransposeAttrs{back});
}

// A convolution over the signal: the window times the matrix is its kernel.
Status stft(Lowering& l, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(const auto step, l.ints(node, 1));
  const Shape s = l.info(x).shape;
  if (s.rank() < 2 || s.rank() > 3 || step.size() != 1 || step[0] < 1 || step[0] > INT32_MAX) {
    return invalid_argument("needs a signal [batch,length,components] and a step of 1 or more");
  }
  const int64_t components = s.rank() == 3 ? s[2] : 1;
  int64_t length = 0;
  if (l.has(node, 3)) {
    INFERD_ASSIGN_OR_RETURN(const auto given, l.ints(node, 3));
    if (given.size() != 1) return invalid_argument("frame_length is not a scalar");
    length = given[0];
  } else if (l.has(node, 2)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId window, l.input(node, 2));
    if (l.info(window).shape.rank() == 1) length = l.info(window).shape[0];
  }
  const bool one_sided = Lowering::int_attr(node, "onesided", 1) != 0;
  INFERD_ASSIGN_OR_RETURN(const Transform t, transform_of(node, length, components, one_sided));
  ValueId w = fourier_weights(l, node, t, {t.frequencies * 2, 1, length, components});
  if (l.has(node, 2)) {
    INFERD_ASSIGN_OR_RETURN(ValueId window, l.input(node, 2));
    INFERD_ASSIGN_OR_RETURN(window, b.reshape(window, {length, 1}, node.name + "/window"));
    INFERD_ASSIGN_OR_RETURN(w, b.op(OpKind::kBinary, {w, window}, BinaryAttrs{BinaryKind::kMul, {}},
                                    node.name + "/kernel"));
  }
  INFERD_ASSIGN_OR_RETURN(x, b.reshape(x, {0, 1, -1, components}, node.name + "/line"));
  Conv2dAttrs attrs;
  attrs.window.kernel_w = static_cast<int>(length);
  attrs.window.stride_w = static_cast<int>(step[0]);
  INFERD_ASSIGN_OR_RETURN(const ValueId y, b.op(OpKind::kConv2d, {x, w}, attrs, node.name));
  return emit(l, node, OpKind::kReshape, std::array{y},
              ReshapeAttrs{{0, -1, t.frequencies, 2}, false});
}

}  // namespace inferd::import::onnx_lower
