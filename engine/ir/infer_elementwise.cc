// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "engine/ir/infer.h"

namespace inferd::ir {

bool broadcast(const Shape& a, const Shape& b, Shape* out) {
  const int rank = std::max(a.rank(), b.rank());
  Shape result;
  for (int i = 0; i < rank; ++i) {
    const int ia = i - (rank - a.rank());
    const int ib = i - (rank - b.rank());
    const int64_t da = ia < 0 ? 1 : a[ia];
    const int64_t db = ib < 0 ? 1 : b[ib];
    if (da == db || db == 1) {
      result.push_back(da);
    } else if (da == 1) {
      result.push_back(db);
    } else if (da == kDynamicDim) {
      result.push_back(db);  // the unknown one must be 1 or this
    } else if (db == kDynamicDim) {
      result.push_back(da);
    } else {
      return false;
    }
  }
  *out = result;
  return true;
}

Status infer_same(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  return c.set(c.input(0).shape);
}

Status infer_lookup(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const Value& table = c.input(1);
  if (!(table.shape == Shape{256}) || dtype_size(c.input(0).dtype) != 1 ||
      table.dtype != c.output().dtype || dtype_size(table.dtype) != 1) {
    return c.error("takes 8-bit values and a table of 256 of its output's type");
  }
  return c.set(c.input(0).shape);
}

namespace {

// The shape that all inputs broadcast to.
Status broadcast_inputs(const InferContext& c, Shape* y) {
  *y = c.input(0).shape;
  for (size_t i = 1; i < c.inputs(); ++i) {
    if (!broadcast(*y, c.input(i).shape, y)) {
      return c.error("shapes " + y->to_string() + " and " + c.input(i).shape.to_string() +
                     " do not broadcast");
    }
  }
  return ok_status();
}

Status same_types(const InferContext& c) {
  if (c.input(0).dtype == c.input(1).dtype) return ok_status();
  return c.error("operands are " + std::string(dtype_name(c.input(0).dtype)) + " and " +
                 std::string(dtype_name(c.input(1).dtype)));
}

}  // namespace

Status infer_binary(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  Shape y;
  // Quantized operands may be stored in two types.
  if (c.input(0).quantization.empty()) INFERD_RETURN_IF_ERROR(same_types(c));
  INFERD_RETURN_IF_ERROR(broadcast_inputs(c, &y));
  return c.set(y);
}

Status infer_compare(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  Shape y;
  INFERD_RETURN_IF_ERROR(same_types(c));
  INFERD_RETURN_IF_ERROR(broadcast_inputs(c, &y));
  return c.set(y);
}

Status infer_select(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  Shape y;
  INFERD_RETURN_IF_ERROR(same_types(c));
  if (c.input(2).dtype != DType::kBool) {
    return c.error("selects by " + std::string(dtype_name(c.input(2).dtype)) + ", not by BOOL");
  }
  if (c.input(0).quantization != c.input(1).quantization) {
    return c.error("operands have different quantizations");
  }
  INFERD_RETURN_IF_ERROR(broadcast_inputs(c, &y));
  return c.set(y);
}

Status infer_prelu(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  Shape y;
  const Shape& x = c.input(0).shape;
  bool fits = broadcast(x, c.input(1).shape, &y) && y.rank() == x.rank();
  for (int d = 0; fits && d < x.rank(); ++d) fits = x[d] == kDynamicDim || x[d] == y[d];
  if (!fits) {
    return c.error("slope " + c.input(1).shape.to_string() + " does not broadcast to " +
                   x.to_string());
  }
  return c.set(x);
}

Status infer_random(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const DType y = c.output().dtype;
  if (y != DType::kFloat32 && y != DType::kFloat64 && y != DType::kFloat16) {
    return c.error("makes real numbers, not " + std::string(dtype_name(y)));
  }
  return c.set(c.input(0).shape);
}

Status infer_quantize(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  if (c.output().quantization.empty()) return c.error("output has no quantization");
  return c.set(c.input(0).shape);
}

Status infer_dequantize(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  if (c.input(0).dtype != DType::kFloat16 && c.input(0).quantization.empty()) {
    return c.error("input has no quantization");
  }
  return c.set(c.input(0).shape);
}

Status infer_detection_post_process(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<DetectionPostProcessAttrs>();
  const Shape& boxes = c.input(0).shape;
  const Shape& scores = c.input(1).shape;
  const Shape& anchors = c.input(2).shape;
  constexpr int kMaxDetections = 1 << 16;
  if (attrs.max_detections < 1 || attrs.max_detections > kMaxDetections ||
      attrs.max_classes_per_detection < 1 || attrs.max_classes_per_detection > 1024 ||
      attrs.num_classes < 1 || attrs.detections_per_class < 1) {
    return c.error("max_detections, max_classes_per_detection and num_classes must be positive");
  }
  if (boxes.rank() != 3 || boxes[0] != 1 || boxes[2] != 4 || scores.rank() != 3 || scores[0] != 1 ||
      anchors.rank() != 2 || anchors[1] != 4 || boxes[1] != scores[1] || boxes[1] != anchors[0] ||
      boxes[1] < 1) {
    return c.error("needs boxes [1,A,4], scores [1,A,K] and anchors [A,4], got " +
                   boxes.to_string() + ", " + scores.to_string() + " and " + anchors.to_string());
  }
  if (scores[2] != attrs.num_classes && scores[2] != attrs.num_classes + 1) {
    return c.error("scores " + scores.to_string() + " do not fit " +
                   std::to_string(attrs.num_classes) + " classes with or without background");
  }
  const int64_t count = int64_t{attrs.max_detections} * attrs.max_classes_per_detection;
  INFERD_RETURN_IF_ERROR(c.set({1, count, 4}, 0));
  INFERD_RETURN_IF_ERROR(c.set({1, count}, 1));
  INFERD_RETURN_IF_ERROR(c.set({1, count}, 2));
  return c.set({1}, 3);
}

}  // namespace inferd::ir
