// SPDX-License-Identifier: Apache-2.0
//
// RNN, GRU and LSTM. What the input adds to the gates is one fully connected layer for all steps;
// the engine's operator does the rest for one direction. ONNX has time in front, the engine the
// batch, and the transposes between them cost nothing for a batch of one.
#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

struct FunctionRow {
  const char* name;  // in lower case
  CellFunction function;
  float alpha, beta;
  bool takes_alpha, takes_beta;
};
// Defaults as of the operators of these names.
const FunctionRow kFunctions[] = {
    {"affine", CellFunction::kAffine, 1.F, 0.F, true, true},
    {"elu", CellFunction::kElu, 1.F, 0.F, true, false},
    {"hardsigmoid", CellFunction::kHardSigmoid, 0.2F, 0.5F, true, true},
    {"leakyrelu", CellFunction::kLeakyRelu, 0.01F, 0.F, true, false},
    {"relu", CellFunction::kClamp, 0.F, kInf, false, false},
    {"scaledtanh", CellFunction::kScaledTanh, 1.F, 1.F, true, true},
    {"sigmoid", CellFunction::kSigmoid, 0.F, 0.F, false, false},
    {"softplus", CellFunction::kSoftplus, 0.F, 0.F, false, false},
    {"softsign", CellFunction::kSoftsign, 0.F, 0.F, false, false},
    {"tanh", CellFunction::kTanh, 0.F, 0.F, false, false},
    {"thresholdedrelu", CellFunction::kThresholdedRelu, 1.F, 0.F, true, false},
};

struct Function {
  CellFunction function;
  float alpha = 0.F, beta = 0.F;
};

// The functions of all directions, each with the next of the alphas and betas that it takes.
Result<std::vector<Function>> functions(const ForeignNode& node, size_t count,
                                        std::span<const char* const> defaults) {
  std::vector<std::string> names = list_attr<std::string>(node, "activations");
  while (names.size() < count && !Lowering::has_attr(node, "activations")) {
    names.insert(names.end(), defaults.begin(), defaults.end());
  }
  if (names.size() != count) {
    return invalid_argument("has " + std::to_string(names.size()) + " activations, not " +
                            std::to_string(count));
  }
  const auto alphas = list_attr<float>(node, "activation_alpha");
  const auto betas = list_attr<float>(node, "activation_beta");
  size_t alpha = 0;
  size_t beta = 0;
  std::vector<Function> result;
  for (std::string& name : names) {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto* row = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                   [&](const FunctionRow& r) { return name == r.name; });
    if (row == std::end(kFunctions)) return unimplemented("activation '" + name + "'");
    Function f{row->function, row->alpha, row->beta};
    if (row->takes_alpha && alpha < alphas.size()) f.alpha = alphas[alpha++];
    if (row->takes_beta && beta < betas.size()) f.beta = betas[beta++];
    result.push_back(f);
  }
  return result;
}

// Lowers one node; `gates` and the position of inputs are what the operators differ in.
class Recurrent {
 public:
  Recurrent(Lowering& l, const ForeignNode& node, int64_t gates)
      : l_(l), b_(l.builder()), node_(node), gates_(gates) {}

  enum Input : size_t { kX, kW, kR, kB, kLengths, kInitialH, kInitialC, kPeephole };

