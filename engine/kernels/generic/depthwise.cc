// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/depthwise.h"

#include <algorithm>
#include <thread>

#include "engine/kernels/generic/quantized.h"

namespace inferd::kernels::generic {
namespace {

bool shapes_fit(const OpDesc& op) {
  const Shape& x = op.inputs[0].shape;
  const Shape& w = op.inputs[1].shape;
  const Shape& y = op.outputs[0].shape;
  return x.rank() == 4 && w.rank() == 3 && y.rank() == 4 && x[3] == w[2] && y[3] == w[2];
}

// Calls place(index of the weight, channel, index in [block][tap /
// interleave][channel][interleave]).
template <typename F>
void for_each_weight(const Shape& w, int64_t block, int64_t interleave, const F& place) {
  const int64_t taps = w[0] * w[1];
  const int64_t channels = w[2];
  const int64_t block_size = round_up(taps, interleave) * block;
  for (int64_t tap = 0; tap < taps; ++tap) {
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t begin = c / block * block_size;
      const int64_t step = tap / interleave * block + c % block;
      place(static_cast<size_t>(tap * channels + c), c,
            static_cast<size_t>(begin + step * interleave + tap % interleave));
    }
  }
}

}  // namespace

bool accepts_quantized_depthwise(const OpDesc& op) {
  return is_quantized_linear(op, op.outputs[0].shape.back()) && shapes_fit(op);
}

bool accepts_float_depthwise(const OpDesc& op) { return is_float_linear(op) && shapes_fit(op); }

std::unique_ptr<PackedWeights> pack_quantized_depthwise(const OpDesc& op, int block, int interleave,
                                                        StoredWeights* stored) {
  const Shape& shape = op.inputs[1].shape;
  const WeightReader weights(op.inputs[1]);
  const int64_t zero = op.inputs[0].quantization.zero_point();
  const int64_t padded = round_up(shape[2], block);
  auto packed = std::make_unique<PackedQuantizedDepthwise>();
  packed->w = AlignedArray<int16_t>(
      static_cast<size_t>(round_up(shape[0] * shape[1], interleave) * padded), stored);
  packed->bias = AlignedArray<int32_t>(static_cast<size_t>(padded), stored);
  packed->scale = AlignedArray<float>(static_cast<size_t>(padded), stored);
  packed->requant = requant_params(op);
  if (stored != nullptr) return packed;
  std::vector<int64_t> bias(static_cast<size_t>(shape[2]));
  for (int64_t c = 0; c < shape[2]; ++c) {
    bias[static_cast<size_t>(c)] = bias_at(op, c);
    packed->scale[static_cast<size_t>(c)] = requant_scale(op, c);
  }
  for_each_weight(shape, block, interleave, [&](size_t from, int64_t c, size_t to) {
    const int32_t w = weights.at(static_cast<int64_t>(from), c);
    packed->w[to] = static_cast<int16_t>(w);
    bias[static_cast<size_t>(c)] -= zero * w;
  });
  for (size_t c = 0; c < bias.size(); ++c) packed->bias[c] = static_cast<int32_t>(bias[c]);
  return packed;
}

std::unique_ptr<PackedWeights> pack_float_depthwise(const OpDesc& op, int block,
                                                    StoredWeights* stored) {
  const Shape& shape = op.inputs[1].shape;
  const FloatReader weights(op.inputs[1]);
  const int64_t padded = round_up(shape[2], block);
  auto packed = std::make_unique<PackedFloatDepthwise>();
  packed->w = AlignedArray<float>(static_cast<size_t>(shape[0] * shape[1] * padded), stored);
  packed->bias = AlignedArray<float>(static_cast<size_t>(padded), stored);
  const Activation activation = activation_of(op);
  packed->low = activation.min;
  packed->high = activation.max;
  if (stored != nullptr) return packed;
  for_each_weight(shape, block, 1, [&](size_t from, int64_t, size_t to) {
    packed->w[to] = weights[static_cast<int64_t>(from)];
  });
  if (op.has_input(2)) {
    const std::span<const float> bias = op.inputs[2].constant<float>();
    std::copy(bias.begin(), bias.end(), packed->bias.data());
  }
  return packed;
}

std::unique_ptr<Prepared> plan_depthwise(const OpDesc& op, int interleave, int copied) {
  const Operand& x = op.inputs[0];
  const Shape& y = op.outputs[0].shape;
  auto plan = std::make_unique<DepthwisePlan>();
  plan->batch = y[0];
  plan->in_h = x.shape[1];
  plan->in_w = x.shape[2];
  plan->out_h = y[1];
  plan->out_w = y[2];
  plan->channels = y[3];
  plan->window = op.attrs_as<Conv2dAttrs>().window;
  plan->taps = round_up(op.inputs[1].shape[0] * op.inputs[1].shape[1], interleave);
  const auto element = static_cast<int64_t>(dtype_size(x.dtype));
  // The padding pixel: stored zero point for 8 bits, 0 for float.
  const int32_t zero = x.quantization.empty() ? 0 : x.quantization.zero_point();
  plan->padding.assign(static_cast<size_t>(plan->channels * element),
                       static_cast<std::byte>(static_cast<uint8_t>(zero)));
  // Pointers to the taps, then pointers to copies of them, then those copies.
  const int64_t pointers = 2 * plan->taps * static_cast<int64_t>(sizeof(void*));
  plan->worker_bytes = round_up(pointers + plan->taps * copied * element, 64);
  plan->max_workers = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
  plan->scratch_bytes = plan->worker_bytes * plan->max_workers;
  plan->line_scratch_bytes = plan->worker_bytes;
  return plan;
}

}  // namespace inferd::kernels::generic
