// SPDX-License-Identifier: Apache-2.0
//
// A model file as its format tells it: operators, tensors and attributes by the format's own names,
// with no meaning attached. Readers (bytes -> ForeignGraph) know encodings, lowerings (ForeignGraph
// -> ir::Graph) know semantics, and neither knows the other's half.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/base/constant.h"
#include "inferd/engine/engine.h"
#include "inferd/engine/tensor.h"

namespace inferd::import {

struct ForeignTensor {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;  // kDynamicDim where the file leaves it open
  bool shape_known = true;
  Quantization quantization;  // TFLite; empty elsewhere
  bool has_data = false;      // an initializer / constant buffer
  bool is_variable = false;   // TFLite: a state, which nodes change and the next run finds
  // Set when has_data, unless unsupported. The reader has checked its size against shape and dtype.
  std::shared_ptr<const Constant> data;
  bool was_4bit = false;  // a constant of 4-bit integers in the file, unpacked to 8 bits here
  // Why the engine cannot have this tensor (an element type it lacks, sparse data); empty: it can.
  // Matters only where an operator or the graph uses it. Then nothing above but the name is sure.
  std::string unsupported;
};

struct ForeignGraph;

// TFLite options, ONNX attributes. Floats and ints keep the file's width. A graph is the body of an
// if or a loop; unless it is closed it uses tensors of the graph around it by their names.
using ForeignAttr =
    std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                 std::vector<std::string>, ForeignTensor, std::shared_ptr<const ForeignGraph>>;

struct ForeignNode {
  std::string op;      // "CONV_2D", "Conv", "TFLite_Detection_PostProcess"
  std::string domain;  // ONNX operator domain, "custom" for TFLite custom operators; "" by default
  std::string name;    // "" where the file has none
  int version = 0;
  std::vector<std::string> inputs;  // tensor names; "" for an absent optional input
  std::vector<std::string> outputs;
  std::map<std::string, ForeignAttr> attrs;
};

struct ForeignGraph {
  std::string name;                              // TFLite: no other graph of the file has it
  std::string format;                            // "tflite", "onnx"
  std::string description;                       // producer, for inspect
  std::map<std::string, int64_t> opsets;         // ONNX: domain -> version
  std::vector<ForeignNode> nodes;                // in the file's order
  std::map<std::string, ForeignTensor> tensors;  // every tensor by (unique) name
  std::vector<std::string> inputs;               // without initializers
  std::vector<std::string> outputs;
  bool is_closed = false;  // a body that uses nothing of the graph around it but its inputs
  // As ir::Graph has them: the last inputs and outputs are what the model remembers.
  std::vector<std::shared_ptr<const Constant>> initial_states;
  std::vector<std::string> signatures;  // TFLite: ways to use the file, each a graph of it
  std::string signature;                // the one that this is; empty where the file has none
};

}  // namespace inferd::import
