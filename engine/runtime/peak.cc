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
constexpr int kRuns = 2000;

kernels::Operand operand(DType dtype, const Shape& shape) {
  kernels::Operand o{.dtype = dtype, .shape = shape, .quantization = {}};
  if (dtype == DType::kInt8) o.quantization = {{1.F / 64}, {0}, 0};
  return o;
}

}  // namespace

double measure_peak_gmacs(DType dtype) {
  if (dtype != DType::kInt8 && dtype != DType::kFloat32) return 0;
  const int64_t depth = dtype == DType::kInt8 ? kInt8Depth : kFloatDepth;
  // All bytes 1: small numbers in either type.
  const std::vector<std::byte> ones(4 * std::max(kPixels, kColumns) * kInt8Depth, std::byte{1});
  kernels::OpDesc op;
  op.kind = OpKind::kConv2d;
  op.attrs = Conv2dAttrs{};
  op.inputs = {operand(dtype, {1, 1, kPixels, depth}), operand(dtype, {kColumns, 1, 1, depth})};
  op.inputs[1].data = ones.data();
  op.outputs = {operand(dtype, {1, 1, kPixels, kColumns})};
  std::vector<std::byte> output(op.outputs[0].bytes());

  double best = 0;
  for (const kernels::Kernel* kernel : kernels::accepting(op)) {
    const auto packed = kernel->pack != nullptr ? kernel->pack(op) : nullptr;
    const auto prepared = kernel->prepare != nullptr ? kernel->prepare(op, packed.get()) : nullptr;
    std::vector<std::byte> scratch((prepared != nullptr ? prepared->scratch_bytes : 0) + 64);
    ThreadPool pool(1);
    const std::byte* const inputs[] = {ones.data(), ones.data()};
    std::byte* const outputs[] = {output.data()};
    std::byte* const aligned =
        scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64);
    const kernels::RunArgs args{op, packed.get(), prepared.get(), inputs, outputs, aligned, pool};
    using Clock = std::chrono::steady_clock;
    double fastest = 1;
    for (int i = 0; i < kRuns; ++i) {
      const Clock::time_point start = Clock::now();
      kernel->run(args);
      fastest = std::min(fastest, std::chrono::duration<double>(Clock::now() - start).count());
      if (i > 3 && fastest > 1e-3) break;  // plain loops: no candidate for the best
    }
    best = std::max(best, static_cast<double>(kPixels * depth * kColumns) / fastest * 1e-9);
  }
  return best;
}

}  // namespace inferd::runtime
