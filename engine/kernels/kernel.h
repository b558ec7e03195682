// SPDX-License-Identifier: Apache-2.0
//
// What a kernel is: one row of one table (see candidates.h). The planner takes the cheapest row
// that accepts an operator, packs its weights once, prepares it once per shape, and then runs it
// many times.
//
//   accepts(op)            can this row run this operator, with these types, attributes and shapes?
//                          May look at values of 8-bit constants only: others are not in memory
//                          before pack() or, where nothing is packed, prepare()
//   cost(op)               estimated work; compared only between rows of the same operator
//   pack(op, stored)       weights in inner-loop order with bias and zero point folded in. Depends
//                          on the constants, their types, the quantization of inputs and outputs
//                          and the attributes, never on the shape of activations: plans of several
//                          batch sizes and shapes share it. Then the constants leave memory: where
//                          there are packed weights, prepare() and run() must not read them.
//                          With `stored`, what an earlier pack() left in a file: its arrays are
//                          taken from there, and no constant is read
//   prepare(op, packed)    what depends on shapes: indirection offsets, tables, scratch size
//   run(args)              computes; allocates nothing, may use the thread pool
//
// Every row of an operator computes the same function as ref/: bit for bit for integer and
// quantized types, within rounding of another summation order for float32, which in rows of half
// precision is binary16's.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/cpu_features.h"
#include "engine/base/op.h"
#include "engine/base/thread_pool.h"
#include "inferd/engine/tensor.h"

namespace inferd::kernels {

// One input or output of an operator.
struct Operand {
  DType dtype = DType::kFloat32;
  Shape shape;                      // static
  Quantization quantization;        // empty when not quantized
  const std::byte* data = nullptr;  // set for constants only; see accepts() for when to read it

  bool is_constant() const { return data != nullptr; }
  int64_t elements() const { return shape.elements(); }
  size_t bytes() const { return static_cast<size_t>(shape.elements()) * dtype_size(dtype); }
  template <typename T>
  std::span<const T> constant() const {
    return {reinterpret_cast<const T*>(data), static_cast<size_t>(shape.elements())};
  }
};

// An operator with everything the planner knows about it.
struct OpDesc {
  OpKind kind = OpKind::kReshape;
  OpAttrs attrs;
  std::vector<Operand> inputs;
  std::vector<Operand> outputs;
  // The row that is asked has packed these weights before: accepts() took their values then and
  // must not read them, for they may not be there.
  bool packed_before = false;

  template <typename A>
  const A& attrs_as() const {
    return std::get<A>(attrs);
  }
  bool has_input(size_t i) const { return i < inputs.size(); }
};

// Arrays of packed weights as a file keeps them: one behind the other, each from a multiple of
// kArrayAlignment. Borrows the bytes. What they hold is not to be trusted, how many there are is
// checked: pack() takes its arrays and returns early, and who called it asks fits().
class StoredWeights {
 public:
  static constexpr size_t kArrayAlignment = 64;

  explicit StoredWeights(std::span<const std::byte> bytes) : left_(bytes) {}

  // The next array; null when it would be longer than what is left.
  const std::byte* take(size_t bytes);
  bool empty() const { return left_.empty(); }
  // Nothing was missing and nothing is left over.
  bool fits() const { return !short_ && left_.empty(); }

 private:
  std::span<const std::byte> left_;
  bool short_ = false;
};

// Weights in a kernel's own layout. Immutable, shared between plans.
struct PackedWeights {
  virtual ~PackedWeights() = default;
  // Everything in it that comes from the values of weights, in the order of StoredWeights. The rest
  // follows from types, attributes and the shape of constants.
  virtual std::vector<std::span<const std::byte>> arrays() const = 0;
  size_t bytes() const;
};

// Of `count` T, a number of what tensors have. An int64 holds it even where size_t does not.
template <typename T>
constexpr int64_t bytes_of(std::integral auto count) {
  return static_cast<int64_t>(count) * static_cast<int64_t>(sizeof(T));
}

// What a kernel derives from shapes. Immutable, owned by one plan's step.
struct Prepared {
  virtual ~Prepared() = default;
  int64_t scratch_bytes = 0;  // needed during run, whole step; 64-byte aligned, contents undefined
  int64_t line_scratch_bytes = 0;  // of these, what a run with RunArgs::lines needs
};

// Lines [begin, end) of one image of an output [N,H,W,C].
struct LineRange {
  int64_t image = 0;
  int64_t begin = 0, end = 0;
};

struct RunArgs {
  const OpDesc& op;
  const PackedWeights* packed;               // what pack() returned
  const Prepared* prepared;                  // what prepare() returned
  std::span<const std::byte* const> inputs;  // data of every input, constants included; any
                                             // alignment that its element type has
  std::span<std::byte* const> outputs;
  std::byte* scratch;  // prepared->scratch_bytes
  ThreadPool& pool;
  int max_threads = 0;  // of the pool; 0: all
  // Null: the whole output. Otherwise, for a row with kByLines, only these lines of output 0 are
  // written, on the calling thread, and of every input that is an image only the lines under them
  // are read. Operands are still addressed from where their first line would be.
  const LineRange* lines = nullptr;
  // Elements from one pixel of output 0 (its last dimension) to the next, where that is one of the
  // inputs of a concatenation and lies in its output already. 0: pixels lie side by side.
  int64_t pixel_stride = 0;
  // Bit i, for a row with kTakesPlaced: input i lies where it belongs in the output already.
  uint64_t placed = 0;

  // Splits [0, count), of which each line of the output has an equal share, over threads. With
  // `lines`, calls f once, for their shares.
  void parallel_for(int64_t count, int64_t grain, RangeFunction f, int threads) const;
  void parallel_for(int64_t count, int64_t grain, RangeFunction f) const {
    parallel_for(count, grain, f, max_threads);
  }
  template <typename T>
  const T* input(size_t i) const {
    return reinterpret_cast<const T*>(inputs[i]);
  }
  template <typename T>
  T* output(size_t i) const {
    return reinterpret_cast<T*>(outputs[i]);
  }
};

// What else a row can do.
enum Trait : unsigned {
  // Output may share memory with input 0 when both have the same byte size and input 0 dies here.
  kInPlace = 1,
  kByLines = 2,        // run() heeds RunArgs::lines, for operators that make images from images
  kSpreadsPixels = 4,  // run() heeds RunArgs::pixel_stride
  kTakesPlaced = 8,    // run() heeds RunArgs::placed
  // Multiplies in half precision: off by more than float32's rounding, hence only where the user
  // allows it.
  kHalfPrecision = 16,
};

struct Kernel {
  const char* name;  // "conv2d_q8"; all() adds the ISA ("conv2d_q8_avx2"), which makes it unique:
                     // shown by the profiler, forced by INFERD_KERNEL
  OpKind op;
  Isa isa;  // the row is skipped on CPUs without it
  bool (*accepts)(const OpDesc&);
  double (*cost)(const OpDesc&);
  // Null: nothing to pack. `stored` may be null.
  std::unique_ptr<PackedWeights> (*pack)(const OpDesc&, StoredWeights* stored);
  std::unique_ptr<Prepared> (*prepare)(const OpDesc&, const PackedWeights*);  // null: nothing to do
  void (*run)(const RunArgs&);
  unsigned traits = 0;  // of Trait
  bool has(Trait trait) const { return (traits & trait) != 0; }
};

}  // namespace inferd::kernels
