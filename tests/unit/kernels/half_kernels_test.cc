// SPDX-License-Identifier: Apache-2.0
//
// Float16 weights, and arithmetic in half precision, against the reference.
#include "tests/unit/kernels/random_case.h"

namespace inferd::kernels {
namespace {

// The same numbers as float16 and as float32 give the same sums.
class HalfWeights : public testing::Test {
 protected:
  // x, w and bias have been added to `op_`, w as float16.
  void check_both(Case* c, int64_t channels) {
    op_.inputs.push_back(c->operand(DType::kFloat32, {channels}));
    for (size_t i = 0; i < 3; ++i) c->fill(&op_.inputs[i], i > 0);
    EXPECT_GT(check(op_, *c), 0);
    OpDesc wide = op_;
    std::vector<float> weights(static_cast<size_t>(wide.inputs[1].elements()));
    std::ranges::transform(wide.inputs[1].constant<uint16_t>(), weights.begin(), half_to_float);
    wide.inputs[1].dtype = DType::kFloat32;
    wide.inputs[1].data = reinterpret_cast<const std::byte*>(weights.data());
    std::vector<const std::byte*> wide_inputs = c->inputs();
    wide_inputs[1] = wide.inputs[1].data;
    ThreadPool pool(1);
    for (const Kernel* kernel : accepting(op_)) {
      EXPECT_EQ(run_kernel(*kernel, op_, c->inputs(), pool),
                run_kernel(*kernel, wide, wide_inputs, pool))
          << kernel->name;
    }
  }

  OpDesc op_;
};

TEST_F(HalfWeights, Conv2d) {
  for (uint32_t seed = 0; seed < 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const Case::Convolution conv = c.convolution();
    op_.kind = OpKind::kConv2d;
    op_.attrs = conv.attrs;
    op_.inputs = {c.operand(DType::kFloat32, conv.x), c.operand(DType::kFloat16, conv.w)};
    op_.outputs = {c.operand(DType::kFloat32, conv.y)};
    check_both(&c, conv.out_c);
  }
}

TEST_F(HalfWeights, FullyConnected) {
  for (uint32_t seed = 0; seed < 100 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const Case::Layer layer = c.fully_connected();
    op_.kind = OpKind::kFullyConnected;
    op_.attrs = FullyConnectedAttrs{c.activation()};
    op_.inputs = {c.operand(DType::kFloat32, layer.x), c.operand(DType::kFloat16, layer.w)};
    op_.outputs = {c.operand(DType::kFloat32, layer.y)};
    check_both(&c, layer.out_c);
  }
}

TEST_F(HalfWeights, DepthwiseConv2d) {
  for (uint32_t seed = 0; seed < 50 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const Shape x{c.pick(1, 2), c.pick(1, 12), c.pick(1, 12), c.pick(1, 67)};
    Conv2dAttrs attrs;
    attrs.window = c.window(x[1], x[2], 6);
    op_.kind = OpKind::kDepthwiseConv2d;
    op_.attrs = attrs;
    op_.inputs = {c.operand(DType::kFloat32, x),
                  c.operand(DType::kFloat16, {attrs.window.kernel_h, attrs.window.kernel_w, x[3]})};
    op_.outputs = {c.operand(DType::kFloat32, Case::out_shape(x, attrs.window, x[3]))};
    check_both(&c, x[3]);
  }
}

// Rows of half precision against the reference.
class HalfPrecision : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_half_precision()) {
      GTEST_SKIP() << "NO CPU FOR THIS TEST: none of its instruction sets here has arithmetic in "
                      "half precision (arm64: cortex-a76, max)";
    }
  }

  // x, w and y of `op_` are described; w may be float16.
  void check_half(Case* c, int64_t channels) {
    op_.inputs.push_back(c->operand(DType::kFloat32, {channels}));
    for (size_t i = 0; i < op_.inputs.size(); ++i) c->fill(&op_.inputs[i], i > 0);
    ThreadPool pool(1);
    ThreadPool several(4);
    const std::vector<std::byte> expected = run_kernel(*reference(op_), op_, c->inputs(), pool)[0];
    const std::vector<float> sizes = magnitudes(*c);
    const Kernel* kernel = half_row(op_);
    ASSERT_NE(kernel, nullptr);
    compare_sums(expected, run_kernel(*kernel, op_, c->inputs(), pool)[0], sizes);
    compare_sums(expected, run_kernel(*kernel, op_, c->inputs(), several)[0], sizes);
    if (runs_by_lines(*kernel, op_)) {
      compare_sums(expected, run_by_lines(*kernel, op_, c->inputs(), c->pick(1, 3)), sizes);
    }
    EXPECT_EQ(std::ranges::count(accepting(op_), kernel), 0) << "nobody has allowed it";
  }

  // Null when none accepts.
  static const Kernel* half_row(const OpDesc& op) {
    const std::vector<const Kernel*> kernels = accepting(op, Precision::kHalf);
    const auto row = std::ranges::find_if(
        kernels, [](const Kernel* kernel) { return kernel->has(kHalfPrecision); });
    return row == kernels.end() ? nullptr : *row;
  }

  // The sums of |x| * |w|.
  std::vector<float> magnitudes(const Case& c) {
    OpDesc op = op_;
    op.inputs.resize(2);
    std::vector<float> x(static_cast<size_t>(op.inputs[0].elements()));
    const auto* from = reinterpret_cast<const float*>(c.inputs()[0]);
    for (size_t i = 0; i < x.size(); ++i) x[i] = std::abs(from[i]);
    std::vector<std::byte> w(op.inputs[1].data, op.inputs[1].data + op.inputs[1].bytes());
    const size_t width = dtype_size(op.inputs[1].dtype);
    for (size_t i = width - 1; i < w.size(); i += width) w[i] &= std::byte{0x7f};  // the sign
    op.inputs[1].data = w.data();
    if (auto* conv = std::get_if<Conv2dAttrs>(&op.attrs)) conv->activation = {};
    if (auto* layer = std::get_if<FullyConnectedAttrs>(&op.attrs)) layer->activation = {};
    const std::byte* const inputs[] = {reinterpret_cast<const std::byte*>(x.data()), w.data()};
    ThreadPool pool(1);
    const std::vector<std::byte> y = run_kernel(*reference(op), op, inputs, pool)[0];
    std::vector<float> sums(y.size() / sizeof(float));
    std::memcpy(sums.data(), y.data(), y.size());
    return sums;
  }

  void compare_sums(const std::vector<std::byte>& expected, const std::vector<std::byte>& actual,
                    const std::vector<float>& sizes) {
    const auto* e = reinterpret_cast<const float*>(expected.data());
    const auto* a = reinterpret_cast<const float*>(actual.data());
    for (size_t i = 0; i < sizes.size(); ++i) {
      ASSERT_NEAR(a[i], e[i], 1e-6 + ops::kHalfTolerance * double{sizes[i]}) << "at " << i;
    }
  }

  OpDesc op_;
};

