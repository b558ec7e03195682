// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "engine/kernels/candidates.h"

namespace inferd::runtime {
namespace {

// 1x1 convolution of a few pixels: input, weights and output fit in some 32 KiB, and the depth
// makes little of what happens around the inner loop.
constexpr int64_t kPixels = 56;
constexpr int64_t kInt8Depth = 256;
constexpr int64_t kFloatDepth = 96;
constexpr int64_t kColumns = 32;
constexpr int kRounds = 250;
constexpr int kRunsPerRound = 8;

kernels::Operand operand(DType dtype, const Shape& shape) {
  kernels::Operand o{.dtype = dtype, .shape = shape, .quantization = {}};
  if (dtype_size(dtype) == 1) o.quantization = {{1.F / 64}, {0}, 0};
  return o;
}

// Of the fastest kernel whose activations have this type.
double peak_of(DType activations, DType weights) {
  const int64_t depth = dtype_size(activations) == 1 ? kInt8Depth : kFloatDepth;
  // All bytes 1: small numbers in either type.
  const std::vector<std::byte> ones(4 * std::max(kPixels, kColumns) * kInt8Depth, std::byte{1});
  kernels::OpDesc op;
  op.kind = OpKind::kConv2d;
  op.attrs = Conv2dAttrs{};
  op.inputs = {operand(activations, {1, 1, kPixels, depth}),
               operand(weights, {kColumns, 1, 1, depth})};
  op.inputs[1].data = ones.data();
  op.outputs = {operand(activations, {1, 1, kPixels, kColumns})};
  std::vector<std::byte> output(op.outputs[0].bytes());

  double best = 0;
  for (const kernels::Kernel* kernel : kernels::accepting(op)) {
    const auto packed = kernel->pack != nullptr ? kernel->pack(op, nullptr) : nullptr;
    const auto prepared = kernel->prepare != nullptr ? kernel->prepare(op, packed.get()) : nullptr;
    const int64_t needed = prepared != nullptr ? prepared->scratch_bytes : 0;
    std::vector<std::byte> scratch(static_cast<size_t>(needed) + 64);
    ThreadPool pool(1);
    const std::byte* const inputs[] = {ones.data(), ones.data()};
    std::byte* const outputs[] = {output.data()};
    std::byte* const aligned =
        scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64);
    const kernels::RunArgs args{op, packed.get(), prepared.get(), inputs, outputs, aligned, pool};
    using Clock = std::chrono::steady_clock;
    double fastest = 1;
    for (int i = 0; i < kRounds; ++i) {
      const Clock::time_point start = Clock::now();
      for (int k = 0; k < kRunsPerRound; ++k) kernel->run(args);
      fastest = std::min(fastest, std::chrono::duration<double>(Clock::now() - start).count());
      if (i > 3 && fastest > 1e-2) break;  // plain loops: no candidate for the best
    }
    const auto macs = static_cast<double>(kRunsPerRound * kPixels * depth * kColumns);
    best = std::max(best, macs / fastest * 1e-9);
  }
  return best;
}

}  // namespace

double measure_peak_gmacs(DType dtype) {
  if (dtype == DType::kFloat32) return peak_of(dtype, dtype);
  if (dtype != DType::kInt8) return 0;
  // Each ISA multiplies one of these as it is.
  return std::max(peak_of(DType::kInt8, dtype), peak_of(DType::kUInt8, dtype));
}

}  // namespace inferd::runtime
