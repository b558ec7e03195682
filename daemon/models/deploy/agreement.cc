// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/deploy/agreement.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <sstream>

namespace inferd::models {
namespace {

// By how many tolerances they differ; at most 1 agrees.
double distance(double got, double expected, const Tolerance& tolerance) {
  if (got == expected || (std::isnan(got) && std::isnan(expected))) return 0;
  if (!std::isfinite(got) || !std::isfinite(expected)) return INFINITY;
  const double allowed = tolerance.abs + tolerance.rel * std::abs(expected);
  return allowed > 0 ? std::abs(got - expected) / allowed : INFINITY;
}

template <typename T>
bool all_finite(std::span<const T> values) {
  return std::all_of(values.begin(), values.end(), [](T value) { return std::isfinite(value); });
}

// An exponent of all ones.
bool all_finite_halves(std::span<const uint16_t> values) {
  constexpr uint16_t kExponent = 0x7C00;
  return std::all_of(values.begin(), values.end(),
                     [](uint16_t value) { return (value & kExponent) != kExponent; });
}

}  // namespace

Status check_close(const std::string& name, std::span<const double> got,
                   std::span<const double> expected, const Tolerance& tolerance) {
  if (got.size() != expected.size()) {
    return data_loss("output '" + name + "' has " + std::to_string(got.size()) +
                     " elements instead of " + std::to_string(expected.size()));
  }
  size_t off = 0, worst = 0;
  double largest = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double here = distance(got[i], expected[i], tolerance);
    if (here > 1) ++off;
    if (here > largest) {
      largest = here;
      worst = i;
    }
  }
  if (off == 0) return ok_status();
  std::ostringstream text;
  text << "output '" << name << "' differs in " << off << " of " << got.size()
       << " elements, the most in element " << worst << ": " << got[worst] << " instead of "
       << expected[worst] << " (abs " << tolerance.abs << ", rel " << tolerance.rel
       << " are allowed)";
  return data_loss(text.str());
}

bool is_finite(const TensorView& tensor) {
  switch (tensor.dtype) {
    case DType::kFloat32:
      return all_finite(tensor.as<float>());
    case DType::kFloat64:
      return all_finite(tensor.as<double>());
    case DType::kFloat16:
      return all_finite_halves(tensor.as<uint16_t>());
    default:
      return true;
  }
}

bool is_empty(const TensorView& tensor) {
  return std::all_of(tensor.data.begin(), tensor.data.end(),
                     [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace inferd::models
