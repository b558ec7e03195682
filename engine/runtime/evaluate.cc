// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/evaluate.h"

#include <new>

#include "engine/kernels/candidates.h"
#include "engine/plan/plan.h"
#include "engine/runtime/memory_block.h"

namespace inferd::runtime {
namespace {

// A node with constants for inputs, which they keep alive; absent for kShape's.
struct Node {
  kernels::OpDesc op;
  const kernels::Kernel* kernel = nullptr;
  std::vector<std::shared_ptr<const Constant>> inputs;

  // Runs it for the sake of output `wanted`.
  void run(size_t wanted, std::span<std::byte> bytes) const {
    std::vector<ConstantUse> uses;
    std::vector<const std::byte*> in;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] != nullptr) uses.emplace_back(inputs[i]);
      in.push_back(op.inputs[i].data);
    }
    std::vector<std::vector<std::byte>> others(op.outputs.size());
    std::vector<std::byte*> out;
    for (size_t i = 0; i < others.size(); ++i) {
      if (i != wanted) others[i].resize(op.outputs[i].bytes());
      out.push_back(i == wanted ? bytes.data() : others[i].data());
    }
    const auto packed = kernel->pack != nullptr ? kernel->pack(op, nullptr) : nullptr;
    const auto prepared = kernel->prepare != nullptr ? kernel->prepare(op, packed.get()) : nullptr;
    const Result<MemoryBlock> scratch =
        MemoryBlock::allocate(prepared != nullptr ? prepared->scratch_bytes : 0);
    if (!scratch.ok()) throw std::bad_alloc();
    ThreadPool pool(1);
    kernel->run({op, packed.get(), prepared.get(), in, out, scratch->data(), pool});
  }
};

}  // namespace

Result<std::vector<std::shared_ptr<const Constant>>> evaluate_node(const ir::Graph& graph,
                                                                   const ir::Node& node) {
  const auto what = std::make_shared<Node>();
  what->op = plan::describe(graph, node);
  what->kernel = kernels::reference(what->op);
  if (what->kernel == nullptr) {
    return unimplemented("no reference kernel for " + std::string(op_name(node.kind)) + " '" +
                         node.name + "'");
  }
  for (ir::ValueId id : node.inputs) what->inputs.push_back(graph.value(id).constant);
  std::vector<std::shared_ptr<const Constant>> constants;
  for (size_t i = 0; i < what->op.outputs.size(); ++i) {
    constants.push_back(
        Constant::made(what->op.outputs[i].bytes(),
                       [what, i](std::span<std::byte> bytes) { what->run(i, bytes); }));
  }
  return constants;
}

}  // namespace inferd::runtime
