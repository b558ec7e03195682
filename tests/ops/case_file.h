// SPDX-License-Identifier: Apache-2.0
//
// Operator cases as text, one file for each operator; README.md describes the format.
#pragma once

#include <string>
#include <vector>

#include "engine/base/op.h"
#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd::ops {

struct CaseTensor {
  DType dtype = DType::kFloat32;
  Shape shape;
  Quantization quantization;
  std::vector<std::byte> data;
  bool constant = false;  // of inputs: known when the kernel is chosen
  double tolerance = 0;   // of float32 outputs: of max(1, |expected|)
};

struct OpCase {
  int line = 0;
  std::string title;
  OpAttrs attrs;
  std::vector<CaseTensor> inputs;
  std::vector<CaseTensor> outputs;  // what must come out
};

// The cases of `text`, all of operator `kind`. Fails with INVALID_ARGUMENT, "NAME:LINE: what".
Result<std::vector<OpCase>> parse_cases(OpKind kind, const std::string& name,
                                        const std::string& text);

}  // namespace inferd::ops
