// SPDX-License-Identifier: Apache-2.0
//
// The smallest model files that there are: for tests of what happens to files, not of what is in
// them.
#pragma once

#include <string>

namespace inferd {

// An ONNX file: y = relu(x), float32 of shape [2, width]. Encoded by hand, as onnx.proto has it.
inline std::string relu_model(int width) {
  // A field of Protocol Buffers: its number, then a number or bytes; all are below 128.
  const auto number = [](int field, int value) {
    return std::string{static_cast<char>(field << 3), static_cast<char>(value)};
  };
  const auto bytes = [](int field, const std::string& value) {
    return std::string{static_cast<char>(field << 3 | 2), static_cast<char>(value.size())} + value;
  };
  const auto tensor = [&](const std::string& name) {
    const std::string shape = bytes(1, number(1, 2)) + bytes(1, number(1, width));
    const std::string type = bytes(1, number(1, 1) + bytes(2, shape));
    return bytes(1, name) + bytes(2, type);
  };
  const std::string node = bytes(1, "x") + bytes(2, "y") + bytes(4, "Relu");
  const std::string graph =
      bytes(1, node) + bytes(2, "g") + bytes(11, tensor("x")) + bytes(12, tensor("y"));
  const std::string opset = number(2, 13);
  return number(1, 8) + bytes(7, graph) + bytes(8, opset);
}

}  // namespace inferd
