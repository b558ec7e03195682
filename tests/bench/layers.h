// SPDX-License-Identifier: Apache-2.0
//
// Layers of well-known networks with random data, for benchmarks of single kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/kernels/kernel.h"

namespace inferd::bench {

struct Layer {
  const char* name;
  OpKind kind;
  int64_t size;  // input height and width
  int64_t in_c, out_c;
  int kernel, stride;
};

int64_t macs(const Layer& layer);
std::span<const Layer> layers();

// The operator of a layer, int8 or float32, with its inputs; weights and bias are constants.
struct Problem {
  kernels::OpDesc op;
  std::vector<std::vector<std::byte>> data;
  std::vector<const std::byte*> inputs;

  Problem(const Layer& layer, bool quantized);
};

// A kernel ready to run on a problem, which must outlive it.
class Prepared {
 public:
  Prepared(const Problem& problem, const kernels::Kernel& kernel, int threads);
  void run();
  std::span<const std::byte> output() const { return output_; }

 private:
  const Problem& problem_;
  const kernels::Kernel& kernel_;
  ThreadPool pool_;
  std::unique_ptr<kernels::PackedWeights> packed_;
  std::unique_ptr<kernels::Prepared> prepared_;
  std::vector<std::byte> scratch_;
  std::vector<std::byte> output_;
};

}  // namespace inferd::bench
