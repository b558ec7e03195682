// SPDX-License-Identifier: Apache-2.0
//
// Post-training quantization: an int8 model from a float32 one and some inputs as the model will
// meet them. Nothing is trained; minutes at most.
//
// Weights become int8, symmetric in [-127, 127], with a scale for each output channel; activations
// int8 with one scale and zero point for each value, from the ranges that the given inputs cause;
// biases int32. Inputs and outputs of the model stay float32 (see
// QuantizeOptions::integer_inputs), and so does what follows the last
// layer with weights (sigmoids, box arithmetic, softmax), where rounding would cost precision and
// save nothing. docs/quantize.md says more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "inferd/engine/engine.h"
#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd {

// How the range of an activation follows from what was seen of it.
enum class CalibrationMethod : uint8_t {
  kMinMax,      // all of it
  kPercentile,  // without the outermost 1/10000 of the values
  kMse,         // the range that minimises the mean squared error of rounding and cutting off
  kEntropy,     // the range that minimises the Kullback-Leibler divergence (as TensorRT's)
};

// Inputs to observe the model on.
struct CalibrationData {
  size_t count = 0;  // of samples; 1 or more, of the same shapes
  // Sample i: a view for each input of the model, in order, valid until the next call. Called
  // several times for each i, from one thread.
  std::function<Result<std::vector<TensorView>>(size_t i)> sample;
};

struct QuantizeOptions {
  bool per_channel = true;  // false: one scale for all weights of a layer
  CalibrationMethod method = CalibrationMethod::kMinMax;
  // Balances the ranges of the channels between two layers with weights beforehand ("cross-layer
  // equalization", arXiv:1906.04721); helps models quantized per tensor.
  bool equalize = false;
  // Takes out of each bias what rounding the weights adds to the layer's mean output (ibid.).
  bool bias_correct = false;
  // Inputs that are rounded first become int8, with the scale and zero point that they are rounded
  // with: less to carry, for programs that can give them like that (inferd's pipelines do).
  bool integer_inputs = false;
  std::vector<std::string> keep_float;  // layers, by name, that stay float32
  // How much of the model's work (0 to 1) may stay float32 besides: layers whose quantization adds
  // most noise to the outputs for what they cost. Each is measured, which takes a while. Some
  // hundredths do much for detectors, whose boxes come out of small layers.
  double float_share = 0;
  int threads = 0;  // 0: one per core
  Limits limits;
  // Called now and then: what is being done, and how far it is.
  std::function<void(std::string_view what, size_t done, size_t total)> progress;
};

// What became of one layer of the float32 model.
struct LayerNoise {
  std::string name;
  std::string op;
  bool quantized = false;
  // Power of the float32 output over the power of its difference to the int8 model's, over all
  // samples, in decibels; what earlier layers added is in it. Infinite where both are equal. NaN
  // for layers that stay float32 and are no output of the model.
  double sqnr_db = std::numeric_limits<double>::quiet_NaN();
};

struct QuantizeReport {
  std::vector<LayerNoise> layers;    // in the order they run in
  std::vector<LayerNoise> outputs;   // of the model: name, and noise of what it gives
  int64_t weights_bytes_before = 0;  // constants of the float32 model
  int64_t weights_bytes_after = 0;
};

// Quantizes the model file `path` and writes it to `out`, in the format that its extension says
// (.onnx: ONNX operators with QuantizeLinear and DequantizeLinear between them; .ifd: compiled for
// this CPU, as Engine::compile() does by default). Dimensions of unknown size become those of the
// samples. Fails as Engine::load() does for `path`, and with
// INVALID_ARGUMENT for samples that do not fit, an unknown extension or a layer in `keep_float`
// that does not exist, with FAILED_PRECONDITION for a model that is quantized already or has
// nothing to quantize, and with UNIMPLEMENTED for operators that `out`'s format cannot express.
Result<QuantizeReport> quantize_model(const std::string& path, const std::string& out,
                                      const CalibrationData& data, const QuantizeOptions& options);

}  // namespace inferd
