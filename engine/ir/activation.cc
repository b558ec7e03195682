// SPDX-License-Identifier: Apache-2.0
#include "engine/ir/activation.h"

namespace inferd::ir {

Activation* activation_of(Node& node) {
  switch (node.kind) {
    case OpKind::kConv2d:
    case OpKind::kDepthwiseConv2d:
      return &std::get<Conv2dAttrs>(node.attrs).activation;
    case OpKind::kConvTranspose2d:
      return &std::get<ConvTranspose2dAttrs>(node.attrs).activation;
    case OpKind::kFullyConnected:
      return &std::get<FullyConnectedAttrs>(node.attrs).activation;
    case OpKind::kMatMul:
      return &std::get<MatMulAttrs>(node.attrs).activation;
    case OpKind::kClamp:
      return &std::get<ClampAttrs>(node.attrs).range;
    case OpKind::kBinary:
      return &std::get<BinaryAttrs>(node.attrs).activation;
    case OpKind::kMaxPool2d:
    case OpKind::kAveragePool2d:
      return &std::get<Pool2dAttrs>(node.attrs).activation;
    default:
      return nullptr;
  }
}

}  // namespace inferd::ir
