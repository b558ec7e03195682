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
    {OpKind::kCompare, write_compare},
    {OpKind::kConcat, write_concat},
    {OpKind::kConv2d, write_conv},
    {OpKind::kConvTranspose2d, write_conv_transpose},
    {OpKind::kCumSum, write_cum_sum},
    {OpKind::kDepthwiseConv2d, write_depthwise_conv},
    {OpKind::kDequantize, write_dequantize},
    {OpKind::kDeterminant, write_determinant},
    {OpKind::kExpand, write_expand},
    {OpKind::kFullyConnected, write_fully_connected},
    {OpKind::kGather, write_gather},
    {OpKind::kGatherElements, write_gather_elements},
    {OpKind::kGatherNd, write_gather_nd},
    {OpKind::kGridSample, write_grid_sample},
    {OpKind::kLocalResponseNorm, write_local_response_norm},
    {OpKind::kMatMul, write_matmul},
    {OpKind::kMaxPool2d, write_max_pool},
    {OpKind::kNormalize, write_normalize},
    {OpKind::kOneHot, write_one_hot},
    {OpKind::kPad, write_pad},
    {OpKind::kPRelu, write_prelu},
    {OpKind::kQuantize, write_quantize},
    {OpKind::kReduce, write_reduce},
    {OpKind::kRequantize, write_requantize},
    {OpKind::kReshape, write_reshape},
    {OpKind::kResize, write_resize},
    {OpKind::kResizeAxis, write_resize_axis},
    {OpKind::kReverseSequence, write_reverse_sequence},
    {OpKind::kScatterElements, write_scatter_elements},
    {OpKind::kScatterNd, write_scatter_nd},
    {OpKind::kSelect, write_select},
    {OpKind::kSlice, write_slice},
    {OpKind::kSoftmax, write_softmax},
    {OpKind::kTile, write_tile},
    {OpKind::kTopK, write_top_k},
    {OpKind::kTranspose, write_transpose},
    {OpKind::kTrilu, write_trilu},
    {OpKind::kUnary, write_unary},
};

Status write_node(Emit& e, const ir::Node& node) {
  const auto row = std::ranges::find(kRows, node.kind, &Row::kind);
  if (row == std::end(kRows)) return unimplemented("ONNX has no form of this operator");
  return row->write(e, node);
}

// All of them, or UNIMPLEMENTED with all that ONNX lacks.
Status write_nodes(Emit& e, const ir::Graph& graph) {
  std::vector<std::string> missing;
  for (const ir::Node& node : graph.nodes()) {
    const Status status = write_node(e, node);
    if (status.ok()) continue;
    missing.push_back(ir::title(node) + ": " + status.message());
    for (const ir::ValueId id : node.outputs) e.tensors.define(id, Layout::kPlain);
  }
  if (missing.empty()) return ok_status();
  std::string list;
  for (const std::string& line : missing) list += "\n  " + line;
  return unimplemented(std::to_string(missing.size()) + " operator" +
                       (missing.size() == 1 ? "" : "s") + " cannot be written as ONNX:" + list);
}

}  // namespace

Status write_onnx(const ir::Graph& graph, const std::string& path) {
  Document document;
  Tensors tensors(graph, document);
  for (const ir::ValueId id : graph.inputs()) {
    document.input(tensors.outer_name(id), tensors.info(id).dtype, tensors.info(id).shape);
  }
  Emit e{document, tensors};
  INFERD_RETURN_IF_ERROR(write_nodes(e, graph).with_context(path));
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
