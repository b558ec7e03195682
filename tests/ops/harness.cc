// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/harness.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "engine/plan/stripes.h"

namespace {

// Allocations of this program, to see that kernels make none.
std::atomic<int64_t> allocations{0};

void* allocate(size_t size, size_t alignment) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (alignment <= alignof(std::max_align_t)) return std::malloc(std::max<size_t>(size, 1));
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* allocate_or_abort(size_t size, size_t alignment) {
  void* const memory = allocate(size, alignment);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(size_t size) { return allocate_or_abort(size, 0); }
void* operator new(size_t size, std::align_val_t alignment) {
  return allocate_or_abort(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return allocate(size, 0); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace inferd::ops {
namespace {

constexpr size_t kGuard = 64;  // bytes; also the alignment of scratch
constexpr std::byte kUntouched{0xA5};
// Where constants are once they are packed: nowhere that could be read.
const std::byte* const kGone = reinterpret_cast<const std::byte*>(kGuard);

// `size` bytes between guards, 64-byte aligned.
class Fenced {
 public:
  explicit Fenced(int64_t size) : Fenced(static_cast<size_t>(size)) {}
  explicit Fenced(size_t size) : size_(size), memory_(size + 3 * kGuard, kUntouched) {
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    start_ = kGuard + (kGuard - address % kGuard) % kGuard;
  }
  std::byte* data() { return memory_.data() + start_; }
  size_t size() const { return size_; }
  bool intact() const {
    const auto untouched = [](std::byte b) { return b == kUntouched; };
    const auto begin = memory_.begin() + static_cast<ptrdiff_t>(start_);
    return std::all_of(memory_.begin(), begin, untouched) &&
           std::all_of(begin + static_cast<ptrdiff_t>(size_), memory_.end(), untouched);
  }

 private:
  size_t size_;
  std::vector<std::byte> memory_;
  size_t start_ = 0;
};

}  // namespace

GuardedBytes::GuardedBytes(size_t size) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  mapped_ = (size + page - 1) / page * page + page;
  base_ = static_cast<std::byte*>(
      mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  EXPECT_EQ(mprotect(base_ + mapped_ - page, page, PROT_NONE), 0);
  data_ = base_ + mapped_ - page - size;
}

GuardedBytes::GuardedBytes(std::span<const std::byte> contents) : GuardedBytes(contents.size()) {
  std::copy(contents.begin(), contents.end(), data_);
}

GuardedBytes::~GuardedBytes() { munmap(base_, mapped_); }

std::vector<std::vector<std::byte>> run_kernel(const kernels::Kernel& kernel,
                                               const kernels::OpDesc& op,
                                               std::span<const std::byte* const> inputs,
                                               ThreadPool& pool, Placement placement) {
  const auto packed = kernel.pack != nullptr ? kernel.pack(op, nullptr) : nullptr;
  std::vector<const std::byte*> sources(inputs.begin(), inputs.end());
  kernels::OpDesc known = op;
  for (size_t i = 0; packed != nullptr && i < known.inputs.size(); ++i) {
    if (!known.inputs[i].is_constant()) continue;
    known.inputs[i].data = kGone;
    sources[i] = nullptr;
  }
  const auto prepared = kernel.prepare != nullptr ? kernel.prepare(known, packed.get()) : nullptr;
  Fenced scratch(prepared != nullptr ? prepared->scratch_bytes : 0);
  std::vector<Fenced> fences;
  std::vector<std::byte*> outputs;
  for (const kernels::Operand& output : op.outputs) fences.emplace_back(output.bytes());
  for (Fenced& fence : fences) outputs.push_back(fence.data());
  if (placement == Placement::kInPlace) {
    std::copy_n(inputs[0], op.inputs[0].bytes(), outputs[0]);
    sources[0] = outputs[0];
  }
  const int64_t before = allocations.load();
  kernel.run({.op = known,
              .packed = packed.get(),
              .prepared = prepared.get(),
              .inputs = sources,
              .outputs = outputs,
              .scratch = scratch.data(),
              .pool = pool,
              .max_threads = 0});
  const int64_t made = allocations.load() - before;
  EXPECT_EQ(made, 0) << kernel.name << " allocates memory while it runs";
  EXPECT_TRUE(scratch.intact()) << kernel.name << " wrote outside of its scratch";
  std::vector<std::vector<std::byte>> results;
  for (Fenced& fence : fences) {
    EXPECT_TRUE(fence.intact()) << kernel.name << " wrote outside of output " << results.size();
    results.emplace_back(fence.data(), fence.data() + fence.size());
  }
  return results;
}

bool runs_by_lines(const kernels::Kernel& kernel, const kernels::OpDesc& op) {
  if (!kernel.has(kernels::kByLines)) return false;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    if (!plan::input_lines(op, i).has_value()) return false;
  }
  return true;
}

namespace {

// Where the first line of the first image would be.
template <typename Byte>
Byte* origin(Byte* data, int64_t above) {
  return reinterpret_cast<Byte*>(reinterpret_cast<uintptr_t>(data) - static_cast<uintptr_t>(above));
}

int64_t line_bytes(const kernels::Operand& x) {
  return static_cast<int64_t>(x.bytes()) / (x.shape[0] * x.shape[1]);
}

}  // namespace

std::vector<std::byte> run_by_lines(const kernels::Kernel& kernel, const kernels::OpDesc& op,
                                    std::span<const std::byte* const> inputs, int64_t lines) {
  ThreadPool pool(1);
  const auto packed = kernel.pack != nullptr ? kernel.pack(op, nullptr) : nullptr;
  const auto prepared = kernel.prepare != nullptr ? kernel.prepare(op, packed.get()) : nullptr;
  Fenced scratch(prepared != nullptr ? prepared->line_scratch_bytes : 0);
  const kernels::Operand& y = op.outputs[0];
  const int64_t height = y.shape[1];
  const int64_t y_line = line_bytes(y);
  std::vector<std::byte> result(y.bytes());
  for (int64_t i = y.shape[0] * height; i > 0;) {
    const int64_t image = (i - 1) / height;
    const int64_t end = i - image * height;
    const kernels::LineRange range{image, std::max<int64_t>(end - lines, 0), end};
    i = image * height + range.begin;
    std::vector<std::unique_ptr<GuardedBytes>> parts;
    std::vector<const std::byte*> sources(inputs.begin(), inputs.end());
    for (size_t k = 0; k < sources.size(); ++k) {
      const plan::InputLines input = *plan::input_lines(op, k);
      if (input.whole) continue;
      const plan::Lines under = input.window.under({range.begin, range.end});
      const int64_t line = line_bytes(op.inputs[k]);
      const int64_t first = (image * input.window.height + under.begin) * line;
      parts.push_back(std::make_unique<GuardedBytes>(std::span<const std::byte>(
          inputs[k] + first, static_cast<size_t>(under.count() * line))));
      sources[k] = origin(parts.back()->data(), first);
    }
    Fenced output(static_cast<size_t>((range.end - range.begin) * y_line));
    std::byte* const at = origin(output.data(), i * y_line);
    const int64_t before = allocations.load();
    kernel.run({.op = op,
                .packed = packed.get(),
                .prepared = prepared.get(),
                .inputs = sources,
                .outputs = {&at, 1},
                .scratch = scratch.data(),
                .pool = pool,
                .max_threads = 1,
                .lines = &range});
    EXPECT_EQ(allocations.load(), before) << kernel.name << " allocates memory while it runs";
    EXPECT_TRUE(scratch.intact()) << kernel.name << " wrote outside of its scratch";
    EXPECT_TRUE(output.intact()) << kernel.name << " wrote outside of its lines";
    std::copy_n(output.data(), output.size(), result.data() + i * y_line);
  }
  return result;
}

std::vector<std::byte> run_spread(const kernels::Kernel& kernel, const kernels::OpDesc& op,
                                  std::span<const std::byte* const> inputs, ThreadPool& pool) {
  constexpr int64_t kRoom = 3;  // elements
  const auto packed = kernel.pack != nullptr ? kernel.pack(op, nullptr) : nullptr;
  const auto prepared = kernel.prepare != nullptr ? kernel.prepare(op, packed.get()) : nullptr;
  Fenced scratch(prepared != nullptr ? prepared->scratch_bytes : 0);
  const kernels::Operand& y = op.outputs[0];
  const auto width = static_cast<int64_t>(dtype_size(y.dtype));
  const int64_t channels = y.shape.back();
  const int64_t pixels = channels == 0 ? 0 : y.shape.elements() / channels;
  const int64_t stride = (channels + kRoom) * width;
  Fenced output(static_cast<size_t>(pixels * stride));
  std::byte* const at = output.data();
  kernel.run({.op = op,
              .packed = packed.get(),
              .prepared = prepared.get(),
              .inputs = inputs,
              .outputs = {&at, 1},
              .scratch = scratch.data(),
              .pool = pool,
              .max_threads = 0,
              .lines = nullptr,
              .pixel_stride = channels + kRoom});
  EXPECT_TRUE(scratch.intact()) << kernel.name << " wrote outside of its scratch";
  EXPECT_TRUE(output.intact()) << kernel.name << " wrote outside of its output";
  std::vector<std::byte> result;
  for (int64_t i = 0; i < pixels; ++i) {
    const std::byte* const pixel = at + i * stride;
    result.insert(result.end(), pixel, pixel + channels * width);
    EXPECT_TRUE(std::all_of(pixel + channels * width, pixel + stride,
                            [](std::byte b) { return b == kUntouched; }))
        << kernel.name << " wrote between pixels";
  }
  return result;
}

}  // namespace inferd::ops
