// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/evaluate.h"

#include "engine/kernels/candidates.h"
#include "engine/plan/plan.h"
#include "engine/runtime/memory_block.h"

namespace inferd::runtime {

Result<std::vector<ir::Constant>> evaluate_node(const ir::Graph& graph, const ir::Node& node) {
  const kernels::OpDesc op = plan::describe(graph, node);
  const kernels::Kernel* kernel = kernels::reference(op);
  if (kernel == nullptr) {
    return unimplemented("no reference kernel for " + std::string(op_name(node.kind)) + " '" +
                         node.name + "'");
  }
  std::vector<const std::byte*> inputs;
  for (const kernels::Operand& input : op.inputs) inputs.push_back(input.data);
  std::vector<std::vector<std::byte>> buffers;
  std::vector<std::byte*> outputs;
  for (const kernels::Operand& output : op.outputs) buffers.emplace_back(output.bytes());
  for (std::vector<std::byte>& buffer : buffers) outputs.push_back(buffer.data());

  const auto packed = kernel->pack != nullptr ? kernel->pack(op) : nullptr;
  const auto prepared = kernel->prepare != nullptr ? kernel->prepare(op, packed.get()) : nullptr;
  const size_t scratch_bytes = prepared != nullptr ? prepared->scratch_bytes : 0;
  INFERD_ASSIGN_OR_RETURN(const MemoryBlock scratch,
                          MemoryBlock::allocate(static_cast<int64_t>(scratch_bytes)));
  ThreadPool pool(1);
  kernel->run({op, packed.get(), prepared.get(), inputs, outputs, scratch.data(), pool});

  std::vector<ir::Constant> constants;
  for (std::vector<std::byte>& buffer : buffers)
    constants.push_back(ir::Constant::own(std::move(buffer)));
  return constants;
}

}  // namespace inferd::runtime