  Status read() {
    const std::string direction = Lowering::text_attr(node_, "direction", "forward");
    if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
      return invalid_argument("direction '" + direction + "'");
    }
    directions_ = direction == "bidirectional" ? 2 : 1;
    first_reverse_ = direction == "reverse";
    batch_first_ = Lowering::int_attr(node_, "layout", 0) != 0;
    INFERD_ASSIGN_OR_RETURN(x_, l_.input(node_, kX));
    INFERD_RETURN_IF_ERROR(l_.known_rank(x_));
    const ir::Value& x = l_.info(x_);
    if (x.dtype != DType::kFloat32 && x.dtype != DType::kFloat16) {
      return unimplemented("element type " + std::string(dtype_name(x.dtype)));
    }
    if (x.shape.rank() != 3)
      return invalid_argument("input " + x.shape.to_string() + " is not 3-D");
    INFERD_ASSIGN_OR_RETURN(const ValueId r, l_.input(node_, kR));
    INFERD_RETURN_IF_ERROR(l_.known_rank(r));
    const Shape& shape = l_.info(r).shape;
    if (!shape.is_static()) return failed_precondition("recurrent weights of unknown size");
    constexpr int64_t kMostCells = 1 << 20;
    if (shape.rank() != 3 || shape[0] != directions_ || shape[2] < 1 || shape[2] > kMostCells ||
        shape[1] != gates_ * shape[2]) {
      return invalid_argument("recurrent weights " + shape.to_string() + " are not those of " +
                              std::to_string(directions_) + " directions and " +
                              std::to_string(gates_) + " gates");
    }
    cells_ = shape[2];
    if (batch_first_) return ok_status();
    INFERD_ASSIGN_OR_RETURN(x_, b_.transpose(x_, {1, 0, 2}, node_.name + "/batch_first"));
    return ok_status();
  }

  int64_t directions() const { return directions_; }
  int64_t cells() const { return cells_; }
  bool reverse(int64_t d) const { return d == 1 || first_reverse_; }
  bool has(Input i) const { return l_.has(node_, i); }
  float clip() const { return Lowering::float_attr(node_, "clip", kInf); }

  // What direction `d` has of an input whose dimension `axis` is the directions; that dimension
  // goes.
  Result<ValueId> part(Input i, int64_t d, int rank, int axis = 0) {
    INFERD_ASSIGN_OR_RETURN(ValueId v, l_.input(node_, i));
    INFERD_RETURN_IF_ERROR(l_.known_rank(v));
    const Shape shape = l_.info(v).shape;
    if (shape.rank() == rank && shape[axis] == kDynamicDim) {
      return failed_precondition("input " + std::to_string(i) +
                                 " has an unknown number of directions");
    }
    if (shape.rank() != rank || shape[axis] != directions_) {
      return invalid_argument("input " + std::to_string(i) + " has shape " + shape.to_string());
    }
    if (directions_ > 1) {
      INFERD_ASSIGN_OR_RETURN(v, slice(v, axis, d, d + 1));
    }
    // At most one dimension, the batch of a state, is unknown.
    std::vector<int64_t> dims;
    for (int k = 0; k < rank; ++k) {
      if (k != axis) dims.push_back(shape[k] == kDynamicDim ? -1 : shape[k]);
    }
    return b_.op(OpKind::kReshape, {v}, ReshapeAttrs{dims, true}, node_.name + "/part");
  }

  // Rows [begin, end) of dimension `axis`.
  Result<ValueId> slice(ValueId v, int axis, int64_t begin, int64_t end) {
    SliceAttrs attrs = whole_slice(l_.info(v).shape.rank());
    attrs.begin[static_cast<size_t>(axis)] = begin;
    attrs.end[static_cast<size_t>(axis)] = end;
    return b_.op(OpKind::kSlice, {v}, attrs, node_.name + "/slice");
  }
  Result<ValueId> concat(std::span<const ValueId> parts, int axis, const OutputSpec& spec = {}) {
    return b_.op(OpKind::kConcat, parts, ConcatAttrs{axis}, node_.name, spec);
  }
  Result<ValueId> sum(ValueId a, ValueId b) {
    return b_.op(OpKind::kBinary, {a, b}, BinaryAttrs{BinaryKind::kAdd, {}}, node_.name + "/bias");
  }

  // The biases of the input and of the state, [gates * cells] each; nothing where there are none.
  Result<std::optional<std::array<ValueId, 2>>> biases(int64_t d) {
    if (!has(kB)) return std::optional<std::array<ValueId, 2>>();
    INFERD_ASSIGN_OR_RETURN(const ValueId both, part(kB, d, 2));
    const int64_t rows = gates_ * cells_;
    if (l_.info(both).shape[0] != 2 * rows) {
      return invalid_argument("bias has " + std::to_string(l_.info(both).shape[0]) +
                              " numbers, not " + std::to_string(2 * rows));
    }
    INFERD_ASSIGN_OR_RETURN(const ValueId of_x, slice(both, 0, 0, rows));
    INFERD_ASSIGN_OR_RETURN(const ValueId of_h, slice(both, 0, rows, 2 * rows));
    return std::optional(std::array{of_x, of_h});
  }
  // Their sum, for gates that do not tell them apart.
  Result<std::optional<ValueId>> bias(int64_t d) {
    INFERD_ASSIGN_OR_RETURN(const auto both, biases(d));
    if (!both) return std::optional<ValueId>();
    INFERD_ASSIGN_OR_RETURN(const ValueId added, sum((*both)[0], (*both)[1]));
    return std::optional(added);
  }

  // w * x + bias for every step.
  Result<ValueId> project(ValueId w, std::optional<ValueId> bias) {
    std::vector<ValueId> inputs = {x_, w};
    if (bias) inputs.push_back(*bias);
    return b_.op(OpKind::kFullyConnected, inputs, FullyConnectedAttrs{}, node_.name + "/input");
  }

  // An initial state [B,size]; zeros for all sequences where there is none.
  Result<ValueId> state(Input i, int64_t d) {
    if (has(i)) return part(i, d, 3, batch_first_ ? 1 : 0);
    return zeros({1, cells_});
  }
  ValueId zeros(const Shape& shape) {
    const std::vector<float> values(static_cast<size_t>(shape.elements()));
    return b_.constant_floats(node_.name + "/zeros", shape, values);
  }

  // Appends the lengths, if there are any.
  Status add_lengths(std::vector<ValueId>& inputs) {
    if (!has(kLengths)) return ok_status();
    INFERD_ASSIGN_OR_RETURN(const ValueId lengths, l_.input(node_, kLengths));
    inputs.push_back(lengths);
    return ok_status();
  }

  // The operator of one direction; remembers its outputs.
  Status emit(OpKind kind, std::span<const ValueId> inputs, OpAttrs attrs) {
    const std::vector<OutputSpec> specs(kind == OpKind::kLstm ? 3 : 2);
    INFERD_ASSIGN_OR_RETURN(auto outputs,
                            b_.ops(kind, inputs, std::move(attrs), node_.name, specs));
    made_.push_back(std::move(outputs));
    return ok_status();
  }

  // Joins the outputs of the directions: Y, Y_h, Y_c.
  Status finish() {
    for (size_t i = 0; i < made_[0].size(); ++i) {
      if (i >= node_.outputs.size() || node_.outputs[i].empty()) continue;
      INFERD_ASSIGN_OR_RETURN(const ValueId joined, i == 0 ? join_sequences() : join_states(i));
      INFERD_RETURN_IF_ERROR(l_.set_output(node_, i, joined));
    }
    return ok_status();
  }

 private:
  // [B,T,H] each: [T,directions,B,H], or [B,T,directions,H].
  Result<ValueId> join_sequences() {
    std::vector<ValueId> parts;
    for (const auto& outputs : made_) {
      ValueId y = outputs[0];
      if (!batch_first_) {
        INFERD_ASSIGN_OR_RETURN(y, b_.transpose(y, {1, 0, 2}, node_.name + "/time_first"));
      }
      parts.push_back(y);
    }
    return stack(parts, batch_first_ ? 2 : 1, 0);
  }
  // [B,H] each: [directions,B,H], or [B,directions,H].
  Result<ValueId> join_states(size_t output) {
    std::vector<ValueId> parts;
    for (const auto& outputs : made_) parts.push_back(outputs[output]);
    return stack(parts, batch_first_ ? 1 : 0, output);
  }
  // Puts values side by side along a new dimension.
  Result<ValueId> stack(std::vector<ValueId>& parts, int axis, size_t output) {
    const OutputSpec spec = named(node_, output);
    for (ValueId& part : parts) {
      const Shape& shape = l_.info(part).shape;
      std::vector<int64_t> dims;
      for (int k = 0; k < shape.rank(); ++k) {
        if (k == axis) dims.push_back(1);
        // In front of the new dimension those keep their place; behind it one may be unknown.
        dims.push_back(k < axis ? 0 : shape[k] == kDynamicDim ? -1 : shape[k]);
      }
      INFERD_ASSIGN_OR_RETURN(part, b_.op(OpKind::kReshape, {part}, ReshapeAttrs{dims, false},
                                          node_.name, parts.size() == 1 ? spec : OutputSpec{}));
    }
    return parts.size() == 1 ? Result<ValueId>(parts[0]) : concat(parts, axis, spec);
  }

  Lowering& l_;
  ir::Builder& b_;
  const ForeignNode& node_;
  int64_t gates_;
  int64_t directions_ = 1;
  bool first_reverse_ = false;
  bool batch_first_ = false;
  ValueId x_ = ir::kNoValue;
  int64_t cells_ = 0;
  std::vector<std::vector<ValueId>> made_;  // outputs by direction
};

