// SPDX-License-Identifier: Apache-2.0
//
// Random operators, and the comparison of all kernels that accept one with the reference.
#pragma once

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

  struct Layer {
    Shape x, w, y;
    int64_t out_c = 0;
  };
  Layer fully_connected() {
    const int64_t depth = pick(0, 3) == 0 ? pick(1000, 4500) : pick(1, 130);
    const int64_t out_c = pick(1, 150);
    const int64_t rows = pick(1, 40);
    return {{rows, depth}, {out_c, depth}, {rows, out_c}, out_c};
  }

  const std::vector<const std::byte*>& inputs() const { return inputs_; }

 private:
  std::mt19937 random_;
  std::vector<std::unique_ptr<GuardedBytes>> buffers_;
  std::vector<const std::byte*> inputs_;
};

inline void compare(const Kernel& kernel, const Operand& output,
                    const std::vector<std::byte>& expected, const std::vector<std::byte>& actual) {
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
inline int check(const OpDesc& op, const Case& data) {
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

}  // namespace inferd::kernels
