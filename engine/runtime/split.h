// SPDX-License-Identifier: Apache-2.0
//
// Cuts a graph where shapes depend on data.
#pragma once

#include <optional>
#include <vector>

#include "engine/ir/graph.h"

namespace inferd::runtime {

// Value ids mean the same in all parts.
struct Split {
  // What can be planned now: static shapes, and nothing that waits. Its outputs are what `loop` and
  // `rest` use of it.
  ir::Graph now;
  // An operator that can run once `now` has.
  std::optional<ir::Node> loop;
  // What remains, without nodes when nothing does; then its outputs are among its inputs. Inputs:
  // those of the whole that it uses, outputs of `now` and of `loop`.
  ir::Graph rest;
  // Indices of the inputs of `rest` whose numbers must be known before it can be planned: they
  // decide shapes, or which body of an if runs.
  std::vector<size_t> bound;
};

// Nothing of `graph` waits for data: make_plan() takes it as it is.
bool can_be_planned(const ir::Graph& graph);

// `graph` has inputs of static shape and is optimised for them. UNIMPLEMENTED when no number could
// tell the shape of an operator's output, which it names.
Result<Split> split(const ir::Graph& graph);

}  // namespace inferd::runtime
