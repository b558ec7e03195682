// SPDX-License-Identifier: Apache-2.0
//
// The shape rules, one function per operator; rows of the ops table point here. Private to ir.
#pragma once

#include "engine/ir/graph.h"

namespace inferd::ir {

// What a rule sees: the node, its operands, and helpers that write outputs and errors.
class InferContext {
 public:
  InferContext(Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  const Node& node() const { return node_; }
  const Graph& graph() const { return graph_; }
  size_t inputs() const { return node_.inputs.size(); }
  const Value& input(size_t i) const { return graph_.value(node_.inputs[i]); }
  Value& output(size_t i = 0) const { return graph_.value(node_.outputs[i]); }
  template <typename A>
  const A& attrs() const {
    return std::get<A>(node_.attrs);
  }

  // Marks output `i` with a known shape.
  Status set(const Shape& shape, size_t i = 0) const;
  // Output 0's shape is not even known in rank.
  Status set_unknown() const;
  // "conv2d 'name': message"
  Status error(const std::string& message) const;

 private:
  Graph& graph_;
  const Node& node_;
};

// infer_conv.cc
Status infer_conv2d(Graph&, const Node&);
Status infer_depthwise_conv2d(Graph&, const Node&);
Status infer_conv_transpose2d(Graph&, const Node&);
Status infer_pool2d(Graph&, const Node&);
Status infer_max_pool_indices(Graph&, const Node&);
int64_t macs_conv2d(const Graph&, const Node&);
int64_t macs_depthwise_conv2d(const Graph&, const Node&);
int64_t macs_conv_transpose2d(const Graph&, const Node&);

// infer_resize.cc
Status infer_resize(Graph&, const Node&);
Status infer_resize_axis(Graph&, const Node&);
Status infer_grid_sample(Graph&, const Node&);
Status infer_roi_align(Graph&, const Node&);

// infer_matrix.cc
Status infer_fully_connected(Graph&, const Node&);
Status infer_matmul(Graph&, const Node&);
Status infer_determinant(Graph&, const Node&);
int64_t macs_fully_connected(const Graph&, const Node&);
int64_t macs_matmul(const Graph&, const Node&);

// infer_recurrent.cc
Status infer_rnn(Graph&, const Node&);
Status infer_gru(Graph&, const Node&);
Status infer_lstm(Graph&, const Node&);
Status infer_quantized_lstm(Graph&, const Node&);
Status infer_svdf(Graph&, const Node&);
int64_t macs_recurrent(const Graph&, const Node&);
int64_t macs_quantized_lstm(const Graph&, const Node&);
int64_t macs_svdf(const Graph&, const Node&);

// infer_trees.cc
Status infer_tree_ensemble(Graph&, const Node&);

// infer_elementwise.cc
Status infer_same(Graph&, const Node&);  // output 0 is shaped as input 0
Status infer_lookup(Graph&, const Node&);
Status infer_binary(Graph&, const Node&);
Status infer_compare(Graph&, const Node&);
Status infer_select(Graph&, const Node&);
Status infer_prelu(Graph&, const Node&);
Status infer_random(Graph&, const Node&);
Status infer_quantize(Graph&, const Node&);
Status infer_dequantize(Graph&, const Node&);
Status infer_detection_post_process(Graph&, const Node&);

// infer_reduce.cc
Status infer_arg_max(Graph&, const Node&);
Status infer_batch_norm(Graph&, const Node&);
Status infer_cum_sum(Graph&, const Node&);
Status infer_local_response_norm(Graph&, const Node&);
Status infer_normalize(Graph&, const Node&);
Status infer_reduce(Graph&, const Node&);
Status infer_softmax(Graph&, const Node&);

// infer_movement.cc
Status infer_concat(Graph&, const Node&);
Status infer_slice(Graph&, const Node&);
Status infer_trim(Graph&, const Node&);
Status infer_pad(Graph&, const Node&);
Status infer_reshape(Graph&, const Node&);
Status infer_transpose(Graph&, const Node&);
Status infer_strided_copy(Graph&, const Node&);
Status infer_expand(Graph&, const Node&);
Status infer_shape(Graph&, const Node&);
Status infer_tile(Graph&, const Node&);
Status infer_reverse_sequence(Graph&, const Node&);
Status infer_trilu(Graph&, const Node&);
Status infer_update_slice(Graph&, const Node&);

// infer_indices.cc
Status infer_gather(Graph&, const Node&);
Status infer_gather_elements(Graph&, const Node&);
Status infer_gather_nd(Graph&, const Node&);
Status infer_scatter_elements(Graph&, const Node&);
Status infer_scatter_nd(Graph&, const Node&);
Status infer_range(Graph&, const Node&);
Status infer_one_hot(Graph&, const Node&);
Status infer_top_k(Graph&, const Node&);
Status infer_non_zero(Graph&, const Node&);
Status infer_unique(Graph&, const Node&);
Status infer_non_max_suppression(Graph&, const Node&);

// Of a type that indices have.
bool is_index(const Value& v);
// Has one element, as far as can be known.
bool may_be_scalar(const Value& v);

// infer_control.cc
Status infer_late(Graph&, const Node&);
Status infer_if(Graph&, const Node&);
Status infer_loop(Graph&, const Node&);

// Numpy broadcasting with unknown dimensions; false when a and b cannot be broadcast.
bool broadcast(const Shape& a, const Shape& b, Shape* out);

}  // namespace inferd::ir
