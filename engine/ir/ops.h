// SPDX-License-Identifier: Apache-2.0
//
// The ops table: name, arity, attribute type and rules of every operator. Adding an operator starts
// here.
#pragma once

#include <optional>
#include <string_view>

#include "engine/base/op.h"
#include "engine/ir/graph.h"

namespace inferd::ir {

struct OpInfo {
  OpKind kind;
  const char* name;
  int min_inputs;
  int max_inputs;      // -1: any number
  int outputs;         // -1: any number
  size_t attrs_index;  // of OpAttrs' alternative
  // Data movement: any dtype, and the output has the dtype and quantization of input 0.
  bool moves_data;
  // Sets shapes (and dtype where determined) of the outputs; see shape_inference.h.
  Status (*infer)(Graph&, const Node&);
  // Multiply-accumulates for static shapes; null: none worth counting.
  int64_t (*macs)(const Graph&, const Node&);
};

// Operators that are no steps of a plan: they are replaced by others, or run in stages, when more
// is known than shapes of inputs.
bool runs_in_stages(OpKind kind);

// Total: every OpKind has a row.
const OpInfo& op_info(OpKind kind);

// The attributes of `kind`, all as by default.
OpAttrs default_attrs(OpKind kind);

// The operator of that name (op_name()).
std::optional<OpKind> op_from_name(std::string_view name);

}  // namespace inferd::ir
