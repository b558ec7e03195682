// SPDX-License-Identifier: Apache-2.0
//
// RNN and SVDF, and what they share with LSTM.
#include "engine/import/tflite/recurrent.h"

#include <algorithm>
#include <array>

#include "engine/import/tflite/variables.h"

namespace inferd::import::tflite_lower {

Result<CellActivation> cell_activation(const ForeignNode& node) {
  switch (Lowering::int_attr(node, "activation", 0)) {
    case 0:
      return CellActivation{CellFunction::kAffine, 1.F, 0.F};
    case 1:
      return CellActivation{CellFunction::kClamp, 0.F, kInf};
    case 2:
      return CellActivation{CellFunction::kClamp, -1.F, 1.F};
    case 3:
      return CellActivation{CellFunction::kClamp, 0.F, 6.F};
    case 4:
      return CellActivation{CellFunction::kTanh};
    default:
      return unimplemented("fused activation other than ReLU, ReLU6, ReLU-1..1 and tanh");
  }
}

Result<ValueId> float_weights(Lowering& l, const ForeignNode& node, size_t i) {
  INFERD_ASSIGN_OR_RETURN(const ValueId w, l.input(node, i));
  if (l.info(w).dtype == DType::kFloat32) return w;
  return l.builder().op(OpKind::kDequantize, {w}, {}, node.name + "/weights",
                        OutputSpec::typed("", DType::kFloat32));
}

Result<ValueId> initial_state(Lowering& l, const ForeignNode& node, size_t i, const Shape& shape) {
  if (!l.has(node, i)) return invalid_argument("state " + std::to_string(i) + " is missing");
  INFERD_ASSIGN_OR_RETURN(const ValueId state, l.input(node, i));
  const ir::Value& value = l.info(state);
  if (!value.shape.is_static() || !shape.is_static()) {
    return failed_precondition("state '" + value.name + "' of unknown size");
  }
  if (value.shape.elements() != shape.elements()) {
    return invalid_argument("state '" + value.name + "' has shape " + value.shape.to_string() +
                            ", not " + shape.to_string());
  }
  return l.builder().reshape(state, {shape.begin(), shape.end()}, node.name + "/state");
}

Status set_state(Lowering& l, const ForeignNode& node, size_t i, ValueId state) {
  const std::vector<int64_t> states = Lowering::ints_attr(node, kStateInputs);
  const auto it = std::find(states.begin(), states.end(), static_cast<int64_t>(i));
  if (it == states.end()) return ok_status();
  const size_t output = node.outputs.size() - static_cast<size_t>(states.end() - it);
  const ForeignTensor* const t = l.tensor(node.outputs[output]);
  if (t == nullptr) return invalid_argument("state " + std::to_string(i) + " has no type");
  const ReshapeAttrs attrs{{t->shape.begin(), t->shape.end()}, true};
  INFERD_ASSIGN_OR_RETURN(const ValueId id,
                          l.builder().op(OpKind::kReshape, {state}, attrs, node.name + "/state",
                                         OutputSpec::named(t->name)));
  return l.set_output(node, output, id);
}

Result<Sequence> Sequence::of(Lowering& l, const ForeignNode& node, bool time_major) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape& shape = l.info(x).shape;
  Sequence s;
  s.rank_ = shape.rank();
  if (s.rank_ != 2 && s.rank_ != 3) {
    return invalid_argument("input " + shape.to_string() + " is neither 2-D nor 3-D");
  }
  s.time_major_ = s.rank_ == 3 && time_major;
  s.batch_ = shape[s.time_major_ ? 1 : 0];
  return s;
}

Result<ValueId> Sequence::input(Lowering& l, const ForeignNode& node, size_t i) const {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, i));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const Shape& shape = l.info(x).shape;
  if (shape.rank() != rank_) {
    return invalid_argument("inputs have " + std::to_string(rank_) + " and " +
                            std::to_string(shape.rank()) + " dimensions");
  }
  if (rank_ == 2) return l.builder().reshape(x, {0, 1, shape[1]}, node.name + "/step");
  if (!time_major_) return x;
  return l.builder().transpose(x, {1, 0, 2}, node.name + "/batch_first");
}

