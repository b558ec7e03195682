// SPDX-License-Identifier: Apache-2.0
#include "engine/base/op.h"

namespace inferd {

std::string_view op_name(OpKind op) {
  switch (op) {
    case OpKind::kConv2d:
      return "conv2d";
    case OpKind::kDepthwiseConv2d:
      return "depthwise_conv2d";
    case OpKind::kConvTranspose2d:
      return "conv_transpose2d";
    case OpKind::kFullyConnected:
      return "fully_connected";
    case OpKind::kMatMul:
      return "matmul";
    case OpKind::kBinary:
      return "binary";
    case OpKind::kCompare:
      return "compare";
    case OpKind::kSelect:
      return "select";
    case OpKind::kUnary:
      return "unary";
    case OpKind::kClamp:
      return "clamp";
    case OpKind::kPRelu:
      return "prelu";
    case OpKind::kRandom:
      return "random";
    case OpKind::kMaxPool2d:
      return "max_pool2d";
    case OpKind::kAveragePool2d:
      return "average_pool2d";
    case OpKind::kMaxPoolIndices:
      return "max_pool_indices";
    case OpKind::kReduce:
      return "reduce";
    case OpKind::kArgMax:
      return "arg_max";
    case OpKind::kSoftmax:
      return "softmax";
    case OpKind::kConcat:
      return "concat";
    case OpKind::kSlice:
      return "slice";
    case OpKind::kTrim:
      return "trim";
    case OpKind::kPad:
      return "pad";
    case OpKind::kReshape:
      return "reshape";
    case OpKind::kTranspose:
      return "transpose";
    case OpKind::kStridedCopy:
      return "strided_copy";
    case OpKind::kExpand:
      return "expand";
    case OpKind::kGather:
      return "gather";
    case OpKind::kResize:
      return "resize";
    case OpKind::kResizeAxis:
      return "resize_axis";
    case OpKind::kGridSample:
      return "grid_sample";
    case OpKind::kRoiAlign:
      return "roi_align";
    case OpKind::kCast:
      return "cast";
    case OpKind::kQuantize:
      return "quantize";
    case OpKind::kDequantize:
      return "dequantize";
    case OpKind::kRequantize:
      return "requantize";
    case OpKind::kLookup:
      return "lookup";
    case OpKind::kBatchNorm:
      return "batch_norm";
    case OpKind::kShape:
      return "shape";
    case OpKind::kLate:
      return "late";
    case OpKind::kIf:
      return "if";
    case OpKind::kLoop:
      return "loop";
    case OpKind::kDetectionPostProcess:
      return "detection_post_process";
  }
  return "unknown";
}

}  // namespace inferd
