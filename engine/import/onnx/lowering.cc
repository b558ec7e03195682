// SPDX-License-Identifier: Apache-2.0
//
// ONNX operators -> ir: which function lowers which operator. Differences between opsets are
// handled inside the functions, where an attribute became an input; what is older than opset 7 is
// upgraded first.
#include <algorithm>

#include "engine/import/onnx/class_names.h"
#include "engine/import/onnx/lower.h"
#include "engine/import/onnx/onnx.h"
#include "engine/import/onnx/upgrade.h"

namespace inferd::import {
namespace {

using namespace onnx_lower;  // NOLINT: the table below names nothing else

struct Row {
  const char* domain;
  const char* op;
  Lowering::LowerNode lower;
};

constexpr const char* kMicrosoft = "com.microsoft";
constexpr const char* kClassic = "ai.onnx.ml";

const Row kRows[] = {
    {"", "Attention", attention},
    {"", "AveragePool", average_pool},
    {"", "BatchNormalization", batch_normalization},
    {"", "Bernoulli", bernoulli},
    {"", "BlackmanWindow", blackman_window},
    {"", "Cast", cast},
    {"", "CastLike", cast_like},
    {"", "CenterCropPad", center_crop_pad},
    {"", "Col2Im", col2im},
    {"", "Compress", compress},
    {"", "Concat", concat},
    {"", "ConcatFromSequence", concat_from_sequence},
    {"", "Constant", constant},
    {"", "ConstantOfShape", constant_of_shape},
    {"", "Conv", conv},
    {"", "ConvInteger", conv_integer},
    {"", "ConvTranspose", conv_transpose},
    {"", "DFT", dft},
    {"", "DeformConv", deform_conv},
    {"", "DepthToSpace", depth_to_space},
    {"", "DequantizeLinear", dequantize_linear},
    {"", "Det", determinant},
    {"", "DynamicQuantizeLinear", dynamic_quantize_linear},
    {"", "Einsum", einsum},
    {"", "Expand", expand},
    {"", "EyeLike", eye_like},
    {"", "Flatten", flatten},
    {"", "GRU", gru},
    {"", "Gather", gather},
    {"", "GatherElements", gather_elements},
    {"", "GatherND", gather_nd},
    {"", "Gemm", gemm},
    {"", "GlobalAveragePool", global_average_pool},
    {"", "GlobalLpPool", global_lp_pool},
    {"", "GlobalMaxPool", global_max_pool},
    {"", "GridSample", grid_sample},
    {"", "GroupNormalization", group_normalization},
    {"", "HammingWindow", hamming_window},
    {"", "HannWindow", hann_window},
    {"", "Identity", identity},
    {"", "If", if_then_else},
    {"", "InstanceNormalization", instance_normalization},
    {"", "LRN", local_response_normalization},
    {"", "LayerNormalization", layer_normalization},
    {"", "LSTM", lstm},
    {"", "Loop", loop},
    {"", "LpNormalization", lp_normalization},
    {"", "LpPool", lp_pool},
    {"", "MatMul", matmul},
    {"", "MatMulInteger", matmul_integer},
    {"", "MaxPool", max_pool},
    {"", "MaxUnpool", max_unpool},
    {"", "MeanVarianceNormalization", mean_variance_normalization},
    {"", "MelWeightMatrix", mel_weight_matrix},
    {"", "Multinomial", multinomial},
    {"", "NegativeLogLikelihoodLoss", negative_log_likelihood_loss},
    {"", "NonMaxSuppression", non_max_suppression},
    {"", "NonZero", non_zero},
    {"", "OneHot", one_hot},
    {"", "Pad", pad},
    {"", "QLinearConv", qlinear_conv},
    {"", "QLinearMatMul", qlinear_matmul},
    {"", "QuantizeLinear", quantize_linear},
    {"", "RMSNormalization", rms_normalization},
    {"", "RandomNormal", random_normal},
    {"", "RandomNormalLike", random_normal_like},
    {"", "RandomUniform", random_uniform},
    {"", "RandomUniformLike", random_uniform_like},
    {"", "Range", range},
    {"", "RNN", rnn},
    {"", "Reshape", reshape},
    {"", "Resize", resize},
    {"", "ReverseSequence", reverse_sequence},
    {"", "RoiAlign", roi_align},
    {"", "STFT", stft},
    {"", "Scan", scan},
    {"", "Scatter", scatter_elements},
    {"", "ScatterElements", scatter_elements},
    {"", "ScatterND", scatter_nd},
    {"", "SequenceAt", sequence_at},
    {"", "SequenceConstruct", sequence_construct},
    {"", "SequenceEmpty", sequence_empty},
    {"", "SequenceErase", sequence_erase},
    {"", "SequenceInsert", sequence_insert},
    {"", "SequenceLength", sequence_length},
    {"", "Shape", shape},
    {"", "SimplifiedLayerNormalization", rms_normalization},
    {"", "Size", size},
    {"", "Slice", slice},
    {"", "SoftmaxCrossEntropyLoss", softmax_cross_entropy_loss},
    {"", "SpaceToDepth", space_to_depth},
    {"", "Split", split},
    {"", "SplitToSequence", split_to_sequence},
    {"", "Squeeze", squeeze},
    {"", "Tile", tile},
    {"", "TopK", top_k},
    {"", "Transpose", transpose},
    {"", "Trilu", trilu},
    {"", "Unique", unique},
    {"", "Unsqueeze", unsqueeze},
    {"", "Upsample", upsample},
    {kMicrosoft, "Attention", packed_attention},
    {kClassic, "ArrayFeatureExtractor", array_feature_extractor},
    {kClassic, "Binarizer", binarizer},
    {kClassic, "FeatureVectorizer", feature_vectorizer},
    {kClassic, "Imputer", imputer},
    {kClassic, "LabelEncoder", label_encoder},
    {kClassic, "LinearClassifier", linear_classifier},
    {kClassic, "LinearRegressor", linear_regressor},
    {kClassic, "Normalizer", normalizer},
    {kClassic, "OneHotEncoder", one_hot_encoder},
    {kClassic, "SVMClassifier", svm_classifier},
    {kClassic, "SVMRegressor", svm_regressor},
    {kClassic, "Scaler", scaler},
    {kClassic, "TreeEnsemble", tree_ensemble},
    {kClassic, "TreeEnsembleClassifier", tree_ensemble_classifier},
    {kClassic, "TreeEnsembleRegressor", tree_ensemble_regressor},
    {kMicrosoft, "DequantizeLinear", dequantize_linear},
    {kMicrosoft, "EmbedLayerNormalization", embed_layer_normalization},
    {kMicrosoft, "FusedConv", fused_conv},
    {kMicrosoft, "FusedMatMul", fused_matmul},
    {kMicrosoft, "LayerNormalization", layer_normalization},
    {kMicrosoft, "QLinearAdd", qlinear_add},
    {kMicrosoft, "QLinearAveragePool", qlinear_average_pool},
    {kMicrosoft, "QLinearConcat", qlinear_concat},
    {kMicrosoft, "QLinearGlobalAveragePool", qlinear_global_average_pool},
    {kMicrosoft, "QLinearLeakyRelu", qlinear_leaky_relu},
    {kMicrosoft, "QLinearMul", qlinear_mul},
    {kMicrosoft, "QLinearSigmoid", qlinear_sigmoid},
    {kMicrosoft, "QLinearWhere", qlinear_where},
    {kMicrosoft, "QuantizeLinear", quantize_linear},
    {kMicrosoft, "SkipLayerNormalization", skip_layer_normalization},
    {kMicrosoft, "SkipSimplifiedLayerNormalization", skip_rms_normalization},
    {kUpgradeDomain, "Align", align},
};

Lowering::LowerNode find(const ForeignGraph&, const ForeignNode& node) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) {
    return node.domain == r.domain && node.op == r.op;
  });
  if (row != std::end(kRows)) return row->lower;
  if (const Lowering::LowerNode reduction = find_reduction(node)) return reduction;
  return find_elementwise(node);
}

}  // namespace

