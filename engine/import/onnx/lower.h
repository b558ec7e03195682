// SPDX-License-Identifier: Apache-2.0
//
// The lowering functions of ONNX operators, by family; the table is in lowering.cc. Private to
// import/onnx.
//
// ONNX images are NCHW, the engine's are NHWC: image operators are emitted between two transposes,
// which the optimiser cancels against their neighbours'.
#pragma once

#include <optional>

#include "engine/import/lowering.h"

namespace inferd::import::onnx_lower {

using ir::OutputSpec;
using ir::ValueId;

inline OutputSpec named(const ForeignNode& node, size_t i = 0) {
  return OutputSpec::named(i < node.outputs.size() ? node.outputs[i] : "");
}

// One node whose output is the ONNX node's output 0, of the type of input 0 unless `spec` says
// otherwise.
Status emit(Lowering& l, const ForeignNode& node, OpKind kind, std::span<const ValueId> inputs,
            OpAttrs attrs, const OutputSpec& spec);
inline Status emit(Lowering& l, const ForeignNode& node, OpKind kind,
                   std::span<const ValueId> inputs, OpAttrs attrs) {
  return emit(l, node, kind, inputs, std::move(attrs), named(node));
}

// Values of a list attribute; empty when it is absent or of another type.
template <typename T>
std::vector<T> list_attr(const ForeignNode& node, const char* name) {
  const auto it = node.attrs.find(name);
  const auto* list = it == node.attrs.end() ? nullptr : std::get_if<std::vector<T>>(&it->second);
  return list == nullptr ? std::vector<T>() : *list;
}

// Integers that moved from an attribute to input `i` in a later opset; empty when neither is there.
Result<std::vector<int64_t>> ints_from(Lowering& l, const ForeignNode& node,
                                       const std::string& attr, size_t i);

// The type that TensorProto.DataType calls `code`; UNIMPLEMENTED when the engine lacks it.
Result<DType> element_type(int64_t code);

// Zeros, for a node's own use.
Result<ValueId> zeros_of(Lowering& l, const ForeignNode& node, DType dtype,
                         const std::vector<int64_t>& dims);

// Numbers of a constant float32 input; UNIMPLEMENTED when it is something else.
Result<std::vector<float>> floats_of(Lowering& l, const ForeignNode& node, size_t i);
// Of TensorProto.DataType; UNIMPLEMENTED for those that the engine lacks.
Result<DType> element_type(int64_t code);

// `x` ([N,C,spatial...], one to three spatial dimensions) and weights ([O,C/groups,kernel...]) as
// conv2d or depthwise_conv2d with output type `spec`, as the node's output 0.
Status emit_conv(Lowering& l, const ForeignNode& node, ValueId x, ValueId w,
                 std::optional<ValueId> bias, const OutputSpec& spec);
Status emit_average_pool(Lowering& l, const ForeignNode& node, ValueId x, const OutputSpec& spec);

// control.cc
Status if_then_else(Lowering&, const ForeignNode&);
Status loop(Lowering&, const ForeignNode&);
Status scan(Lowering&, const ForeignNode&);

// sequence.cc
Status concat_from_sequence(Lowering&, const ForeignNode&);
Status sequence_at(Lowering&, const ForeignNode&);
Status sequence_construct(Lowering&, const ForeignNode&);
Status sequence_empty(Lowering&, const ForeignNode&);
Status sequence_erase(Lowering&, const ForeignNode&);
Status sequence_insert(Lowering&, const ForeignNode&);
Status sequence_length(Lowering&, const ForeignNode&);
Status split_to_sequence(Lowering&, const ForeignNode&);

// conv.cc
Status conv(Lowering&, const ForeignNode&);
Status conv_transpose(Lowering&, const ForeignNode&);
Status fused_conv(Lowering&, const ForeignNode&);

// deform_conv.cc
Status deform_conv(Lowering&, const ForeignNode&);

// pool.cc
Status average_pool(Lowering&, const ForeignNode&);
Status global_average_pool(Lowering&, const ForeignNode&);
Status global_lp_pool(Lowering&, const ForeignNode&);
Status global_max_pool(Lowering&, const ForeignNode&);
Status lp_pool(Lowering&, const ForeignNode&);
Status max_pool(Lowering&, const ForeignNode&);

// resize.cc
Status grid_sample(Lowering&, const ForeignNode&);
Status resize(Lowering&, const ForeignNode&);
Status roi_align(Lowering&, const ForeignNode&);
Status upsample(Lowering&, const ForeignNode&);

// signal.cc, spectrum.cc
Status blackman_window(Lowering&, const ForeignNode&);
Status dft(Lowering&, const ForeignNode&);
Status hamming_window(Lowering&, const ForeignNode&);
Status hann_window(Lowering&, const ForeignNode&);
Status mel_weight_matrix(Lowering&, const ForeignNode&);
Status stft(Lowering&, const ForeignNode&);

// integer.cc
Status conv_integer(Lowering&, const ForeignNode&);
Status dynamic_quantize_linear(Lowering&, const ForeignNode&);
Status matmul_integer(Lowering&, const ForeignNode&);

// blocks.cc
Status center_crop_pad(Lowering&, const ForeignNode&);
Status col2im(Lowering&, const ForeignNode&);
Status depth_to_space(Lowering&, const ForeignNode&);
Status space_to_depth(Lowering&, const ForeignNode&);
Status tile(Lowering&, const ForeignNode&);

// indices.cc
Status compress(Lowering&, const ForeignNode&);
Status eye_like(Lowering&, const ForeignNode&);
Status gather(Lowering&, const ForeignNode&);
Status gather_elements(Lowering&, const ForeignNode&);
Status gather_nd(Lowering&, const ForeignNode&);
Status non_max_suppression(Lowering&, const ForeignNode&);
Status non_zero(Lowering&, const ForeignNode&);
Status one_hot(Lowering&, const ForeignNode&);
Status range(Lowering&, const ForeignNode&);
Status reverse_sequence(Lowering&, const ForeignNode&);
Status scatter_elements(Lowering&, const ForeignNode&);
Status scatter_nd(Lowering&, const ForeignNode&);
Status top_k(Lowering&, const ForeignNode&);
Status trilu(Lowering&, const ForeignNode&);
Status unique(Lowering&, const ForeignNode&);

// elementwise.cc, which has its rows of the table; null: not of that family
Lowering::LowerNode find_elementwise(const ForeignNode& node);

// attention.cc
Status attention(Lowering&, const ForeignNode&);
Status embed_layer_normalization(Lowering&, const ForeignNode&);
Status packed_attention(Lowering&, const ForeignNode&);

// einsum.cc
Status einsum(Lowering&, const ForeignNode&);

// matrix.cc
Status determinant(Lowering&, const ForeignNode&);
Status fused_matmul(Lowering&, const ForeignNode&);
Status gemm(Lowering&, const ForeignNode&);
Status matmul(Lowering&, const ForeignNode&);

// movement.cc
Status cast(Lowering&, const ForeignNode&);
Status cast_like(Lowering&, const ForeignNode&);
Status concat(Lowering&, const ForeignNode&);
Status constant(Lowering&, const ForeignNode&);
Status constant_of_shape(Lowering&, const ForeignNode&);
Status expand(Lowering&, const ForeignNode&);
Status flatten(Lowering&, const ForeignNode&);
Status identity(Lowering&, const ForeignNode&);
Status pad(Lowering&, const ForeignNode&);
Status reshape(Lowering&, const ForeignNode&);
Status shape(Lowering&, const ForeignNode&);
Status size(Lowering&, const ForeignNode&);
Status slice(Lowering&, const ForeignNode&);
Status split(Lowering&, const ForeignNode&);
Status squeeze(Lowering&, const ForeignNode&);
Status transpose(Lowering&, const ForeignNode&);
Status unsqueeze(Lowering&, const ForeignNode&);

// random.cc
Status bernoulli(Lowering&, const ForeignNode&);
Status multinomial(Lowering&, const ForeignNode&);
Status random_normal(Lowering&, const ForeignNode&);
Status random_normal_like(Lowering&, const ForeignNode&);
Status random_uniform(Lowering&, const ForeignNode&);
Status random_uniform_like(Lowering&, const ForeignNode&);

// loss.cc
Status negative_log_likelihood_loss(Lowering&, const ForeignNode&);
Status softmax_cross_entropy_loss(Lowering&, const ForeignNode&);

// unpool.cc
Status max_unpool(Lowering&, const ForeignNode&);

// normalize.cc
Status batch_normalization(Lowering&, const ForeignNode&);
Status group_normalization(Lowering&, const ForeignNode&);
Status instance_normalization(Lowering&, const ForeignNode&);
Status layer_normalization(Lowering&, const ForeignNode&);
Status local_response_normalization(Lowering&, const ForeignNode&);
Status lp_normalization(Lowering&, const ForeignNode&);
Status mean_variance_normalization(Lowering&, const ForeignNode&);
Status rms_normalization(Lowering&, const ForeignNode&);
Status skip_layer_normalization(Lowering&, const ForeignNode&);
Status skip_rms_normalization(Lowering&, const ForeignNode&);

// reduce.cc, which has its rows of the table; null: not of that family
Lowering::LowerNode find_reduction(const ForeignNode& node);

// classic.cc
Status array_feature_extractor(Lowering&, const ForeignNode&);
Status binarizer(Lowering&, const ForeignNode&);
Status feature_vectorizer(Lowering&, const ForeignNode&);
Status linear_classifier(Lowering&, const ForeignNode&);
Status linear_regressor(Lowering&, const ForeignNode&);
Status normalizer(Lowering&, const ForeignNode&);
Status scaler(Lowering&, const ForeignNode&);

// encoders.cc
Status imputer(Lowering&, const ForeignNode&);
Status label_encoder(Lowering&, const ForeignNode&);
Status one_hot_encoder(Lowering&, const ForeignNode&);

// svm.cc
Status svm_classifier(Lowering&, const ForeignNode&);
Status svm_regressor(Lowering&, const ForeignNode&);

// trees.cc
Status tree_ensemble(Lowering&, const ForeignNode&);
Status tree_ensemble_classifier(Lowering&, const ForeignNode&);
Status tree_ensemble_regressor(Lowering&, const ForeignNode&);

// recurrent.cc
Status gru(Lowering&, const ForeignNode&);
Status lstm(Lowering&, const ForeignNode&);
Status rnn(Lowering&, const ForeignNode&);

// quantized.cc
Status quantize_linear(Lowering&, const ForeignNode&);
Status dequantize_linear(Lowering&, const ForeignNode&);
Status qlinear_conv(Lowering&, const ForeignNode&);
Status qlinear_matmul(Lowering&, const ForeignNode&);
Status qlinear_add(Lowering&, const ForeignNode&);
Status qlinear_mul(Lowering&, const ForeignNode&);
Status qlinear_concat(Lowering&, const ForeignNode&);
Status qlinear_sigmoid(Lowering&, const ForeignNode&);
Status qlinear_leaky_relu(Lowering&, const ForeignNode&);
Status qlinear_where(Lowering&, const ForeignNode&);
Status qlinear_average_pool(Lowering&, const ForeignNode&);
Status qlinear_global_average_pool(Lowering&, const ForeignNode&);

}  // namespace inferd::import::onnx_lower
