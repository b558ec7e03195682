// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/value_inputs.h"

#include "engine/base/op.h"

namespace inferd::runtime {
namespace {

enum class Reads : uint8_t {
  kCarefully,  // not known to be safe
  kValues,     // each element for itself, to compute with
  kAliases,    // as kValues, and the output may be the same memory
};

// Integers of an application's own choice can be divisors and shifts, so `binary` counts only for
// what is rounded to them: real numbers and quantized ones.
Reads reads(OpKind kind, const ir::Value& x) {
  const bool real =
      x.dtype == DType::kFloat32 || x.dtype == DType::kFloat16 || !x.quantization.empty();
  switch (kind) {
    case OpKind::kConv2d:
    case OpKind::kDepthwiseConv2d:
    case OpKind::kConvTranspose2d:
    case OpKind::kFullyConnected:
    case OpKind::kMatMul:
    case OpKind::kClamp:
    case OpKind::kPRelu:
    case OpKind::kMaxPool2d:
    case OpKind::kAveragePool2d:
    case OpKind::kConcat:
    case OpKind::kPad:
    case OpKind::kTranspose:
    case OpKind::kStridedCopy:
    case OpKind::kResize:
    case OpKind::kCast:
    case OpKind::kQuantize:
    case OpKind::kDequantize:
    case OpKind::kRequantize:
    case OpKind::kLookup:
    case OpKind::kBatchNorm:
      return Reads::kValues;
    case OpKind::kBinary:
      return real ? Reads::kValues : Reads::kCarefully;
    case OpKind::kReshape:
    case OpKind::kSlice:
      return Reads::kAliases;
    default:
      return Reads::kCarefully;
  }
}

// Operators whose operands are all alike; of the others, those behind the first are shapes, weights
// that are packed by what they are, and the like.
bool operands_are_alike(OpKind kind) {
  return kind == OpKind::kConcat || kind == OpKind::kBinary || kind == OpKind::kMatMul;
}

}  // namespace

std::vector<bool> value_inputs(const ir::Graph& graph) {
  constexpr int kOwn = -1;                                // memory of the run itself
  std::vector<int> memory_of(graph.value_count(), kOwn);  // else the input that a value may lie in
  std::vector<bool> safe;
  for (const ir::ValueId input : graph.inputs()) {
    memory_of[static_cast<size_t>(input)] = static_cast<int>(safe.size());
    // A byte that is neither 0 nor 1 is no value of a bool.
    safe.push_back(graph.value(input).dtype != DType::kBool);
  }
  for (const ir::Node& node : graph.nodes()) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == ir::kNoValue) continue;
      const int input = memory_of[static_cast<size_t>(node.inputs[i])];
      if (input == kOwn) continue;
      const Reads how = reads(node.kind, graph.value(node.inputs[i]));
      if (how == Reads::kCarefully || (i > 0 && !operands_are_alike(node.kind))) {
        safe[static_cast<size_t>(input)] = false;
      } else if (how == Reads::kAliases) {
        memory_of[static_cast<size_t>(node.outputs[0])] = input;
      }
    }
  }
  return safe;
}

}  // namespace inferd::runtime
