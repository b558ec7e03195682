// SPDX-License-Identifier: Apache-2.0
//
// MediaPipe's custom operators: pooling that remembers where maxima were, and geometry of
// landmarks. Their definition is MediaPipe's source (util/tflite/operations); options are C
// structs.
#include <array>

#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {
namespace {

// TfLitePoolParams.
struct PoolOptions {
  bool same = false;
  int64_t stride_w = 0, stride_h = 0, filter_w = 0, filter_h = 0;
  int64_t activation = 0;
};

Result<PoolOptions> pool_options(const ForeignNode& node) {
  constexpr int64_t kMax = 1 << 20;
  const std::vector<int32_t> words = option_words(node, 6);
  if (words.empty()) return invalid_argument("has no options");
  for (size_t i = 1; i < 5; ++i) {
    if (words[i] < 1 || words[i] > kMax) {
      return invalid_argument("stride or filter size is out of range");
    }
  }
  return PoolOptions{words[0] == 1, words[1], words[2], words[3], words[4], words[5]};
}

// Inputs: x. Outputs: maxima, and which tap of the window each was plus 0.1, as float32.
Status max_pool_with_argmax(Lowering& l, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(const PoolOptions options, pool_options(node));
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape& shape = l.info(x).shape;
  if (shape.rank() != 4) return invalid_argument("input " + shape.to_string() + " is not 4-D");
  Window2d w{.kernel_h = static_cast<int>(options.filter_h),
             .kernel_w = static_cast<int>(options.filter_w),
             .stride_h = static_cast<int>(options.stride_h),
             .stride_w = static_cast<int>(options.stride_w)};
  if (options.same) {
    INFERD_RETURN_IF_ERROR(
        same_padding(shape[1], w.kernel_h, w.stride_h, 1, false, &w.pad_top, &w.pad_bottom));
    INFERD_RETURN_IF_ERROR(
        same_padding(shape[2], w.kernel_w, w.stride_w, 1, false, &w.pad_left, &w.pad_right));
  }
  ForeignNode plain = node;
  plain.attrs["activation"] = options.activation;
  INFERD_ASSIGN_OR_RETURN(const Activation act, activation(plain));
  INFERD_RETURN_IF_ERROR(
      emit(l, node, OpKind::kMaxPool2d, std::array{x}, Pool2dAttrs{w, false, act}));
  INFERD_ASSIGN_OR_RETURN(ValueId at, b.op(OpKind::kMaxPoolIndices, {x},
                                           MaxPoolIndicesAttrs{w, PoolIndex::kTap}, node.name));
  INFERD_ASSIGN_OR_RETURN(
      at, b.op(OpKind::kCast, {at}, {}, node.name, OutputSpec::typed("", DType::kFloat32)));
  const ValueId tenth = b.constant_floats(node.name + "/tenth", {}, std::array{0.1F});
  INFERD_ASSIGN_OR_RETURN(at, b.op(OpKind::kBinary, {at, tenth}, BinaryAttrs{BinaryKind::kAdd, {}},
                                   node.name, spec(l, node, 1)));
  return l.set_output(node, 1, at);
}

// x where the number at input 1 says `tap`, zeros elsewhere.
Result<ValueId> values_of_tap(Lowering& l, const ForeignNode& node, ValueId x, ValueId at,
                              int64_t tap) {
  ir::Builder& b = l.builder();
  const ValueId number =
      b.constant_floats(node.name + "/tap", {}, std::array{static_cast<float>(tap)});
  const ValueId one = b.constant_floats(node.name + "/one", {}, std::array{1.F});
  INFERD_ASSIGN_OR_RETURN(ValueId mask, b.op(OpKind::kBinary, {at, number},
                                             BinaryAttrs{BinaryKind::kSub, {}}, node.name));
  INFERD_ASSIGN_OR_RETURN(mask,
                          b.op(OpKind::kUnary, {mask}, UnaryAttrs{UnaryKind::kAbs}, node.name));
  INFERD_ASSIGN_OR_RETURN(
      mask, b.op(OpKind::kBinary, {one, mask}, BinaryAttrs{BinaryKind::kSub, {}}, node.name));
  INFERD_ASSIGN_OR_RETURN(mask, b.op(OpKind::kClamp, {mask}, ClampAttrs{{0.F, 1.F}}, node.name));
  return b.op(OpKind::kBinary, {x, mask}, BinaryAttrs{BinaryKind::kMul, {}}, node.name);
}

// Inputs: x, what max_pool_with_argmax wrote. Every element goes to its tap of a window of zeros.
Status max_unpool(Lowering& l, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(const PoolOptions o, pool_options(node));
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(ValueId at, l.input(node, 1));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape s = l.info(x).shape;
  if (s.rank() != 4) return invalid_argument("input " + s.to_string() + " is not 4-D");
  if (!Shape(s.dims().subspan(1)).is_static()) {
    return failed_precondition("an image of unknown size");
  }
  constexpr int64_t kMaxTaps = 64;
  if (o.stride_h != o.filter_h || o.stride_w != o.filter_w || o.filter_h * o.filter_w > kMaxTaps) {
    return unimplemented("windows that overlap or have more than 64 taps");
  }
  INFERD_ASSIGN_OR_RETURN(at, b.op(OpKind::kUnary, {at}, UnaryAttrs{UnaryKind::kFloor}, node.name));
  std::vector<ValueId> taps;
  for (int64_t tap = 0; tap < o.filter_h * o.filter_w; ++tap) {
    INFERD_ASSIGN_OR_RETURN(const ValueId values, values_of_tap(l, node, x, at, tap));
    taps.push_back(values);
  }
  INFERD_ASSIGN_OR_RETURN(ValueId y, b.op(OpKind::kConcat, taps, ConcatAttrs{3}, node.name));
  INFERD_ASSIGN_OR_RETURN(y,
                          b.reshape(y, {-1, s[1], s[2], o.filter_h, o.filter_w, s[3]}, node.name));
  INFERD_ASSIGN_OR_RETURN(y, b.transpose(y, {0, 1, 3, 2, 4, 5}, node.name));
  return emit(l, node, OpKind::kReshape, std::array{y},
              ReshapeAttrs{{-1, s[1] * o.filter_h, s[2] * o.filter_w, s[3]}, false});
}

// Rows 0 and 1 of the 4x4 matrix at input 1: [2,4], x and y of a position (x,y,z,1).
Result<ValueId> plane_rows(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId raw, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const ValueId matrix,
                          l.builder().reshape(raw, {4, 4}, node.name + "/matrix"));
  SliceAttrs rows = whole_slice(2);
  rows.end[0] = 2;
  return l.builder().op(OpKind::kSlice, {matrix}, rows, node.name + "/rows");
}

