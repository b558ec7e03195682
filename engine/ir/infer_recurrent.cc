// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/ir/infer.h"

namespace inferd::ir {
namespace {

bool fits(int64_t dim, int64_t wanted) {
  return dim == wanted || dim == kDynamicDim || wanted == kDynamicDim;
}

// The operands of a recurrent node, asked for one by one.
class Operands {
 public:
  explicit Operands(const InferContext& c) : c_(c) {}

  const Shape& next() { return c_.input(position_++).shape; }

  // The next input must have this shape; fails with the first mismatch's message.
  Status expect(const char* name, const Shape& wanted) {
    if (position_ >= c_.inputs()) return c_.error(std::string("lacks the input '") + name + "'");
    const Shape& shape = next();
    bool same = shape.rank() == wanted.rank();
    for (int d = 0; same && d < wanted.rank(); ++d) same = fits(shape[d], wanted[d]);
    if (same) return ok_status();
    return c_.error(std::string(name) + " has shape " + shape.to_string() + ", not " +
                    wanted.to_string());
  }

  // A state: one for each sequence, or one for all.
  Status expect_state(const char* name, int64_t batch, int64_t size) {
    const bool one = position_ < c_.inputs() && c_.input(position_).shape.rank() == 2 &&
                     c_.input(position_).shape[0] == 1;
    return expect(name, {one ? 1 : batch, size});
  }

  Status expect_lengths(bool has, int64_t batch) {
    if (!has) return ok_status();
    if (position_ < c_.inputs() && c_.input(position_).dtype != DType::kInt32) {
      return c_.error("lengths are not int32");
    }
    return expect("lengths", {batch});
  }

  Status expect_end() {
    if (position_ == c_.inputs()) return ok_status();
    return c_.error("has " + std::to_string(c_.inputs()) + " inputs, its attributes ask for " +
                    std::to_string(position_));
  }