Result<ValueId> Sequence::output(Lowering& l, const ForeignNode& node, ValueId y,
                                 const OutputSpec& spec) const {
  if (rank_ == 2) {
    const ReshapeAttrs attrs{{0, l.info(y).shape[2]}, false};
    return l.builder().op(OpKind::kReshape, {y}, attrs, node.name, spec);
  }
  if (!time_major_) return y;
  return l.builder().op(OpKind::kTranspose, {y}, TransposeAttrs{{1, 0, 2}}, node.name, spec);
}

AuxInput aux_input(const Lowering& l, const ForeignNode& node, size_t aux, size_t aux_weights) {
  if (!l.has(node, aux)) return {};
  if (l.has(node, aux_weights)) return {0, aux};
  return {aux, std::nullopt};
}

Status set_directions(Lowering& l, const ForeignNode& node, const Sequence& sequence,
                      std::span<const ValueId> directions) {
  if (directions.size() == 2 && Lowering::int_attr(node, "merge_outputs", 0) != 0) {
    INFERD_ASSIGN_OR_RETURN(const ValueId both,
                            l.builder().op(OpKind::kConcat, directions, ConcatAttrs{2}, node.name));
    INFERD_ASSIGN_OR_RETURN(const ValueId y, sequence.output(l, node, both, spec(l, node)));
    return l.set_output(node, 0, y);
  }
  // A file may leave out the backward direction; states are no sequences.
  const size_t sequences =
      node.outputs.size() -
      std::min(node.outputs.size(), Lowering::ints_attr(node, kStateInputs).size());
  for (size_t d = 0; d < std::min(directions.size(), sequences); ++d) {
    INFERD_ASSIGN_OR_RETURN(const ValueId y,
                            sequence.output(l, node, directions[d], spec(l, node, d)));
    INFERD_RETURN_IF_ERROR(l.set_output(node, d, y));
  }
  return ok_status();
}

