// SPDX-License-Identifier: Apache-2.0
//
// The functions that write one operator each, by family; the table is in onnx.cc. Private to
// export/onnx.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "engine/export/onnx/document.h"
#include "engine/export/onnx/tensors.h"

namespace inferd::exporter {

struct Emit {
  Document& document;
  Tensors& tensors;
};

// UNIMPLEMENTED says what ONNX lacks.
using WriteNode = Status (*)(Emit&, const ir::Node&);

// The layout in which an operator that works in both costs no transposes.
Layout layout_of(const Emit& e, const ir::Node& node);
// A dimension of an NHWC value in that layout.
int64_t axis_in(Layout layout, int axis);
// One number for each dimension, in the order of that layout.
std::vector<int64_t> reordered(Layout layout, std::span<const int64_t> values);

// A node for `node`'s output 0 in `layout`, followed by what its fused activation needs.
NodeBuilder emit(Emit& e, const ir::Node& node, const char* op, std::span<const std::string> inputs,
                 Layout layout, const Activation& activation = {});
inline NodeBuilder emit(Emit& e, const ir::Node& node, const char* op,
                        std::initializer_list<std::string> inputs, Layout layout,
                        const Activation& activation = {}) {
  return emit(e, node, op, std::span(inputs.begin(), inputs.size()), layout, activation);
}
// A node whose result only the next one reads; its name goes to `result`.
NodeBuilder emit_inner(Emit& e, const ir::Node& node, const char* op,
                       std::initializer_list<std::string> inputs, std::string* result);

// elementwise.cc
Status write_binary(Emit&, const ir::Node&);
Status write_compare(Emit&, const ir::Node&);
Status write_prelu(Emit&, const ir::Node&);
Status write_select(Emit&, const ir::Node&);
Status write_unary(Emit&, const ir::Node&);

// image.cc
Status write_average_pool(Emit&, const ir::Node&);
Status write_conv(Emit&, const ir::Node&);
Status write_conv_transpose(Emit&, const ir::Node&);
Status write_depthwise_conv(Emit&, const ir::Node&);
Status write_grid_sample(Emit&, const ir::Node&);
Status write_max_pool(Emit&, const ir::Node&);
Status write_resize(Emit&, const ir::Node&);
Status write_resize_axis(Emit&, const ir::Node&);

// indices.cc
Status write_gather(Emit&, const ir::Node&);
Status write_gather_elements(Emit&, const ir::Node&);
Status write_gather_nd(Emit&, const ir::Node&);
Status write_one_hot(Emit&, const ir::Node&);
Status write_reverse_sequence(Emit&, const ir::Node&);
Status write_scatter_elements(Emit&, const ir::Node&);
Status write_scatter_nd(Emit&, const ir::Node&);
Status write_tile(Emit&, const ir::Node&);
Status write_top_k(Emit&, const ir::Node&);
Status write_trilu(Emit&, const ir::Node&);

// math.cc
Status write_arg_max(Emit&, const ir::Node&);
Status write_cum_sum(Emit&, const ir::Node&);
Status write_determinant(Emit&, const ir::Node&);
Status write_fully_connected(Emit&, const ir::Node&);
Status write_matmul(Emit&, const ir::Node&);
Status write_reduce(Emit&, const ir::Node&);
Status write_softmax(Emit&, const ir::Node&);

// movement.cc
Status write_cast(Emit&, const ir::Node&);
Status write_concat(Emit&, const ir::Node&);
Status write_dequantize(Emit&, const ir::Node&);
Status write_expand(Emit&, const ir::Node&);
Status write_pad(Emit&, const ir::Node&);
Status write_quantize(Emit&, const ir::Node&);
Status write_requantize(Emit&, const ir::Node&);
Status write_reshape(Emit&, const ir::Node&);
Status write_slice(Emit&, const ir::Node&);
Status write_transpose(Emit&, const ir::Node&);

// normalize.cc
Status write_batch_norm(Emit&, const ir::Node&);
Status write_local_response_norm(Emit&, const ir::Node&);
Status write_normalize(Emit&, const ir::Node&);

// operators.cc
Status write_clamp(Emit&, const ir::Node&);

}  // namespace inferd::exporter
