// SPDX-License-Identifier: Apache-2.0
//
// Writes small ONNX files, right or wrong ones, through the reader's own message classes.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "onnx.pb.h"

namespace inferd::import {

// TensorProto.DataType and AttributeProto.AttributeType
enum OnnxType : int {
  kOnnxFloat = 1,
  kOnnxUInt8 = 2,
  kOnnxInt8 = 3,
  kOnnxInt32 = 6,
  kOnnxInt64 = 7,
  kOnnxString = 8,
  kOnnxBool = 9,
  kOnnxBfloat16 = 16
};

inline onnx::AttributeProto attr(const char* name, int64_t value) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(2);
  a.set_i(value);
  return a;
}
inline onnx::AttributeProto attr(const char* name, int value) {
  return attr(name, static_cast<int64_t>(value));
}
inline onnx::AttributeProto attr(const char* name, float value) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(1);
  a.set_f(value);
  return a;
}
inline onnx::AttributeProto attr(const char* name, const std::vector<float>& values) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(6);
  for (float value : values) a.add_floats(value);
  return a;
}
inline onnx::AttributeProto attr(const char* name, const char* value) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(3);
  a.set_s(value);
  return a;
}
inline onnx::AttributeProto attr(const char* name, std::initializer_list<int64_t> values) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(7);
  for (int64_t v : values) a.add_ints(v);
  return a;
}
inline onnx::AttributeProto floats_attr(const char* name, std::initializer_list<float> values) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(6);
  for (float v : values) a.add_floats(v);
  return a;
}
inline onnx::AttributeProto texts_attr(const char* name, std::initializer_list<const char*> texts) {
  onnx::AttributeProto a;
  a.set_name(name);
  a.set_type(8);
  for (const char* text : texts) a.add_strings(text);
  return a;
}

using OnnxAttrs = std::vector<onnx::AttributeProto>;

class OnnxBuilder {
 public:
  explicit OnnxBuilder(int64_t opset = 13) {
    model_.set_ir_version(7);
    model_.add_opset_import()->set_version(opset);
  }

  onnx::ModelProto& model() { return model_; }
  onnx::GraphProto& graph() { return *model_.mutable_graph(); }

  OnnxBuilder& input(const char* name, const std::vector<int64_t>& dims, int type = kOnnxFloat) {
    declare(graph().add_input(), name, type, dims);
    return *this;
  }
  OnnxBuilder& output(const char* name, const std::vector<int64_t>& dims, int type = kOnnxFloat) {
    declare(graph().add_output(), name, type, dims);
    return *this;
  }
  OnnxBuilder& output_without_shape(const char* name, int type = kOnnxFloat) {
    onnx::ValueInfoProto* info = graph().add_output();
    info->set_name(name);
    info->mutable_type()->mutable_tensor_type()->set_elem_type(type);
    return *this;
  }
  OnnxBuilder& value_info(const char* name, const std::vector<int64_t>& dims,
                          int type = kOnnxFloat) {
    declare(graph().add_value_info(), name, type, dims);
    return *this;
  }

  OnnxBuilder& floats(const char* name, const std::vector<int64_t>& dims,
                      const std::vector<float>& values) {
    onnx::TensorProto& t = tensor(name, dims, kOnnxFloat);
    for (float v : values) t.add_float_data(v);
    return *this;
  }
  OnnxBuilder& ints(const char* name, const std::vector<int64_t>& values) {
    onnx::TensorProto& t = tensor(name, {static_cast<int64_t>(values.size())}, kOnnxInt64);
    for (int64_t v : values) t.add_int64_data(v);
    return *this;
  }
  // Elements in int32_data: INT8, UINT8, INT32, BOOL.
  OnnxBuilder& small(const char* name, const std::vector<int64_t>& dims, int type,
                     const std::vector<int32_t>& values) {
    onnx::TensorProto& t = tensor(name, dims, type);
    for (int32_t v : values) t.add_int32_data(v);
    return *this;
  }
  onnx::TensorProto& tensor(const char* name, const std::vector<int64_t>& dims, int type) {
    onnx::TensorProto* t = graph().add_initializer();
    fill(*t, name, dims, type);
    return *t;
  }
  static void fill(onnx::TensorProto& t, const char* name, const std::vector<int64_t>& dims,
                   int type) {
    t.set_name(name);
    t.set_data_type(type);
    for (int64_t d : dims) t.add_dims(d);
  }

  OnnxBuilder& node(const char* op, const std::vector<const char*>& inputs,
                    const std::vector<const char*>& outputs, const OnnxAttrs& attrs = {},
                    const char* domain = "") {
    onnx::NodeProto* n = graph().add_node();
    n->set_op_type(op);
    if (*domain != '\0') n->set_domain(domain);
    for (const char* name : inputs) n->add_input(name);
    for (const char* name : outputs) n->add_output(name);
    for (const onnx::AttributeProto& a : attrs) *n->add_attribute() = a;
    return *this;
  }

  std::string bytes() const { return model_.SerializeAsString(); }

 private:
  static void declare(onnx::ValueInfoProto* info, const char* name, int type,
                      const std::vector<int64_t>& dims) {
    info->set_name(name);
    auto* tensor = info->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    tensor->mutable_shape();
    for (int64_t d : dims) {
      auto* dim = tensor->mutable_shape()->add_dim();
      if (d >= 0) dim->set_dim_value(d);
    }
  }

  onnx::ModelProto model_;
};

}  // namespace inferd::import