namespace {

// Where one direction of a simple recurrent network has its inputs.
struct RnnInputs {
  size_t x, w, recurrent, bias, state;
  bool reverse = false;
  std::optional<size_t> aux = {};
  size_t aux_weights = 0;
};

Result<ValueId> project(Lowering& l, const ForeignNode& node, const Sequence& sequence, size_t x,
                        size_t w, std::optional<size_t> bias) {
  INFERD_ASSIGN_OR_RETURN(const ValueId from, sequence.input(l, node, x));
  INFERD_ASSIGN_OR_RETURN(const ValueId weights, float_weights(l, node, w));
  std::vector<ValueId> inputs = {from, weights};
  if (bias) {
    INFERD_ASSIGN_OR_RETURN(inputs.emplace_back(), l.input(node, *bias));
  }
  return l.builder().op(OpKind::kFullyConnected, inputs, FullyConnectedAttrs{},
                        node.name + "/input");
}

// [B,T,H]
Result<ValueId> rnn_direction(Lowering& l, const ForeignNode& node, const Sequence& sequence,
                              const RnnInputs& in) {
  INFERD_ASSIGN_OR_RETURN(const CellActivation f, cell_activation(node));
  RnnAttrs attrs{.f = f.function, .f_alpha = f.alpha, .f_beta = f.beta};
  attrs.reverse = in.reverse;
  INFERD_ASSIGN_OR_RETURN(ValueId x, project(l, node, sequence, in.x, in.w, in.bias));
  if (in.aux) {
    INFERD_ASSIGN_OR_RETURN(const ValueId aux,
                            project(l, node, sequence, *in.aux, in.aux_weights, std::nullopt));
    INFERD_ASSIGN_OR_RETURN(
        x, l.builder().op(OpKind::kBinary, {x, aux}, BinaryAttrs{BinaryKind::kAdd, {}}, node.name));
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId w, float_weights(l, node, in.recurrent));
  INFERD_RETURN_IF_ERROR(l.known_rank(w));
  const Shape& shape = l.info(w).shape;
  if (shape.rank() != 2) return invalid_argument("recurrent weights are not 2-D");
  INFERD_ASSIGN_OR_RETURN(const ValueId h,
                          initial_state(l, node, in.state, {sequence.batch(), shape[1]}));
  const std::vector<OutputSpec> specs(2);
  INFERD_ASSIGN_OR_RETURN(
      const auto made, l.builder().ops(OpKind::kRnn, std::array{x, w, h}, attrs, node.name, specs));
  INFERD_RETURN_IF_ERROR(set_state(l, node, in.state, made[1]));
  return made[0];
}

Status rnn_of(Lowering& l, const ForeignNode& node, bool time_major,
              std::span<const RnnInputs> directions) {
  INFERD_ASSIGN_OR_RETURN(const Sequence sequence, Sequence::of(l, node, time_major));
  std::vector<ValueId> made;
  for (const RnnInputs& in : directions) {
    INFERD_ASSIGN_OR_RETURN(made.emplace_back(), rnn_direction(l, node, sequence, in));
  }
  return set_directions(l, node, sequence, made);
}

Status rnn(Lowering& l, const ForeignNode& node) {
  return rnn_of(l, node, false, std::array{RnnInputs{0, 1, 2, 3, 4}});
}

Status unidirectional_sequence_rnn(Lowering& l, const ForeignNode& node) {
  return rnn_of(l, node, Lowering::int_attr(node, "time_major", 0) != 0,
                std::array{RnnInputs{0, 1, 2, 3, 4}});
}

Status bidirectional_sequence_rnn(Lowering& l, const ForeignNode& node) {
  const AuxInput aux = aux_input(l, node, 9, 10);
  const RnnInputs forward{0, 1, 2, 3, 4, false, aux.aux, 10};
  const RnnInputs backward{aux.backward, 5, 6, 7, 8, true, aux.aux, 11};
  return rnn_of(l, node, Lowering::int_attr(node, "time_major", 0) != 0,
                std::array{forward, backward});
}

Status svdf(Lowering& l, const ForeignNode& node) {
  constexpr size_t kX = 0, kFeature = 1, kTime = 2, kBias = 3, kState = 4;
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, kX));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const bool is_float = l.info(x).dtype == DType::kFloat32;
  const auto weights = [&](size_t i) {
    return is_float ? float_weights(l, node, i) : l.input(node, i);
  };
  INFERD_ASSIGN_OR_RETURN(const ValueId feature, weights(kFeature));
  INFERD_ASSIGN_OR_RETURN(const ValueId time, weights(kTime));
  INFERD_RETURN_IF_ERROR(l.known_rank(time));
  const Shape& shape = l.info(time).shape;
  if (l.info(x).shape.rank() != 2 || shape.rank() != 2) {
    return invalid_argument("input or weights are not 2-D");
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId state,
                          initial_state(l, node, kState, {l.info(x).shape[0], shape[0], shape[1]}));
  std::vector<ValueId> inputs = {x, feature, time, state};
  if (l.has(node, kBias)) {
    INFERD_ASSIGN_OR_RETURN(inputs.emplace_back(), l.input(node, kBias));
  }
  SvdfAttrs attrs;
  attrs.rank = static_cast<int>(Lowering::int_attr(node, "rank", 0));
  // Integer outputs are bounded by their type alone.
  if (is_float) {
    INFERD_ASSIGN_OR_RETURN(attrs.activation, activation(node));
  }
  const ir::Value& s = l.info(state);
  const std::array specs = {spec(l, node), OutputSpec::typed("", s.dtype, s.quantization)};
  INFERD_ASSIGN_OR_RETURN(const auto made,
                          l.builder().ops(OpKind::kSvdf, inputs, attrs, node.name, specs));
  INFERD_RETURN_IF_ERROR(set_state(l, node, kState, made[1]));
  return l.set_output(node, 0, made[0]);
}

const Row kRows[] = {
    {"", "BIDIRECTIONAL_SEQUENCE_LSTM", bidirectional_sequence_lstm},
    {"", "BIDIRECTIONAL_SEQUENCE_RNN", bidirectional_sequence_rnn},
    {"", "LSTM", lstm},
    {"", "RNN", rnn},
    {"", "SVDF", svdf},
    {"", "UNIDIRECTIONAL_SEQUENCE_LSTM", unidirectional_sequence_lstm},
    {"", "UNIDIRECTIONAL_SEQUENCE_RNN", unidirectional_sequence_rnn},
};

}  // namespace

std::span<const Row> recurrent_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower
