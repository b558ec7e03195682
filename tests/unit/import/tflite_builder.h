// SPDX-License-Identifier: Apache-2.0
//
// Writes small TensorFlow Lite files, right or wrong ones, through the reader's own schema.
#pragma once

#include <flatbuffers/flatbuffers.h>
#include <flatbuffers/flexbuffers.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/import/tflite/builtin_names.h"
#include "schema_generated.h"

namespace inferd::import {

// TensorType
enum TfliteType : int8_t {
  kTfliteFloat = 0,
  kTfliteFloat16 = 1,
  kTfliteInt32 = 2,
  kTfliteUInt8 = 3,
  kTfliteInt64 = 4,
  kTfliteString = 5,
  kTfliteBool = 6,
  kTfliteInt16 = 7,
  kTfliteInt8 = 9
};

struct TfliteTensor {
  std::string name;
  std::vector<int32_t> shape;
  int8_t type = kTfliteFloat;
  std::vector<float> scales = {};
  std::vector<int64_t> zero_points = {};
  int32_t axis = 0;
  std::vector<int32_t> signature = {};
  bool sparse = false;
  std::optional<std::string> data = {};  // bytes of a buffer of its own
  std::optional<uint32_t> buffer = {};   // this buffer instead, whether or not it exists
  bool variable = false;
};

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

class TfliteBuilder {
 public:
  using Options = flatbuffers::Offset<void>;

  flatbuffers::FlatBufferBuilder& fbb() { return fbb_; }

  // Returns the tensor's index.
  int32_t tensor(const TfliteTensor& t) {
    uint32_t buffer = t.buffer.value_or(0);
    if (t.data) {
      buffer = static_cast<uint32_t>(buffers_.size());
      buffers_.push_back(tflite::CreateBuffer(
          fbb_,
          fbb_.CreateVector(reinterpret_cast<const uint8_t*>(t.data->data()), t.data->size())));
    }
    flatbuffers::Offset<tflite::QuantizationParameters> quantization = 0;
    if (!t.scales.empty()) {
      quantization = tflite::CreateQuantizationParametersDirect(
          fbb_, nullptr, nullptr, &t.scales, t.zero_points.empty() ? nullptr : &t.zero_points, 0, 0,
          t.axis);
    }
    const auto sparsity = t.sparse ? tflite::CreateEmpty(fbb_) : 0;
    tensors_.push_back(tflite::CreateTensorDirect(fbb_, &t.shape, t.type, buffer, t.name.c_str(),
                                                  quantization, t.variable, sparsity,
                                                  t.signature.empty() ? nullptr : &t.signature));
    return static_cast<int32_t>(tensors_.size()) - 1;
  }
  int32_t floats(const char* name, const std::vector<int32_t>& shape) {
    return tensor({.name = name, .shape = shape});
  }
  int32_t floats(const char* name, const std::vector<int32_t>& shape,
                 const std::vector<float>& values) {
    return tensor({.name = name, .shape = shape, .data = bytes_of(values)});
  }
  // A constant INT32 vector.
  int32_t ints(const std::vector<int32_t>& values, const char* name = "ints") {
    return tensor({.name = name,
                   .shape = {static_cast<int32_t>(values.size())},
                   .type = kTfliteInt32,
                   .data = bytes_of(values)});
  }

  // A built-in operator by its name in the format.
  void op(const std::string& name, const std::vector<int32_t>& inputs,
          const std::vector<int32_t>& outputs, Options options = 0) {
    int32_t builtin = 0;
    while (tflite_builtin_name(builtin) != name && builtin < 1000) ++builtin;
    add(code(builtin, ""), inputs, outputs, options, 0);
  }
  void custom(const char* name, const std::vector<int32_t>& inputs,
              const std::vector<int32_t>& outputs, const std::vector<uint8_t>& options = {}) {
    constexpr int32_t kCustom = 32;
    add(code(kCustom, name), inputs, outputs, 0, options.empty() ? 0 : fbb_.CreateVector(options));
  }
  // An operator with any code index, whether or not it exists.
  void raw_op(uint32_t code_index, const std::vector<int32_t>& inputs,
              const std::vector<int32_t>& outputs) {
    add(code_index, inputs, outputs, 0, 0);
  }
  // A buffer that says where in the file its data lies. Returns its index.
  uint32_t outside_buffer(uint64_t offset, uint64_t size) {
    buffers_.push_back(tflite::CreateBuffer(fbb_, 0, offset, size));
    return static_cast<uint32_t>(buffers_.size()) - 1;
  }

  std::string finish(const std::vector<int32_t>& inputs, const std::vector<int32_t>& outputs,
                     uint32_t version = 3) {
    std::vector<flatbuffers::Offset<tflite::OperatorCode>> codes;
    for (const auto& [builtin, name] : codes_) {
      // As converters write it: codes up to 127 in both fields.
      codes.push_back(
          tflite::CreateOperatorCodeDirect(fbb_, static_cast<int8_t>(std::min(builtin, 127)),
                                           name.empty() ? nullptr : name.c_str(), 1, builtin));
    }
    const std::vector graphs = {tflite::CreateSubGraphDirect(
        fbb_, &tensors_, &inputs, &outputs, operators_.empty() ? nullptr : &operators_, "main")};
    return finish_model(
        tflite::CreateModelDirect(fbb_, version, &codes, &graphs, "a test", &buffers_));
  }
  std::string finish_model(flatbuffers::Offset<tflite::Model> model) {
    tflite::FinishModelBuffer(fbb_, model);
    return {reinterpret_cast<const char*>(fbb_.GetBufferPointer()), fbb_.GetSize()};
  }

 private:
  uint32_t code(int32_t builtin, const std::string& name) {
    codes_.emplace_back(builtin, name);
    return static_cast<uint32_t>(codes_.size()) - 1;
  }
  void add(uint32_t code_index, const std::vector<int32_t>& inputs,
           const std::vector<int32_t>& outputs, Options options,
           flatbuffers::Offset<flatbuffers::Vector<uint8_t>> custom_options) {
    const auto in = fbb_.CreateVector(inputs);
    const auto out = fbb_.CreateVector(outputs);
    operators_.push_back(tflite::CreateOperator(fbb_, code_index, in, out, options.IsNull() ? 0 : 1,
                                                flatbuffers::Offset<tflite::Empty>(options.o),
                                                custom_options));
  }

  flatbuffers::FlatBufferBuilder fbb_;
  std::vector<flatbuffers::Offset<tflite::Tensor>> tensors_;
  std::vector<flatbuffers::Offset<tflite::Operator>> operators_;
  std::vector<flatbuffers::Offset<tflite::Buffer>> buffers_ = {tflite::CreateBuffer(fbb_)};
  std::vector<std::pair<int32_t, std::string>> codes_;
};

}  // namespace inferd::import
