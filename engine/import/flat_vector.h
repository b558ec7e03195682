// SPDX-License-Identifier: Apache-2.0
//
// Reading of FlatBuffers, whose verifier does not see to it that numbers are aligned.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>

namespace inferd::import {

static_assert(std::endian::native == std::endian::little, "as FlatBuffers are");

// Element `i` of a flatbuffers::Vector of numbers, wherever it lies: only the vector's length was
// checked to be aligned, and Vector::Get() reads wider elements behind it as if they were too.
template <typename Vector>
typename Vector::value_type element(const Vector& vector, size_t i) {
  typename Vector::value_type value;
  std::memcpy(&value, vector.Data() + i * sizeof(value), sizeof(value));
  return value;
}

// The same for a struct of a vector or a table.
template <typename T>
T copied(const T* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

}  // namespace inferd::import
