// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/layers.h"

#include <algorithm>
#include <cstring>
#include <random>

namespace inferd::bench {
namespace {

using kernels::Operand;

constexpr Layer kLayers[] = {
    {"stem_3x3s2_224x3_32", OpKind::kConv2d, 224, 3, 32, 3, 2},
    {"dw_3x3_112x32", OpKind::kDepthwiseConv2d, 112, 32, 32, 3, 1},
    {"pw_112x16_96", OpKind::kConv2d, 112, 16, 96, 1, 1},
    {"dw_3x3s2_112x96", OpKind::kDepthwiseConv2d, 112, 96, 96, 3, 2},
    {"pw_56x144_24", OpKind::kConv2d, 56, 144, 24, 1, 1},
    {"pw_28x32_192", OpKind::kConv2d, 28, 32, 192, 1, 1},
    {"dw_3x3_14x384", OpKind::kDepthwiseConv2d, 14, 384, 384, 3, 1},
    {"pw_14x384_64", OpKind::kConv2d, 14, 384, 64, 1, 1},
    {"pw_7x960_320", OpKind::kConv2d, 7, 960, 320, 1, 1},
    {"pw_7x320_1280", OpKind::kConv2d, 7, 320, 1280, 1, 1},
    {"conv_3x3_28x128_128", OpKind::kConv2d, 28, 128, 128, 3, 1},
    {"pw_56x256_256", OpKind::kConv2d, 56, 256, 256, 1, 1},
    {"fc_1280_1000", OpKind::kFullyConnected, 1, 1280, 1000, 1, 1},
};

Operand operand(DType dtype, Shape shape) {
  Operand o{.dtype = dtype, .shape = shape, .quantization = {}};
  if (dtype == DType::kInt8) o.quantization = {{0.02F}, {3}, 0};
  return o;
}

std::vector<std::byte> random_values(const Operand& o) {
  std::vector<std::byte> data(o.bytes());
  std::mt19937 random(1);
  for (int64_t i = 0; i < o.elements(); ++i) {
    if (o.dtype == DType::kFloat32) {
      const float value = static_cast<float>(random() % 2001) / 1000.F - 1.F;
      std::memcpy(data.data() + i * 4, &value, 4);
    } else if (o.dtype == DType::kInt8) {
      data[static_cast<size_t>(i)] = static_cast<std::byte>(random());
    }
  }
  return data;
}

}  // namespace

std::span<const Layer> layers() { return kLayers; }

int64_t macs(const Layer& layer) {
  const int64_t out = (layer.size + layer.stride - 1) / layer.stride;
  const int64_t depth = layer.kind == OpKind::kDepthwiseConv2d ? 1 : layer.in_c;
  return out * out * layer.out_c * layer.kernel * layer.kernel * depth;
}

Problem::Problem(const Layer& layer, bool quantized) {
  op.kind = layer.kind;
  const DType type = quantized ? DType::kInt8 : DType::kFloat32;
  const int64_t out = (layer.size + layer.stride - 1) / layer.stride;
  Conv2dAttrs conv;
  const int pads =
      std::max<int>(0, static_cast<int>((out - 1) * layer.stride + layer.kernel - layer.size));
  conv.window = {.kernel_h = layer.kernel,
                 .kernel_w = layer.kernel,
                 .stride_h = layer.stride,
                 .stride_w = layer.stride,
                 .pad_top = pads / 2,
                 .pad_bottom = pads - pads / 2,
                 .pad_left = pads / 2,
                 .pad_right = pads - pads / 2};
  Shape x{1, layer.size, layer.size, layer.in_c};
  Shape y{1, out, out, layer.out_c};
  Shape w{layer.out_c, layer.kernel, layer.kernel, layer.in_c};
  op.attrs = conv;
  if (layer.kind == OpKind::kDepthwiseConv2d) w = {layer.kernel, layer.kernel, layer.out_c};
  if (layer.kind == OpKind::kFullyConnected) {
    x = {1, layer.in_c};
    y = {1, layer.out_c};
    w = {layer.out_c, layer.in_c};
    op.attrs = FullyConnectedAttrs{};
  }
  const DType bias = quantized ? DType::kInt32 : DType::kFloat32;
  op.inputs = {operand(type, x), operand(type, w), operand(bias, {layer.out_c})};
  op.outputs = {operand(type, y)};
  if (quantized) op.inputs[1].quantization.zero_points[0] = 0;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    data.push_back(random_values(op.inputs[i]));
    if (i > 0) op.inputs[i].data = data.back().data();
    inputs.push_back(data.back().data());
  }
}

Prepared::Prepared(const Problem& problem, const kernels::Kernel& kernel, int threads)
    : problem_(problem),
      kernel_(kernel),
      pool_(threads),
      packed_(kernel.pack != nullptr ? kernel.pack(problem.op, nullptr) : nullptr),
      prepared_(kernel.prepare != nullptr ? kernel.prepare(problem.op, packed_.get()) : nullptr),
      scratch_(static_cast<size_t>(prepared_ != nullptr ? prepared_->scratch_bytes : 0) + 64),
      output_(problem.op.outputs[0].bytes()) {}

void Prepared::run() {
  std::byte* const y = output_.data();
  std::byte* const aligned =
      scratch_.data() + (64 - reinterpret_cast<uintptr_t>(scratch_.data()) % 64);
  kernel_.run({.op = problem_.op,
               .packed = packed_.get(),
               .prepared = prepared_.get(),
               .inputs = problem_.inputs,
               .outputs = std::span<std::byte* const>(&y, 1),
               .scratch = aligned,
               .pool = pool_,
               .max_threads = 0});
}

}  // namespace inferd::bench
