// SPDX-License-Identifier: Apache-2.0
//
// The float LSTMs. The file has a tensor for each gate, in the order i, f, n, o; ir has one for all
// of them, in the order i, o, f, n.
#include <array>

#include "engine/import/tflite/recurrent.h"

namespace inferd::import::tflite_lower {
namespace {

// Where one direction has its inputs: the first of each group.
struct LstmInputs {
  size_t x, w, recurrent, peephole, bias, projection, h, c;
  std::optional<size_t> norm = {};
  bool reverse = false;
  std::optional<size_t> aux = {};
  size_t aux_weights = 0;
};
constexpr LstmInputs kUnidirectional{0, 1, 5, 9, 12, 16, 18, 19, 20};

class Direction {
 public:
  Direction(Lowering& l, const ForeignNode& node, const Sequence& sequence, const LstmInputs& in)
      : l_(l), b_(l.builder()), node_(node), sequence_(sequence), in_(in) {}

  // [B,T,P]
  Result<ValueId> lower() {
    INFERD_RETURN_IF_ERROR(fill_attrs());
    INFERD_ASSIGN_OR_RETURN(ValueId x, project(in_.x, in_.w, !attrs_.norm));
    if (in_.aux) {
      INFERD_ASSIGN_OR_RETURN(const ValueId aux, project(*in_.aux, in_.aux_weights, false));
      INFERD_ASSIGN_OR_RETURN(
          x, b_.op(OpKind::kBinary, {x, aux}, BinaryAttrs{BinaryKind::kAdd, {}}, node_.name));
    }
    INFERD_ASSIGN_OR_RETURN(const ValueId w, gates(in_.recurrent));
    INFERD_RETURN_IF_ERROR(l_.known_rank(w));
    const Shape& shape = l_.info(w).shape;
    if (shape.rank() != 2) return invalid_argument("recurrent weights are not 2-D");
    const int64_t cells = shape[0] / (attrs_.coupling == GateCoupling::kNone ? 4 : 3);
    INFERD_ASSIGN_OR_RETURN(const ValueId h,
                            initial_state(l_, node_, in_.h, {sequence_.batch(), shape[1]}));
    INFERD_ASSIGN_OR_RETURN(const ValueId c,
                            initial_state(l_, node_, in_.c, {sequence_.batch(), cells}));
    std::vector<ValueId> inputs = {x, w, h, c};
    INFERD_RETURN_IF_ERROR(add_optional(inputs));
    const std::vector<OutputSpec> specs(3);
    INFERD_ASSIGN_OR_RETURN(const auto made,
                            b_.ops(OpKind::kLstm, inputs, attrs_, node_.name, specs));
    INFERD_RETURN_IF_ERROR(set_state(l_, node_, in_.h, made[1]));
    INFERD_RETURN_IF_ERROR(set_state(l_, node_, in_.c, made[2]));
    return made[0];
  }

 private:
  Status fill_attrs() {
    INFERD_ASSIGN_OR_RETURN(const CellActivation f, cell_activation(node_));
    attrs_.g = attrs_.h = f.function;
    attrs_.g_alpha = attrs_.h_alpha = f.alpha;
    attrs_.g_beta = attrs_.h_beta = f.beta;
    const bool has_input_gate = l_.has(node_, in_.w);
    if (!has_input_gate) attrs_.coupling = GateCoupling::kInputFromForget;
    if (has_input_gate != l_.has(node_, in_.recurrent)) {
      return invalid_argument("an input gate has only some of its weights");
    }
    attrs_.cell_clip = bound("cell_clip");
    attrs_.projection_clip = bound("proj_clip");
    attrs_.reverse = in_.reverse;
    attrs_.peephole = l_.has(node_, in_.peephole + 2);
    attrs_.norm = in_.norm && l_.has(node_, *in_.norm + 1);
    attrs_.projection = l_.has(node_, in_.projection);
    attrs_.projection_bias = l_.has(node_, in_.projection + 1);
    // The bound is one of the projection.
    if (!attrs_.projection) attrs_.projection_clip = kInf;
    return ok_status();
  }