 private:
  const InferContext& c_;
  size_t position_ = 0;
};

struct Sizes {
  int64_t batch, time;
  int64_t columns;  // of x
  int64_t rows;     // of the weights
  int64_t state;    // columns of the weights
  int64_t cells;    // rows for one gate
};

// x[B,T,columns] and weights w[rows, P] with as many rows as `gates` times cells.
Result<Sizes> sizes_of(const InferContext& c, const Shape& x, const Shape& w, int gates) {
  if (x.rank() != 3) return c.error("input " + x.to_string() + " is not [batch,time,features]");
  if (w.rank() != 2 || !w.is_static()) {
    return c.error("needs static 2-D recurrent weights, got " + w.to_string());
  }
  if (w[0] == 0 || w[1] == 0 || w[0] % gates != 0) {
    return c.error("recurrent weights " + w.to_string() + " are not of " + std::to_string(gates) +
                   " gates");
  }
  return Sizes{x[0], x[1], x[2], w[0], w[1], w[0] / gates};
}

Status check_bound(const InferContext& c, float bound, const char* name) {
  return bound >= 0.F ? ok_status() : c.error(std::string(name) + " is not a bound");  // nor NaN
}

Status check_gates(const InferContext& c, const Sizes& s) {
  if (fits(s.columns, s.rows)) return ok_status();
  return c.error("input has " + std::to_string(s.columns) + " features, the recurrent weights " +
                 std::to_string(s.rows) + " rows");
}

Status set_outputs(const InferContext& c, const Sizes& s, bool cell) {
  INFERD_RETURN_IF_ERROR(c.set({s.batch, s.time, s.state}));
  INFERD_RETURN_IF_ERROR(c.set({s.batch, s.state}, 1));
  return cell ? c.set({s.batch, s.cells}, 2) : ok_status();
}

// Without projection the output is the cells'.
Status check_projection(const InferContext& c, const Sizes& s, bool projection) {
  if (projection || s.state == s.cells) return ok_status();
  return c.error("has " + std::to_string(s.cells) + " cells and no projection to the state's " +
                 std::to_string(s.state));
}

// The last operands of an LSTM, and its outputs.
Status expect_projection(const InferContext& c, const Sizes& s, Operands& operands, bool projection,
                         bool bias) {
  if (projection) INFERD_RETURN_IF_ERROR(operands.expect("projection", {s.state, s.cells}));
  if (bias) INFERD_RETURN_IF_ERROR(operands.expect("projection_bias", {s.state}));
  INFERD_RETURN_IF_ERROR(operands.expect_end());
  return set_outputs(c, s, true);
}

}  // namespace

Status infer_rnn(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<RnnAttrs>();
  Operands operands(c);
  const Shape& x = operands.next();
  INFERD_ASSIGN_OR_RETURN(const Sizes s, sizes_of(c, x, operands.next(), 1));
  INFERD_RETURN_IF_ERROR(check_gates(c, s));
  INFERD_RETURN_IF_ERROR(check_projection(c, s, false));
  INFERD_RETURN_IF_ERROR(check_bound(c, attrs.clip, "clip"));
  INFERD_RETURN_IF_ERROR(operands.expect_state("h", s.batch, s.state));
  INFERD_RETURN_IF_ERROR(operands.expect_lengths(attrs.lengths, s.batch));
  INFERD_RETURN_IF_ERROR(operands.expect_end());
  return set_outputs(c, s, false);
}

Status infer_gru(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<GruAttrs>();
  Operands operands(c);
  const Shape& x = operands.next();
  INFERD_ASSIGN_OR_RETURN(const Sizes s, sizes_of(c, x, operands.next(), 3));
  INFERD_RETURN_IF_ERROR(check_gates(c, s));
  INFERD_RETURN_IF_ERROR(check_projection(c, s, false));
  INFERD_RETURN_IF_ERROR(check_bound(c, attrs.clip, "clip"));
  INFERD_RETURN_IF_ERROR(operands.expect_state("h", s.batch, s.state));
  if (attrs.reset_after) INFERD_RETURN_IF_ERROR(operands.expect("bias", {s.cells}));
  INFERD_RETURN_IF_ERROR(operands.expect_lengths(attrs.lengths, s.batch));
  INFERD_RETURN_IF_ERROR(operands.expect_end());
  return set_outputs(c, s, false);
}

Status infer_lstm(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<LstmAttrs>();
  const int gates = attrs.coupling == GateCoupling::kNone ? 4 : 3;
  Operands operands(c);
  const Shape& x = operands.next();
  INFERD_ASSIGN_OR_RETURN(const Sizes s, sizes_of(c, x, operands.next(), gates));
  INFERD_RETURN_IF_ERROR(check_gates(c, s));
  INFERD_RETURN_IF_ERROR(check_projection(c, s, attrs.projection));
  INFERD_RETURN_IF_ERROR(check_bound(c, attrs.clip, "clip"));
  INFERD_RETURN_IF_ERROR(check_bound(c, attrs.cell_clip, "cell_clip"));
  INFERD_RETURN_IF_ERROR(check_bound(c, attrs.projection_clip, "projection_clip"));
  INFERD_RETURN_IF_ERROR(operands.expect_state("h", s.batch, s.state));
  INFERD_RETURN_IF_ERROR(operands.expect_state("c", s.batch, s.cells));
  INFERD_RETURN_IF_ERROR(operands.expect_lengths(attrs.lengths, s.batch));
  if (attrs.peephole) {
    INFERD_RETURN_IF_ERROR(operands.expect("peephole", {(gates - 1) * s.cells}));
  }
  if (attrs.norm) {
    INFERD_RETURN_IF_ERROR(operands.expect("scale", {s.rows}));
    INFERD_RETURN_IF_ERROR(operands.expect("bias", {s.rows}));
  }
  return expect_projection(c, s, operands, attrs.projection, attrs.projection_bias);
}

Status infer_quantized_lstm(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<QuantizedLstmAttrs>();
  const int gates = attrs.input_from_forget ? 3 : 4;
  Operands operands(c);
  const Shape& x = operands.next();
  const Shape& v = operands.next();
  INFERD_ASSIGN_OR_RETURN(const Sizes s, sizes_of(c, x, operands.next(), gates));
  if (v.rank() != 2 || v[0] != s.rows || !fits(v[1], s.columns)) {
    return c.error("input weights " + v.to_string() + " do not fit an input of " +
                   std::to_string(s.columns) + " features and " + std::to_string(s.rows) +
                   " recurrent rows");
  }
  INFERD_RETURN_IF_ERROR(check_projection(c, s, attrs.projection));
  INFERD_RETURN_IF_ERROR(check_bound(c, attrs.cell_clip, "cell_clip"));
  INFERD_RETURN_IF_ERROR(check_bound(c, attrs.projection_clip, "projection_clip"));
  if (!(attrs.hidden_scale > 0.F && std::isfinite(attrs.hidden_scale)) ||
      attrs.hidden_zero_point < -128 || attrs.hidden_zero_point > 128) {
    return c.error("the hidden quantization is out of range");
  }
  INFERD_RETURN_IF_ERROR(operands.expect("bias", {s.rows}));
  INFERD_RETURN_IF_ERROR(operands.expect_state("h", s.batch, s.state));
  INFERD_RETURN_IF_ERROR(operands.expect_state("c", s.batch, s.cells));
  if (attrs.peephole) {
    INFERD_RETURN_IF_ERROR(operands.expect("peephole", {(gates - 1) * s.cells}));
  }
  return expect_projection(c, s, operands, attrs.projection, attrs.projection_bias);
}

Status infer_svdf(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const int rank = c.attrs<SvdfAttrs>().rank;
  const Shape& x = c.input(0).shape;
  const Shape& w = c.input(1).shape;
  const Shape& t = c.input(2).shape;
  if (x.rank() != 2 || w.rank() != 2 || t.rank() != 2 || !w.is_static() || !t.is_static() ||
      !fits(x[1], w[1]) || w[0] != t[0] || t[1] == 0) {
    return c.error("input " + x.to_string() + ", weights " + w.to_string() +
                   " and weights over time " + t.to_string() + " do not fit together");
  }
  if (rank < 1 || w[0] % rank != 0) {
    return c.error("rank " + std::to_string(rank) + " does not divide " + std::to_string(w[0]) +
                   " filters");
  }
  Operands operands(c);
  for (int i = 0; i < 3; ++i) operands.next();
  INFERD_RETURN_IF_ERROR(operands.expect("state", {x[0], t[0], t[1]}));
  if (c.inputs() > 4) INFERD_RETURN_IF_ERROR(operands.expect("bias", {w[0] / rank}));
  INFERD_RETURN_IF_ERROR(c.set({x[0], w[0] / rank}));
  return c.set({x[0], t[0], t[1]}, 1);
}

// The recurrent weights once for each step of each sequence.
int64_t macs_recurrent(const Graph& graph, const Node& node) {
  const Shape& x = graph.value(node.inputs[0]).shape;
  return x[0] * x[1] * graph.value(node.inputs[1]).shape.elements();
}

int64_t macs_quantized_lstm(const Graph& graph, const Node& node) {
  const Shape& x = graph.value(node.inputs[0]).shape;
  return x[0] * x[1] *
         (graph.value(node.inputs[1]).shape.elements() +
          graph.value(node.inputs[2]).shape.elements());
}

int64_t macs_svdf(const Graph& graph, const Node& node) {
  const Shape& x = graph.value(node.inputs[0]).shape;
  return x[0] * (graph.value(node.inputs[1]).shape.elements() +
                 graph.value(node.inputs[2]).shape.elements());
}

}  // namespace inferd::ir
