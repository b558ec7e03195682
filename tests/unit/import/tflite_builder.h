// SPDX-License-Identifier: Apache-2.0
//
// Writes small TensorFlow Lite files, right or wrong ones, through the reader's own schema.
#pragma once

#include <flatbuffers/flatbuffers.h>
#include <flatbuffers/flexbuffers.h>

#include <algorithm>
#include <map>
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
  kTfliteInt8 = 9,
  kTfliteComplex128 = 11,
  kTfliteResource = 13
};

// The number of an operator's table of options in the union that the format keeps it in, for those
// that files for the official runtime need.
inline uint8_t tflite_options_kind(const std::string& op) {
  static const std::map<std::string, uint8_t> kinds = {
      {"SVDF", 6},
      {"RNN", 7},
      {"FULLY_CONNECTED", 8},
      {"SOFTMAX", 9},
      {"L2_NORMALIZATION", 12},
      {"LSTM", 14},
      {"CALL", 16},
      {"MEAN", 27},
      {"SUM", 27},
      {"REDUCE_MAX", 27},
      {"REDUCE_MIN", 27},
      {"REDUCE_PROD", 27},
      {"UNIDIRECTIONAL_SEQUENCE_RNN", 31},
      {"FAKE_QUANT", 58},
      {"BIDIRECTIONAL_SEQUENCE_LSTM", 69},
      {"BIDIRECTIONAL_SEQUENCE_RNN", 70},
      {"UNIDIRECTIONAL_SEQUENCE_LSTM", 71},
      {"LEAKY_RELU", 75},
      {"IF", 92},
      {"WHILE", 93},
      {"CALL_ONCE", 103},
      {"VAR_HANDLE", 111},
      {"MULTINOMIAL", 114},
      {"BUCKETIZE", 115},
  };
  const auto kind = kinds.find(op);
  return kind == kinds.end() ? uint8_t{1} : kind->second;
}

// How the data of a tensor is sparse, level by level.
struct TfliteLevel {
  int32_t dense_size = 0;  // > 0: a dense level
  std::vector<int32_t> segments = {}, indices = {};
};
struct TfliteSparsity {
  std::vector<int32_t> order;
  std::vector<int32_t> block_map;
  std::vector<TfliteLevel> levels;
};

struct TfliteTensor {
  std::string name;
  std::vector<int32_t> shape;
  int8_t type = kTfliteFloat;
  std::vector<float> scales = {};
  std::vector<int64_t> zero_points = {};
  int32_t axis = 0;
  std::vector<int32_t> signature = {};
  std::optional<TfliteSparsity> sparsity = {};
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
    const auto sparsity = t.sparsity ? add_sparsity(*t.sparsity) : 0;
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
    add(code(builtin, ""), inputs, outputs, options, 0, tflite_options_kind(name));
  }
  // Ends the graph that was being made, which operators of others name by the number returned, and
  // begins another. The one that finish() ends is number 0.
  int32_t end_body(const std::vector<int32_t>& inputs, const std::vector<int32_t>& outputs) {
    bodies_.push_back(end_graph(inputs, outputs, "body"));
    return static_cast<int32_t>(bodies_.size());
  }
  // A way to use graph `graph`; names of its tensors by their indices.
  void signature(const char* key, const std::vector<std::pair<std::string, uint32_t>>& inputs,
                 const std::vector<std::pair<std::string, uint32_t>>& outputs, uint32_t graph = 0) {
    const auto maps = [&](const auto& names) {
      std::vector<flatbuffers::Offset<tflite::TensorMap>> all;
      all.reserve(names.size());
      for (const auto& [name, index] : names) {
        all.push_back(tflite::CreateTensorMapDirect(fbb_, name.c_str(), index));
      }
      return fbb_.CreateVector(all);
    };
    const auto in = maps(inputs);
    const auto out = maps(outputs);
    signatures_.push_back(
        tflite::CreateSignatureDef(fbb_, in, out, fbb_.CreateString(key), 0, graph));
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
    std::vector graphs = {end_graph(inputs, outputs, "main")};
    graphs.insert(graphs.end(), bodies_.begin(), bodies_.end());
    return finish_model(tflite::CreateModelDirect(fbb_, version, &codes, &graphs, "a test",
                                                  &buffers_, nullptr, nullptr,
                                                  signatures_.empty() ? nullptr : &signatures_));
  }
  std::string finish_model(flatbuffers::Offset<tflite::Model> model) {
    tflite::FinishModelBuffer(fbb_, model);
    return {reinterpret_cast<const char*>(fbb_.GetBufferPointer()), fbb_.GetSize()};
  }

 private:
  flatbuffers::Offset<tflite::SubGraph> end_graph(const std::vector<int32_t>& inputs,
                                                  const std::vector<int32_t>& outputs,
                                                  const char* name) {
    const auto graph = tflite::CreateSubGraphDirect(
        fbb_, &tensors_, &inputs, &outputs, operators_.empty() ? nullptr : &operators_, name);
    tensors_.clear();
    operators_.clear();
    return graph;
  }
  flatbuffers::Offset<tflite::SparsityParameters> add_sparsity(const TfliteSparsity& sparsity) {
    std::vector<flatbuffers::Offset<tflite::DimensionMetadata>> levels;
    constexpr uint8_t kInt32Array = 1;
    for (const TfliteLevel& level : sparsity.levels) {
      if (level.dense_size > 0) {
        levels.push_back(tflite::CreateDimensionMetadata(fbb_, 0, level.dense_size));
        continue;
      }
      const auto segments = tflite::CreateInt32VectorDirect(fbb_, &level.segments);
      const auto indices = tflite::CreateInt32VectorDirect(fbb_, &level.indices);
      levels.push_back(tflite::CreateDimensionMetadata(
          fbb_, 1, 0, kInt32Array, flatbuffers::Offset<tflite::Empty>(segments.o), kInt32Array,
          flatbuffers::Offset<tflite::Empty>(indices.o)));
    }
    return tflite::CreateSparsityParametersDirect(fbb_, &sparsity.order, &sparsity.block_map,
                                                  &levels);
  }
  uint32_t code(int32_t builtin, const std::string& name) {
    codes_.emplace_back(builtin, name);
    return static_cast<uint32_t>(codes_.size()) - 1;
  }
  void add(uint32_t code_index, const std::vector<int32_t>& inputs,
           const std::vector<int32_t>& outputs, Options options,
           flatbuffers::Offset<flatbuffers::Vector<uint8_t>> custom_options,
           uint8_t options_kind = 1) {
    const auto in = fbb_.CreateVector(inputs);
    const auto out = fbb_.CreateVector(outputs);
    operators_.push_back(tflite::CreateOperator(
        fbb_, code_index, in, out, options.IsNull() ? uint8_t{0} : options_kind,
        flatbuffers::Offset<tflite::Empty>(options.o), custom_options));
  }

  flatbuffers::FlatBufferBuilder fbb_;
  std::vector<flatbuffers::Offset<tflite::Tensor>> tensors_;
  std::vector<flatbuffers::Offset<tflite::Operator>> operators_;
  std::vector<flatbuffers::Offset<tflite::SubGraph>> bodies_;
  std::vector<flatbuffers::Offset<tflite::SignatureDef>> signatures_;
  std::vector<flatbuffers::Offset<tflite::Buffer>> buffers_ = {tflite::CreateBuffer(fbb_)};
  std::vector<std::pair<int32_t, std::string>> codes_;
};

}  // namespace inferd::import
