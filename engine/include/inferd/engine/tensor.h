// SPDX-License-Identifier: Apache-2.0
//
// What a tensor is: element type, shape, quantization, and views of its bytes.
// Tensors are dense and row-major (the last dimension varies fastest), little-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd {

enum class DType : uint8_t {
  kFloat32,
  kFloat16,
  kFloat64,
  kInt8,
  kUInt8,
  kInt16,
  kUInt16,
  kInt32,
  kUInt32,
  kInt64,
  kUInt64,
  kBool,  // one byte, 0 or 1
};

size_t dtype_size(DType dtype);  // bytes of one element

// The names of the Open Inference Protocol: "FP32", "INT8", "BOOL", ...
std::string_view dtype_name(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);

inline constexpr int kMaxRank = 8;

// A dimension that is not known before a request arrives.
inline constexpr int64_t kDynamicDim = -1;

// Up to kMaxRank dimensions, held in place. Rank 0 is a scalar with one element.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);
  explicit Shape(std::span<const int64_t> dims);  // precondition: dims.size() <= kMaxRank

  int rank() const { return rank_; }
  int64_t operator[](int i) const { return dims_[static_cast<size_t>(i)]; }
  int64_t& operator[](int i) { return dims_[static_cast<size_t>(i)]; }
  int64_t back() const { return dims_[static_cast<size_t>(rank_ - 1)]; }  // rank() > 0
  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }
  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }
  void push_back(int64_t dim);  // precondition: rank() < kMaxRank

  bool is_static() const;  // no dynamic dimension

  // Product of dims [first, last). Precondition: static, and validated by checked_elements() once
  // (sizes that come from outside go through that function first).
  int64_t elements(int first, int last) const;
  int64_t elements() const { return elements(0, rank_); }

  bool operator==(const Shape& other) const;
  std::string to_string() const;  // "[1,224,224,3]"; dynamic dimensions print as "?"

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

// Number of elements, or an error when a dimension is negative or the product (or the byte size
// with `dtype`) does not fit in int64.
Result<int64_t> checked_elements(const Shape& shape);
Result<int64_t> checked_bytes(DType dtype, const Shape& shape);

// Affine quantization: real = scale * (stored - zero_point).
// One scale for the tensor, or one for each index along `axis`. Empty scales: not quantized.
struct Quantization {
  std::vector<float> scales;
  std::vector<int32_t> zero_points;  // same length as scales
  int axis = 0;                      // meaningful when scales.size() > 1

  bool empty() const { return scales.empty(); }
  bool per_channel() const { return scales.size() > 1; }
  float scale() const { return scales[0]; }
  int32_t zero_point() const { return zero_points[0]; }
  bool operator==(const Quantization&) const = default;
};

// An input or output of a model.
struct TensorInfo {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;  // kDynamicDim where any size is taken
  Quantization quantization;
};

// Borrowed bytes with a type. The owner outlives the view.
struct TensorView {
  DType dtype = DType::kFloat32;
  Shape shape;
  std::span<const std::byte> data;

  template <typename T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data.data()), data.size() / sizeof(T)};
  }
};

// INVALID_ARGUMENT when `shape` is not what the input takes, is not static, or does not fit in
// memory. Where the input's shape is dynamic, any size above 0 is taken.
Status check_shape(const TensorInfo& input, const Shape& shape);

// INVALID_ARGUMENT when tensors from outside are not what a model takes: their count, or the type,
// shape or byte size of one. The message names the input, what was given and what is expected.
Status check_inputs(std::span<const TensorInfo> expected, std::span<const TensorView> given);

// Every element as a number, to look at; large 64-bit integers are rounded.
std::vector<double> to_numbers(const TensorView& tensor);

struct MutableTensorView {
  DType dtype = DType::kFloat32;
  Shape shape;
  std::span<std::byte> data;

  operator TensorView() const {
    return {dtype, shape, data};
  }  // NOLINT(google-explicit-constructor)
  template <typename T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(data.data()), data.size() / sizeof(T)};
  }
};

}  // namespace inferd
