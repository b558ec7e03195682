// SPDX-License-Identifier: Apache-2.0
//
// Every kernel that has a faster form (convolutions, matrix products, addition, maximum) against
// the reference, over random shapes: bit for bit when quantized. Values that are known beforehand
// are tested in tests/ops.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/float16.h"
#include "engine/kernels/candidates.h"
#include "tests/ops/harness.h"

namespace inferd::kernels {
namespace {

using inferd::ops::GuardedBytes;
using inferd::ops::run_by_lines;
using inferd::ops::run_kernel;
using inferd::ops::run_spread;
using inferd::ops::runs_by_lines;

class Case {
 public:
  explicit Case(uint32_t seed) : random_(seed) {}

  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  float real(float low, float high) {
    return std::uniform_real_distribution<float>(low, high)(random_);
  }

  // `narrow`: without the lowest 8-bit number, which some inner loops do not take as a weight.
  void fill(Operand* operand, bool constant, bool narrow = false) {
    buffers_.push_back(std::make_unique<GuardedBytes>(operand->bytes()));
    std::byte* data = buffers_.back()->data();
    for (int64_t i = 0; i < operand->elements(); ++i) {
      if (operand->dtype == DType::kFloat32) {
        reinterpret_cast<float*>(data)[i] = real(-1.F, 1.F);
      } else if (operand->dtype == DType::kFloat16) {
        reinterpret_cast<uint16_t*>(data)[i] = float_to_half(real(-1.F, 1.F));
      } else if (operand->dtype == DType::kInt32) {
        reinterpret_cast<int32_t*>(data)[i] = static_cast<int32_t>(pick(-20000, 20000));
      } else {
        // The ends of the range are as likely as all the rest: they are where sums overflow.
        const bool end = pick(0, 1) == 1;
        const int64_t low = narrow ? 1 : 0;
        const int64_t value = end ? std::max(pick(0, 1) * 255, low) : pick(low, 255);
        const int64_t stored = operand->dtype == DType::kInt8 ? value - 128 : value;
        data[i] = static_cast<std::byte>(stored & 0xff);
      }
    }
    if (constant) operand->data = data;
    inputs_.push_back(data);
  }

  // Makes `count` numbers of input `i`, int32, indices of a dimension of this size; some lie
  // outside.
  void make_indices(size_t i, int64_t count, int64_t size) {
    auto* const data = reinterpret_cast<int32_t*>(buffers_[i]->data());
    for (int64_t k = 0; k < count; ++k) data[k] = static_cast<int32_t>(pick(-size - 1, size));
  }

  // The numbers of input `i`, float32.
  std::span<float> floats(size_t i, int64_t count) {
    return {reinterpret_cast<float*>(buffers_[i]->data()), static_cast<size_t>(count)};
  }

  Quantization quantization(DType dtype, int64_t channels, bool symmetric) {
    const int64_t low = dtype == DType::kInt8 ? -128 : 0;
    Quantization q;
    for (int64_t c = 0; c < channels; ++c) {
      q.scales.push_back(real(0.001F, 0.02F));
      q.zero_points.push_back(static_cast<int32_t>(symmetric ? low + 128 : low + pick(0, 255)));
    }
    return q;
  }

  Operand operand(DType dtype, Shape shape, int64_t channels = 1, bool symmetric = false) {
    Operand o;
    o.dtype = dtype;
    o.shape = shape;
    if (dtype == DType::kInt8 || dtype == DType::kUInt8) {
      o.quantization = quantization(dtype, channels, symmetric);
    }
    return o;
  }

  // Types and data for x, w, bias and y with these shapes; `channels` is w's number of outputs.
  void types(OpDesc* op, bool quantized, const Shape& x, const Shape& w, const Shape& y,
             int64_t channels) {
    const auto type = [&] {
      if (!quantized) return DType::kFloat32;
      return pick(0, 1) == 1 ? DType::kUInt8 : DType::kInt8;
    };
    op->inputs = {operand(type(), x),
                  operand(type(), w, pick(0, 1) == 1 ? channels : 1, pick(0, 1) == 1)};
    if (pick(0, 3) != 0) {
      op->inputs.push_back(operand(quantized ? DType::kInt32 : DType::kFloat32, {channels}));
    }
    // Output channels are the last dimension of depthwise weights, the first of all others.
    if (op->kind == OpKind::kDepthwiseConv2d) op->inputs[1].quantization.axis = 2;
    op->outputs = {operand(type(), y)};
    if (quantized) op->outputs[0].quantization.scales[0] = real(0.05F, 2.F);
    const bool narrow = pick(0, 1) == 1;
    for (size_t i = 0; i < op->inputs.size(); ++i) fill(&op->inputs[i], i > 0, narrow && i == 1);
  }

  Activation activation() {
    switch (pick(0, 2)) {
      case 0:
        return {.min = 0.F};
      case 1:
        return {.min = -0.5F, .max = 6.F};
      default:
        return {};
    }
  }

  Window2d window(int64_t in_h, int64_t in_w, int max_kernel) {
    Window2d w;
    for (;;) {
      w.kernel_h = static_cast<int>(pick(1, max_kernel));
      w.kernel_w = static_cast<int>(pick(1, max_kernel));
      w.stride_h = static_cast<int>(pick(1, 3));
      w.stride_w = static_cast<int>(pick(1, 3));
      w.dilation_h = static_cast<int>(pick(1, 2));
      w.dilation_w = static_cast<int>(pick(1, 2));
      w.pad_top = static_cast<int>(pick(0, 3));
      w.pad_bottom = static_cast<int>(pick(0, 3));
      w.pad_left = static_cast<int>(pick(0, 3));
      w.pad_right = static_cast<int>(pick(0, 3));
      if (out(in_h, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top + w.pad_bottom) > 0 &&
          out(in_w, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left + w.pad_right) > 0) {
        return w;
      }
    }
  }

