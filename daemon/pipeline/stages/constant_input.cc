// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/stages/constant_input.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

#include "daemon/pipeline/stages/model_input.h"

namespace inferd::pipeline {
namespace {

constexpr std::string_view kPrefix = "constant.";
constexpr int64_t kMostElements = 65536;

template <typename T>
bool append(double number, std::vector<std::byte>& bytes) {
  if constexpr (std::is_integral_v<T>) {
    // Exact in a double: all that is below is, of 64 bits what is at most 2^53.
    const double most =
        std::min(static_cast<double>(std::numeric_limits<T>::max()), 9007199254740992.);
    const double least =
        std::max(static_cast<double>(std::numeric_limits<T>::min()), -9007199254740992.);
    if (!(number >= least && number <= most) || number != std::floor(number)) return false;
  }
  const T value = static_cast<T>(number);
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return false;
  }
  const size_t at = bytes.size();
  bytes.resize(at + sizeof(T));
  std::memcpy(bytes.data() + at, &value, sizeof(T));
  return true;
}

// False: the type does not have this number.
bool append(DType dtype, double number, std::vector<std::byte>& bytes) {
  switch (dtype) {
    case DType::kFloat32:
      return append<float>(number, bytes);
    case DType::kFloat64:
      return append<double>(number, bytes);
    case DType::kInt8:
      return append<int8_t>(number, bytes);
    case DType::kUInt8:
      return append<uint8_t>(number, bytes);
    case DType::kInt16:
      return append<int16_t>(number, bytes);
    case DType::kUInt16:
      return append<uint16_t>(number, bytes);
    case DType::kInt32:
      return append<int32_t>(number, bytes);
    case DType::kUInt32:
      return append<uint32_t>(number, bytes);
    case DType::kInt64:
      return append<int64_t>(number, bytes);
    case DType::kUInt64:
      return append<uint64_t>(number, bytes);
    case DType::kBool:
      return (number == 0 || number == 1) && append<uint8_t>(number, bytes);
    case DType::kFloat16:
      break;
  }
  return false;
}

}  // namespace

Constants::Constants(const config::NodeConfig& node, config::NodeReader& reader) {
  for (const auto& [key, entry] : node.entries) {
    if (key.starts_with(kPrefix))
      values_[key.substr(kPrefix.size())] = {reader.numbers(key), entry.mark};
  }
}

Status Constants::check_names(std::span<const TensorInfo> inputs) const {
  for (const auto& [name, value] : values_) {
    const bool there =
        std::any_of(inputs.begin(), inputs.end(),
                    [&wanted = name](const TensorInfo& info) { return info.name == wanted; });
    if (there) continue;
    std::string known;
    for (const TensorInfo& info : inputs) known += (known.empty() ? "" : ", ") + info.name;
    return invalid_argument(value.mark.to_string() + ": it has no input '" + name +
                            "'; there are: " + known);
  }
  return ok_status();
}

Result<ConstantInput> Constants::make(const TensorInfo& info) const {
  const Value& value = values_.at(info.name);
  const std::string where = value.mark.to_string() + ": input '" + info.name + "' ";
  ConstantInput made{info.dtype, info.shape, {}};
  const auto given = static_cast<int64_t>(value.numbers.size());
  make_static(made.shape, given);
  const int64_t count = made.shape.elements();
  if (count < 1 || count > kMostElements || (given != 1 && given != count)) {
    return invalid_argument(where + made.shape.to_string() + " takes one number for all, or " +
                            std::to_string(count) + "; " + std::to_string(given) + " are given");
  }
  for (int64_t i = 0; i < count; ++i) {
    const double number = value.numbers[given == 1 ? 0 : static_cast<size_t>(i)];
    if (append(info.dtype, number, made.bytes)) continue;
    std::ostringstream text;
    text << where << "is of type " << dtype_name(info.dtype) << ", which cannot be " << number;
    return invalid_argument(text.str());
  }
  return made;
}

}  // namespace inferd::pipeline
