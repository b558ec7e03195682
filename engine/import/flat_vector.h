// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstring>

namespace inferd::import {

// Element `i` of a vector of numbers, wherever it lies: FlatBuffers' verifier aligns a vector's
// length, and Vector::Get() reads wider elements behind it as if they were aligned too.
template <typename T>
T element(const flatbuffers::Vector<T>& vector, flatbuffers::uoffset_t i) {
  T value;
  std::memcpy(&value, vector.Data() + i * sizeof(T), sizeof(T));
  return flatbuffers::EndianScalar(value);
}

// The same for a struct of a vector or a table.
template <typename T>
T copied(const T* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

}  // namespace inferd::import
