// SPDX-License-Identifier: Apache-2.0
//
// The cells of recurrent networks in float32, step by step; op_recurrent.h has their formulas. The
// state lives where it comes out, so that the next step finds it there.
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <span>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

struct Function {
  CellFunction kind;
  float a, b;
  float clip;

  float operator()(float value) const {
    const float x = clamp(value, {-clip, clip});
    switch (kind) {
      case CellFunction::kSigmoid:
        return 1.F / (1.F + std::exp(-x));
      case CellFunction::kTanh:
        return std::tanh(x);
      case CellFunction::kClamp:
        return clamp(x, {a, b});
      case CellFunction::kAffine:
        return a * x + b;
      case CellFunction::kLeakyRelu:
        return x < 0.F ? a * x : x;
      case CellFunction::kThresholdedRelu:
        return x > a ? x : 0.F;
      case CellFunction::kScaledTanh:
        return a * std::tanh(b * x);
      case CellFunction::kHardSigmoid:
        return clamp(a * x + b, {0.F, 1.F});
      case CellFunction::kElu:
        return x < 0.F ? a * std::expm1(x) : x;
      case CellFunction::kSoftsign:
        return x / (1.F + std::abs(x));
      case CellFunction::kSoftplus:
        // Without overflow for large x.
        return std::max(x, 0.F) + std::log1p(std::exp(-std::abs(x)));
    }
    return x;
  }
};

float dot(const float* a, const float* b, size_t n) { return std::inner_product(a, a + n, b, 0.F); }

// What the operators share: the shapes, the walk over the steps, and the states.
class Walk {
 public:
  // `lengths` is null where all sequences have all steps.
  Walk(const RunArgs& args, const int32_t* lengths, bool reverse)
      : args_(args), lengths_(lengths), reverse_(reverse) {
    const Shape& x = args.op.inputs[0].shape;
    batch_ = x[0];
    time_ = x[1];
    columns_ = x[2];
    width_ = args.op.inputs[1].shape[1];
  }

  int64_t batch() const { return batch_; }

  // State `output` of sequence b, set to the initial one of `input`.
  float* state(size_t input, size_t output, int64_t b) const {
    const Shape& from = args_.op.inputs[input].shape;
    const int64_t size = from[1];
    float* state = args_.output<float>(output) + b * size;
    std::copy_n(args_.input<float>(input) + (from[0] == 1 ? 0 : b * size), size, state);
    return state;
  }

  // step(x, y) for the steps of sequence b, in their order; y behind them becomes zero.
  template <typename F>
  void steps(int64_t b, F step) const {
    const int64_t length = lengths_ == nullptr ? time_ : std::clamp<int64_t>(lengths_[b], 0, time_);
    for (int64_t i = 0; i < length; ++i) {
      const int64_t t = b * time_ + (reverse_ ? length - 1 - i : i);
      step(args_.input<float>(0) + t * columns_, args_.output<float>(0) + t * width_);
    }
    float* y = args_.output<float>(0);
    std::fill(y + (b * time_ + length) * width_, y + (b + 1) * time_ * width_, 0.F);
  }

 private:
  const RunArgs& args_;
  const int32_t* lengths_;
  bool reverse_;
  int64_t batch_, time_, columns_, width_;
};

// Optional inputs, one after the other; null for one that is absent.
class OptionalInputs {
 public:
  OptionalInputs(const RunArgs& args, size_t first) : args_(args), position_(first) {}

  template <typename T>
  const T* next(bool has) {
    return has ? args_.input<T>(position_++) : nullptr;
  }

 private:
  const RunArgs& args_;
  size_t position_;
};

// One step of an LSTM for one sequence.
class LstmCell {
 public:
  LstmCell(const RunArgs& args, OptionalInputs optional)
      : attrs_(args.op.attrs_as<LstmAttrs>()), w_(args.input<float>(1)) {
    const Shape& w = args.op.inputs[1].shape;
    gates_ = attrs_.coupling == GateCoupling::kNone ? 4 : 3;
    rows_ = static_cast<size_t>(w[0]);
    cells_ = rows_ / gates_;
    width_ = static_cast<size_t>(w[1]);
    peephole_ = optional.next<float>(attrs_.peephole);
    scale_ = optional.next<float>(attrs_.norm);
    bias_ = optional.next<float>(attrs_.norm);
    projection_ = optional.next<float>(attrs_.projection);
    projection_bias_ = optional.next<float>(attrs_.projection_bias);
    sums_ = reinterpret_cast<float*>(args.scratch);
    hidden_ = sums_ + rows_;
  }