// x [1,H,W,C] at the places that the matrix gives for the pixels of the output, whose size the file
// declares. Version 2 counts from the corners of pixels, version 1 from their centers.
template <bool kFromCorners>
Status transform_tensor(Lowering& l, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId rows, plane_rows(l, node));
  const ForeignTensor* y = node.outputs.empty() ? nullptr : l.tensor(node.outputs[0]);
  if (y == nullptr || !y->shape_known || y->shape.rank() != 4 || !y->shape.is_static()) {
    return unimplemented("an output of undeclared size");
  }
  constexpr int64_t kMaxSide = 1 << 12;
  if (y->shape[1] > kMaxSide || y->shape[2] > kMaxSide) {
    return unimplemented("an output larger than 4096x4096");
  }
  constexpr float kShift = kFromCorners ? 0.5F : 0.F;
  std::vector<float> pixels;
  for (int64_t h = 0; h < y->shape[1]; ++h) {
    for (int64_t w = 0; w < y->shape[2]; ++w) {
      const std::array<float, 4> position = {static_cast<float>(w) + kShift,
                                             static_cast<float>(h) + kShift, 0.F, 1.F};
      pixels.insert(pixels.end(), position.begin(), position.end());
    }
  }
  const ValueId all =
      b.constant_floats(node.name + "/pixels", {y->shape[1] * y->shape[2], 4}, pixels);
  INFERD_ASSIGN_OR_RETURN(ValueId grid, b.op(OpKind::kMatMul, {all, rows},
                                             MatMulAttrs{false, true, {}}, node.name + "/places"));
  const ValueId shift = b.constant_floats(node.name + "/shift", {}, std::array{kShift});
  INFERD_ASSIGN_OR_RETURN(grid, b.op(OpKind::kBinary, {grid, shift},
                                     BinaryAttrs{BinaryKind::kSub, {}}, node.name + "/places"));
  INFERD_ASSIGN_OR_RETURN(grid,
                          b.reshape(grid, {1, y->shape[1], y->shape[2], 2}, node.name + "/grid"));
  return emit(
      l, node, OpKind::kGridSample, std::array{x, grid},
      GridSampleAttrs{ResizeMode::kLinear, GridPadding::kOnlyInside, GridPositions::kPixels});
}

// Landmarks [1,n,2] or [1,n,3]: x and y through the matrix as of the plane z = 0, z unchanged.
Status transform_landmarks(Lowering& l, const ForeignNode& node) {
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape s = l.info(x).shape;
  if (s.rank() != 3 || (s[2] != 2 && s[2] != 3)) {
    return unimplemented("landmarks " + s.to_string() + " other than [1,n,2] and [1,n,3]");
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId rows, plane_rows(l, node));
  const auto part = [&](ValueId from, int axis, int64_t begin, int64_t end) {
    SliceAttrs slice = whole_slice(l.info(from).shape.rank());
    slice.begin[static_cast<size_t>(axis)] = begin;
    slice.end[static_cast<size_t>(axis)] = end;
    return b.op(OpKind::kSlice, {from}, slice, node.name + "/part");
  };
  INFERD_ASSIGN_OR_RETURN(const ValueId turn, part(rows, 1, 0, 2));
  INFERD_ASSIGN_OR_RETURN(ValueId move, part(rows, 1, 3, 4));
  INFERD_ASSIGN_OR_RETURN(move, b.reshape(move, {2}, node.name + "/move"));
  INFERD_ASSIGN_OR_RETURN(ValueId xy, part(x, 2, 0, 2));
  INFERD_ASSIGN_OR_RETURN(
      xy, b.op(OpKind::kMatMul, {xy, turn}, MatMulAttrs{false, true, {}}, node.name + "/turn"));
  INFERD_ASSIGN_OR_RETURN(
      xy, b.op(OpKind::kBinary, {xy, move}, BinaryAttrs{BinaryKind::kAdd, {}}, node.name));
  if (s[2] == 2) return l.set_output(node, 0, xy);
  INFERD_ASSIGN_OR_RETURN(const ValueId z, part(x, 2, 2, 3));
  return emit(l, node, OpKind::kConcat, std::array{xy, z}, ConcatAttrs{2});
}

const Row kRows[] = {
    {kCustomDomain, "MaxPoolingWithArgmax2D", max_pool_with_argmax},
    {kCustomDomain, "MaxUnpooling2D", max_unpool},
    {kCustomDomain, "TransformLandmarks", transform_landmarks},
    {kCustomDomain, "TransformTensor", transform_tensor<false>},
    {kCustomDomain, "TransformTensorBilinear", transform_tensor<true>},
};

}  // namespace

std::span<const Row> landmark_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower
