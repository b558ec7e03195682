// SPDX-License-Identifier: Apache-2.0
//
// A plan: everything about one model at one set of input shapes that can be decided before the
// first frame. Immutable; any number of contexts run it at once.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/ir/graph.h"
#include "engine/kernels/kernel.h"
#include "engine/plan/stripes.h"
#include "inferd/engine/engine.h"

namespace inferd::plan {

// Where a step finds the bytes of an operand.
struct Location {
  enum class Base : uint8_t { kArena, kInput, kConstant, kStripe };
  Base base = Base::kArena;
  int64_t offset = 0;                   // kArena: bytes from its start; kInput: input index
  const std::byte* constant = nullptr;  // kConstant
  // kStripe: in the buffers of the step's striped group
};

struct Step {
  std::string name;
  const kernels::Kernel* kernel = nullptr;
  kernels::OpDesc op;
  std::shared_ptr<const kernels::PackedWeights> packed;
  std::unique_ptr<const kernels::Prepared> prepared;
  std::vector<Location> inputs;  // constants that are packed have none
  std::vector<Location> outputs;
  int64_t pixel_stride = 0;  // see kernels::RunArgs, as placed
  uint64_t placed = 0;
  int64_t macs = 0;
};

struct Plan {
  std::vector<Step> steps;
  std::vector<StripedGroup> stripes;  // by first step
  std::vector<Shape> input_shapes;
  std::vector<TensorInfo> outputs;  // static shapes
  std::vector<Location> output_locations;
  int64_t arena_bytes = 0;
  int64_t arena_lower_bound = 0;                           // largest sum of live bytes over steps
  int64_t scratch_bytes = 0;                               // largest over steps and groups
  std::vector<std::shared_ptr<const Constant>> constants;  // of all steps, kept alive
  std::vector<ConstantUse> constants_in_use;               // those that steps read while they run
};

// Packed weights of one model, shared by its plans: equal operators on the same constants are
// packed once. Holds them weakly: they live as long as a plan uses them. Weights that were packed
// when the model was compiled are in its file; those are stored. Thread-safe.
class WeightCache {
 public:
  // The packed weights of `op` for `kernel`, packing them if no living plan has. Null when the
  // kernel packs nothing. `constants` are those among the inputs of `op`, which are used only to
  // pack, and must live as long as the cache. Fails as Constant::check() does, and with DATA_LOSS
  // where stored weights are not what they should be.
  Result<std::shared_ptr<const kernels::PackedWeights>> get(
      const kernels::Kernel& kernel, const kernels::OpDesc& op,
      std::span<const std::shared_ptr<const Constant>> constants);
  int64_t bytes() const;  // of those alive

  // `bytes`, with that checksum (crc32c()), are what kernel.pack(op) made; they must live as long
  // as the cache and everything that came from it.
  void add_stored(const kernels::Kernel& kernel, const kernels::OpDesc& op,
                  std::span<const std::byte> bytes, uint32_t checksum);
  // The row that stored weights of `op` are for; null: there are none.
  const kernels::Kernel* stored_for(const kernels::OpDesc& op) const;

  // Weights that are alive, and the row that packed them.
  struct Packed {
    const kernels::Kernel* kernel = nullptr;
    std::shared_ptr<const kernels::PackedWeights> weights;
  };
  std::optional<Packed> find(const kernels::OpDesc& op) const;

 private:
  struct Entry {
    const kernels::Kernel* kernel = nullptr;
    kernels::OpDesc op;  // shapes of activations do not take part in comparison
    std::weak_ptr<const kernels::PackedWeights> packed;
    std::span<const std::byte> stored;  // empty: nothing is
    uint32_t checksum = 0;
    bool intact = false;  // the checksum was compared
  };

  // The first entry of `op` that `accept` takes; null: none. Under mutex_.
  template <typename F>
  const Entry* first(const kernels::OpDesc& op, F accept) const;
  static Result<std::shared_ptr<const kernels::PackedWeights>> restore(Entry& entry,
                                                                       const kernels::OpDesc& op);

  mutable std::mutex mutex_;
  std::unordered_multimap<const std::byte*, Entry>
      entries_;  // by the first constant's data; by mutex_
};

struct PlanOptions {
  std::vector<std::string> prefer_kernels;
  bool allow_float16 = false;  // kernels of half precision
  // Operators with stored weights get the row that those are for, and their constants are not read.
  bool keep_stored_kernels = false;
  int64_t max_arena_bytes = int64_t{2} << 30;
  int64_t max_tensor_bytes = int64_t{2} << 30;
  int64_t stripe_bytes = 0;  // see find_stripes(), as threads
  int threads = 1;
};

// What a kernel needs to know of `node`. Its constants are borrowed from `graph`; their bytes are
// there while somebody uses them (base/constant.h).
kernels::OpDesc describe(const ir::Graph& graph, const ir::Node& node);

// "FP32[1,8], INT8[8,8] -> FP32[1,8]"
std::string describe_types(const kernels::OpDesc& op);

// `graph` has static shapes and is verified. Fails with UNIMPLEMENTED when no kernel takes a node
// (names it and its types) and RESOURCE_EXHAUSTED when the arena would exceed the limit.
Result<std::shared_ptr<const Plan>> make_plan(ir::Graph graph, WeightCache& weights,
                                              const PlanOptions& options);

}  // namespace inferd::plan