// The rows of gates i, o and c of a tensor with i, o, f and c.
Result<ValueId> without_forget_gate(Recurrent& r, ValueId v) {
  INFERD_ASSIGN_OR_RETURN(const ValueId front, r.slice(v, 0, 0, 2 * r.cells()));
  INFERD_ASSIGN_OR_RETURN(const ValueId back, r.slice(v, 0, 3 * r.cells(), 4 * r.cells()));
  return r.concat(std::array{front, back}, 0);
}

Status lstm_direction(Recurrent& r, int64_t d, std::span<const Function> f, bool coupled) {
  LstmAttrs attrs;
  attrs.f = f[0].function, attrs.f_alpha = f[0].alpha, attrs.f_beta = f[0].beta;
  attrs.g = f[1].function, attrs.g_alpha = f[1].alpha, attrs.g_beta = f[1].beta;
  attrs.h = f[2].function, attrs.h_alpha = f[2].alpha, attrs.h_beta = f[2].beta;
  attrs.clip = r.clip();
  attrs.reverse = r.reverse(d);
  attrs.lengths = r.has(Recurrent::kLengths);
  attrs.peephole = r.has(Recurrent::kPeephole);
  INFERD_ASSIGN_OR_RETURN(ValueId w, r.part(Recurrent::kW, d, 3));
  INFERD_ASSIGN_OR_RETURN(ValueId recurrent, r.part(Recurrent::kR, d, 3));
  INFERD_ASSIGN_OR_RETURN(std::optional<ValueId> bias, r.bias(d));
  if (coupled) {
    attrs.coupling = GateCoupling::kForgetFromInput;
    INFERD_ASSIGN_OR_RETURN(w, without_forget_gate(r, w));
    INFERD_ASSIGN_OR_RETURN(recurrent, without_forget_gate(r, recurrent));
    if (bias) {
      INFERD_ASSIGN_OR_RETURN(bias, without_forget_gate(r, *bias));
    }
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId x, r.project(w, bias));
  INFERD_ASSIGN_OR_RETURN(const ValueId h, r.state(Recurrent::kInitialH, d));
  INFERD_ASSIGN_OR_RETURN(const ValueId c, r.state(Recurrent::kInitialC, d));
  std::vector<ValueId> inputs = {x, recurrent, h, c};
  INFERD_RETURN_IF_ERROR(r.add_lengths(inputs));
  if (attrs.peephole) {
    INFERD_ASSIGN_OR_RETURN(ValueId p, r.part(Recurrent::kPeephole, d, 2));
    if (coupled) {
      INFERD_ASSIGN_OR_RETURN(p, r.slice(p, 0, 0, 2 * r.cells()));
    }
    inputs.push_back(p);
  }
  return r.emit(OpKind::kLstm, inputs, attrs);
}