  // 0 in the file: no bound.
  float bound(const char* name) const {
    const float value = Lowering::float_attr(node_, name, 0.F);
    return value == 0.F ? kInf : value;
  }

  // Inputs first, first + 1, ... of i, f, n and o (peepholes have no n), one below the other.
  Result<ValueId> joined(size_t first, std::span<const size_t> order) {
    std::vector<ValueId> parts;
    for (size_t gate : order) {
      if (gate == 0 && attrs_.coupling != GateCoupling::kNone) continue;
      INFERD_ASSIGN_OR_RETURN(parts.emplace_back(), float_weights(l_, node_, first + gate));
    }
    return b_.op(OpKind::kConcat, parts, ConcatAttrs{0}, node_.name + "/gates");
  }
  Result<ValueId> gates(size_t first) { return joined(first, std::array<size_t, 4>{0, 3, 1, 2}); }

  Result<ValueId> project(size_t x, size_t w, bool biased) {
    INFERD_ASSIGN_OR_RETURN(const ValueId from, sequence_.input(l_, node_, x));
    INFERD_ASSIGN_OR_RETURN(const ValueId weights, gates(w));
    std::vector<ValueId> inputs = {from, weights};
    if (biased) {
      INFERD_ASSIGN_OR_RETURN(inputs.emplace_back(), gates(in_.bias));
    }
    return b_.op(OpKind::kFullyConnected, inputs, FullyConnectedAttrs{}, node_.name + "/input");
  }

  Status add_optional(std::vector<ValueId>& inputs) {
    if (attrs_.peephole) {
      INFERD_ASSIGN_OR_RETURN(inputs.emplace_back(),
                              joined(in_.peephole, std::array<size_t, 3>{0, 2, 1}));
    }
    if (attrs_.norm) {
      INFERD_ASSIGN_OR_RETURN(inputs.emplace_back(), gates(*in_.norm));
      INFERD_ASSIGN_OR_RETURN(inputs.emplace_back(), gates(in_.bias));
    }
    if (attrs_.projection) {
      INFERD_ASSIGN_OR_RETURN(inputs.emplace_back(), float_weights(l_, node_, in_.projection));
    }
    if (attrs_.projection_bias) {
      INFERD_ASSIGN_OR_RETURN(inputs.emplace_back(), l_.input(node_, in_.projection + 1));
    }
    return ok_status();
  }

