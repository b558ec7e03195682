// SPDX-License-Identifier: Apache-2.0
//
// Graph rewrites: one per file, one row each in passes.cc, which is also their order.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ir/graph.h"
#include "inferd/engine/engine.h"

namespace inferd::opt {

// The outputs' constants of one node whose inputs are all constants (computed when needed). Given
// by the runtime (reference kernels), so that this folder knows no kernels.
using Evaluator = std::function<Result<std::vector<std::shared_ptr<const Constant>>>(
    const ir::Graph&, const ir::Node&)>;

// Why operators whose result is quantized were not made integer operators, by name of the node.
using Declined = std::map<std::string, std::string>;

struct PassContext {
  Evaluator evaluate;
  int64_t max_folded_bytes = int64_t{64}
                             << 20;  // a node that would make a larger constant is left alone
  Declined* declined = nullptr;      // quantize_operators adds to it
  // lower_late adds what the engine lacks to it, each once, and leaves it as it is. Null: the first
  // such operator is an error (UNIMPLEMENTED).
  std::vector<UnsupportedOp>* unsupported = nullptr;
  std::span<const std::string_view> without = {};  // names of passes that optimize() leaves out
};

struct Pass {
  const char* name;
  // True when something changed. The graph stays verified. A pass that does not understand a node
  // leaves it alone; an error means the model itself cannot work.
  Result<bool> (*run)(ir::Graph& graph, const PassContext& context);
  bool when_settled = false;  // waits for a round in which no pass before it changed anything
};

std::span<const Pass> passes();

// All passes, in order, repeated until nothing changes (bounded).
Status optimize(ir::Graph& graph, const PassContext& context);

// The conversions between 8-bit and float32 numbers inside an optimised graph, and why they are
// there: `declined` is what its optimisation said. Not part of passes().
std::vector<LeftConversion> left_conversions(const ir::Graph& graph, const Declined& declined);

// Makes dimension 0 of every input dynamic when the model allows any batch: dimension 0 of every
// input and output is 1, and every node carries it through untouched. Returns whether it did;
// otherwise the graph is as it was. Not part of passes().
Result<bool> open_batch_dimension(ir::Graph& graph);

}  // namespace inferd::opt
