// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "inferd/engine/engine.h"

namespace inferd {

// Loads `bytes` as a model file, and when it is one, plans it and runs it once on zeros.
inline void fuzz_model(const uint8_t* bytes, size_t size) {
  if (size == 0) return;
  static const auto engine = *Engine::create({.threads = 1, .log = nullptr, .prefer_kernels = {}});
  const int fd = ::memfd_create("model", MFD_CLOEXEC);
  if (::write(fd, bytes, size) != static_cast<ssize_t>(size)) __builtin_trap();
  LoadOptions options;
  options.limits.max_nodes = 1000;
  options.limits.max_tensors = 4000;
  options.limits.max_tensor_bytes = 1 << 22;
  options.limits.max_arena_bytes = 1 << 24;
  const auto model = engine->load("/proc/self/fd/" + std::to_string(fd), options);
  ::close(fd);
  // What runs must run within bounds; how long a hostile model computes is not this test's
  // question.
  if (!model.ok() || (*model)->info().macs > 1'000'000) return;
  const auto context = (*model)->create_context();
  if (!context.ok()) return;
  std::vector<std::vector<std::byte>> buffers;
  std::vector<TensorView> views;
  for (const TensorInfo& input : (*model)->inputs()) {
    Shape shape = input.shape;
    for (int d = 0; d < shape.rank(); ++d) {
      if (shape[d] == kDynamicDim) shape[d] = 1;
    }
    const auto size_of = checked_bytes(input.dtype, shape);
    if (!size_of.ok() || *size_of > (1 << 22)) return;
    buffers.emplace_back(static_cast<size_t>(*size_of));
    views.push_back({input.dtype, shape, buffers.back()});
  }
  (void)(*context)->run(views).ok();
}

}  // namespace inferd
