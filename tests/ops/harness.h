// SPDX-License-Identifier: Apache-2.0
//
// Runs one kernel row on one operator as the engine does (pack, prepare, run), on memory that
// catches a step outside of it. Used by the operator cases of this folder and by the random tests
// of tests/unit/kernels.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/base/thread_pool.h"
#include "engine/kernels/kernel.h"

namespace inferd::ops {

// `size` bytes that end where an inaccessible page begins, so that reading past them crashes.
class GuardedBytes {
 public:
  explicit GuardedBytes(size_t size);
  explicit GuardedBytes(std::span<const std::byte> contents);
  ~GuardedBytes();
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  std::byte* data() const { return data_; }

 private:
  std::byte* base_ = nullptr;
  std::byte* data_ = nullptr;
  size_t mapped_ = 0;
};

// How far sums of rows of half precision (kHalfPrecision) may be off, as a part of the sum
// of the magnitudes of what is summed: 2u for the rounding of both factors, u = 2^-11, and as much
// for sums of generic::kHalfStretch products in half precision (half_matrix_run.h).
inline constexpr double kHalfTolerance = 4.0 / 2048;

enum class Placement { kSeparate, kInPlace };  // kInPlace: output 0 lies where input 0 was

// The bytes of every output. Fails the current test when the kernel writes outside of its outputs
// or its scratch, or allocates memory while it runs.
std::vector<std::vector<std::byte>> run_kernel(const kernels::Kernel& kernel,
                                               const kernels::OpDesc& op,
                                               std::span<const std::byte* const> inputs,
                                               ThreadPool& pool,
                                               Placement placement = Placement::kSeparate);

// Whether the planner may ask `kernel` for some lines of `op`'s output at a time.
bool runs_by_lines(const kernels::Kernel& kernel, const kernels::OpDesc& op);

// The bytes of the output, computed `lines` at a time, last lines first. Each time only the lines
// under them are there of every input that is read by lines. Fails the current test like
// run_kernel().
std::vector<std::byte> run_by_lines(const kernels::Kernel& kernel, const kernels::OpDesc& op,
                                    std::span<const std::byte* const> inputs, int64_t lines);

// The bytes of the output, written with room between its pixels, for kernels that can leave it.
// Fails the current test when the kernel writes there.
std::vector<std::byte> run_spread(const kernels::Kernel& kernel, const kernels::OpDesc& op,
                                  std::span<const std::byte* const> inputs, ThreadPool& pool);

}  // namespace inferd::ops
