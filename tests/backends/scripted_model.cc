// SPDX-License-Identifier: Apache-2.0
#include "tests/backends/scripted_model.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

namespace inferd {
namespace {

using Json = nlohmann::json;

struct Script {
  std::string backend, message;
  std::chrono::microseconds run{0}, element{0};
  bool spin = false;
  int64_t times = 1;
  int64_t memory_bytes = 0;
  float factor = 1;
};

struct Sum final : State {
  void reset() override { values.clear(); }
  std::vector<float> values;
};

template <typename T>
void add_sub(const TensorView& a, const TensorView& b, std::vector<std::byte>& sum,
             std::vector<std::byte>& difference) {
  const auto x = a.as<T>();
  const auto y = b.as<T>();
  std::vector<T> plus(x.size());
  std::vector<T> minus(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    plus[i] = x[i] + y[i];
    minus[i] = x[i] - y[i];
  }
  const auto take = [](const std::vector<T>& values, std::vector<std::byte>& bytes) {
    const auto raw = std::as_bytes(std::span(values));
    bytes.assign(raw.begin(), raw.end());
  };
  take(plus, sum);
  take(minus, difference);
}

class ScriptedContext final : public Context {
 public:
  ScriptedContext(const Script& script, const ModelInfo& info)
      : script_(script), info_(info), bytes_(info.outputs.size()) {}

  Result<std::span<const TensorView>> run(std::span<const TensorView> inputs,
                                          std::span<State* const> states) override {
    INFERD_RETURN_IF_ERROR(check_inputs(info_.inputs, inputs));
    take_time(info_.batchable ? inputs[0].shape[0] : 1);
    if (script_.backend == "fail") return internal_error(script_.message);
    outputs_.clear();
    for (size_t i = 0; i < bytes_.size(); ++i) {
      const TensorView& x = inputs[std::min(i, inputs.size() - 1)];
      Shape shape = x.shape;
      if (script_.backend == "repeat") {
        repeat(x, bytes_[i]);
        shape[shape.rank() - 1] *= script_.times;
      } else {
        bytes_[i].assign(x.data.begin(), x.data.end());
      }
      outputs_.push_back({x.dtype, shape, {}});
    }
    if (script_.backend == "add_sub") {
      const auto function = inputs[0].dtype == DType::kInt32 ? add_sub<int32_t> : add_sub<float>;
      function(inputs[0], inputs[1], bytes_[0], bytes_[1]);
    }
    if (script_.backend == "scale") scale(inputs[0], bytes_[0]);
    if (script_.backend == "crash") std::abort();
    if (script_.backend == "accumulate") accumulate(inputs[0], states);
    for (size_t i = 0; i < bytes_.size(); ++i) outputs_[i].data = bytes_[i];
    return std::span<const TensorView>(outputs_);
  }
  Status prepare(std::span<const Shape>) override { return ok_status(); }
  std::span<const LayerProfile> profile() const override { return {}; }
  MemoryUse memory() const override { return {.arena_bytes = script_.memory_bytes}; }

 private:
  void take_time(int64_t elements) const {
    const auto time = script_.run + script_.element * elements;
    if (time.count() == 0) return;
    if (!script_.spin) return std::this_thread::sleep_for(time);
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
    }
  }

  void repeat(const TensorView& x, std::vector<std::byte>& y) const {
    const size_t row = static_cast<size_t>(x.shape.back()) * dtype_size(x.dtype);
    y.clear();
    for (size_t at = 0; at < x.data.size(); at += row) {
      const auto values = x.data.subspan(at, row);
      for (int64_t i = 0; i < script_.times; ++i) y.insert(y.end(), values.begin(), values.end());
    }
  }

  void scale(const TensorView& x, std::vector<std::byte>& y) const {
    std::vector<float> values(x.as<float>().begin(), x.as<float>().end());
    for (float& value : values) value *= script_.factor;
    const auto raw = std::as_bytes(std::span(values));
    y.assign(raw.begin(), raw.end());
  }

  // Each element has a state of its own, or begins.
  void accumulate(const TensorView& x, std::span<State* const> states) {
    const size_t elements = info_.batchable ? static_cast<size_t>(x.shape[0]) : 1;
    const auto values = x.as<float>();
    const size_t size = elements == 0 ? 0 : values.size() / elements;
    std::vector<float> sums;
    for (size_t i = 0; i < elements; ++i) {
      Sum fresh;
      const bool begins = states.empty() || states[i] == nullptr;
      Sum& sum = begins ? fresh : *static_cast<Sum*>(states[i]);
      sum.values.resize(size);
      for (size_t j = 0; j < size; ++j) sum.values[j] += values[i * size + j];
      sums.insert(sums.end(), sum.values.begin(), sum.values.end());
    }
    const auto raw = std::as_bytes(std::span(sums));
    bytes_[0].assign(raw.begin(), raw.end());
  }

