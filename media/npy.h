// SPDX-License-Identifier: Apache-2.0
//
// NumPy's .npy files: one dense tensor with its type and shape.
#pragma once

#include <string>
#include <vector>

#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd::media {

struct Array {
  DType dtype = DType::kFloat32;
  Shape shape;
  std::vector<std::byte> data;

  TensorView view() const { return {dtype, shape, data}; }
};

// Format versions 1 to 3, little-endian, row-major. INVALID_ARGUMENT names the path and what is not
// understood; DATA_LOSS when the file is shorter than its header says.
Result<Array> read_npy(const std::string& path);
Result<Array> parse_npy(std::span<const std::byte> bytes);

// Replaces the file.
Status write_npy(const std::string& path, const TensorView& tensor);

}  // namespace inferd::media