  static int64_t out(int64_t in, int kernel, int stride, int dilation, int pads) {
    const int64_t room = in + pads - (int64_t{kernel - 1} * dilation + 1);
    return room < 0 ? 0 : room / stride + 1;
  }
  static Shape out_shape(const Shape& x, const Window2d& w, int64_t channels) {
    return {x[0], out(x[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top + w.pad_bottom),
            out(x[2], w.kernel_w, w.stride_w, w.dilation_w, w.pad_left + w.pad_right), channels};
  }

  struct Convolution {
    Conv2dAttrs attrs;
    Shape x, w, y;
    int64_t out_c = 0;
  };
  Convolution convolution() {
    Convolution conv;
    const int64_t groups = pick(0, 4) == 0 ? pick(2, 3) : 1;
    const int64_t group_c = pick(1, 37);
    conv.out_c = groups * pick(1, 70);
    conv.x = {pick(1, 2), pick(1, 11), pick(1, 11), groups * group_c};
    if (pick(0, 2) != 0) conv.attrs.window = window(conv.x[1], conv.x[2], 5);
    conv.attrs.groups = static_cast<int>(groups);
    conv.attrs.activation = activation();
    const Window2d& w = conv.attrs.window;
    conv.w = {conv.out_c, w.kernel_h, w.kernel_w, group_c};
    conv.y = out_shape(conv.x, w, conv.out_c);
    return conv;
  }

  const std::vector<const std::byte*>& inputs() const { return inputs_; }

 private:
  std::mt19937 random_;
  std::vector<std::unique_ptr<GuardedBytes>> buffers_;
  std::vector<const std::byte*> inputs_;
};

void compare(const Kernel& kernel, const Operand& output, const std::vector<std::byte>& expected,
             const std::vector<std::byte>& actual) {
  if (output.dtype != DType::kFloat32) {
    EXPECT_EQ(expected, actual) << kernel.name;
    return;
  }
  const auto* e = reinterpret_cast<const float*>(expected.data());
  const auto* a = reinterpret_cast<const float*>(actual.data());
  for (int64_t i = 0; i < output.elements(); ++i) {
    if (a[i] == e[i] || (std::isnan(a[i]) && std::isnan(e[i]))) continue;  // infinities too
    ASSERT_NEAR(a[i], e[i], 1e-4F * std::max(1.F, std::abs(e[i]))) << kernel.name << " at " << i;
  }
}

// Runs all kernels; returns how many besides the reference.
int check(const OpDesc& op, const Case& data) {
  static ThreadPool single(1);
  static ThreadPool several(4);
  const Kernel* reference_kernel = reference(op);
  if (reference_kernel == nullptr) {
    ADD_FAILURE() << "no reference kernel";
    return 0;
  }
  const std::vector<std::vector<std::byte>> expected =
      run_kernel(*reference_kernel, op, data.inputs(), single);
  int others = 0;
  for (const Kernel* kernel : accepting(op)) {
    if (std::string_view(kernel->name) == reference_kernel->name) continue;
    ++others;
    for (ThreadPool* pool : {&single, &several}) {
      const auto actual = run_kernel(*kernel, op, data.inputs(), *pool);
      for (size_t i = 0; i < expected.size(); ++i) {
        compare(*kernel, op.outputs[i], expected[i], actual[i]);
      }
    }
    if (kernel->has(kSpreadsPixels)) {
      compare(*kernel, op.outputs[0], expected[0], run_spread(*kernel, op, data.inputs(), several));
    }
    if (!runs_by_lines(*kernel, op)) continue;
    for (const int64_t lines : {1, 3}) {
      const auto actual = run_by_lines(*kernel, op, data.inputs(), lines);
      compare(*kernel, op.outputs[0], expected[0], actual);
    }
  }
  return others;
}

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
    const int64_t depth = c.pick(0, 3) == 0 ? c.pick(1000, 4500) : c.pick(1, 130);
    const int64_t out_c = c.pick(1, 150);
    const int64_t rows = c.pick(1, 40);
    OpDesc op;
    op.kind = OpKind::kFullyConnected;
    op.attrs = FullyConnectedAttrs{c.activation()};
    c.types(&op, GetParam(), {rows, depth}, {out_c, depth}, {rows, out_c}, out_c);
    EXPECT_GT(check(op, c), 0);
  }
}

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
    const int64_t depth = c.pick(0, 3) == 0 ? c.pick(1000, 4500) : c.pick(1, 130);
    const int64_t out_c = c.pick(1, 150);
    const int64_t rows = c.pick(1, 40);
    op_.kind = OpKind::kFullyConnected;
    op_.attrs = FullyConnectedAttrs{c.activation()};
    op_.inputs = {c.operand(DType::kFloat32, {rows, depth}),
                  c.operand(DType::kFloat16, {out_c, depth})};
    op_.outputs = {c.operand(DType::kFloat32, {rows, out_c})};
    check_both(&c, out_c);
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
    const int64_t depth = c.pick(0, 3) == 0 ? c.pick(1000, 4500) : c.pick(1, 130);
    const int64_t out_c = c.pick(1, 150);
    const int64_t rows = c.pick(1, 40);
    op_.kind = OpKind::kFullyConnected;
    op_.attrs = FullyConnectedAttrs{c.activation()};
    op_.inputs = {c.operand(DType::kFloat32, {rows, depth}),
                  c.operand(c.pick(0, 1) == 1 ? DType::kFloat16 : DType::kFloat32, {out_c, depth})};
    op_.outputs = {c.operand(DType::kFloat32, {rows, out_c})};
    check_half(&c, out_c);
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
