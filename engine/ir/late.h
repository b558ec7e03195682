// SPDX-License-Identifier: Apache-2.0
//
// Operators of a model file that cannot be said in the engine's words before more is known: shapes
// that depend on a request, or values that decide shapes (where a slice begins, how often a tile is
// repeated) and are computed.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/ir/builder.h"
#include "engine/ir/graph.h"

namespace inferd::ir {

// Immutable, shared by copies of a graph.
class LateOp {
 public:
  virtual ~LateOp() = default;

  virtual std::string_view op() const = 0;  // its name in the model file's format

  // Adds what it stands for to `builder`, for inputs that are those of its node by now, and returns
  // what its node's outputs are, one for each. FAILED_PRECONDITION says what is still not known;
  // the nodes added until then are of no use.
  virtual Result<std::vector<ValueId>> lower(Builder& builder,
                                             std::span<const ValueId> inputs) const = 0;
};

}  // namespace inferd::ir
