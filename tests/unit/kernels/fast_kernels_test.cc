// SPDX-License-Identifier: Apache-2.0
//
// Every kernel that has a faster form (convolutions, matrix products, addition, maximum) against
// the reference, over random shapes: bit for bit when quantized. Values that are known beforehand
// are tested in tests/ops.
#include "tests/unit/kernels/random_case.h"

namespace inferd::kernels {
namespace {

class FastKernels : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Types, FastKernels, testing::Bool(),
                         [](const auto& type) { return type.param ? "Quantized" : "Float"; });

TEST_P(FastKernels, Conv2d) {
  for (uint32_t seed = 0; seed < 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const Case::Convolution conv = c.convolution();
    OpDesc op;
    op.kind = OpKind::kConv2d;
    op.attrs = conv.attrs;
    c.types(&op, GetParam(), conv.x, conv.w, conv.y, conv.out_c);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST_P(FastKernels, DepthwiseConv2d) {
  for (uint32_t seed = 0; seed < 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const Shape x{c.pick(1, 2), c.pick(1, 12), c.pick(1, 12), c.pick(1, 67)};
    Conv2dAttrs attrs;
    attrs.window = c.window(x[1], x[2], 6);
    attrs.activation = c.activation();
    OpDesc op;
    op.kind = OpKind::kDepthwiseConv2d;
    op.attrs = attrs;
    c.types(&op, GetParam(), x, {attrs.window.kernel_h, attrs.window.kernel_w, x[3]},
            Case::out_shape(x, attrs.window, x[3]), x[3]);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST_P(FastKernels, FullyConnected) {
  for (uint32_t seed = 0; seed < 100 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const Case::Layer layer = c.fully_connected();
    OpDesc op;
    op.kind = OpKind::kFullyConnected;
    op.attrs = FullyConnectedAttrs{c.activation()};
    c.types(&op, GetParam(), layer.x, layer.w, layer.y, layer.out_c);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST(FastMatMul, ConstantRightHandSide) {
  for (uint32_t seed = 0; seed < 60 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const int64_t depth = c.pick(1, 200);
    const int64_t columns = c.pick(1, 100);
    const Shape x{c.pick(1, 2), c.pick(1, 20), depth};
    MatMulAttrs attrs;
    attrs.transpose_b = c.pick(0, 1) == 1;
    attrs.activation = c.activation();
    OpDesc op;
    op.kind = OpKind::kMatMul;
    op.attrs = attrs;
    op.inputs = {c.operand(DType::kFloat32, x),
                 c.operand(DType::kFloat32,
                           attrs.transpose_b ? Shape{columns, depth} : Shape{depth, columns})};
    op.outputs = {c.operand(DType::kFloat32, {x[0], x[1], columns})};
    c.fill(&op.inputs[0], false);
    c.fill(&op.inputs[1], true);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST(FastAdd, QuantizedAddAndSubtract) {
  for (uint32_t seed = 0; seed < 200 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const DType type = c.pick(0, 1) == 1 ? DType::kUInt8 : DType::kInt8;
    const Shape shape{c.pick(1, 3), c.pick(1, 5000)};
    OpDesc op;
    op.kind = OpKind::kBinary;
    op.attrs = BinaryAttrs{c.pick(0, 1) == 1 ? BinaryKind::kSub : BinaryKind::kAdd, c.activation()};
    op.inputs = {c.operand(type, shape), c.operand(type, shape)};
    op.outputs = {c.operand(type, shape)};
    // From ratios that saturate every sum to ones that give nothing but the zero point.
    op.inputs[0].quantization.scales[0] *= std::ldexp(1.F, static_cast<int>(c.pick(-12, 7)));
    c.fill(&op.inputs[0], false);
    c.fill(&op.inputs[1], false);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST_P(FastKernels, MaxPool2d) {
  for (uint32_t seed = 0; seed < 100 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const DType eight = c.pick(0, 1) == 1 ? DType::kUInt8 : DType::kInt8;
    const DType type = GetParam() ? eight : DType::kFloat32;
    const Shape x{c.pick(1, 2), c.pick(1, 12), c.pick(1, 12), c.pick(1, 67)};
    Pool2dAttrs attrs;
    attrs.window = c.window(x[1], x[2], 5);
    attrs.activation = c.activation();
    OpDesc op;
    op.kind = OpKind::kMaxPool2d;
    op.attrs = attrs;
    op.inputs = {c.operand(type, x)};
    op.outputs = {c.operand(type, Case::out_shape(x, attrs.window, x[3]))};
    op.outputs[0].quantization = op.inputs[0].quantization;
    c.fill(&op.inputs[0], false);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST_P(FastKernels, AveragePool2d) {
  for (uint32_t seed = 0; seed < 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const auto type = [&] {
      if (!GetParam()) return DType::kFloat32;
      return c.pick(0, 1) == 1 ? DType::kUInt8 : DType::kInt8;
    };
    const Shape x{c.pick(1, 2), c.pick(1, 12), c.pick(1, 12), c.pick(1, 150)};
    Pool2dAttrs attrs;
    attrs.window = c.window(x[1], x[2], 5);
    attrs.activation = c.activation();
    attrs.count_padding = c.pick(0, 1) == 1;
    OpDesc op;
    op.kind = OpKind::kAveragePool2d;
    op.attrs = attrs;
    op.inputs = {c.operand(type(), x)};
    op.outputs = {c.operand(type(), Case::out_shape(x, attrs.window, x[3]))};
    if (c.pick(0, 1) == 1) {
      op.outputs[0].dtype = op.inputs[0].dtype;
      op.outputs[0].quantization = op.inputs[0].quantization;
    }
    c.fill(&op.inputs[0], false);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST_P(FastKernels, Resize) {
  for (uint32_t seed = 0; seed < 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const DType eight = c.pick(0, 1) == 1 ? DType::kUInt8 : DType::kInt8;
    const DType type = GetParam() ? eight : DType::kFloat32;
    ResizeAttrs attrs;
    attrs.mode = static_cast<ResizeMode>(c.pick(0, 1));
    attrs.coordinates = static_cast<ResizeCoordinates>(c.pick(0, 3));
    attrs.rounding = static_cast<NearestRounding>(c.pick(0, 3));
    attrs.out_h = c.pick(1, 20);
    attrs.out_w = c.pick(1, 20);
    if (c.pick(0, 3) == 0) attrs.scale_h = c.real(0.5F, 3.F);
    OpDesc op;
    op.kind = OpKind::kResize;
    op.attrs = attrs;
    op.inputs = {c.operand(type, {c.pick(1, 2), c.pick(1, 9), c.pick(1, 9), c.pick(1, 70)})};
    const Shape& x = op.inputs[0].shape;
    op.outputs = {c.operand(type, {x[0], attrs.out_h, attrs.out_w, x[3]})};
    op.outputs[0].quantization = op.inputs[0].quantization;
    c.fill(&op.inputs[0], false);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST_P(FastKernels, Softmax) {
  for (uint32_t seed = 0; seed < 100 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const auto type = [&] {
      if (!GetParam()) return DType::kFloat32;
      return c.pick(0, 1) == 1 ? DType::kUInt8 : DType::kInt8;
    };
    OpDesc op;
    op.kind = OpKind::kSoftmax;
    op.attrs = SoftmaxAttrs{GetParam() ? static_cast<int>(c.pick(-2, 1)) : -1, c.real(0.5F, 20.F)};
    op.inputs = {c.operand(type(), {c.pick(1, 40), c.pick(1, 100)})};
    op.outputs = {c.operand(type(), op.inputs[0].shape)};
    c.fill(&op.inputs[0], false);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST_P(FastKernels, Normalize) {
  if (GetParam()) GTEST_SKIP() << "quantized rows have only the reference";
  for (uint32_t seed = 0; seed < 100 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const Shape row{c.pick(1, 4), c.pick(1, 90)};
    OpDesc op;
    op.kind = OpKind::kNormalize;
    op.attrs = NormalizeAttrs{static_cast<NormalizeKind>(c.pick(0, 2)), 1, c.real(0.01F, 1.F)};
    op.inputs = {c.operand(DType::kFloat32, {c.pick(1, 20), row[0], row[1]})};
    const int64_t parameters = c.pick(0, 2);
    for (int64_t i = 0; i < parameters; ++i) {
      op.inputs.push_back(c.operand(DType::kFloat32, row));
    }
    op.outputs = {c.operand(DType::kFloat32, op.inputs[0].shape)};
    for (Operand& input : op.inputs) c.fill(&input, false);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST_P(FastKernels, Reduce) {
  for (uint32_t seed = 0; seed < 200 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const auto type = [&] {
      if (!GetParam()) return DType::kFloat32;
      return c.pick(0, 1) == 1 ? DType::kUInt8 : DType::kInt8;
    };
    const Shape x{c.pick(1, 9), c.pick(1, 20), c.pick(1, 300)};
    ReduceAttrs attrs;
    attrs.kind = static_cast<ReduceKind>(c.pick(0, 3));
    const auto first = static_cast<int>(c.pick(0, 2));
    const auto last = static_cast<int>(c.pick(first, 2));
    Shape y;
    for (int d = 0; d < 3; ++d) {
      const bool reduced = d >= first && d <= last;
      reduced ? attrs.axes.push_back(d) : y.push_back(x[d]);
    }
    OpDesc op;
    op.kind = OpKind::kReduce;
    op.attrs = attrs;
    op.inputs = {c.operand(type(), x)};
    op.outputs = {c.operand(type(), y)};
    c.fill(&op.inputs[0], false);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST(FastQuantize, BesideTiesAndBeyondTheRange) {
  for (uint32_t seed = 0; seed < 300 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    OpDesc op;
    op.kind = OpKind::kQuantize;
    op.inputs = {c.operand(DType::kFloat32, {c.pick(1, 3000)})};
    op.outputs = {c.operand(c.pick(0, 1) == 1 ? DType::kUInt8 : DType::kInt8, op.inputs[0].shape)};
    float& scale = op.outputs[0].quantization.scales[0];
    scale = std::ldexp(scale, c.pick(0, 3) == 0 ? static_cast<int>(c.pick(-130, 100)) : 0);
    c.fill(&op.inputs[0], false);
    for (float& x : c.floats(0, op.inputs[0].elements())) {
      constexpr float kOdd[] = {NAN, kInf, -kInf, -0.F, 3e38F, -3e38F, 1e-45F};
      // Halves, and their neighbours; sometimes anything.
      const float tie = (static_cast<float>(c.pick(-300, 300)) + 0.5F) * scale;
      const float beside = std::nextafter(tie, c.pick(0, 1) == 1 ? kInf : -kInf);
      const int64_t what = c.pick(0, 9);
      x = what == 0 ? kOdd[c.pick(0, 6)] : what < 4 ? tie : what < 8 ? beside : x * 300.F * scale;
    }
    EXPECT_GT(check(op, c), 0);
  }
}

TEST(FastPRelu, SlopesBroadcast) {
  for (uint32_t seed = 0; seed < 60 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const Shape x{c.pick(1, 3), c.pick(1, 20), c.pick(1, 40)};
    Shape slope;
    for (int d = static_cast<int>(c.pick(0, 2)); d < 3; ++d) {
      slope.push_back(c.pick(0, 1) == 1 ? x[d] : 1);
    }
    OpDesc op;
    op.kind = OpKind::kPRelu;
    op.inputs = {c.operand(DType::kFloat32, x), c.operand(DType::kFloat32, slope)};
    op.outputs = {c.operand(DType::kFloat32, x)};
    for (Operand& input : op.inputs) c.fill(&input, false);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST_P(FastKernels, ConcatPadGatherArgMax) {
  for (uint32_t seed = 0; seed < 300 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const DType eight = c.pick(0, 1) == 1 ? DType::kUInt8 : DType::kInt8;
    const DType type = GetParam() ? eight : DType::kFloat32;
    const Shape x{c.pick(1, 4), c.pick(1, 20), c.pick(1, 90)};
    const auto axis = static_cast<int>(c.pick(0, 2));
    OpDesc op;
    op.inputs = {c.operand(type, x)};
    Shape y;
    switch (c.pick(0, 3)) {
      case 0: {
        op.kind = OpKind::kConcat;
        op.attrs = ConcatAttrs{axis};
        std::array<int64_t, 3> dims = {x[0], x[1], x[2]};
        int64_t& dim = dims[static_cast<size_t>(axis)];
        int64_t sum = dim;
        for (int64_t more = c.pick(0, 3); more > 0; --more) {
          dim = c.pick(0, 40);
          sum += dim;
          op.inputs.push_back(op.inputs[0]);
          op.inputs.back().shape = Shape(std::span<const int64_t>(dims));
        }
        dim = sum;
        y = Shape(std::span<const int64_t>(dims));
        break;
      }
      case 1: {
        op.kind = OpKind::kPad;
        PadAttrs attrs;
        for (const int64_t dim : x) {
          attrs.before.push_back(c.pick(0, 1) * c.pick(0, 20));
          attrs.after.push_back(c.pick(0, 1) * c.pick(0, 20));
          y.push_back(dim + attrs.before.back() + attrs.after.back());
        }
        attrs.value = c.real(-1.F, 1.F);
        op.attrs = attrs;
        break;
      }
      case 2: {
        op.kind = OpKind::kGather;
        op.attrs = GatherAttrs{axis};
        op.inputs.push_back(c.operand(DType::kInt32, {c.pick(1, 9)}));
        for (int d = 0; d < 3; ++d) y.push_back(d == axis ? op.inputs[1].shape[0] : x[d]);
        break;
      }
      default: {
        op.kind = OpKind::kArgMax;
        op.attrs = ArgMaxAttrs{2, false};
        y = {x[0], x[1]};
        break;
      }
    }
    const bool index = op.kind == OpKind::kArgMax;
    op.outputs = {c.operand(index ? DType::kInt32 : type, y)};
    if (!index) op.outputs[0].quantization = op.inputs[0].quantization;
    for (Operand& input : op.inputs) c.fill(&input, false);
    if (op.kind == OpKind::kGather) c.make_indices(1, op.inputs[1].elements(), x[axis]);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST(FastCopies, PlanesToPixels) {
  constexpr DType kTypes[] = {DType::kUInt8, DType::kFloat32};
  for (uint32_t seed = 0; seed < 100 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const Shape x{c.pick(1, 2), c.pick(2, 4), c.pick(1, 20), c.pick(1, 90)};
    OpDesc op;
    op.kind = OpKind::kTranspose;
    op.attrs = TransposeAttrs{{0, 2, 3, 1}};
    op.inputs = {c.operand(kTypes[c.pick(0, 1)], x)};
    op.outputs = {c.operand(op.inputs[0].dtype, {x[0], x[2], x[3], x[1]})};
    op.outputs[0].quantization = op.inputs[0].quantization;
    c.fill(&op.inputs[0], false);
    EXPECT_GT(check(op, c), 0);
  }
}

TEST(FastDetection, ScoresThatTieAndAreNoNumbers) {
  constexpr DType kTypes[] = {DType::kFloat32, DType::kUInt8, DType::kInt8};
  for (uint32_t seed = 0; seed < 400 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const int64_t anchors = c.pick(1, 200);
    const int64_t classes = c.pick(1, 40);
    DetectionPostProcessAttrs attrs;
    attrs.max_detections = static_cast<int>(c.pick(1, 20));
    attrs.max_classes_per_detection = static_cast<int>(c.pick(1, 3));
    attrs.detections_per_class = static_cast<int>(c.pick(1, 10));
    attrs.regular_nms = c.pick(0, 1) == 1;
    attrs.num_classes = static_cast<int>(classes);
    attrs.score_threshold = c.pick(0, 3) == 0 ? -kInf : c.real(-0.5F, 1.F);
    attrs.iou_threshold = c.real(0.F, 1.F);
    OpDesc op;
    op.kind = OpKind::kDetectionPostProcess;
    op.attrs = attrs;
    op.inputs = {c.operand(kTypes[c.pick(0, 2)], {1, anchors, 4}),
                 c.operand(kTypes[c.pick(0, 2)], {1, anchors, classes + c.pick(0, 1)}),
                 c.operand(kTypes[c.pick(0, 2)], {anchors, 4})};
    const int64_t found = int64_t{attrs.max_detections} * attrs.max_classes_per_detection;
    for (const Shape& shape : {Shape{1, found, 4}, Shape{1, found}, Shape{1, found}, Shape{1}}) {
      op.outputs.push_back(c.operand(DType::kFloat32, shape));
    }
    for (Operand& input : op.inputs) c.fill(&input, false);
    if (op.inputs[1].dtype == DType::kFloat32) {
      for (float& score : c.floats(1, op.inputs[1].elements())) {
        constexpr float kOdd[] = {NAN, kInf, -kInf, -0.F};
        score = c.pick(0, 9) == 0 ? kOdd[c.pick(0, 3)] : std::round(score * 8.F) / 8.F;
      }
    }
    EXPECT_GT(check(op, c), 0);
  }
}

TEST(FastCopies, StridedCopySliceTransposeExpand) {
  constexpr DType kTypes[] = {DType::kUInt8, DType::kInt8, DType::kFloat32, DType::kInt32};
  for (uint32_t seed = 0; seed < 400 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const DType type = kTypes[c.pick(0, 3)];
    const Shape x = c.pick(0, 1) == 1 ? Shape{c.pick(1, 3), c.pick(1, 40), c.pick(1, 40)}
                                      : Shape{c.pick(1, 3), c.pick(1, 5), c.pick(1, 5), 3};
    OpDesc op;
    op.inputs = {c.operand(type, x)};
    Shape y;
    switch (c.pick(0, 3)) {
      case 0: {
        op.kind = OpKind::kStridedCopy;
        StridedCopyAttrs attrs;
        attrs.each_slice = c.pick(0, 1) == 1;
        if (attrs.each_slice) y.push_back(x[0]);
        int64_t room = (attrs.each_slice ? x.elements(1, x.rank()) : x.elements()) - 1;
        for (int64_t d = c.pick(0, 4); d > 0; --d) {
          const int64_t dim = c.pick(1, 12);
          const int64_t stride = dim == 1 ? 7 : c.pick(0, room / (dim - 1));
          room -= dim == 1 ? 0 : stride * (dim - 1);
          const bool backwards = dim > 1 && c.pick(0, 3) == 0;
          if (backwards) attrs.offset += stride * (dim - 1);
          attrs.shape.push_back(dim);
          attrs.strides.push_back(backwards ? -stride : stride);
          y.push_back(dim);
        }
        attrs.offset += c.pick(0, room);
        op.attrs = attrs;
        break;
      }
      case 1: {
        op.kind = OpKind::kSlice;
        SliceAttrs attrs;
        for (const int64_t dim : x) {
          const int64_t begin = c.pick(0, dim - 1);
          const int64_t end = c.pick(begin + 1, dim);
          const int64_t step = c.pick(1, 3);
          attrs.begin.push_back(begin);
          attrs.end.push_back(end);
          attrs.step.push_back(step);
          y.push_back((end - begin + step - 1) / step);
        }
        op.attrs = attrs;
        break;
      }
      case 2: {
        op.kind = OpKind::kTranspose;
        TransposeAttrs attrs;
        for (int d = 0; d < x.rank(); ++d) attrs.perm.push_back(d);
        for (int d = 1; d < x.rank(); ++d) {
          std::swap(attrs.perm[static_cast<size_t>(d)],
                    attrs.perm[static_cast<size_t>(c.pick(0, d))]);
        }
        for (const int p : attrs.perm) y.push_back(x[p]);
        op.attrs = attrs;
        break;
      }
      default: {
        op.kind = OpKind::kExpand;
        y.push_back(c.pick(1, 2));
        for (const int64_t dim : x) y.push_back(dim == 1 ? c.pick(1, 3) : dim);
        op.inputs.push_back(c.operand(DType::kInt32, {y.rank()}));
        break;
      }
    }
    op.outputs = {c.operand(type, y)};
    op.outputs[0].quantization = op.inputs[0].quantization;
    for (Operand& input : op.inputs) c.fill(&input, false);
    EXPECT_GT(check(op, c), 0);
  }
}

}  // namespace
}  // namespace inferd::kernels
