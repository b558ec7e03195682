// SPDX-License-Identifier: Apache-2.0
//
// One step of filters over time (SvdfAttrs). In integers as TensorFlow Lite's kernel: the feature
// is saturate16(multiply(w * (x - x_zero), m_x)), and y = saturate8(multiply(sum + bias, m_y) +
// zero) with multiply() of kernels/fixed_point.h.
#include <algorithm>

#include "engine/kernels/fixed_point.h"
#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

struct Sizes {
  int64_t batch, inputs, filters, memory, rank;

  explicit Sizes(const OpDesc& op)
      : batch(op.inputs[0].shape[0]),
        inputs(op.inputs[0].shape[1]),
        filters(op.inputs[2].shape[0]),
        memory(op.inputs[2].shape[1]),
        rank(op.attrs_as<SvdfAttrs>().rank) {}
};

// Moves the state of every filter by one and puts feature(b, f) at its end. T: of the state.
template <typename T, typename F>
void shift_in(const RunArgs& args, const Sizes& s, F feature) {
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t f = 0; f < s.filters; ++f) {
      const T* old = args.input<T>(3) + (b * s.filters + f) * s.memory;
      T* state = args.output<T>(1) + (b * s.filters + f) * s.memory;
      std::copy(old + 1, old + s.memory, state);
      state[s.memory - 1] = feature(b, f);
    }
  }
}

// The sum over the filters of unit u of sequence b, and their memory, of state * t. T: of both.
template <typename T, typename Acc>
Acc over_time(const RunArgs& args, const Sizes& s, int64_t b, int64_t u, Acc acc) {
  const T* t = args.input<T>(2) + u * s.rank * s.memory;
  const T* state = args.output<T>(1) + (b * s.filters + u * s.rank) * s.memory;
  for (int64_t i = 0; i < s.rank * s.memory; ++i) acc += static_cast<Acc>(state[i]) * t[i];
  return acc;
}

void svdf_float(const RunArgs& args, const Sizes& s) {
  shift_in<float>(args, s, [&](int64_t b, int64_t f) {
    float acc = 0;
    for (int64_t i = 0; i < s.inputs; ++i) {
      acc += args.input<float>(0)[b * s.inputs + i] * args.input<float>(1)[f * s.inputs + i];
    }
    return acc;
  });
  const float* bias = args.op.has_input(4) ? args.input<float>(4) : nullptr;
  const Activation& activation = args.op.attrs_as<SvdfAttrs>().activation;
  const int64_t units = s.filters / s.rank;
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t u = 0; u < units; ++u) {
      const float start = bias == nullptr ? 0.F : bias[u];
      args.output<float>(0)[b * units + u] =
          clamp(over_time<float>(args, s, b, u, start), activation);
    }
  }
}

void svdf_integer(const RunArgs& args, const Sizes& s) {
  const std::vector<Operand>& in = args.op.inputs;
  const Quantization& y = args.op.outputs[0].quantization;
  const float state_scale = in[3].quantization.scale();
  const FixedFactor to_state =
      fixed_factor(in[0].quantization.scale() * in[1].quantization.scale() / state_scale);
  const FixedFactor to_y = fixed_factor(state_scale * in[2].quantization.scale() / y.scale());
  const int32_t x_zero = in[0].quantization.zero_point();
  shift_in<int16_t>(args, s, [&](int64_t b, int64_t f) {
    int32_t acc = 0;
    for (int64_t i = 0; i < s.inputs; ++i) {
      acc += (args.input<int8_t>(0)[b * s.inputs + i] - x_zero) *
             args.input<int8_t>(1)[f * s.inputs + i];
    }
    return saturate16(multiply(acc, to_state));
  });
  const int64_t units = s.filters / s.rank;
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t u = 0; u < units; ++u) {
      const int32_t start = args.op.has_input(4) ? args.input<int32_t>(4)[u] : 0;
      const int32_t acc = over_time<int16_t>(args, s, b, u, start);
      const int64_t value = int64_t{multiply(acc, to_y)} + y.zero_point();
      args.output<int8_t>(0)[b * units + u] =
          static_cast<int8_t>(std::clamp<int64_t>(value, -128, 127));
    }
  }
}

// Symmetric, with one scale.
bool is_symmetric(const Operand& x, DType dtype) {
  const Quantization& q = x.quantization;
  return x.dtype == dtype && !q.empty() && !q.per_channel() && q.zero_point() == 0;
}

}  // namespace

bool accepts_svdf(const OpDesc& op) {
  const std::vector<Operand>& in = op.inputs;
  if (is_float(in[0])) {
    return std::all_of(in.begin(), in.end(), [](const Operand& o) { return is_float(o); }) &&
           is_float(op.outputs[0]) && is_float(op.outputs[1]);
  }
  return in[0].dtype == DType::kInt8 && is_quantized(in[0]) && is_symmetric(in[1], DType::kInt8) &&
         is_symmetric(in[2], DType::kInt16) && is_symmetric(in[3], DType::kInt16) &&
         (!op.has_input(4) || in[4].dtype == DType::kInt32) &&
         op.attrs_as<SvdfAttrs>().activation.none() && op.outputs[0].dtype == DType::kInt8 &&
         is_quantized(op.outputs[0]) && op.outputs[1].dtype == in[3].dtype &&
         op.outputs[1].quantization == in[3].quantization;
}

void run_svdf(const RunArgs& args) {
  const Sizes sizes(args.op);
  is_float(args.op.inputs[0]) ? svdf_float(args, sizes) : svdf_integer(args, sizes);
}

}  // namespace inferd::kernels::ref