  void step(const float* x, float* h, float* c) const {
    for (size_t r = 0; r < rows_; ++r) sums_[r] = x[r] + dot(w_ + r * width_, h, width_);
    // The output gate, which looks at the new cell, comes last; o is the first of two gates where
    // there is no i, and the second otherwise.
    const bool has_input = attrs_.coupling != GateCoupling::kInputFromForget;
    const bool has_forget = attrs_.coupling != GateCoupling::kForgetFromInput;
    const size_t output = has_input ? 1 : 0;
    if (has_input) finish_gate(0, c);
    if (has_forget) finish_gate(output + 1, c);
    finish_candidate();
    const float* i = sums_;
    const float* f = sums_ + (output + 1) * cells_;
    const float* n = sums_ + (gates_ - 1) * cells_;
    for (size_t k = 0; k < cells_; ++k) {
      const float in = has_input ? i[k] : 1.F - f[k];
      const float keep = has_forget ? f[k] : 1.F - i[k];
      c[k] = clamp(keep * c[k] + in * n[k], {-attrs_.cell_clip, attrs_.cell_clip});
    }
    finish_gate(output, c);
    const Function of_cell{attrs_.h, attrs_.h_alpha, attrs_.h_beta, kInf};
    for (size_t k = 0; k < cells_; ++k) hidden_[k] = sums_[output * cells_ + k] * of_cell(c[k]);
    project(h);
  }

 private:
  void normalise(size_t gate) const {
    if (!attrs_.norm) return;
    constexpr float kEpsilon = 1e-8F;
    float* sums = sums_ + gate * cells_;
    const auto count = static_cast<float>(cells_);
    const float mean = std::accumulate(sums, sums + cells_, 0.F) / count;
    float variance = 0.F;
    for (size_t k = 0; k < cells_; ++k) variance += (sums[k] - mean) * (sums[k] - mean) / count;
    const float factor = 1.F / std::sqrt(variance + kEpsilon);
    for (size_t k = 0; k < cells_; ++k) {
      sums[k] = (sums[k] - mean) * factor * scale_[gate * cells_ + k] + bias_[gate * cells_ + k];
    }
  }

  // Adds the peepholes of a gate and applies f.
  void finish_gate(size_t gate, const float* c) const {
    float* sums = sums_ + gate * cells_;
    if (attrs_.peephole) {
      for (size_t k = 0; k < cells_; ++k) sums[k] += peephole_[gate * cells_ + k] * c[k];
    }
    normalise(gate);
    std::transform(sums, sums + cells_, sums,
                   Function{attrs_.f, attrs_.f_alpha, attrs_.f_beta, attrs_.clip});
  }

  void finish_candidate() const {
    normalise(gates_ - 1);
    float* sums = sums_ + (gates_ - 1) * cells_;
    std::transform(sums, sums + cells_, sums,
                   Function{attrs_.g, attrs_.g_alpha, attrs_.g_beta, attrs_.clip});
  }

  void project(float* h) const {
    const Activation bounds{-attrs_.projection_clip, attrs_.projection_clip};
    for (size_t p = 0; p < width_; ++p) {
      const float value =
          attrs_.projection ? dot(projection_ + p * cells_, hidden_, cells_) : hidden_[p];
      h[p] = clamp(attrs_.projection_bias ? value + projection_bias_[p] : value, bounds);
    }
  }

  const LstmAttrs& attrs_;
  const float* w_;
  size_t gates_, rows_, cells_, width_;
  const float *peephole_, *scale_, *bias_, *projection_, *projection_bias_;
  float* sums_;    // of every gate
  float* hidden_;  // what the cells give, before projection
};

bool all_float(std::span<const Operand> operands) {
  return std::all_of(operands.begin(), operands.end(),
                     [](const Operand& o) { return is_float(o); });
}

