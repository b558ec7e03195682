// SPDX-License-Identifier: Apache-2.0
#include "engine/ir/ops.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/ir/infer.h"
#include "engine/ir/shape_inference.h"

namespace inferd::ir {
namespace {

template <typename A, size_t I = 0>
constexpr size_t index_of() {
  if constexpr (std::is_same_v<A, std::variant_alternative_t<I, OpAttrs>>) {
    return I;
  } else {
    return index_of<A, I + 1>();
  }
}

constexpr int kAny = -1;
constexpr size_t kNone = index_of<std::monostate>();

using K = OpKind;
// clang-format off
const std::array<OpInfo, kOpKindCount> kOps = {{
  // kind                    name                inputs    outputs attributes                       moves  shapes                       multiply-accumulates
  {K::kConv2d,          "conv2d",                2, 3,    1, index_of<Conv2dAttrs>(),          false, infer_conv2d,                macs_conv2d},
  {K::kDepthwiseConv2d, "depthwise_conv2d",      2, 3,    1, index_of<Conv2dAttrs>(),          false, infer_depthwise_conv2d,      macs_depthwise_conv2d},
  {K::kConvTranspose2d, "conv_transpose2d",      2, 3,    1, index_of<ConvTranspose2dAttrs>(), false, infer_conv_transpose2d,      macs_conv_transpose2d},
  {K::kFullyConnected,  "fully_connected",       2, 3,    1, index_of<FullyConnectedAttrs>(),  false, infer_fully_connected,       macs_fully_connected},
  {K::kMatMul,          "matmul",                2, 2,    1, index_of<MatMulAttrs>(),          false, infer_matmul,                macs_matmul},
  {K::kBinary,          "binary",                2, 2,    1, index_of<BinaryAttrs>(),          false, infer_binary,                nullptr},
  {K::kCompare,         "compare",               2, 2,    1, index_of<CompareAttrs>(),         false, infer_compare,               nullptr},
  {K::kSelect,          "select",                3, 3,    1, kNone,                            true,  infer_select,                nullptr},
  {K::kUnary,           "unary",                 1, 1,    1, index_of<UnaryAttrs>(),           false, infer_same,                  nullptr},
  {K::kClamp,           "clamp",                 1, 1,    1, index_of<ClampAttrs>(),           false, infer_same,                  nullptr},
  {K::kPRelu,           "prelu",                 2, 2,    1, kNone,                            false, infer_prelu,                 nullptr},
  {K::kRandom,          "random",                1, 1,    1, index_of<RandomAttrs>(),          false, infer_random,                nullptr},
  {K::kMaxPool2d,       "max_pool2d",            1, 1,    1, index_of<Pool2dAttrs>(),          false, infer_pool2d,                nullptr},
  {K::kAveragePool2d,   "average_pool2d",        1, 1,    1, index_of<Pool2dAttrs>(),          false, infer_pool2d,                nullptr},
  {K::kMaxPoolIndices,  "max_pool_indices",      1, 1,    1, index_of<MaxPoolIndicesAttrs>(),  false, infer_max_pool_indices,      nullptr},
  {K::kReduce,          "reduce",                1, 1,    1, index_of<ReduceAttrs>(),          false, infer_reduce,                nullptr},
  {K::kCumSum,          "cum_sum",               1, 1,    1, index_of<CumSumAttrs>(),          false, infer_cum_sum,               nullptr},
  {K::kArgMax,          "arg_max",               1, 1,    1, index_of<ArgMaxAttrs>(),          false, infer_arg_max,               nullptr},
  {K::kSoftmax,         "softmax",               1, 1,    1, index_of<SoftmaxAttrs>(),         false, infer_softmax,               nullptr},
  {K::kNormalize,       "normalize",             1, 3,    1, index_of<NormalizeAttrs>(),       false, infer_normalize,             nullptr},
  {K::kLocalResponseNorm, "local_response_norm", 1, 1,    1, index_of<LocalResponseNormAttrs>(), false, infer_local_response_norm, nullptr},
  {K::kDeterminant,     "determinant",           1, 1,    1, kNone,                            false, infer_determinant,           nullptr},
  {K::kConcat,          "concat",                1, kAny, 1, index_of<ConcatAttrs>(),          true,  infer_concat,                nullptr},
  {K::kSlice,           "slice",                 1, 1,    1, index_of<SliceAttrs>(),           true,  infer_slice,                 nullptr},
  {K::kTrim,            "trim",                  2, 2,    1, index_of<TrimAttrs>(),            true,  infer_trim,                  nullptr},
  {K::kPad,             "pad",                   1, 2,    1, index_of<PadAttrs>(),             true,  infer_pad,                   nullptr},
  {K::kReshape,         "reshape",               1, 2,    1, index_of<ReshapeAttrs>(),         true,  infer_reshape,               nullptr},
  {K::kTranspose,       "transpose",             1, 1,    1, index_of<TransposeAttrs>(),       true,  infer_transpose,             nullptr},
  {K::kStridedCopy,     "strided_copy",          1, 1,    1, index_of<StridedCopyAttrs>(),     true,  infer_strided_copy,          nullptr},
  {K::kExpand,          "expand",                2, 2,    1, kNone,                            true,  infer_expand,                nullptr},
  {K::kTile,            "tile",                  2, 2,    1, kNone,                            true,  infer_tile,                  nullptr},
  {K::kReverseSequence, "reverse_sequence",      2, 2,    1, index_of<ReverseSequenceAttrs>(), true,  infer_reverse_sequence,      nullptr},
  {K::kTrilu,           "trilu",                 1, 2,    1, index_of<TriluAttrs>(),           true,  infer_trilu,                 nullptr},
  {K::kGather,          "gather",                2, 2,    1, index_of<GatherAttrs>(),          true,  infer_gather,                nullptr},
  {K::kGatherElements,  "gather_elements",       2, 2,    1, index_of<GatherAttrs>(),          true,  infer_gather_elements,       nullptr},
  {K::kGatherNd,        "gather_nd",             2, 2,    1, index_of<GatherNdAttrs>(),        true,  infer_gather_nd,             nullptr},
  {K::kScatterElements, "scatter_elements",      3, 3,    1, index_of<ScatterAttrs>(),         true,  infer_scatter_elements,      nullptr},
  {K::kScatterNd,       "scatter_nd",            3, 3,    1, index_of<ScatterAttrs>(),         true,  infer_scatter_nd,            nullptr},
  {K::kUpdateSlice,     "update_slice",          3, 3,    1, kNone,                            true,  infer_update_slice,          nullptr},
  {K::kRange,           "range",                 3, 3,    1, kNone,                            false, infer_range,                 nullptr},
  {K::kOneHot,          "one_hot",               3, 3,    1, index_of<OneHotAttrs>(),          false, infer_one_hot,               nullptr},
  {K::kTopK,            "top_k",                 2, 2,    2, index_of<TopKAttrs>(),            true,  infer_top_k,                 nullptr},
  {K::kNonZero,         "non_zero",              1, 1,    2, kNone,                            false, infer_non_zero,              nullptr},
  {K::kUnique,          "unique",                1, 1,    5, index_of<UniqueAttrs>(),          true,  infer_unique,                nullptr},
  {K::kResize,          "resize",                1, 1,    1, index_of<ResizeAttrs>(),          true,  infer_resize,                nullptr},
  {K::kResizeAxis,      "resize_axis",           1, 1,    1, index_of<ResizeAxisAttrs>(),      false, infer_resize_axis,           nullptr},
  {K::kGridSample,      "grid_sample",           2, 2,    1, index_of<GridSampleAttrs>(),      false, infer_grid_sample,           nullptr},
  {K::kRoiAlign,        "roi_align",             3, 3,    1, index_of<RoiAlignAttrs>(),        false, infer_roi_align,             nullptr},
  {K::kCast,            "cast",                  1, 1,    1, kNone,                            false, infer_same,                  nullptr},
  {K::kQuantize,        "quantize",              1, 1,    1, kNone,                            false, infer_quantize,              nullptr},
  {K::kDequantize,      "dequantize",            1, 1,    1, kNone,                            false, infer_dequantize,            nullptr},
  {K::kRequantize,      "requantize",            1, 1,    1, index_of<RequantizeAttrs>(),      false, infer_quantize,              nullptr},
  {K::kLookup,          "lookup",                2, 2,    1, kNone,                            false, infer_lookup,                nullptr},
  {K::kBatchNorm,       "batch_norm",            3, 3,    1, index_of<BatchNormAttrs>(),       false, infer_batch_norm,            nullptr},
  {K::kShape,           "shape",                 1, 1,    1, kNone,                            false, infer_shape,                 nullptr},
  {K::kLate,            "late",                  0, kAny, kAny, kNone,                         false, infer_late,                  nullptr},
  {K::kIf,              "if",                    1, kAny, kAny, kNone,                         false, infer_if,                    nullptr},
  {K::kLoop,            "loop",                  2, kAny, kAny, index_of<LoopAttrs>(),         false, infer_loop,                  nullptr},
  {K::kNonMaxSuppression, "non_max_suppression",   2, 2,    3, index_of<NonMaxSuppressionAttrs>(), false, infer_non_max_suppression,   nullptr},
  {K::kDetectionPostProcess, "detection_post_process", 3, 3, 4, index_of<DetectionPostProcessAttrs>(), false, infer_detection_post_process, nullptr},
  {K::kRnn,             "rnn",                   3, 4,    2, index_of<RnnAttrs>(),             false, infer_rnn,                   macs_recurrent},
  {K::kGru,             "gru",                   3, 5,    2, index_of<GruAttrs>(),             false, infer_gru,                   macs_recurrent},
  {K::kLstm,            "lstm",                  4, 10,   3, index_of<LstmAttrs>(),            false, infer_lstm,                  macs_recurrent},
  {K::kQuantizedLstm,   "quantized_lstm",        6, 9,    3, index_of<QuantizedLstmAttrs>(),   false, infer_quantized_lstm,        macs_quantized_lstm},
  {K::kSvdf,            "svdf",                  4, 5,    2, index_of<SvdfAttrs>(),            false, infer_svdf,                  macs_svdf},
  {K::kTreeEnsemble,    "tree_ensemble",         6, 6,    1, index_of<TreeEnsembleAttrs>(),    false, infer_tree_ensemble,         nullptr},
}};
// clang-format on

// Outputs whose types follow from the operator alone. They are not quantized.
struct OutputType {
  OpKind kind;
  size_t output;
  DType dtype;
};
constexpr OutputType kOutputTypes[] = {
    {K::kCompare, 0, DType::kBool},
    {K::kMaxPoolIndices, 0, DType::kInt64},
    {K::kTopK, 1, DType::kInt64},
    {K::kNonZero, 0, DType::kInt64},
    {K::kNonZero, 1, DType::kInt64},
    {K::kUnique, 1, DType::kInt64},
    {K::kUnique, 2, DType::kInt64},
    {K::kUnique, 3, DType::kInt64},
    {K::kUnique, 4, DType::kInt64},
    {K::kDequantize, 0, DType::kFloat32},
    {K::kShape, 0, DType::kInt64},
    {K::kNonMaxSuppression, 0, DType::kInt64},
    {K::kNonMaxSuppression, 1, DType::kFloat32},
    {K::kNonMaxSuppression, 2, DType::kInt64},
    {K::kDetectionPostProcess, 0, DType::kFloat32},
    {K::kDetectionPostProcess, 1, DType::kFloat32},
    {K::kDetectionPostProcess, 2, DType::kFloat32},
    {K::kDetectionPostProcess, 3, DType::kFloat32},
};

template <size_t... kIndices>
OpAttrs alternative(size_t index, std::index_sequence<kIndices...>) {
  OpAttrs attrs;
  static_cast<void>(((index == kIndices && (attrs.emplace<kIndices>(), true)) || ...));
  return attrs;
}

}  // namespace

bool runs_in_stages(OpKind kind) {
  return kind == OpKind::kLate || kind == OpKind::kIf || kind == OpKind::kLoop;
}

const OpInfo& op_info(OpKind kind) { return kOps[static_cast<size_t>(kind)]; }

OpAttrs default_attrs(OpKind kind) {
  return alternative(op_info(kind).attrs_index,
                     std::make_index_sequence<std::variant_size_v<OpAttrs>>());
}

std::optional<OpKind> op_from_name(std::string_view name) {
  const auto found = std::ranges::find(kOps, name, &OpInfo::name);
  if (found == kOps.end()) return std::nullopt;
  return found->kind;
}

Status InferContext::set(const Shape& shape, size_t i) const {
  output(i).shape = shape;
  output(i).shape_known = true;
  if (!shape.is_static()) return ok_status();
  if (Result<int64_t> bytes = checked_bytes(output(i).dtype, shape); !bytes.ok()) {
    return error(bytes.status().message());
  }
  return ok_status();
}

Status InferContext::set_unknown() const {
  output().shape = Shape();
  output().shape_known = false;
  return ok_status();
}

Status InferContext::error(const std::string& message) const {
  return invalid_argument(std::string(op_name(node_.kind)) + " '" + node_.name + "': " + message);
}

Status infer_shapes(Graph& graph, const Node& node) {
  const OpInfo& info = op_info(node.kind);
  const InferContext context(graph, node);
  const auto inputs = static_cast<int>(node.inputs.size());
  if (inputs < info.min_inputs || (info.max_inputs != kAny && inputs > info.max_inputs)) {
    return context.error("has " + std::to_string(inputs) + " inputs");
  }
  if (info.outputs != kAny && static_cast<int>(node.outputs.size()) != info.outputs) {
    return context.error("has " + std::to_string(node.outputs.size()) + " outputs, not " +
                         std::to_string(info.outputs));
  }
  if (node.attrs.index() != info.attrs_index)
    return context.error("has the wrong kind of attributes");
  // Before shapes, which may be known much later: others take their types from these.
  for (const OutputType& type : kOutputTypes) {
    if (type.kind != node.kind) continue;
    context.output(type.output).dtype = type.dtype;
    context.output(type.output).quantization = {};
  }
  if (info.moves_data) context.output().dtype = context.input(0).dtype;
  for (ValueId id : node.inputs) {
    if (graph.value(id).shape_known || runs_in_stages(node.kind)) continue;
    // Without a rank nothing can be said of any output.
    for (ValueId out : node.outputs) {
      graph.value(out).shape = Shape();
      graph.value(out).shape_known = false;
    }
    return ok_status();
  }
  return info.infer(graph, node);
}

Status infer_shapes(Graph& graph) {
  for (const Node& node : graph.nodes()) INFERD_RETURN_IF_ERROR(infer_shapes(graph, node));
  return ok_status();
}

}  // namespace inferd::ir
