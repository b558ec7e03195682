// SPDX-License-Identifier: Apache-2.0
//
// TensorFlow Lite's integer LSTM, bit for bit. For each gate
//
//   sum = saturate16(multiply(v * (x - x_zero) + bias, m_x))
//   sum = saturate16(multiply(w * (h - h_zero), m_h) + sum)
//   sum = saturate16(multiply(peephole * c, m_c) + sum)
//
// is a number with three integer bits, and sigmoid or tanh make one with none of it. The cell has
// the integer bits that its scale says. What cells give is an int8 of the hidden quantization,
// which is the state, or is projected to it. multiply(), sigmoid() and tanh() are those of
// kernels/fixed_point.h.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "engine/kernels/fixed_point.h"
#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

constexpr float kGateScale = 1.F / 4096.F;  // three integer bits
constexpr int kMaxGates = 4;

// log2 of a scale that is a power of two; 1 for any other, which no cell's is.
int log2_of(float scale) {
  int exponent = 0;
  return std::frexp(scale, &exponent) == 0.5F ? exponent - 1 : 1;
}

// One scale for the rows of each gate.
float gate_scale(const Operand& w, size_t gate, size_t cells) {
  const Quantization& q = w.quantization;
  return q.per_channel() ? q.scales[gate * cells] : q.scale();
}

// What is multiplied with the rows of one gate, and the results' bounds.
struct Factors {
  FixedFactor x, h, c;
};

int16_t clip_bound(float clip, float scale) {
  if (clip == kInf) return 0;
  return static_cast<int16_t>(std::min(clip / scale, 32767.F));
}

template <typename T>
T clipped(T value, int16_t bound) {
  if (bound <= 0) return value;
  const auto limit = static_cast<T>(std::min<int>(bound, std::numeric_limits<T>::max()));
  return std::clamp<T>(value, static_cast<T>(-limit), limit);
}

class QuantizedCell {
 public:
  explicit QuantizedCell(const RunArgs& args)
      : args_(args), attrs_(args.op.attrs_as<QuantizedLstmAttrs>()) {
    const OpDesc& op = args.op;
    gates_ = attrs_.input_from_forget ? 3 : 4;
    inputs_ = op.inputs[1].shape[1];
    width_ = op.inputs[2].shape[1];
    cells_ = op.inputs[2].shape[0] / gates_;
    size_t position = 6;
    if (attrs_.peephole) peephole_ = args.input<int16_t>(position++);
    if (attrs_.projection) projection_ = args.input<int8_t>(position++);
    if (attrs_.projection_bias) projection_bias_ = args.input<int32_t>(position);
    set_factors();
    sums_ = reinterpret_cast<int16_t*>(args.scratch);
    hidden_ = reinterpret_cast<int8_t*>(sums_ + gates_ * cells_);
  }

  void step(const int8_t* x, int8_t* h, int16_t* c) const {
    for (int64_t g = 0; g < gates_; ++g) sum_gate(g, x, h);
    const int64_t output = attrs_.input_from_forget ? 0 : 1;
    const int64_t forget = output + 1;
    const int64_t candidate = gates_ - 1;
    if (!attrs_.input_from_forget) finish_gate(0, c);
    finish_gate(forget, c);
    for (int64_t k = 0; k < cells_; ++k) {
      const int16_t f = sum(forget, k);
      const int16_t i = attrs_.input_from_forget ? fixed16::wrap(INT16_MAX - f) : sum(0, k);
      const int16_t n = fixed16::tanh(sum(candidate, k), 3);
      const int16_t kept = fixed16::wrap(rounding_shift(int32_t{f} * c[k], 15));
      const int16_t added = fixed16::wrap(rounding_shift(int32_t{i} * n, 30 + cell_log2_));
      c[k] = clipped(saturate16(int32_t{kept} + added), cell_clip_);
    }
    finish_gate(output, c);
    for (int64_t k = 0; k < cells_; ++k) {
      const int32_t product = int32_t{sum(output, k)} * fixed16::tanh(c[k], 15 + cell_log2_);
      const int32_t value = multiply(product, hidden_factor_) + attrs_.hidden_zero_point;
      hidden_[k] = static_cast<int8_t>(std::clamp(value, -128, 127));
    }
    project(h);
  }