// `lengths` is the position of an input of integers, if there is one.
bool accepts_recurrent(const OpDesc& op, bool has_lengths, size_t lengths) {
  const std::span<const Operand> inputs = op.inputs;
  if (!all_float(op.outputs)) return false;
  if (!has_lengths) return all_float(inputs);
  return all_float(inputs.first(lengths)) && inputs[lengths].dtype == DType::kInt32 &&
         all_float(inputs.subspan(lengths + 1));
}

}  // namespace

bool accepts_rnn(const OpDesc& op) {
  return accepts_recurrent(op, op.attrs_as<RnnAttrs>().lengths, 3);
}
bool accepts_gru(const OpDesc& op) {
  const auto& attrs = op.attrs_as<GruAttrs>();
  return accepts_recurrent(op, attrs.lengths, attrs.reset_after ? 4 : 3);
}
bool accepts_lstm(const OpDesc& op) {
  return accepts_recurrent(op, op.attrs_as<LstmAttrs>().lengths, 4);
}

// Room for the sums of all gates and for one more number of each cell.
std::unique_ptr<Prepared> prepare_recurrent(const OpDesc& op, const PackedWeights*) {
  auto prepared = std::make_unique<Prepared>();
  prepared->scratch_bytes = 2 * bytes_of<float>(op.inputs[1].shape[0]);
  return prepared;
}

void run_rnn(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<RnnAttrs>();
  const Walk walk(args, OptionalInputs(args, 3).next<int32_t>(attrs.lengths), attrs.reverse);
  const Function f{attrs.f, attrs.f_alpha, attrs.f_beta, attrs.clip};
  const auto size = static_cast<size_t>(args.op.inputs[1].shape[1]);
  for (int64_t b = 0; b < walk.batch(); ++b) {
    float* h = walk.state(2, 1, b);
    walk.steps(b, [&](const float* x, float* y) {
      for (size_t i = 0; i < size; ++i) {
        y[i] = f(x[i] + dot(args.input<float>(1) + i * size, h, size));
      }
      std::copy_n(y, size, h);
    });
  }
}

void run_gru(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<GruAttrs>();
  OptionalInputs optional(args, 3);
  const float* bias = optional.next<float>(attrs.reset_after);
  const Walk walk(args, optional.next<int32_t>(attrs.lengths), attrs.reverse);
  const Function f{attrs.f, attrs.f_alpha, attrs.f_beta, attrs.clip};
  const Function g{attrs.g, attrs.g_alpha, attrs.g_beta, attrs.clip};
  const auto size = static_cast<size_t>(args.op.inputs[1].shape[1]);
  const float* w = args.input<float>(1);
  auto* z = reinterpret_cast<float*>(args.scratch);
  float* r = z + size;
  float* n = r + size;
  float* reset = n + size;
  for (int64_t b = 0; b < walk.batch(); ++b) {
    float* h = walk.state(2, 1, b);
    walk.steps(b, [&](const float* x, float* y) {
      for (size_t i = 0; i < 2 * size; ++i) z[i] = f(x[i] + dot(w + i * size, h, size));
      for (size_t i = 0; i < size; ++i) reset[i] = r[i] * h[i];
      for (size_t i = 0; i < size; ++i) {
        const float* row = w + (2 * size + i) * size;
        const float recurrent =
            attrs.reset_after ? r[i] * (dot(row, h, size) + bias[i]) : dot(row, reset, size);
        n[i] = g(x[2 * size + i] + recurrent);
      }
      for (size_t i = 0; i < size; ++i) h[i] = (1.F - z[i]) * n[i] + z[i] * h[i];
      std::copy_n(h, size, y);
    });
  }
}

void run_lstm(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<LstmAttrs>();
  OptionalInputs optional(args, 4);
  const Walk walk(args, optional.next<int32_t>(attrs.lengths), attrs.reverse);
  const LstmCell cell(args, optional);
  const int64_t width = args.op.inputs[1].shape[1];
  for (int64_t b = 0; b < walk.batch(); ++b) {
    float* h = walk.state(2, 1, b);
    float* c = walk.state(3, 2, b);
    walk.steps(b, [&](const float* x, float* y) {
      cell.step(x, h, c);
      std::copy_n(h, width, y);
    });
  }
}

}  // namespace inferd::kernels::ref
