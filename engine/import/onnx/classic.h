// SPDX-License-Identifier: Apache-2.0
//
// What the lowerings of ai.onnx.ml share: scores of classes become probabilities and labels.
// Private to import/onnx.
#pragma once

#include <optional>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {

// x as float32.
Result<ValueId> as_float(Lowering& l, const ForeignNode& node, ValueId x);

// Input 0 as float32, at least [N,features]: what these operators compute in. UNIMPLEMENTED for
// float64, whose splits and scores need more than that.
Result<ValueId> float_input(Lowering& l, const ForeignNode& node);

// [1]
ValueId scalar_constant(Lowering& l, const ForeignNode& node, float value);
// bool
Result<ValueId> compare(Lowering& l, const ForeignNode& node, CompareKind kind, ValueId a,
                        ValueId b);

// "NONE", "LOGISTIC" or "SOFTMAX" of [N,K] scores. UNIMPLEMENTED for the others.
Result<ValueId> post_transform(Lowering& l, const ForeignNode& node, ValueId scores,
                               const OutputSpec& spec);

// x[N,K] * transposed(w[M,K]) + bias[M].
Result<ValueId> affine(Lowering& l, const ForeignNode& node, ValueId x, std::span<const float> w,
                       std::span<const float> bias, const OutputSpec& spec = {});

// How many labels the node lists, as integers or strings.
size_t label_count(const ForeignNode& node, const char* ints, const char* strings);

// Output 0: the label of each sample's largest score. The engine has no strings: where the labels
// are, their positions in the file's list are put out.
Status emit_labels(Lowering& l, const ForeignNode& node, ValueId scores, const char* ints);

// Outputs of a classifier with one score s[N,1] for two classes: the second class wins where
// s > threshold. Scores are [complement - s, s], or logistic of -s and s.
Status emit_binary(Lowering& l, const ForeignNode& node, ValueId s, float threshold,
                   float complement, const char* ints);

}  // namespace inferd::import::onnx_lower