 private:
  void set_factors() {
    const std::vector<Operand>& in = args_.op.inputs;
    const float x_scale = in[0].quantization.scale();
    const float h_scale = in[4].quantization.scale();
    cell_log2_ = log2_of(in[5].quantization.scale());
    const auto cells = static_cast<size_t>(cells_);
    for (size_t g = 0; g < static_cast<size_t>(gates_); ++g) {
      factors_[g].x = fixed_factor(gate_scale(in[1], g, cells) * x_scale / kGateScale);
      factors_[g].h = fixed_factor(gate_scale(in[2], g, cells) * h_scale / kGateScale);
      if (attrs_.peephole && g + 1 < static_cast<size_t>(gates_)) {
        factors_[g].c = fixed_factor(static_cast<float>(std::ldexp(1.0, cell_log2_) *
                                                        gate_scale(in[6], g, cells) / kGateScale));
      }
    }
    hidden_factor_ =
        fixed_factor(static_cast<float>(std::ldexp(1.0, -15) / attrs_.hidden_scale * 0x1p-15));
    if (attrs_.projection) {
      const float scale = in[attrs_.peephole ? 7 : 6].quantization.scale();
      projection_factor_ = fixed_factor(scale * attrs_.hidden_scale / h_scale);
    }
    cell_clip_ = clip_bound(attrs_.cell_clip, in[5].quantization.scale());
    projection_clip_ = clip_bound(attrs_.projection_clip, args_.op.outputs[0].quantization.scale());
  }

  int16_t& sum(int64_t gate, int64_t cell) const { return sums_[gate * cells_ + cell]; }

  void sum_gate(int64_t gate, const int8_t* x, const int8_t* h) const {
    const int32_t x_zero = args_.op.inputs[0].quantization.zero_point();
    const int32_t h_zero = args_.op.inputs[4].quantization.zero_point();
    const Factors& factors = factors_[static_cast<size_t>(gate)];
    for (int64_t row = gate * cells_; row < (gate + 1) * cells_; ++row) {
      const int8_t* v = args_.input<int8_t>(1) + row * inputs_;
      const int8_t* w = args_.input<int8_t>(2) + row * width_;
      int32_t of_x = args_.input<int32_t>(3)[row];
      int32_t of_h = 0;
      for (int64_t i = 0; i < inputs_; ++i) of_x += v[i] * (x[i] - x_zero);
      for (int64_t i = 0; i < width_; ++i) of_h += w[i] * (h[i] - h_zero);
      const int16_t first = saturate16(multiply(of_x, factors.x));
      sums_[row] = saturate16(int64_t{multiply(of_h, factors.h)} + first);
    }
  }

  // Adds the peepholes of a gate and applies the sigmoid.
  void finish_gate(int64_t gate, const int16_t* c) const {
    const FixedFactor factor = factors_[static_cast<size_t>(gate)].c;
    for (int64_t k = 0; k < cells_; ++k) {
      int16_t& s = sum(gate, k);
      if (attrs_.peephole) {
        s = saturate16(int64_t{multiply(peephole_[gate * cells_ + k] * c[k], factor)} + s);
      }
      s = fixed16::sigmoid(s);
    }
  }

  void project(int8_t* h) const {
    if (!attrs_.projection) {
      std::copy_n(hidden_, width_, h);
      return;
    }
    const int32_t zero = args_.op.inputs[4].quantization.zero_point();
    for (int64_t p = 0; p < width_; ++p) {
      int32_t acc = projection_bias_ == nullptr ? 0 : projection_bias_[p];
      for (int64_t k = 0; k < cells_; ++k) {
        acc += projection_[p * cells_ + k] * (hidden_[k] - attrs_.hidden_zero_point);
      }
      const int64_t value = int64_t{multiply(acc, projection_factor_)} + zero;
      h[p] = clipped(static_cast<int8_t>(std::clamp<int64_t>(value, -128, 127)), projection_clip_);
    }
  }

