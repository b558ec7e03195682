// SPDX-License-Identifier: Apache-2.0
//
// An ONNX file that grows: nodes, initializers and unique names. Knows the encoding, not the
// operators. Private to export/onnx.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "inferd/engine/tensor.h"
#include "onnx.pb.h"

namespace inferd::exporter {

int32_t element_type(DType dtype);  // TensorProto.DataType

// A node under construction.
class NodeBuilder {
 public:
  explicit NodeBuilder(onnx::NodeProto* node) : node_(node) {}
  NodeBuilder& output(const std::string& name) {  // one more
    node_->add_output(name);
    return *this;
  }
  NodeBuilder& attr(const char* name, int64_t value);
  NodeBuilder& attr(const char* name, float value);
  NodeBuilder& attr(const char* name, const char* text);
  NodeBuilder& attr(const char* name, std::span<const int64_t> values);
  NodeBuilder& attr(const char* name, std::initializer_list<int64_t> values) {
    return attr(name, std::span(values.begin(), values.size()));
  }

 private:
  onnx::AttributeProto* add(const char* name, int32_t type);
  onnx::NodeProto* node_;
};

class Document {
 public:
  Document();

  // `hint`, or with a number behind it where that is taken.
  std::string unique(const std::string& hint);
  // The same for what is neither an input nor an output: such a name may be shortened.
  std::string inner(const std::string& hint);

  void input(const std::string& name, DType dtype, const Shape& shape);
  void output(const std::string& name, DType dtype, const Shape& shape);
  // The node's name is made unique. "" stands for an optional input that is absent.
  NodeBuilder node(const char* op, const std::string& name, std::span<const std::string> inputs,
                   const std::string& output);
  NodeBuilder node(const char* op, const std::string& name,
                   std::initializer_list<std::string> inputs, const std::string& output) {
    return node(op, name, std::span(inputs.begin(), inputs.size()), output);
  }

  // Returns its name. Scalars and lists are written once, however often they are asked for.
  std::string initializer(const std::string& hint, DType dtype, std::span<const int64_t> dims,
                          std::span<const std::byte> bytes);
  std::string scalar(float value);
  std::string index(int64_t value);  // a scalar too
  std::string ints(std::span<const int64_t> values);
  std::string floats(std::span<const float> values);
  // One number for each entry of `numbers`, or a scalar for a single one.
  std::string scales(std::span<const float> numbers);
  std::string zero_points(std::span<const int32_t> numbers, DType dtype);

  std::string serialize() const { return model_.SerializeAsString(); }

 private:
  std::string shared(const std::string& hint, DType dtype, std::span<const int64_t> dims,
                     std::span<const std::byte> bytes);

  onnx::ModelProto model_;
  std::set<std::string> names_;  // of tensors
  std::set<std::string> node_names_;
  std::map<std::pair<std::string, std::string>, std::string> shared_;  // by type and bytes
};

}  // namespace inferd::exporter
