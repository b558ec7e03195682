// SPDX-License-Identifier: Apache-2.0
//
// Constants of signal processing: windows and the weights of mel filters.
#include <array>
#include <cmath>
#include <numbers>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

constexpr int64_t kMaxSize = 1 << 24;

Result<int64_t> size_at(Lowering& l, const ForeignNode& node, size_t i) {
  INFERD_ASSIGN_OR_RETURN(const auto size, l.ints(node, i));
  if (size.size() == 1 && size[0] >= 1 && size[0] <= kMaxSize) return size[0];
  return invalid_argument("'" + node.inputs[i] + "' is not a number from 1 to " +
                          std::to_string(kMaxSize));
}

// float32 numbers as the node's output, of the type that its attribute names.
Status emit_numbers(Lowering& l, const ForeignNode& node, const Shape& shape,
                    std::span<const float> values) {
  const ValueId y = l.builder().constant_floats(named(node).name, shape, values);
  switch (Lowering::int_attr(node, "output_datatype", 1)) {  // TensorProto.DataType
    case 1:
      return l.set_output(node, 0, y);
    case 10:
      return emit(l, node, OpKind::kCast, std::array{y}, {},
                  OutputSpec::typed(named(node).name, DType::kFloat16));
    case 11:
      return emit(l, node, OpKind::kCast, std::array{y}, {},
                  OutputSpec::typed(named(node).name, DType::kFloat64));
    default:
      return unimplemented("output_datatype other than a floating point type");
  }
}

// a - b cos(t) + c cos(2 t), t from 0 to 2 pi; the last element is left out of a periodic window.
Status cosine_window(Lowering& l, const ForeignNode& node, double a, double b, double c) {
  INFERD_ASSIGN_OR_RETURN(const int64_t size, size_at(l, node, 0));
  const bool periodic = Lowering::int_attr(node, "periodic", 1) != 0;
  const auto steps = static_cast<double>(std::max<int64_t>(periodic ? size : size - 1, 1));
  std::vector<float> window;
  for (int64_t n = 0; n < size; ++n) {
    const double t = 2 * std::numbers::pi * static_cast<double>(n) / steps;
    window.push_back(static_cast<float>(a - b * std::cos(t) + c * std::cos(2 * t)));
  }
  return emit_numbers(l, node, {size}, window);
}

double mel_of(double hertz) { return 2595 * std::log10(1 + hertz / 700); }
double hertz_of(double mel) { return 700 * (std::pow(10, mel / 2595) - 1); }

}  // namespace

Status blackman_window(Lowering& l, const ForeignNode& node) {
  return cosine_window(l, node, 0.42, 0.5, 0.08);
}
Status hamming_window(Lowering& l, const ForeignNode& node) {
  return cosine_window(l, node, 25.0 / 46, 21.0 / 46, 0);
}
Status hann_window(Lowering& l, const ForeignNode& node) {
  return cosine_window(l, node, 0.5, 0.5, 0);
}

// Triangles over frequencies whose corners are equally far apart in mel.
Status mel_weight_matrix(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const int64_t filters, size_at(l, node, 0));
  INFERD_ASSIGN_OR_RETURN(const int64_t length, size_at(l, node, 1));
  INFERD_ASSIGN_OR_RETURN(const int64_t rate, size_at(l, node, 2));
  INFERD_ASSIGN_OR_RETURN(const float lowest, l.scalar(node, 3));
  INFERD_ASSIGN_OR_RETURN(const float highest, l.scalar(node, 4));
  const int64_t frequencies = length / 2 + 1;
  if (filters > kMaxSize / frequencies || !(lowest >= 0) || !(highest >= lowest)) {
    return invalid_argument("the matrix is too large or its edges are not in order");
  }
  const double low = mel_of(double{lowest});
  const double step = (mel_of(double{highest}) - low) / static_cast<double>(filters + 2);
  const auto corner = [&](int64_t i) {
    const double hertz = hertz_of(low + step * static_cast<double>(i));
    return std::floor(static_cast<double>(length + 1) * hertz / static_cast<double>(rate));
  };
  std::vector<float> weights(static_cast<size_t>(frequencies * filters), 0.F);
  for (int64_t i = 0; i < filters; ++i) {
    const double begin = corner(i);
    const double top = corner(i + 1);
    const double end = corner(i + 2);
    for (int64_t j = 0; j < frequencies; ++j) {
      const auto at = static_cast<double>(j);
      double weight = 0;
      if (at >= begin && at <= top) weight = top > begin ? (at - begin) / (top - begin) : 1;
      if (at >= top && at < end) weight = (end - at) / (end - top);
      weights[static_cast<size_t>(j * filters + i)] = static_cast<float>(weight);
    }
  }
  return emit_numbers(l, node, {frequencies, filters}, weights);
}

}  // namespace inferd::import::onnx_lower
