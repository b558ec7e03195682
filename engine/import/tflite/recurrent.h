// SPDX-License-Identifier: Apache-2.0
//
// What the lowerings of TensorFlow Lite's recurrent operators share. Private to import/tflite.
#pragma once

#include <optional>

#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {

// The function of a cell that stands where other operators have a fused activation.
struct CellActivation {
  CellFunction function;
  float alpha = 0.F, beta = 0.F;
};
Result<CellActivation> cell_activation(const ForeignNode& node);

// Input `i` as float32 weights: quantized ones (of hybrid models) are dequantized.
Result<ValueId> float_weights(Lowering& l, const ForeignNode& node, size_t i);

// The state that input `i` holds when a run begins, in `shape` with as many elements as it has.
Result<ValueId> initial_state(Lowering& l, const ForeignNode& node, size_t i, const Shape& shape);
// Makes `state` what becomes of input `i`, if that is remembered (variables.h).
Status set_state(Lowering& l, const ForeignNode& node, size_t i, ValueId state);

// Sequences of operators that have them as [B,T,I], [T,B,I] or, one step at a time, [B,I].
class Sequence {
 public:
  // The layout of the node's input 0. UNIMPLEMENTED when its rank is unknown.
  static Result<Sequence> of(Lowering& l, const ForeignNode& node, bool time_major);

  // Input `i`, in this layout, as [B,T,I].
  Result<ValueId> input(Lowering& l, const ForeignNode& node, size_t i) const;
  // y[B,T,P] in the layout of the node.
  Result<ValueId> output(Lowering& l, const ForeignNode& node, ValueId y,
                         const OutputSpec& spec) const;
  int64_t batch() const { return batch_; }

 private:
  int rank_ = 3;
  bool time_major_ = false;
  int64_t batch_ = 1;
};

// Where a bidirectional node has its sequences: both directions read input 0, but for the second
// layer of two that are not joined, whose backward direction reads `aux` alone. With weights of its
// own `aux` is one more input of both directions.
struct AuxInput {
  size_t backward = 0;        // what the backward direction reads
  std::optional<size_t> aux;  // what both read with weights of its own
};
AuxInput aux_input(const Lowering& l, const ForeignNode& node, size_t aux, size_t aux_weights);

// Sets one output, or both directions side by side where the node wants them so. The sequences are
// [B,T,P].
Status set_directions(Lowering& l, const ForeignNode& node, const Sequence& sequence,
                      std::span<const ValueId> directions);

// LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM and BIDIRECTIONAL_SEQUENCE_LSTM (lstm.cc).
Status lstm(Lowering& l, const ForeignNode& node);
Status unidirectional_sequence_lstm(Lowering& l, const ForeignNode& node);
Status bidirectional_sequence_lstm(Lowering& l, const ForeignNode& node);
// The integer form of the first two (quantized_lstm.cc): x is int8.
Status quantized_lstm(Lowering& l, const ForeignNode& node, bool time_major);

}  // namespace inferd::import::tflite_lower
