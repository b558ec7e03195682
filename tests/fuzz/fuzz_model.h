// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "inferd/engine/engine.h"

namespace inferd {

// Loads a model file and, when it is one of at most `max_macs`, runs it once on zeros. How long a
// hostile model computes is not the question.
inline Status load_and_run(Engine& engine, const std::string& path, const LoadOptions& options,
                           int64_t max_macs) {
  INFERD_ASSIGN_OR_RETURN(const auto model, engine.load(path, options));
  if (model->info().macs > max_macs) return ok_status();
  INFERD_ASSIGN_OR_RETURN(const auto context, model->create_context());
  std::vector<std::vector<std::byte>> buffers;
  std::vector<TensorView> views;
  for (const TensorInfo& input : model->inputs()) {
    Shape shape = input.shape;
    for (int d = 0; d < shape.rank(); ++d) {
      if (shape[d] == kDynamicDim) shape[d] = 1;
    }
    INFERD_ASSIGN_OR_RETURN(const int64_t size, checked_bytes(input.dtype, shape));
    if (size > options.limits.max_tensor_bytes) return ok_status();
    buffers.emplace_back(static_cast<size_t>(size));
    views.push_back({input.dtype, shape, buffers.back()});
  }
  return context->run(views).status();
}

// `bytes` as a model file, within limits that keep it quick.
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
  options.limits.max_iterations = 1000;
  const Status status =
      load_and_run(*engine, "/proc/self/fd/" + std::to_string(fd), options, 1'000'000);
  ::close(fd);
  if (!status.ok() && status.message().empty()) __builtin_trap();
}

}  // namespace inferd
