// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "engine/ir/infer.h"

namespace inferd::ir {
namespace {

// Bodies were made for other shapes, maybe: they tell types and ranks only.
Shape of_rank(int rank) {
  Shape shape;
  for (int d = 0; d < rank; ++d) shape.push_back(kDynamicDim);
  return shape;
}

void set_unknown(Value& value) {
  value.shape = Shape();
  value.shape_known = false;
}

Status check_body(const InferContext& c, const Graph& body, size_t inputs, size_t outputs) {
  if (body.inputs().size() == inputs && body.outputs().size() == outputs) return ok_status();
  return c.error("a body has " + std::to_string(body.inputs().size()) + " inputs and " +
                 std::to_string(body.outputs().size()) + " outputs, not " + std::to_string(inputs) +
                 " and " + std::to_string(outputs));
}

}  // namespace

// Keeps what the model file declares.
Status infer_late(Graph&, const Node&) { return ok_status(); }

Status infer_if(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  if (node.bodies.size() != 2) return c.error("needs two bodies");
  for (const auto& body : node.bodies) {
    INFERD_RETURN_IF_ERROR(check_body(c, *body, c.inputs() - 1, node.outputs.size()));
  }
  if (c.input(0).dtype != DType::kBool) return c.error("the condition must be BOOL");
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const Value& a = node.bodies[0]->value(node.bodies[0]->outputs()[i]);
    const Value& b = node.bodies[1]->value(node.bodies[1]->outputs()[i]);
    // That both make the same is known only when nothing in them waits, and checked when they run.
    c.output(i).dtype = a.dtype;
    c.output(i).quantization = a.quantization;
    if (a.shape_known && b.shape_known && a.shape.rank() == b.shape.rank()) {
      INFERD_RETURN_IF_ERROR(c.set(of_rank(a.shape.rank()), i));
    } else {
      set_unknown(c.output(i));
    }
  }
  return ok_status();
}

Status infer_loop(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<LoopAttrs>();
  if (node.bodies.size() != 1) return c.error("needs one body");
  if (attrs.carried < 0 || attrs.scanned < 0) return c.error("a negative number of values");
  const Graph& body = *node.bodies[0];
  const auto carried = static_cast<size_t>(attrs.carried);
  const auto scanned = static_cast<size_t>(attrs.scanned);
  INFERD_RETURN_IF_ERROR(check_body(c, body, c.inputs(), 1 + carried + scanned));
  if (c.inputs() < 2 + carried || node.outputs.size() != carried + scanned) {
    return c.error("has " + std::to_string(c.inputs()) + " inputs and " +
                   std::to_string(node.outputs.size()) + " outputs for " + std::to_string(carried) +
                   " carried values");
  }
  if (c.input(0).dtype != DType::kInt64 || c.input(1).dtype != DType::kBool ||
      body.value(body.outputs()[0]).dtype != DType::kBool) {
    return c.error("the most iterations must be INT64 and conditions BOOL");
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const Value& made = body.value(body.outputs()[1 + i]);
    c.output(i).dtype = made.dtype;
    c.output(i).quantization = made.quantization;
    const bool stacked = i >= carried;
    const bool same_rank =
        made.shape_known && (stacked || (c.input(2 + i).shape_known &&
                                         c.input(2 + i).shape.rank() == made.shape.rank()));
    const int rank = made.shape.rank() + (stacked ? 1 : 0);
    if (same_rank && rank <= kMaxRank) {
      INFERD_RETURN_IF_ERROR(c.set(of_rank(rank), i));
    } else {
      set_unknown(c.output(i));
    }
  }
  return ok_status();
}

}  // namespace inferd::ir