struct GruBiases {
  std::optional<ValueId> of_x;  // all that is not multiplied by r
  ValueId of_candidate;         // the state's for n
};

Result<GruBiases> separate_biases(Recurrent& r, int64_t d) {
  const int64_t cells = r.cells();
  INFERD_ASSIGN_OR_RETURN(const auto both, r.biases(d));
  if (!both) return GruBiases{{}, r.zeros({cells})};
  const auto [of_x, of_h] = *both;
  INFERD_ASSIGN_OR_RETURN(ValueId gates, r.slice(of_x, 0, 0, 2 * cells));
  INFERD_ASSIGN_OR_RETURN(const ValueId gates_of_h, r.slice(of_h, 0, 0, 2 * cells));
  INFERD_ASSIGN_OR_RETURN(const ValueId candidate, r.slice(of_x, 0, 2 * cells, 3 * cells));
  INFERD_ASSIGN_OR_RETURN(const ValueId of_candidate, r.slice(of_h, 0, 2 * cells, 3 * cells));
  INFERD_ASSIGN_OR_RETURN(gates, r.sum(gates, gates_of_h));
  INFERD_ASSIGN_OR_RETURN(const ValueId all, r.concat(std::array{gates, candidate}, 0));
  return GruBiases{all, of_candidate};
}

