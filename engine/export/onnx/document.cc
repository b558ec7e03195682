// SPDX-License-Identifier: Apache-2.0
#include "engine/export/onnx/document.h"

namespace inferd::exporter {
namespace {

constexpr int64_t kIrVersion = 8;
constexpr int64_t kOpset = 17;

// AttributeProto.AttributeType
constexpr int32_t kFloat = 1;
constexpr int32_t kInt = 2;
constexpr int32_t kString = 3;
constexpr int32_t kInts = 7;

std::string unique_in(std::set<std::string>& names, const std::string& hint) {
  std::string name = hint;
  for (int i = 1; !names.insert(name).second; ++i) name = hint + "_" + std::to_string(i);
  return name;
}

// TensorFlow's converters join the names of all operators that they fused with semicolons.
std::string first_part(const std::string& name) { return name.substr(0, name.find(';')); }

void describe(onnx::ValueInfoProto* info, const std::string& name, DType dtype,
              const Shape& shape) {
  info->set_name(name);
  onnx::TypeProto::Tensor* type = info->mutable_type()->mutable_tensor_type();
  type->set_elem_type(element_type(dtype));
  type->mutable_shape();  // a scalar has one without dimensions
  for (const int64_t dim : shape) type->mutable_shape()->add_dim()->set_dim_value(dim);
}

}  // namespace

int32_t element_type(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return 1;
    case DType::kUInt8:
      return 2;
    case DType::kInt8:
      return 3;
    case DType::kUInt16:
      return 4;
    case DType::kInt16:
      return 5;
    case DType::kInt32:
      return 6;
    case DType::kInt64:
      return 7;
    case DType::kBool:
      return 9;
    case DType::kFloat16:
      return 10;
    case DType::kFloat64:
      return 11;
    case DType::kUInt32:
      return 12;
    case DType::kUInt64:
      return 13;
  }
  return 0;
}

onnx::AttributeProto* NodeBuilder::add(const char* name, int32_t type) {
  onnx::AttributeProto* attribute = node_->add_attribute();
  attribute->set_name(name);
  attribute->set_type(type);
  return attribute;
}

NodeBuilder& NodeBuilder::attr(const char* name, int64_t value) {
  add(name, kInt)->set_i(value);
  return *this;
}

NodeBuilder& NodeBuilder::attr(const char* name, float value) {
  add(name, kFloat)->set_f(value);
  return *this;
}

NodeBuilder& NodeBuilder::attr(const char* name, const char* text) {
  add(name, kString)->set_s(text);
  return *this;
}

NodeBuilder& NodeBuilder::attr(const char* name, std::span<const int64_t> values) {
  onnx::AttributeProto* attribute = add(name, kInts);
  for (const int64_t value : values) attribute->add_ints(value);
  return *this;
}

Document::Document() {
  model_.set_ir_version(kIrVersion);
  model_.set_producer_name("inferd");
  model_.mutable_graph()->set_name("model");
  onnx::OperatorSetIdProto* opset = model_.add_opset_import();
  opset->set_domain("");
  opset->set_version(kOpset);
}

std::string Document::unique(const std::string& hint) {
  return unique_in(names_, hint.empty() ? "value" : hint);
}

std::string Document::inner(const std::string& hint) { return unique(first_part(hint)); }

void Document::input(const std::string& name, DType dtype, const Shape& shape) {
  describe(model_.mutable_graph()->add_input(), name, dtype, shape);
}

void Document::output(const std::string& name, DType dtype, const Shape& shape) {
  describe(model_.mutable_graph()->add_output(), name, dtype, shape);
}

NodeBuilder Document::node(const char* op, const std::string& name,
                           std::span<const std::string> inputs, const std::string& output) {
  onnx::NodeProto* node = model_.mutable_graph()->add_node();
  node->set_op_type(op);
  node->set_name(unique_in(node_names_, name.empty() ? op : first_part(name)));
  for (const std::string& input : inputs) node->add_input(input);
  node->add_output(output);
  return NodeBuilder(node);
}

std::string Document::initializer(const std::string& hint, DType dtype,
                                  std::span<const int64_t> dims, std::span<const std::byte> bytes) {
  onnx::TensorProto* tensor = model_.mutable_graph()->add_initializer();
  tensor->set_name(inner(hint));
  tensor->set_data_type(element_type(dtype));
  for (const int64_t dim : dims) tensor->add_dims(dim);
  tensor->set_raw_data(bytes.data(), bytes.size());
  return tensor->name();
}

std::string Document::shared(const std::string& hint, DType dtype, std::span<const int64_t> dims,
                             std::span<const std::byte> bytes) {
  const std::string type =
      hint + std::to_string(element_type(dtype)) + "/" + std::to_string(dims.size());
  const std::string content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string& name = shared_[{type, content}];
  if (name.empty()) name = initializer(hint, dtype, dims, bytes);
  return name;
}

std::string Document::scalar(float value) {
  return shared("scalar", DType::kFloat32, {}, std::as_bytes(std::span(&value, 1)));
}

std::string Document::index(int64_t value) {
  return shared("index", DType::kInt64, {}, std::as_bytes(std::span(&value, 1)));
}

std::string Document::ints(std::span<const int64_t> values) {
  const std::array dims = {static_cast<int64_t>(values.size())};
  return shared("ints", DType::kInt64, dims, std::as_bytes(values));
}

std::string Document::floats(std::span<const float> values) {
  const std::array dims = {static_cast<int64_t>(values.size())};
  return shared("scales", DType::kFloat32, dims, std::as_bytes(values));
}

std::string Document::scales(std::span<const float> numbers) {
  return numbers.size() == 1 ? scalar(numbers[0]) : floats(numbers);
}

std::string Document::zero_points(std::span<const int32_t> numbers, DType dtype) {
  std::vector<std::byte> bytes;
  for (const int32_t number : numbers) {
    const auto* first = reinterpret_cast<const std::byte*>(&number);  // little-endian: low first
    bytes.insert(bytes.end(), first, first + dtype_size(dtype));
  }
  std::vector<int64_t> dims;
  if (numbers.size() > 1) dims.push_back(static_cast<int64_t>(numbers.size()));
  return shared("zero_point", dtype, dims, bytes);
}

}  // namespace inferd::exporter