TEST_F(HalfPrecision, Conv2d) {
  for (uint32_t seed = 0; seed < 80 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const Case::Convolution conv = c.convolution();
    op_.kind = OpKind::kConv2d;
    op_.attrs = conv.attrs;
    op_.inputs = {c.operand(DType::kFloat32, conv.x),
                  c.operand(c.pick(0, 1) == 1 ? DType::kFloat16 : DType::kFloat32, conv.w)};
    op_.outputs = {c.operand(DType::kFloat32, conv.y)};
    check_half(&c, conv.out_c);
  }
}

TEST_F(HalfPrecision, FullyConnected) {
  for (uint32_t seed = 0; seed < 40 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const Case::Layer layer = c.fully_connected();
    op_.kind = OpKind::kFullyConnected;
    op_.attrs = FullyConnectedAttrs{c.activation()};
    op_.inputs = {c.operand(DType::kFloat32, layer.x),
                  c.operand(c.pick(0, 1) == 1 ? DType::kFloat16 : DType::kFloat32, layer.w)};
    op_.outputs = {c.operand(DType::kFloat32, layer.y)};
    check_half(&c, layer.out_c);
  }
}

// Weights far from 1: each column has a power of two of its own.
TEST_F(HalfPrecision, WeightsOfAnySizeKeepTheirPrecision) {
  for (const float size : {0x1p-100F, 0x1p-20F, 0x1p20F, 0x1p100F}) {
    SCOPED_TRACE(size);
    const std::vector<float> x = {1.F, -3.F, 0.25F, 7.F};
    const std::vector<float> w = {0.5F * size, 0.F, 3.F * size, -size, 1.F, 2.F, 3.F, 4.F};
    const std::vector<float> expected = {0.5F * size + 0.75F * size - 7.F * size, 23.75F};
    OpDesc op;
    op.kind = OpKind::kFullyConnected;
    op.attrs = FullyConnectedAttrs{};
    op.inputs = {{.dtype = DType::kFloat32, .shape = {1, 4}, .quantization = {}},
                 {.dtype = DType::kFloat32, .shape = {2, 4}, .quantization = {}}};
    op.inputs[1].data = reinterpret_cast<const std::byte*>(w.data());
    op.outputs = {{.dtype = DType::kFloat32, .shape = {1, 2}, .quantization = {}}};
    const std::byte* const inputs[] = {reinterpret_cast<const std::byte*>(x.data()),
                                       op.inputs[1].data};
    ThreadPool pool(1);
    const Kernel* kernel = half_row(op);
    ASSERT_NE(kernel, nullptr);
    const std::vector<std::byte> y = run_kernel(*kernel, op, inputs, pool)[0];
    const auto* actual = reinterpret_cast<const float*>(y.data());
    EXPECT_EQ(actual[0], expected[0]);  // no rounding: every number has few digits
    EXPECT_EQ(actual[1], expected[1]);
  }
}

TEST_F(HalfPrecision, WeightsThatAreNoNumbersAreLeftToFloat32) {
  const std::vector<float> w = {1.F, kInf};
  OpDesc op;
  op.kind = OpKind::kFullyConnected;
  op.attrs = FullyConnectedAttrs{};
  op.inputs = {{.dtype = DType::kFloat32, .shape = {1, 2}, .quantization = {}},
               {.dtype = DType::kFloat32, .shape = {1, 2}, .quantization = {}}};
  op.inputs[1].data = reinterpret_cast<const std::byte*>(w.data());
  op.outputs = {{.dtype = DType::kFloat32, .shape = {1, 1}, .quantization = {}}};
  EXPECT_EQ(half_row(op), nullptr);
}

}  // namespace
}  // namespace inferd::kernels