Status gru_direction(Recurrent& r, int64_t d, std::span<const Function> f, bool reset_after) {
  GruAttrs attrs;
  attrs.f = f[0].function, attrs.f_alpha = f[0].alpha, attrs.f_beta = f[0].beta;
  attrs.g = f[1].function, attrs.g_alpha = f[1].alpha, attrs.g_beta = f[1].beta;
  attrs.clip = r.clip();
  attrs.reset_after = reset_after;
  attrs.reverse = r.reverse(d);
  attrs.lengths = r.has(Recurrent::kLengths);
  INFERD_ASSIGN_OR_RETURN(const ValueId w, r.part(Recurrent::kW, d, 3));
  INFERD_ASSIGN_OR_RETURN(const ValueId recurrent, r.part(Recurrent::kR, d, 3));
  INFERD_ASSIGN_OR_RETURN(const ValueId h, r.state(Recurrent::kInitialH, d));
  std::vector<ValueId> inputs = {ir::kNoValue, recurrent, h};
  std::optional<ValueId> bias;
  if (reset_after) {
    INFERD_ASSIGN_OR_RETURN(const GruBiases biases, separate_biases(r, d));
    bias = biases.of_x;
    inputs.push_back(biases.of_candidate);
  } else {
    INFERD_ASSIGN_OR_RETURN(bias, r.bias(d));
  }
  INFERD_ASSIGN_OR_RETURN(inputs[0], r.project(w, bias));
  INFERD_RETURN_IF_ERROR(r.add_lengths(inputs));
  return r.emit(OpKind::kGru, inputs, attrs);
}

Status rnn_direction(Recurrent& r, int64_t d, const Function& f) {
  RnnAttrs attrs;
  attrs.f = f.function, attrs.f_alpha = f.alpha, attrs.f_beta = f.beta;
  attrs.clip = r.clip();
  attrs.reverse = r.reverse(d);
  attrs.lengths = r.has(Recurrent::kLengths);
  INFERD_ASSIGN_OR_RETURN(const ValueId w, r.part(Recurrent::kW, d, 3));
  INFERD_ASSIGN_OR_RETURN(const ValueId recurrent, r.part(Recurrent::kR, d, 3));
  INFERD_ASSIGN_OR_RETURN(const std::optional<ValueId> bias, r.bias(d));
  INFERD_ASSIGN_OR_RETURN(const ValueId x, r.project(w, bias));
  INFERD_ASSIGN_OR_RETURN(const ValueId h, r.state(Recurrent::kInitialH, d));
  std::vector<ValueId> inputs = {x, recurrent, h};
  INFERD_RETURN_IF_ERROR(r.add_lengths(inputs));
  return r.emit(OpKind::kRnn, inputs, attrs);
}

// lower(recurrent, direction, its functions) for each direction.
template <size_t kCount, typename F>
Status lower_directions(Lowering& l, const ForeignNode& node, int64_t gates,
                        const std::array<const char*, kCount>& defaults, F lower) {
  Recurrent r(l, node, gates);
  INFERD_RETURN_IF_ERROR(r.read());
  const auto directions = static_cast<size_t>(r.directions());
  INFERD_ASSIGN_OR_RETURN(const auto all, functions(node, directions * kCount, defaults));
  for (size_t d = 0; d < directions; ++d) {
    INFERD_RETURN_IF_ERROR(
        lower(r, static_cast<int64_t>(d), std::span(all).subspan(d * kCount, kCount)));
  }
  return r.finish();
}

}  // namespace

Status gru(Lowering& l, const ForeignNode& node) {
  const bool reset_after = Lowering::int_attr(node, "linear_before_reset", 0) != 0;
  return lower_directions(l, node, 3, std::array{"Sigmoid", "Tanh"},
                          [=](Recurrent& r, int64_t d, std::span<const Function> f) {
                            return gru_direction(r, d, f, reset_after);
                          });
}

Status lstm(Lowering& l, const ForeignNode& node) {
  const bool coupled = Lowering::int_attr(node, "input_forget", 0) != 0;
  return lower_directions(l, node, 4, std::array{"Sigmoid", "Tanh", "Tanh"},
                          [=](Recurrent& r, int64_t d, std::span<const Function> f) {
                            return lstm_direction(r, d, f, coupled);
                          });
}

Status rnn(Lowering& l, const ForeignNode& node) {
  return lower_directions(l, node, 1, std::array{"Tanh"},
                          [](Recurrent& r, int64_t d, std::span<const Function> f) {
                            return rnn_direction(r, d, f[0]);
                          });
}

}  // namespace inferd::import::onnx_lower
