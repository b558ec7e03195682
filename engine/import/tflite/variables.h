// SPDX-License-Identifier: Apache-2.0
//
// What a TensorFlow Lite model remembers, as ordinary tensors. In the file operators change things:
// ASSIGN_VARIABLE a variable that a handle leads to, recurrent operators their variable tensors. In
// ir a value is made once. Private to import/tflite.
#pragma once

#include "engine/import/foreign_graph.h"
#include "inferd/engine/status.h"

namespace inferd::import {

// The attribute of a recurrent operator that lists which of its inputs are states: its last outputs
// are what becomes of them, in the same order.
inline constexpr const char* kStateInputs = "states";

// Whether the graph, or one that its operators run, uses variables.
bool remembers(const ForeignGraph& graph);

// `graph` without VAR_HANDLE, ASSIGN_VARIABLE and CALL_ONCE. READ_VARIABLE has what it reads as its
// input. Graphs that use variables take them as further inputs and give those that they assign as
// further outputs; for the model's own graph these are its states, which begin as CALL_ONCE assigns
// them, else as zeros. What nothing assigns is a constant. UNIMPLEMENTED where a variable begins as
// something computed or has no size, and where other graphs do more than read and assign;
// INVALID_ARGUMENT where something is used as a variable that is none.
Result<ForeignGraph> with_states(const ForeignGraph& graph);

}  // namespace inferd::import