namespace onnx_lower {

Status emit(Lowering& l, const ForeignNode& node, OpKind kind, std::span<const ValueId> inputs,
            OpAttrs attrs, const OutputSpec& spec) {
  INFERD_ASSIGN_OR_RETURN(const ValueId id,
                          l.builder().op(kind, inputs, std::move(attrs), node.name, spec));
  return l.set_output(node, 0, id);
}

Result<std::vector<int64_t>> ints_from(Lowering& l, const ForeignNode& node,
                                       const std::string& attr, size_t i) {
  if (Lowering::has_attr(node, attr)) return Lowering::ints_attr(node, attr);
  if (l.has(node, i)) return l.ints(node, i);
  return std::vector<int64_t>();
}

}  // namespace onnx_lower

Result<ir::Graph> lower_onnx(const ForeignGraph& foreign, std::vector<UnsupportedOp>* unsupported) {
  const auto opset = foreign.opsets.find("");
  if (opset != foreign.opsets.end() && opset->second < kNumpyBroadcasting) {
    const ForeignGraph upgraded = upgrade(foreign);
    return Lowering(upgraded).run(find, unsupported);
  }
  if (names_classes(foreign)) {
    const ForeignGraph numbered = number_classes(foreign);
    return Lowering(numbered).run(find, unsupported);
  }
  return Lowering(foreign).run(find, unsupported);
}

}  // namespace inferd::import