  const Script& script_;
  const ModelInfo& info_;
  std::vector<std::vector<std::byte>> bytes_;  // of each output
  std::vector<TensorView> outputs_;
};

class ScriptedModel final : public Model {
 public:
  ScriptedModel(Script script, ModelInfo info)
      : script_(std::move(script)), info_(std::move(info)) {}
  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions&) const override {
    return std::unique_ptr<Context>(std::make_unique<ScriptedContext>(script_, info_));
  }
  std::unique_ptr<State> create_state() const override {
    return info_.states.empty() ? nullptr : std::make_unique<Sum>();
  }

 private:
  const Script script_;
  ModelInfo info_;
};

// JSON has no NaN: null.
float factor_of(const Json& json) {
  return json.is_null() ? std::numeric_limits<float>::quiet_NaN() : json.get<float>();
}

TensorInfo read_input(const Json& json, size_t index) {
  TensorInfo info;
  info.name = "INPUT" + std::to_string(index);
  const std::string name = json.value("datatype", "FP32");
  const auto dtype = dtype_from_name(name);
  if (!dtype) throw std::invalid_argument("there is no datatype '" + name + "'");
  info.dtype = *dtype;
  for (const int64_t dim : json.at("shape")) info.shape.push_back(dim);
  if (info.shape.rank() == 0) throw std::invalid_argument("an input needs a dimension");
  return info;
}

ModelInfo describe(const Json& json, const Script& script) {
  ModelInfo info;
  info.format = "test";
  info.batchable = true;
  for (const Json& input : json.at("inputs")) {
    info.inputs.push_back(read_input(input, info.inputs.size()));
    info.batchable = info.batchable && info.inputs.back().shape[0] == kDynamicDim;
  }
  if (info.inputs.empty()) throw std::invalid_argument("it has no inputs");
  info.outputs = info.inputs;
  for (size_t i = 0; i < info.outputs.size(); ++i) {
    TensorInfo& output = info.outputs[i];
    output.name = "OUTPUT" + std::to_string(i);
    int64_t& last = output.shape[output.shape.rank() - 1];
    if (script.backend == "repeat" && last != kDynamicDim) last *= script.times;
  }
  if (script.backend == "accumulate") {
    info.outputs.resize(1);
    info.states = {info.inputs[0]};
  }
  return info;
}

void check(const Script& script, const ModelInfo& info) {
  const char* const known[] = {"identity", "repeat",     "scale", "add_sub",
                               "crash",    "accumulate", "fail"};
  if (std::find(std::begin(known), std::end(known), script.backend) == std::end(known)) {
    throw std::invalid_argument("there is no backend '" + script.backend + "'");
  }
  const DType dtype = info.inputs[0].dtype;
  const bool is_float = dtype == DType::kFloat32;
  if ((script.backend == "accumulate" || script.backend == "scale") && !is_float) {
    throw std::invalid_argument(script.backend + " takes FP32");
  }
  const bool pair = info.inputs.size() == 2 && info.inputs[1].dtype == dtype &&
                    info.inputs[1].shape == info.inputs[0].shape;
  if (script.backend == "add_sub" && !(pair && (is_float || dtype == DType::kInt32))) {
    throw std::invalid_argument("add_sub takes two inputs alike, INT32 or FP32");
  }
}

}  // namespace

Result<std::shared_ptr<const Model>> load_scripted_model(const std::string& path) try {
  std::ifstream file(path);
  const Json json = Json::parse(file);
  Script script;
  script.backend = json.at("backend");
  script.message = json.value("message", "this model fails");
  script.run = std::chrono::microseconds(json.value("run_us", 0));
  script.element = std::chrono::microseconds(json.value("element_us", 0));
  script.spin = json.value("spin", false);
  script.times = json.value("times", 1);
  script.memory_bytes = json.value("memory_bytes", int64_t{0});
  if (json.contains("factor")) script.factor = factor_of(json["factor"]);
  ModelInfo info = describe(json, script);
  info.weights_bytes = script.memory_bytes;
  check(script, info);
  std::this_thread::sleep_for(std::chrono::milliseconds(json.value("load_ms", 0)));
  return std::shared_ptr<const Model>(
      std::make_shared<ScriptedModel>(std::move(script), std::move(info)));
} catch (const std::exception& e) {
  return invalid_argument(path + ": " + e.what());
}

}  // namespace inferd
