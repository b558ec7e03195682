// SPDX-License-Identifier: Apache-2.0
//
// Speed of every kernel this CPU runs on layers of MobileNetV2 (224x224) and others, in
// multiply-accumulates per second ("MACs", counter), on one thread or --threads=N.
//
//   kernels-bench --benchmark_filter='avx2'
#include <benchmark/benchmark.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/kernels/candidates.h"

namespace inferd::kernels {
namespace {

struct Layer {
  const char* name;
  OpKind kind;
  int64_t size;  // input height and width
  int64_t in_c, out_c;
  int kernel, stride;
};

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

struct Problem {
  OpDesc op;
  std::vector<std::vector<std::byte>> data;
  std::vector<const std::byte*> inputs;

  Problem(const Layer& layer, bool quantized) {
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
      fill(op.inputs[i]);
      if (i > 0) op.inputs[i].data = data.back().data();
      inputs.push_back(data.back().data());
    }
  }

 private:
  static Operand operand(DType dtype, Shape shape) {
    Operand o{.dtype = dtype, .shape = shape, .quantization = {}};
    if (dtype == DType::kInt8) o.quantization = {{0.02F}, {3}, 0};
    return o;
  }
  void fill(const Operand& o) {
    data.emplace_back(o.bytes());
    std::mt19937 random(1);
    for (int64_t i = 0; i < o.elements(); ++i) {
      if (o.dtype == DType::kFloat32) {
        const float value = static_cast<float>(random() % 2001) / 1000.F - 1.F;
        std::memcpy(data.back().data() + i * 4, &value, 4);
      } else if (o.dtype == DType::kInt8) {
        data.back()[static_cast<size_t>(i)] = static_cast<std::byte>(random());
      }
    }
  }
};

void measure(benchmark::State& state, const Kernel* kernel, const Layer& layer, bool quantized,
             int threads) {
  const Problem problem(layer, quantized);
  const OpDesc& op = problem.op;
  ThreadPool pool(threads);
  const auto packed = kernel->pack != nullptr ? kernel->pack(op) : nullptr;
  const auto prepared = kernel->prepare != nullptr ? kernel->prepare(op, packed.get()) : nullptr;
  std::vector<std::byte> scratch((prepared != nullptr ? prepared->scratch_bytes : 0) + 64);
  std::byte* aligned = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64);
  std::vector<std::byte> output(op.outputs[0].bytes());
  std::byte* y = output.data();
  for (auto _ : state) {
    kernel->run({.op = op,
                 .packed = packed.get(),
                 .prepared = prepared.get(),
                 .inputs = problem.inputs,
                 .outputs = std::span<std::byte* const>(&y, 1),
                 .scratch = aligned,
                 .pool = pool,
                 .max_threads = 0});
    benchmark::DoNotOptimize(output.data());
    benchmark::ClobberMemory();
  }
  const Shape& w = op.inputs[1].shape;
  const int64_t per_output = layer.kind == OpKind::kDepthwiseConv2d
                                 ? int64_t{layer.kernel} * layer.kernel
                                 : w.elements() / layer.out_c;
  state.counters["MACs"] =
      benchmark::Counter(static_cast<double>(op.outputs[0].elements() * per_output),
                         benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace
}  // namespace inferd::kernels

int main(int argc, char** argv) {
  using namespace inferd::kernels;
  benchmark::Initialize(&argc, argv);
  int threads = 1;
  constexpr std::string_view kThreads = "--threads=";
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (!arg.starts_with(kThreads)) continue;
    std::from_chars(arg.data() + kThreads.size(), arg.data() + arg.size(), threads);
  }
  for (const Layer& layer : kLayers) {
    for (const bool quantized : {true, false}) {
      for (const Kernel* kernel : accepting(Problem(layer, quantized).op)) {
        const std::string name = std::string(layer.name) + "/" + kernel->name;
        benchmark::RegisterBenchmark(name.c_str(), measure, kernel, layer, quantized, threads);
      }
    }
  }
  benchmark::RunSpecifiedBenchmarks();
}