  Lowering& l_;
  ir::Builder& b_;
  const ForeignNode& node_;
  const Sequence& sequence_;
  const LstmInputs& in_;
  LstmAttrs attrs_;
};

Status lstm_of(Lowering& l, const ForeignNode& node, bool time_major,
               std::span<const LstmInputs> directions) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const DType dtype = l.info(x).dtype;
  if (dtype == DType::kInt8 && directions.size() == 1) return quantized_lstm(l, node, time_major);
  if (dtype != DType::kFloat32) {
    return unimplemented("element type " + std::string(dtype_name(dtype)));
  }
  INFERD_ASSIGN_OR_RETURN(const Sequence sequence, Sequence::of(l, node, time_major));
  std::vector<ValueId> made;
  for (const LstmInputs& in : directions) {
    INFERD_ASSIGN_OR_RETURN(made.emplace_back(), Direction(l, node, sequence, in).lower());
  }
  return set_directions(l, node, sequence, made);
}

// The older form with one matrix for input and state, gates in the order i, n, f, o, and states
// that the graph hands on.
Status basic_lstm(Lowering& l, const ForeignNode& node) {
  constexpr size_t kX = 0, kH = 1, kWeights = 2, kBias = 3, kC = 4;
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(const Sequence sequence, Sequence::of(l, node, false));
  INFERD_ASSIGN_OR_RETURN(const ValueId x, sequence.input(l, node, kX));
  if (l.info(x).dtype != DType::kFloat32)
    return unimplemented("a quantized LSTM of the basic form");
  INFERD_ASSIGN_OR_RETURN(const ValueId weights, l.input(node, kWeights));
  INFERD_ASSIGN_OR_RETURN(const ValueId bias, l.input(node, kBias));
  INFERD_RETURN_IF_ERROR(l.known_rank(weights));
  const Shape w = l.info(weights).shape;
  const int64_t features = l.info(x).shape[2];
  const int64_t cells = w.rank() == 2 ? w[0] / 4 : 0;
  if (cells < 1 || w[0] != 4 * cells || w[1] != features + cells) {
    return invalid_argument("weights " + w.to_string() + " do not fit the input");
  }
  // Columns [begin, end) of `from`, with the gates in ir's order.
  const auto reordered = [&](ValueId from, int64_t begin, int64_t end) -> Result<ValueId> {
    std::vector<ValueId> parts;
    for (const int64_t gate : {0, 3, 2, 1}) {
      SliceAttrs attrs = whole_slice(l.info(from).shape.rank());
      attrs.begin[0] = gate * cells, attrs.end[0] = (gate + 1) * cells;
      if (attrs.begin.size() > 1) attrs.begin[1] = begin, attrs.end[1] = end;
      INFERD_ASSIGN_OR_RETURN(parts.emplace_back(),
                              b.op(OpKind::kSlice, {from}, attrs, node.name + "/gate"));
    }
    return b.op(OpKind::kConcat, parts, ConcatAttrs{0}, node.name + "/gates");
  };
  INFERD_ASSIGN_OR_RETURN(const ValueId of_x, reordered(weights, 0, features));
  INFERD_ASSIGN_OR_RETURN(const ValueId of_h, reordered(weights, features, features + cells));
  INFERD_ASSIGN_OR_RETURN(const ValueId of_one, reordered(bias, 0, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId gates, b.op(OpKind::kFullyConnected, {x, of_x, of_one},
                                                    FullyConnectedAttrs{}, node.name + "/input"));
  const Shape state{sequence.batch(), cells};
  INFERD_ASSIGN_OR_RETURN(const ValueId h, initial_state(l, node, kH, state));
  INFERD_ASSIGN_OR_RETURN(const ValueId c, initial_state(l, node, kC, state));
  const std::array specs = {OutputSpec{}, spec(l, node, 0), spec(l, node, 1)};
  INFERD_ASSIGN_OR_RETURN(const auto made, b.ops(OpKind::kLstm, std::array{gates, of_h, h, c},
                                                 LstmAttrs{}, node.name, specs));
  INFERD_RETURN_IF_ERROR(l.set_output(node, 0, made[1]));
  return l.set_output(node, 1, made[2]);
}

}  // namespace

Status lstm(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "kernel_type", 0) != 0) return basic_lstm(l, node);
  return lstm_of(l, node, false, std::array{kUnidirectional});
}

Status unidirectional_sequence_lstm(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "diagonal_recurrent", 0) != 0) {
    return unimplemented("diagonal recurrent weights");
  }
  return lstm_of(l, node, Lowering::int_attr(node, "time_major", 0) != 0,
                 std::array{kUnidirectional});
}

Status bidirectional_sequence_lstm(Lowering& l, const ForeignNode& node) {
  const AuxInput aux = aux_input(l, node, 39, 41);
  LstmInputs forward{0, 1, 5, 9, 12, 16, 35, 36};
  LstmInputs backward{aux.backward, 18, 22, 26, 29, 33, 37, 38};
  backward.reverse = true;
  forward.aux = backward.aux = aux.aux;
  forward.aux_weights = 40;
  backward.aux_weights = 44;
  return lstm_of(l, node, Lowering::int_attr(node, "time_major", 1) != 0,
                 std::array{forward, backward});
}

}  // namespace inferd::import::tflite_lower