  const RunArgs& args_;
  const QuantizedLstmAttrs& attrs_;
  int64_t gates_, inputs_, width_, cells_;
  const int16_t* peephole_ = nullptr;
  const int8_t* projection_ = nullptr;
  const int32_t* projection_bias_ = nullptr;
  std::array<Factors, kMaxGates> factors_;
  FixedFactor hidden_factor_, projection_factor_;
  int cell_log2_ = 0;
  int16_t cell_clip_ = 0, projection_clip_ = 0;  // 0: none
  int16_t* sums_;                                // of every gate
  int8_t* hidden_;                               // what the cells give, before projection
};

bool is_int8(const Operand& x) { return x.dtype == DType::kInt8 && is_quantized(x); }
bool has_scales(const Operand& w, DType dtype) {
  const Quantization& q = w.quantization;
  return w.dtype == dtype && !q.empty() && (!q.per_channel() || q.axis == 0) &&
         std::all_of(q.zero_points.begin(), q.zero_points.end(), [](int32_t z) { return z == 0; });
}

// The state is one thing, whether it comes in or goes out.
bool same_type(const Operand& a, const Operand& b) {
  return a.dtype == b.dtype && a.quantization == b.quantization;
}

// A copy of the state that comes in, where it comes out.
template <typename T>
T* copy_state(const RunArgs& args, size_t input, size_t output, int64_t b) {
  const Shape& from = args.op.inputs[input].shape;
  T* state = args.output<T>(output) + b * from[1];
  std::copy_n(args.input<T>(input) + (from[0] == 1 ? 0 : b * from[1]), from[1], state);
  return state;
}

}  // namespace

bool accepts_quantized_lstm(const OpDesc& op) {
  const auto& attrs = op.attrs_as<QuantizedLstmAttrs>();
  size_t next = 6;
  const Operand& c = op.inputs[5];
  if (!is_int8(op.inputs[0]) || !has_scales(op.inputs[1], DType::kInt8) ||
      !has_scales(op.inputs[2], DType::kInt8) || op.inputs[3].dtype != DType::kInt32 ||
      !is_int8(op.inputs[4]) || !has_scales(c, DType::kInt16) || c.quantization.per_channel()) {
    return false;
  }
  // tanh() takes up to six integer bits.
  const int cell_bits = 15 + log2_of(c.quantization.scale());
  if (cell_bits < 0 || cell_bits > 6) return false;
  if (attrs.peephole && !has_scales(op.inputs[next++], DType::kInt16)) return false;
  if (attrs.projection) {
    const Operand& p = op.inputs[next++];
    if (!has_scales(p, DType::kInt8) || p.quantization.per_channel()) return false;
  }
  if (attrs.projection_bias && op.inputs[next].dtype != DType::kInt32) return false;
  return same_type(op.outputs[0], op.inputs[4]) && same_type(op.outputs[1], op.inputs[4]) &&
         same_type(op.outputs[2], c);
}

std::unique_ptr<Prepared> prepare_quantized_lstm(const OpDesc& op, const PackedWeights*) {
  auto prepared = std::make_unique<Prepared>();
  const int64_t rows = op.inputs[2].shape[0];
  prepared->scratch_bytes = bytes_of<int16_t>(rows) + bytes_of<int8_t>(rows);
  return prepared;
}

void run_quantized_lstm(const RunArgs& args) {
  const QuantizedCell cell(args);
  const Shape& x = args.op.inputs[0].shape;
  const int64_t width = args.op.inputs[2].shape[1];
  for (int64_t b = 0; b < x[0]; ++b) {
    int8_t* h = copy_state<int8_t>(args, 4, 1, b);
    int16_t* c = copy_state<int16_t>(args, 5, 2, b);
    for (int64_t t = b * x[1]; t < (b + 1) * x[1]; ++t) {
      cell.step(args.input<int8_t>(0) + t * x[2], h, c);
      std::copy_n(h, width, args.output<int8_t>(0) + t * width);
    }
  }
}

}  // namespace inferd::kernels::ref
