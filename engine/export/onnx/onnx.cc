// SPDX-License-Identifier: Apache-2.0
#include "engine/export/onnx/onnx.h"

#include <algorithm>

#include "engine/export/export.h"
#include "engine/export/onnx/operators.h"

namespace inferd::exporter {
namespace {

constexpr size_t kMaxBytes = (size_t{1} << 31) - 1;  // of a Protocol Buffers message

struct Row {
  OpKind kind;
  WriteNode write;
};

const Row kRows[] = {
    {OpKind::kArgMax, write_arg_max},
    {OpKind::kAveragePool2d, write_average_pool},
    {OpKind::kBatchNorm, write_batch_norm},
    {OpKind::kBinary, write_binary},
    {OpKind::kCast, write_cast},
    {OpKind::kClamp, write_clamp},
    {OpKind::kConcat, write_concat},
    {OpKind::kConv2d, write_conv},
    {OpKind::kDepthwiseConv2d, write_depthwise_conv},
    {OpKind::kDequantize, write_dequantize},
    {OpKind::kExpand, write_expand},
    {OpKind::kFullyConnected, write_fully_connected},
    {OpKind::kGather, write_gather},
    {OpKind::kMatMul, write_matmul},
    {OpKind::kMaxPool2d, write_max_pool},
    {OpKind::kNormalize, write_normalize},
    {OpKind::kPad, write_pad},
    {OpKind::kPRelu, write_prelu},
    {OpKind::kQuantize, write_quantize},
    {OpKind::kReduce, write_reduce},
    {OpKind::kRequantize, write_requantize},
    {OpKind::kReshape, write_reshape},
    {OpKind::kResize, write_resize},
    {OpKind::kSlice, write_slice},
    {OpKind::kSoftmax, write_softmax},
    {OpKind::kTranspose, write_transpose},
    {OpKind::kUnary, write_unary},
};

Status write_node(Emit& e, const ir::Node& node) {
  const auto row = std::ranges::find(kRows, node.kind, &Row::kind);
  if (row == std::end(kRows)) return unimplemented("ONNX has no form of this operator");
  return row->write(e, node);
}

}  // namespace

Status write_onnx(const ir::Graph& graph, const std::string& path) {
  Document document;
  Tensors tensors(graph, document);
  for (const ir::ValueId id : graph.inputs()) {
    document.input(tensors.outer_name(id), tensors.info(id).dtype, tensors.info(id).shape);
  }
  Emit e{document, tensors};
  for (const ir::Node& node : graph.nodes()) {
    INFERD_RETURN_IF_ERROR(write_node(e, node).with_context(path + ": " + ir::title(node)));
  }
  for (const ir::ValueId id : graph.outputs()) {
    const std::string& name = tensors.outer_name(id);
    const std::string made = tensors.name(id, Layout::kPlain);
    if (made != name) document.node("Identity", name, {made}, name);
    document.output(name, tensors.info(id).dtype, tensors.info(id).shape);
  }
  const std::string bytes = document.serialize();
  if (bytes.empty() || bytes.size() > kMaxBytes) {
    return resource_exhausted("'" + path + "': the model is larger than an ONNX file can be");
  }
  return replace_file(path, bytes);
}

}  // namespace inferd::exporter
