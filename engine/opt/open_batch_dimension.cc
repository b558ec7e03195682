// SPDX-License-Identifier: Apache-2.0
//
// Finds out whether dimension 0 of a model is a batch: every value that depends on an input carries
// one slice per batch element along dimension 0, and no operator mixes slices. Then dimension 0
// becomes dynamic, of states too: each element is a sequence of its own.
#include <algorithm>

#include "engine/ir/shape_inference.h"
#include "engine/opt/passes.h"

namespace inferd::opt {
namespace {

bool contains(const std::vector<int>& axes, int axis) {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

class BatchOpener {
 public:
  explicit BatchOpener(ir::Graph& graph) : graph_(graph), batched_(graph.value_count(), false) {}

  bool run() {
    for (ir::ValueId id : graph_.inputs()) {
      if (!has_unit_batch(graph_.value(id))) return false;
      batched_[index(id)] = true;
    }
    for (ir::Node& node : graph_.nodes()) {
      const bool depends = std::any_of(node.inputs.begin(), node.inputs.end(),
                                       [&](ir::ValueId id) { return batched_[index(id)]; });
      if (!depends) continue;
      if (!keeps_batch(node)) return false;
      for (ir::ValueId id : node.outputs) {
        if (!has_unit_batch(graph_.value(id))) return false;
        batched_[index(id)] = true;
      }
    }
    return !graph_.inputs().empty() &&
           std::all_of(graph_.outputs().begin(), graph_.outputs().end(),
                       [&](ir::ValueId id) { return batched_[index(id)]; });
  }

 private:
  static size_t index(ir::ValueId id) { return static_cast<size_t>(id); }

  static bool has_unit_batch(const ir::Value& v) {
    return v.shape_known && v.shape.is_static() && v.shape.rank() >= 1 && v.shape[0] == 1 &&
           !(v.quantization.per_channel() && v.quantization.axis == 0);
  }

  // An operand that is the same for each batch element: broadcast along dimension 0 of an output of
  // rank `rank`.
  bool same_for_all(ir::ValueId id, int rank) const {
    const ir::Value& v = graph_.value(id);
    return batched_[index(id)] ? v.shape.rank() == rank
                               : v.shape.rank() < rank || v.shape.rank() == 0 || v.shape[0] == 1;
  }

  // A recurrent operator whose inputs [begin, end) are what it starts from, [batch, size]; of the
  // others only the first depends on the batch.
  bool starts_from(const ir::Node& node, size_t begin, size_t end) const {
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      const bool state = i >= begin && i < end;
      if (state ? !same_for_all(node.inputs[i], 2) : batched_[index(node.inputs[i])]) return false;
    }
    return true;
  }

  bool all_batched(const ir::Node& node) const {
    return std::all_of(node.inputs.begin(), node.inputs.end(),
                       [&](ir::ValueId id) { return batched_[index(id)]; });
  }

  bool keeps_batch(ir::Node& node) {
    const bool only_first = std::none_of(node.inputs.begin() + 1, node.inputs.end(),
                                         [&](ir::ValueId id) { return batched_[index(id)]; });
    const ir::Value& x = graph_.value(node.inputs[0]);
    const int rank = graph_.value(node.outputs[0]).shape.rank();
    switch (node.kind) {
      case OpKind::kConv2d:
      case OpKind::kDepthwiseConv2d:
      case OpKind::kConvTranspose2d:
      case OpKind::kBatchNorm:
      case OpKind::kMaxPool2d:
      case OpKind::kAveragePool2d:
      case OpKind::kMaxPoolIndices:
      case OpKind::kResize:
      case OpKind::kUnary:
      case OpKind::kClamp:
      case OpKind::kCast:
      case OpKind::kQuantize:
      case OpKind::kDequantize:
      case OpKind::kRequantize:
      case OpKind::kLookup:
      case OpKind::kTreeEnsemble:
        return only_first;
      case OpKind::kRnn:
        return !std::get<RnnAttrs>(node.attrs).lengths && starts_from(node, 2, 3);
      case OpKind::kGru:
        return !std::get<GruAttrs>(node.attrs).lengths && starts_from(node, 2, 3);
      case OpKind::kLstm:
        return !std::get<LstmAttrs>(node.attrs).lengths && starts_from(node, 2, 4);
      case OpKind::kQuantizedLstm:
        return starts_from(node, 4, 6);
      case OpKind::kSvdf:  // its state is an operand of its own for each element
        return batched_[index(node.inputs[3])] && !batched_[index(node.inputs[1])] &&
               !batched_[index(node.inputs[2])] &&
               (node.inputs.size() < 5 || !batched_[index(node.inputs[4])]);
      case OpKind::kFullyConnected:
        return only_first && x.shape.rank() >= 2;
      case OpKind::kBinary:
      case OpKind::kCompare:
      case OpKind::kSelect:
      case OpKind::kPRelu:
        return std::all_of(node.inputs.begin(), node.inputs.end(),
                           [&](ir::ValueId id) { return same_for_all(id, rank); });
      case OpKind::kMatMul:
        return rank >= 3 && std::all_of(node.inputs.begin(), node.inputs.end(),
                                        [&](ir::ValueId id) { return same_for_all(id, rank); });
      case OpKind::kConcat:
        return std::get<ConcatAttrs>(node.attrs).axis != 0 && all_batched(node);
      case OpKind::kResizeAxis:
        return std::get<ResizeAxisAttrs>(node.attrs).axis != 0;
      case OpKind::kGridSample:
        return all_batched(node);
      case OpKind::kReduce:
        return !contains(std::get<ReduceAttrs>(node.attrs).axes, 0);
      case OpKind::kCumSum:
        return std::get<CumSumAttrs>(node.attrs).axis != 0;
      case OpKind::kLocalResponseNorm:
        return std::get<LocalResponseNormAttrs>(node.attrs).axis != 0;
      case OpKind::kDeterminant:
        return rank >= 1;
      case OpKind::kNormalize:
        return std::get<NormalizeAttrs>(node.attrs).axis != 0 &&
               std::all_of(node.inputs.begin(), node.inputs.end(),
                           [&](ir::ValueId id) { return same_for_all(id, rank); });
      case OpKind::kArgMax:
        return std::get<ArgMaxAttrs>(node.attrs).axis != 0;
      case OpKind::kSoftmax: {
        const int axis = std::get<SoftmaxAttrs>(node.attrs).axis;
        return axis != 0 && axis != -rank;
      }
      case OpKind::kTranspose:
        return std::get<TransposeAttrs>(node.attrs).perm[0] == 0;
      case OpKind::kStridedCopy:
        return std::get<StridedCopyAttrs>(node.attrs).each_slice;
      case OpKind::kGather: {
        const auto& attrs = std::get<GatherAttrs>(node.attrs);
        return attrs.batch_dims > 0 ? all_batched(node) : only_first && attrs.axis != 0;
      }
      case OpKind::kGatherNd:
        return all_batched(node) && std::get<GatherNdAttrs>(node.attrs).batch_dims > 0;
      case OpKind::kGatherElements:
        return all_batched(node) && std::get<GatherAttrs>(node.attrs).axis != 0;
      case OpKind::kOneHot:
        return only_first && std::get<OneHotAttrs>(node.attrs).axis != 0;
      case OpKind::kReverseSequence: {
        const auto& attrs = std::get<ReverseSequenceAttrs>(node.attrs);
        return attrs.batch_axis == 0 ? all_batched(node) : only_first && attrs.time_axis != 0;
      }
      case OpKind::kTile:
        return only_first && repeats_once(node);
      case OpKind::kTopK:
        return only_first && std::get<TopKAttrs>(node.attrs).axis != 0;
      case OpKind::kTrilu:
        return only_first && rank > 2;
      case OpKind::kPad: {
        const auto& attrs = std::get<PadAttrs>(node.attrs);
        return only_first && attrs.before[0] == 0 && attrs.after[0] == 0;
      }
      case OpKind::kSlice:
        return open_slice(std::get<SliceAttrs>(node.attrs));
      case OpKind::kReshape:
        return only_first && open_reshape(node);
      default:
        return false;
    }
  }

  // A constant number of times, along dimension 0 once.
  bool repeats_once(const ir::Node& tile) const {
    const Result<std::vector<int64_t>> repeats = ir::constant_ints(graph_, tile.inputs[1]);
    return repeats.ok() && !repeats->empty() && repeats->front() == 1;
  }

  static bool open_slice(SliceAttrs& attrs) {
    if (attrs.begin[0] != 0 || attrs.step[0] != 1) return false;
    attrs.end[0] = kSliceEnd;
    return true;
  }

  // Both sides have dimension 0 == 1 and the rest keeps its elements, so each batch element is
  // reshaped alone.
  bool open_reshape(ir::Node& node) {
    const Shape& y = graph_.value(node.outputs[0]).shape;
    if (y.rank() < 1 || y[0] != 1) return false;
    std::vector<int64_t> dims(y.begin(), y.end());
    if (std::find(dims.begin(), dims.end(), 0) != dims.end()) return false;
    dims[0] = 0;
    node.inputs.resize(1);
    node.attrs = ReshapeAttrs{std::move(dims), false};
    return true;
  }

  ir::Graph& graph_;
  std::vector<bool> batched_;  // by value: depends on an input
};

}  // namespace

Result<bool> open_batch_dimension(ir::Graph& graph) {
  ir::Graph opened = graph;
  if (!BatchOpener(opened).run()) return false;
  for (ir::ValueId id : opened.inputs()) opened.value(id).shape[0] = kDynamicDim;
  INFERD_RETURN_IF_ERROR(ir::infer_shapes(opened));
  const bool all_open =
      std::all_of(opened.outputs().begin(), opened.outputs().end(), [&](ir::ValueId id) {
        const ir::Value& y = opened.value(id);
        return y.shape_known && y.shape[0] == kDynamicDim;
      });
  if (!all_open) return false;
  graph = std::move(opened);
  return true;
}

}  // namespace inferd::opt
