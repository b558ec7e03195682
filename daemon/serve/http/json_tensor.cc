// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/json_tensor.h"

#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstring>
#include <limits>
#include <utility>

namespace inferd::serve {
namespace {

using Json = nlohmann::json;

// What a JSON value is as an element; false when it is none.
bool convert(const Json& value, bool& out) {
  out = value.is_boolean() && value.get<bool>();
  return value.is_boolean();
}

template <std::integral T>
bool convert(const Json& value, T& out) {
  if (value.is_number_unsigned()) {
    out = static_cast<T>(value.get<uint64_t>());
    return std::in_range<T>(value.get<uint64_t>());
  }
  if (!value.is_number_integer()) return false;
  out = static_cast<T>(value.get<int64_t>());
  return std::in_range<T>(value.get<int64_t>());
}

template <std::floating_point T>
bool convert(const Json& value, T& out) {
  if (!value.is_number()) return false;
  const auto number = value.get<double>();
  // A double beyond the type's range must not be converted.
  if (std::abs(number) > static_cast<double>(std::numeric_limits<T>::max())) return false;
  out = static_cast<T>(number);
  return true;
}

// At most so deep as parse_json() lets it be.
template <typename T>
Status append(const Json& data, DType dtype, std::vector<std::byte>& out) {
  if (data.is_array()) {
    for (const Json& item : data) INFERD_RETURN_IF_ERROR(append<T>(item, dtype, out));
    return ok_status();
  }
  T element{};
  if (!convert(data, element)) {
    // Texts and objects may be megabytes.
    const std::string text = data.is_number() ? data.dump() : data.type_name();
    return invalid_argument("element " + std::to_string(out.size() / sizeof(T)) + " is " + text +
                            ", which is no " + std::string(dtype_name(dtype)));
  }
  const size_t at = out.size();
  out.resize(at + sizeof(T));
  std::memcpy(out.data() + at, &element, sizeof(T));
  return ok_status();
}

void append_element(bool value, std::string& out) { out += value ? "true" : "false"; }

template <typename T>
void append_text(T value, std::string& out) {
  std::array<char, 32> text{};
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
}

template <std::integral T>
void append_element(T value, std::string& out) {
  append_text(value, out);
}

template <std::floating_point T>
void append_element(T value, std::string& out) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value < 0 ? "-Infinity" : "Infinity";
  } else {
    const size_t begin = out.size();
    append_text(value, out);
    // "-0" would be read as a whole number, which has no sign.
    if (out.find_first_of(".e", begin) == std::string::npos) out += ".0";
  }
}

template <typename T>
void append_all(const TensorView& tensor, std::string& out) {
  bool first = true;
  for (size_t at = 0; at < tensor.data.size(); at += sizeof(T)) {
    T element{};
    std::memcpy(&element, tensor.data.data() + at, sizeof(T));
    if (!first) out += ',';
    first = false;
    append_element(element, out);
  }
}

// Calls `function` with a value of the C++ type of `dtype`; not for FP16.
template <typename Function>
void with_type(DType dtype, const Function& function) {
  switch (dtype) {
    case DType::kFloat32:
      return function(float{});
    case DType::kFloat64:
      return function(double{});
    case DType::kInt8:
      return function(int8_t{});
    case DType::kUInt8:
      return function(uint8_t{});
    case DType::kInt16:
      return function(int16_t{});
    case DType::kUInt16:
      return function(uint16_t{});
    case DType::kInt32:
      return function(int32_t{});
    case DType::kUInt32:
      return function(uint32_t{});
    case DType::kInt64:
      return function(int64_t{});
    case DType::kUInt64:
      return function(uint64_t{});
    case DType::kBool:
      return function(bool{});
    case DType::kFloat16:
      break;
  }
}

}  // namespace

Result<std::vector<std::byte>> elements_from_json(const Json& data, DType dtype) {
  if (dtype == DType::kFloat16)
    return invalid_argument("FP16 has no form in JSON; send it as binary data");
  if (!data.is_array()) return invalid_argument("'data' must be an array");
  std::vector<std::byte> bytes;
  Status status;
  with_type(dtype, [&](auto zero) { status = append<decltype(zero)>(data, dtype, bytes); });
  if (!status.ok()) return status;
  return bytes;
}

void append_json(const TensorView& tensor, std::string& out) {
  out += '[';
  with_type(tensor.dtype, [&](auto zero) { append_all<decltype(zero)>(tensor, out); });
  out += ']';
}

}  // namespace inferd::serve
