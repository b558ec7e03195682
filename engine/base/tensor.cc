// SPDX-License-Identifier: Apache-2.0
#include "inferd/engine/tensor.h"

#include <algorithm>

#include "engine/base/checked.h"
#include "engine/base/float16.h"

namespace inferd {
namespace {

struct DTypeRow {
  DType dtype;
  size_t size;
  std::string_view name;
};
constexpr DTypeRow kDTypes[] = {
    {DType::kFloat32, 4, "FP32"},  {DType::kFloat16, 2, "FP16"},  {DType::kFloat64, 8, "FP64"},
    {DType::kInt8, 1, "INT8"},     {DType::kUInt8, 1, "UINT8"},   {DType::kInt16, 2, "INT16"},
    {DType::kUInt16, 2, "UINT16"}, {DType::kInt32, 4, "INT32"},   {DType::kUInt32, 4, "UINT32"},
    {DType::kInt64, 8, "INT64"},   {DType::kUInt64, 8, "UINT64"}, {DType::kBool, 1, "BOOL"},
};

template <typename T>
std::vector<double> as_doubles(const TensorView& tensor) {
  const auto elements = tensor.as<T>();
  std::vector<double> numbers(elements.size());
  std::transform(elements.begin(), elements.end(), numbers.begin(),
                 [](T element) { return static_cast<double>(element); });
  return numbers;
}

std::string title(const TensorInfo& input) { return "input '" + input.name + "'"; }

}  // namespace

size_t dtype_size(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].size; }
std::string_view dtype_name(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeRow& row : kDTypes) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

Shape::Shape(std::initializer_list<int64_t> dims) {
  assert(dims.size() <= static_cast<size_t>(kMaxRank));
  for (int64_t dim : dims) push_back(dim);
}

Shape::Shape(std::span<const int64_t> dims) {
  assert(dims.size() <= static_cast<size_t>(kMaxRank));
  for (int64_t dim : dims) push_back(dim);
}

void Shape::push_back(int64_t dim) {
  assert(rank_ < kMaxRank);
  dims_[static_cast<size_t>(rank_++)] = dim;
}

bool Shape::is_static() const {
  return std::all_of(begin(), end(), [](int64_t dim) { return dim >= 0; });
}

int64_t Shape::elements(int first, int last) const {
  int64_t product = 1;
  for (int i = first; i < last; ++i) product *= (*this)[i];
  return product;
}

bool Shape::operator==(const Shape& other) const {
  return std::equal(begin(), end(), other.begin(), other.end());
}

std::string Shape::to_string() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) {
    if (i > 0) text += ',';
    text += (*this)[i] == kDynamicDim ? "?" : std::to_string((*this)[i]);
  }
  return text + "]";
}

Result<int64_t> checked_elements(const Shape& shape) {
  int64_t product = 1;
  bool zero = false;
  for (int64_t dim : shape.dims()) {
    if (dim < 0) return invalid_argument("shape " + shape.to_string() + " is not static");
    if (dim == 0) {
      zero = true;
    } else if (!checked_mul(product, dim, &product)) {
      return invalid_argument("shape " + shape.to_string() +
                              " has more elements than an int64 can count");
    }
  }
  return zero ? 0 : product;
}

Result<int64_t> checked_bytes(DType dtype, const Shape& shape) {
  INFERD_ASSIGN_OR_RETURN(int64_t elements, checked_elements(shape));
  int64_t bytes = 0;
  if (!checked_mul(elements, static_cast<int64_t>(dtype_size(dtype)), &bytes)) {
    return invalid_argument("a tensor of shape " + shape.to_string() + " is too large");
  }
  if (!addressable(bytes)) {
    return invalid_argument("a tensor of shape " + shape.to_string() + " has " +
                            std::to_string(bytes) + " bytes, more than this machine can address");
  }
  return bytes;
}

Status check_shape(const TensorInfo& input, const Shape& shape) {
  bool fits = shape.rank() == input.shape.rank() && shape.is_static();
  for (int d = 0; fits && d < shape.rank(); ++d) {
    fits = input.shape[d] == kDynamicDim ? shape[d] > 0 : input.shape[d] == shape[d];
  }
  if (!fits) {
    return invalid_argument(title(input) + " has shape " + shape.to_string() +
                            ", the model takes " + input.shape.to_string());
  }
  return checked_bytes(input.dtype, shape).status().with_context(title(input));
}

Status check_inputs(std::span<const TensorInfo> expected, std::span<const TensorView> given) {
  if (given.size() != expected.size()) {
    return invalid_argument("got " + std::to_string(given.size()) +
                            (given.size() == 1 ? " input" : " inputs") + ", the model takes " +
                            std::to_string(expected.size()));
  }
  for (size_t i = 0; i < given.size(); ++i) {
    const TensorView& view = given[i];
    if (view.dtype != expected[i].dtype) {
      return invalid_argument(title(expected[i]) + " has datatype " +
                              std::string(dtype_name(view.dtype)) + ", the model takes " +
                              std::string(dtype_name(expected[i].dtype)));
    }
    INFERD_RETURN_IF_ERROR(check_shape(expected[i], view.shape));
    const auto bytes = static_cast<size_t>(view.shape.elements()) * dtype_size(view.dtype);
    if (view.data.size() != bytes) {
      return invalid_argument(title(expected[i]) + " has " + std::to_string(view.data.size()) +
                              " bytes, shape " + view.shape.to_string() + " needs " +
                              std::to_string(bytes));
    }
  }
  return ok_status();
}

std::vector<double> to_numbers(const TensorView& tensor) {
  switch (tensor.dtype) {
    case DType::kFloat32:
      return as_doubles<float>(tensor);
    case DType::kFloat64:
      return as_doubles<double>(tensor);
    case DType::kInt8:
      return as_doubles<int8_t>(tensor);
    case DType::kInt16:
      return as_doubles<int16_t>(tensor);
    case DType::kInt32:
      return as_doubles<int32_t>(tensor);
    case DType::kInt64:
      return as_doubles<int64_t>(tensor);
    case DType::kUInt8:
    case DType::kBool:
      return as_doubles<uint8_t>(tensor);
    case DType::kUInt16:
      return as_doubles<uint16_t>(tensor);
    case DType::kUInt32:
      return as_doubles<uint32_t>(tensor);
    case DType::kUInt64:
      return as_doubles<uint64_t>(tensor);
    case DType::kFloat16:
      break;
  }
  std::vector<double> numbers;
  for (const uint16_t half : tensor.as<uint16_t>())
    numbers.push_back(static_cast<double>(half_to_float(half)));
  return numbers;
}

}  // namespace inferd
