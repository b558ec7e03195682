// SPDX-License-Identifier: Apache-2.0
//
// The vocabulary of recurrent networks and of trees: attributes of OpKinds of op.h, which includes
// this file.
//
// A recurrent operator gets the part of its gates that the input makes, for all steps at once: what
// depends on the input alone is a fully connected layer in front of it. The state is an operand in
// both directions, so that whoever runs a graph may keep it from one run to the next.
//
// Sequences are batch-major: x[B,T,G*H], with G gates of H cells, side by side in the order that
// the operator names. The state that goes in may have 1 as its batch: the same for all sequences.
#pragma once

#include <cstdint>
#include <limits>

namespace inferd {

// A function of one number inside of a cell. `a` and `b` are its alpha and beta.
enum class CellFunction : uint8_t {
  kSigmoid,
  kTanh,
  kClamp,            // min(max(x, a), b); a ReLU is 0, inf
  kAffine,           // a * x + b
  kLeakyRelu,        // x < 0 ? a * x : x
  kThresholdedRelu,  // x > a ? x : 0
  kScaledTanh,       // a * tanh(b * x)
  kHardSigmoid,      // min(max(a * x + b, 0), 1)
  kElu,              // x < 0 ? a * (exp(x) - 1) : x
  kSoftsign,         // x / (1 + |x|)
  kSoftplus,         // log(1 + exp(x))
};

// What all recurrent operators have. With `lengths` there is an input of that name, int32[B], after
// the required ones: sequence b has that many steps (limited to 0..T), y is zero behind them, and
// the state that comes out is the one after the last of them. With `reverse` the steps of each
// sequence go from its last to its first; y[b,t] is still the output of step t.
//
// `clip` bounds what f and g are applied to, to [-clip, clip].

// kRnn: h = f(x + w * h).
struct RnnAttrs {
  CellFunction f = CellFunction::kTanh;
  float f_alpha = 0.F, f_beta = 0.F;
  float clip = std::numeric_limits<float>::infinity();
  bool reverse = false;
  bool lengths = false;
  bool operator==(const RnnAttrs&) const = default;
};

// kGru, with the gates z, r and n of x and of the rows of w:
//   z = f(x_z + w_z * h)
//   r = f(x_r + w_r * h)
//   n = g(x_n + w_n * (r . h)), or, with reset_after, g(x_n + r . (w_n * h + bias))
//   h = (1 - z) . n + z . h
struct GruAttrs {
  CellFunction f = CellFunction::kSigmoid;
  float f_alpha = 0.F, f_beta = 0.F;
  CellFunction g = CellFunction::kTanh;
  float g_alpha = 0.F, g_beta = 0.F;
  float clip = std::numeric_limits<float>::infinity();
  bool reset_after = false;  // then `bias` is an input
  bool reverse = false;
  bool lengths = false;
  bool operator==(const GruAttrs&) const = default;
};

// Cells of an LSTM may do with a gate less, and x and w have no rows for it then.
enum class GateCoupling : uint8_t {
  kNone,
  kForgetFromInput,  // f = 1 - i; the gates are i, o, n
  kInputFromForget,  // i = 1 - f; the gates are o, f, n
};

// kLstm, with the gates i, o, f and n of x and of the rows of w, p the peepholes:
//   i = f(x_i + w_i * h + p_i . c)
//   f = f(x_f + w_f * h + p_f . c)
//   n = g(x_n + w_n * h)
//   c = f . c + i . n, bounded to [-cell_clip, cell_clip]
//   o = f(x_o + w_o * h + p_o . c)      with the new c
//   h = projected(o . h(c))
// With `norm`, what f and g are applied to is normalised over the cells of its gate to mean 0 and
// variance 1, then multiplied by `scale` and added to `bias` of that gate.
// Optional inputs, in this order, where the attribute of that name says so:
//   lengths     int32[B]
//   peephole    [(G-1)*H], of the gates but n
//   norm        scale[G*H] and bias[G*H], two inputs
//   projection  [P,H], P the size of h; without it P is H
//   projection_bias  [P]
struct LstmAttrs {
  CellFunction f = CellFunction::kSigmoid;
  float f_alpha = 0.F, f_beta = 0.F;
  CellFunction g = CellFunction::kTanh;
  float g_alpha = 0.F, g_beta = 0.F;
  CellFunction h = CellFunction::kTanh;
  float h_alpha = 0.F, h_beta = 0.F;
  GateCoupling coupling = GateCoupling::kNone;
  float clip = std::numeric_limits<float>::infinity();
  float cell_clip = std::numeric_limits<float>::infinity();
  float projection_clip = std::numeric_limits<float>::infinity();  // of h
  bool reverse = false;
  bool lengths = false;
  bool peephole = false;
  bool norm = false;
  bool projection = false;
  bool projection_bias = false;
  bool operator==(const LstmAttrs&) const = default;
};

// kQuantizedLstm: TensorFlow Lite's integer LSTM, 8-bit activations and weights with a 16-bit cell;
// kernels/ref/quantized_lstm.cc has the arithmetic. The weights of a gate have one scale. As kLstm
// but for the order and number of inputs:
//   x int8[B,T,I], v int8[G*H,I], w int8[G*H,P], bias int32[G*H], h int8[B,P], c int16[B,H], then
//   peephole int16[(G-1)*H], projection int8[P,H], projection_bias int32[P]
// v, w and peephole are quantized along dimension 0; c's scale is a power of two.
struct QuantizedLstmAttrs {
  bool input_from_forget = false;  // as GateCoupling; otherwise none
  float cell_clip = std::numeric_limits<float>::infinity();
  float projection_clip = std::numeric_limits<float>::infinity();
  float hidden_scale = 1.F;  // of o . tanh(c) in 8 bits: h's own without projection
  int hidden_zero_point = 0;
  bool peephole = false;
  bool projection = false;
  bool projection_bias = false;
  bool operator==(const QuantizedLstmAttrs&) const = default;
};

// A row of kTreeEnsemble's nodes is {feature, test, child if true, child if false}; the test
// compares x[feature] with the node's threshold. A leaf is {first entry, kLeaf, entries, 0}: it
// adds weights[e] to y[leaves[e]] for each of its entries. Children come after their parents.
struct TreeTest {
  enum Kind : int32_t { kLeaf, kLessOrEqual, kLess, kGreaterOrEqual, kGreater, kEqual, kNotEqual };
  static constexpr int32_t kKindMask = 7;
  static constexpr int32_t kMissingIsTrue = 8;  // or-ed in: NaN takes the child if true
};

enum class TreeAggregate : uint8_t { kSum, kMean, kMin, kMax };  // of the trees' weights
struct TreeEnsembleAttrs {
  int targets = 1;  // columns of y
  TreeAggregate aggregate = TreeAggregate::kSum;
  bool operator==(const TreeEnsembleAttrs&) const = default;
};

}  // namespace inferd
