// SPDX-License-Identifier: Apache-2.0
//
// What the attributes of operators consist of: the members of every struct and the names of every
// enumerator of op.h, once. The text form of graphs, compiled model files and the cases of
// tests/ops are made of it, so that a new struct, member or enumerator is described here and
// nowhere else. The names are kept in compiled files: what is renamed here makes them unreadable.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "engine/base/op.h"

namespace inferd {

// A member of struct S.
template <typename S, typename T>
struct Field {
  std::string_view name;
  T S::*member;
};
template <typename S, typename T>
Field(const char*, T S::*) -> Field<S, T>;  // clang deduces aggregates only since 17

// The fields of S as a tuple, in the order of its members. Complete: asserted below.
template <typename S>
inline constexpr auto kFields = nullptr;

// An attributes struct, or a struct inside of one.
template <typename S>
concept HasFields =
    !std::is_same_v<std::remove_const_t<decltype(kFields<std::remove_const_t<S>>)>, std::nullptr_t>;

template <>
inline constexpr auto kFields<std::monostate> = std::tuple{};
template <>
inline constexpr auto kFields<Activation> =
    std::tuple{Field{"min", &Activation::min}, Field{"max", &Activation::max}};
template <>
inline constexpr auto kFields<Window2d> = std::tuple{
    Field{"kernel_h", &Window2d::kernel_h},     Field{"kernel_w", &Window2d::kernel_w},
    Field{"stride_h", &Window2d::stride_h},     Field{"stride_w", &Window2d::stride_w},
    Field{"dilation_h", &Window2d::dilation_h}, Field{"dilation_w", &Window2d::dilation_w},
    Field{"pad_top", &Window2d::pad_top},       Field{"pad_bottom", &Window2d::pad_bottom},
    Field{"pad_left", &Window2d::pad_left},     Field{"pad_right", &Window2d::pad_right}};

template <>
inline constexpr auto kFields<ArgMaxAttrs> =
    std::tuple{Field{"axis", &ArgMaxAttrs::axis}, Field{"keep_dims", &ArgMaxAttrs::keep_dims},
               Field{"smallest", &ArgMaxAttrs::smallest}, Field{"last", &ArgMaxAttrs::last}};
template <>
inline constexpr auto kFields<LoopAttrs> =
    std::tuple{Field{"carried", &LoopAttrs::carried}, Field{"scanned", &LoopAttrs::scanned}};
template <>
inline constexpr auto kFields<TrimAttrs> = std::tuple{Field{"axis", &TrimAttrs::axis}};
template <>
inline constexpr auto kFields<BatchNormAttrs> = std::tuple{Field{"axis", &BatchNormAttrs::axis}};
template <>
inline constexpr auto kFields<BinaryAttrs> =
    std::tuple{Field{"kind", &BinaryAttrs::kind}, Field{"activation", &BinaryAttrs::activation},
               Field{"rounding", &BinaryAttrs::rounding}};
template <>
inline constexpr auto kFields<ClampAttrs> = std::tuple{Field{"range", &ClampAttrs::range}};
template <>
inline constexpr auto kFields<CompareAttrs> = std::tuple{Field{"kind", &CompareAttrs::kind}};
template <>
inline constexpr auto kFields<ConcatAttrs> = std::tuple{Field{"axis", &ConcatAttrs::axis}};
template <>
inline constexpr auto kFields<Conv2dAttrs> =
    std::tuple{Field{"window", &Conv2dAttrs::window}, Field{"groups", &Conv2dAttrs::groups},
               Field{"activation", &Conv2dAttrs::activation}};
template <>
inline constexpr auto kFields<ConvTranspose2dAttrs> =
    std::tuple{Field{"window", &ConvTranspose2dAttrs::window},
               Field{"extra_h", &ConvTranspose2dAttrs::extra_h},
               Field{"extra_w", &ConvTranspose2dAttrs::extra_w},
               Field{"groups", &ConvTranspose2dAttrs::groups},
               Field{"activation", &ConvTranspose2dAttrs::activation}};
template <>
inline constexpr auto kFields<CumSumAttrs> =
    std::tuple{Field{"axis", &CumSumAttrs::axis}, Field{"exclusive", &CumSumAttrs::exclusive},
               Field{"reverse", &CumSumAttrs::reverse}};
template <>
inline constexpr auto kFields<DetectionPostProcessAttrs> = std::tuple{
    Field{"max_detections", &DetectionPostProcessAttrs::max_detections},
    Field{"max_classes_per_detection", &DetectionPostProcessAttrs::max_classes_per_detection},
    Field{"detections_per_class", &DetectionPostProcessAttrs::detections_per_class},
    Field{"regular_nms", &DetectionPostProcessAttrs::regular_nms},
    Field{"score_threshold", &DetectionPostProcessAttrs::score_threshold},
    Field{"iou_threshold", &DetectionPostProcessAttrs::iou_threshold},
    Field{"num_classes", &DetectionPostProcessAttrs::num_classes},
    Field{"y_scale", &DetectionPostProcessAttrs::y_scale},
    Field{"x_scale", &DetectionPostProcessAttrs::x_scale},
    Field{"h_scale", &DetectionPostProcessAttrs::h_scale},
    Field{"w_scale", &DetectionPostProcessAttrs::w_scale}};
template <>
inline constexpr auto kFields<FullyConnectedAttrs> =
    std::tuple{Field{"activation", &FullyConnectedAttrs::activation}};
template <>
inline constexpr auto kFields<GatherAttrs> =
    std::tuple{Field{"axis", &GatherAttrs::axis}, Field{"batch_dims", &GatherAttrs::batch_dims}};
template <>
inline constexpr auto kFields<GatherNdAttrs> =
    std::tuple{Field{"batch_dims", &GatherNdAttrs::batch_dims}};
template <>
inline constexpr auto kFields<GridSampleAttrs> =
    std::tuple{Field{"mode", &GridSampleAttrs::mode}, Field{"padding", &GridSampleAttrs::padding},
               Field{"positions", &GridSampleAttrs::positions}};
template <>
inline constexpr auto kFields<LocalResponseNormAttrs> =
    std::tuple{Field{"axis", &LocalResponseNormAttrs::axis},
               Field{"before", &LocalResponseNormAttrs::before},
               Field{"after", &LocalResponseNormAttrs::after},
               Field{"alpha", &LocalResponseNormAttrs::alpha},
               Field{"beta", &LocalResponseNormAttrs::beta},
               Field{"bias", &LocalResponseNormAttrs::bias}};
template <>
inline constexpr auto kFields<GruAttrs> = std::tuple{Field{"f", &GruAttrs::f},
                                                     Field{"f_alpha", &GruAttrs::f_alpha},
                                                     Field{"f_beta", &GruAttrs::f_beta},
                                                     Field{"g", &GruAttrs::g},
                                                     Field{"g_alpha", &GruAttrs::g_alpha},
                                                     Field{"g_beta", &GruAttrs::g_beta},
                                                     Field{"clip", &GruAttrs::clip},
                                                     Field{"reset_after", &GruAttrs::reset_after},
                                                     Field{"reverse", &GruAttrs::reverse},
                                                     Field{"lengths", &GruAttrs::lengths}};
template <>
inline constexpr auto kFields<LstmAttrs> =
    std::tuple{Field{"f", &LstmAttrs::f},
               Field{"f_alpha", &LstmAttrs::f_alpha},
               Field{"f_beta", &LstmAttrs::f_beta},
               Field{"g", &LstmAttrs::g},
               Field{"g_alpha", &LstmAttrs::g_alpha},
               Field{"g_beta", &LstmAttrs::g_beta},
               Field{"h", &LstmAttrs::h},
               Field{"h_alpha", &LstmAttrs::h_alpha},
               Field{"h_beta", &LstmAttrs::h_beta},
               Field{"coupling", &LstmAttrs::coupling},
               Field{"clip", &LstmAttrs::clip},
               Field{"cell_clip", &LstmAttrs::cell_clip},
               Field{"projection_clip", &LstmAttrs::projection_clip},
               Field{"reverse", &LstmAttrs::reverse},
               Field{"lengths", &LstmAttrs::lengths},
               Field{"peephole", &LstmAttrs::peephole},
               Field{"norm", &LstmAttrs::norm},
               Field{"projection", &LstmAttrs::projection},
               Field{"projection_bias", &LstmAttrs::projection_bias}};
template <>
inline constexpr auto kFields<MatMulAttrs> = std::tuple{
    Field{"transpose_a", &MatMulAttrs::transpose_a},
    Field{"transpose_b", &MatMulAttrs::transpose_b}, Field{"activation", &MatMulAttrs::activation}};
template <>
inline constexpr auto kFields<MaxPoolIndicesAttrs> = std::tuple{
    Field{"window", &MaxPoolIndicesAttrs::window}, Field{"index", &MaxPoolIndicesAttrs::index}};
template <>
inline constexpr auto kFields<NonMaxSuppressionAttrs> =
    std::tuple{Field{"max_per_class", &NonMaxSuppressionAttrs::max_per_class},
               Field{"iou_threshold", &NonMaxSuppressionAttrs::iou_threshold},
               Field{"score_threshold", &NonMaxSuppressionAttrs::score_threshold},
               Field{"center_boxes", &NonMaxSuppressionAttrs::center_boxes},
               Field{"at_threshold", &NonMaxSuppressionAttrs::at_threshold},
               Field{"soft_sigma", &NonMaxSuppressionAttrs::soft_sigma}};
template <>
inline constexpr auto kFields<OneHotAttrs> = std::tuple{
    Field{"axis", &OneHotAttrs::axis}, Field{"negative_from_end", &OneHotAttrs::negative_from_end}};
template <>
inline constexpr auto kFields<NormalizeAttrs> =
    std::tuple{Field{"kind", &NormalizeAttrs::kind}, Field{"axis", &NormalizeAttrs::axis},
               Field{"epsilon", &NormalizeAttrs::epsilon}};
template <>
inline constexpr auto kFields<PadAttrs> =
    std::tuple{Field{"before", &PadAttrs::before}, Field{"after", &PadAttrs::after},
               Field{"value", &PadAttrs::value}, Field{"mode", &PadAttrs::mode}};
template <>
inline constexpr auto kFields<Pool2dAttrs> = std::tuple{
    Field{"window", &Pool2dAttrs::window}, Field{"count_padding", &Pool2dAttrs::count_padding},
    Field{"activation", &Pool2dAttrs::activation}};
template <>
inline constexpr auto kFields<RandomAttrs> =
    std::tuple{Field{"kind", &RandomAttrs::kind}, Field{"offset", &RandomAttrs::offset},
               Field{"scale", &RandomAttrs::scale}, Field{"seed", &RandomAttrs::seed}};
template <>
inline constexpr auto kFields<QuantizedLstmAttrs> =
    std::tuple{Field{"input_from_forget", &QuantizedLstmAttrs::input_from_forget},
               Field{"cell_clip", &QuantizedLstmAttrs::cell_clip},
               Field{"projection_clip", &QuantizedLstmAttrs::projection_clip},
               Field{"hidden_scale", &QuantizedLstmAttrs::hidden_scale},
               Field{"hidden_zero_point", &QuantizedLstmAttrs::hidden_zero_point},
               Field{"peephole", &QuantizedLstmAttrs::peephole},
               Field{"projection", &QuantizedLstmAttrs::projection},
               Field{"projection_bias", &QuantizedLstmAttrs::projection_bias}};
template <>
inline constexpr auto kFields<ReduceAttrs> =
    std::tuple{Field{"kind", &ReduceAttrs::kind}, Field{"axes", &ReduceAttrs::axes},
               Field{"keep_dims", &ReduceAttrs::keep_dims}};
template <>
inline constexpr auto kFields<RequantizeAttrs> =
    std::tuple{Field{"rounding", &RequantizeAttrs::rounding}};
template <>
inline constexpr auto kFields<ReshapeAttrs> = std::tuple{
    Field{"dims", &ReshapeAttrs::dims}, Field{"zero_is_literal", &ReshapeAttrs::zero_is_literal}};
template <>
inline constexpr auto kFields<ResizeAttrs> = std::tuple{
    Field{"mode", &ResizeAttrs::mode},         Field{"coordinates", &ResizeAttrs::coordinates},
    Field{"rounding", &ResizeAttrs::rounding}, Field{"out_h", &ResizeAttrs::out_h},
    Field{"out_w", &ResizeAttrs::out_w},       Field{"scale_h", &ResizeAttrs::scale_h},
    Field{"scale_w", &ResizeAttrs::scale_w}};
template <>
inline constexpr auto kFields<ResizeAxisAttrs> =
    std::tuple{Field{"axis", &ResizeAxisAttrs::axis},
               Field{"mode", &ResizeAxisAttrs::mode},
               Field{"coordinates", &ResizeAxisAttrs::coordinates},
               Field{"rounding", &ResizeAxisAttrs::rounding},
               Field{"out", &ResizeAxisAttrs::out},
               Field{"scale", &ResizeAxisAttrs::scale},
               Field{"cubic", &ResizeAxisAttrs::cubic},
               Field{"exclude_outside", &ResizeAxisAttrs::exclude_outside},
               Field{"antialias", &ResizeAxisAttrs::antialias},
               Field{"crop_begin", &ResizeAxisAttrs::crop_begin},
               Field{"crop_end", &ResizeAxisAttrs::crop_end},
               Field{"outside", &ResizeAxisAttrs::outside}};
template <>
inline constexpr auto kFields<RoiAlignAttrs> =
    std::tuple{Field{"out_h", &RoiAlignAttrs::out_h},
               Field{"out_w", &RoiAlignAttrs::out_w},
               Field{"sampling_ratio", &RoiAlignAttrs::sampling_ratio},
               Field{"spatial_scale", &RoiAlignAttrs::spatial_scale},
               Field{"max", &RoiAlignAttrs::max},
               Field{"half_pixel", &RoiAlignAttrs::half_pixel}};
template <>
inline constexpr auto kFields<ReverseSequenceAttrs> =
    std::tuple{Field{"batch_axis", &ReverseSequenceAttrs::batch_axis},
               Field{"time_axis", &ReverseSequenceAttrs::time_axis}};
template <>
inline constexpr auto kFields<ScatterAttrs> =
    std::tuple{Field{"reduction", &ScatterAttrs::reduction}, Field{"axis", &ScatterAttrs::axis}};
template <>
inline constexpr auto kFields<RnnAttrs> = std::tuple{Field{"f", &RnnAttrs::f},
                                                     Field{"f_alpha", &RnnAttrs::f_alpha},
                                                     Field{"f_beta", &RnnAttrs::f_beta},
                                                     Field{"clip", &RnnAttrs::clip},
                                                     Field{"reverse", &RnnAttrs::reverse},
                                                     Field{"lengths", &RnnAttrs::lengths}};
template <>
inline constexpr auto kFields<SliceAttrs> =
    std::tuple{Field{"begin", &SliceAttrs::begin}, Field{"end", &SliceAttrs::end},
               Field{"step", &SliceAttrs::step}};
template <>
inline constexpr auto kFields<SoftmaxAttrs> =
    std::tuple{Field{"axis", &SoftmaxAttrs::axis}, Field{"beta", &SoftmaxAttrs::beta},
               Field{"kind", &SoftmaxAttrs::kind}};
template <>
inline constexpr auto kFields<StridedCopyAttrs> = std::tuple{
    Field{"shape", &StridedCopyAttrs::shape}, Field{"strides", &StridedCopyAttrs::strides},
    Field{"offset", &StridedCopyAttrs::offset}, Field{"each_slice", &StridedCopyAttrs::each_slice}};
template <>
inline constexpr auto kFields<TopKAttrs> =
    std::tuple{Field{"axis", &TopKAttrs::axis}, Field{"largest", &TopKAttrs::largest}};
template <>
inline constexpr auto kFields<TriluAttrs> = std::tuple{Field{"upper", &TriluAttrs::upper}};
template <>
inline constexpr auto kFields<SvdfAttrs> =
    std::tuple{Field{"rank", &SvdfAttrs::rank}, Field{"activation", &SvdfAttrs::activation}};
template <>
inline constexpr auto kFields<TransposeAttrs> = std::tuple{Field{"perm", &TransposeAttrs::perm}};
template <>
inline constexpr auto kFields<TreeEnsembleAttrs> =
    std::tuple{Field{"targets", &TreeEnsembleAttrs::targets},
               Field{"aggregate", &TreeEnsembleAttrs::aggregate}};
template <>
inline constexpr auto kFields<UnaryAttrs> =
    std::tuple{Field{"kind", &UnaryAttrs::kind}, Field{"alpha", &UnaryAttrs::alpha},
               Field{"beta", &UnaryAttrs::beta}};
template <>
inline constexpr auto kFields<UniqueAttrs> =
    std::tuple{Field{"axis", &UniqueAttrs::axis}, Field{"sorted", &UniqueAttrs::sorted}};

// Names of an enum's enumerators in the order of their values: "hard_swish" for kHardSwish.
template <typename Enum>
inline constexpr auto kEnumerators = nullptr;

template <>
inline constexpr auto kEnumerators<BinaryKind> = std::to_array<std::string_view>(
    {"add", "sub", "mul", "div", "min", "max", "pow", "floor_div", "mod", "floor_mod", "atan2",
     "squared_difference", "and", "or", "xor", "shift_left", "shift_right"});
template <>
inline constexpr auto kEnumerators<CompareKind> =
    std::to_array<std::string_view>({"equal", "not_equal", "less", "less_equal"});
template <>
inline constexpr auto kEnumerators<GridPadding> =
    std::to_array<std::string_view>({"zeros", "border", "reflection", "only_inside"});
template <>
inline constexpr auto kEnumerators<GridPositions> =
    std::to_array<std::string_view>({"edges", "align_corners", "pixels"});
template <>
inline constexpr auto kEnumerators<CellFunction> = std::to_array<std::string_view>(
    {"sigmoid", "tanh", "clamp", "affine", "leaky_relu", "thresholded_relu", "scaled_tanh",
     "hard_sigmoid", "elu", "softsign", "softplus"});
template <>
inline constexpr auto kEnumerators<GateCoupling> =
    std::to_array<std::string_view>({"none", "forget_from_input", "input_from_forget"});
template <>
inline constexpr auto kEnumerators<NearestRounding> =
    std::to_array<std::string_view>({"floor", "round_prefer_floor", "round_prefer_ceil", "ceil"});
template <>
inline constexpr auto kEnumerators<PadMode> =
    std::to_array<std::string_view>({"constant", "reflect", "symmetric", "edge", "wrap"});
template <>
inline constexpr auto kEnumerators<NormalizeKind> =
    std::to_array<std::string_view>({"mean_variance", "rms", "l2"});
template <>
inline constexpr auto kEnumerators<PoolIndex> =
    std::to_array<std::string_view>({"row_major", "column_major", "tap"});
template <>
inline constexpr auto kEnumerators<RandomKind> = std::to_array<std::string_view>({"uniform",
                                                                                  "normal"});
template <>
inline constexpr auto kEnumerators<ReduceKind> = std::to_array<std::string_view>(
    {"mean", "sum", "max", "min", "prod", "l1", "l2", "sum_square", "log_sum", "log_sum_exp"});
template <>
inline constexpr auto kEnumerators<ResizeCoordinates> = std::to_array<std::string_view>(
    {"asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric",
     "tf_half_pixel_for_nn", "tf_crop_and_resize"});
template <>
inline constexpr auto kEnumerators<ResizeMode> =
    std::to_array<std::string_view>({"nearest", "linear", "cubic"});
template <>
inline constexpr auto kEnumerators<Rounding> = std::to_array<std::string_view>({"fixed_point",
                                                                                "float"});
template <>
inline constexpr auto kEnumerators<ScatterReduction> =
    std::to_array<std::string_view>({"none", "add", "mul", "max", "min"});
template <>
inline constexpr auto kEnumerators<SoftmaxKind> =
    std::to_array<std::string_view>({"softmax", "log_softmax", "hardmax"});
template <>
inline constexpr auto kEnumerators<TreeAggregate> = std::to_array<std::string_view>({"sum", "mean",
                                                                                     "min", "max"});
template <>
inline constexpr auto kEnumerators<UnaryKind> =
    std::to_array<std::string_view>({"sigmoid",    "tanh",
                                     "hard_swish", "hard_sigmoid",
                                     "leaky_relu", "elu",
                                     "silu",       "exp",
                                     "log",        "sqrt",
                                     "rsqrt",      "square",
                                     "neg",        "abs",
                                     "floor",      "ceil",
                                     "round",      "sign",
                                     "not",        "sin",
                                     "cos",        "tan",
                                     "asin",       "acos",
                                     "atan",       "sinh",
                                     "cosh",       "asinh",
                                     "acosh",      "atanh",
                                     "erf",        "gelu",
                                     "gelu_tanh",  "softplus",
                                     "softsign",   "mish",
                                     "celu",       "thresholded_relu",
                                     "shrink"});

// Precondition: `value` is an enumerator.
template <typename Enum>
constexpr std::string_view enumerator_name(Enum value) {
  return kEnumerators<Enum>[static_cast<size_t>(value)];
}

template <typename Enum>
constexpr std::optional<Enum> enumerator_of(std::string_view name) {
  const auto& names = kEnumerators<Enum>;
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

// f(name, member) for every member of `s`, a struct that HasFields; members that are such structs
// themselves are one member each. `s` may be const.
template <typename S, typename F>
constexpr void visit_fields(S& s, F&& f) {
  std::apply([&](const auto&... fields) { (f(fields.name, s.*fields.member), ...); },
             kFields<std::remove_const_t<S>>);
}

namespace internal {

// Stands for a value of any type, to count the members of an aggregate.
struct AnyValue {
  template <typename T>
  operator T() const;  // NOLINT(google-explicit-constructor)
};

template <typename S, size_t... kIndices>
constexpr bool has_members(std::index_sequence<kIndices...>) {
  return requires { S{(static_cast<void>(kIndices), AnyValue{})...}; };
}
template <typename S>
constexpr bool lists_all_members() {
  constexpr size_t kListed = std::tuple_size_v<std::remove_const_t<decltype(kFields<S>)>>;
  return has_members<S>(std::make_index_sequence<kListed>()) &&
         !has_members<S>(std::make_index_sequence<kListed + 1>());
}
template <size_t... kIndices>
constexpr bool all_listed(std::index_sequence<kIndices...>) {
  return (lists_all_members<std::variant_alternative_t<kIndices, OpAttrs>>() && ...);
}

}  // namespace internal

static_assert(internal::all_listed(std::make_index_sequence<std::variant_size_v<OpAttrs>>()) &&
                  internal::lists_all_members<Activation>() &&
                  internal::lists_all_members<Window2d>(),
              "kFields lacks a struct or a member of op.h");

}  // namespace inferd
