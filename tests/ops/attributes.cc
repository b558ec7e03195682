// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/attributes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/ir/ops.h"

namespace inferd::ops {
namespace {

// Enumerators in the order of their values.
template <typename Enum>
constexpr std::span<const std::string_view> kNames;
template <size_t N>
using Names = std::array<std::string_view, N>;

constexpr Names<7> kBinaryKinds = {"add", "sub", "mul", "div", "min", "max", "pow"};
template <>
constexpr std::span<const std::string_view> kNames<BinaryKind> = kBinaryKinds;
constexpr Names<2> kAddRoundings = {"fixed_point", "float"};
template <>
constexpr std::span<const std::string_view> kNames<Rounding> = kAddRoundings;
constexpr Names<17> kUnaryKinds = {
    "sigmoid", "tanh",  "hard_swish", "hard_sigmoid", "leaky_relu", "elu",   "silu", "exp",  "log",
    "sqrt",    "rsqrt", "square",     "neg",          "abs",        "floor", "ceil", "round"};
template <>
constexpr std::span<const std::string_view> kNames<UnaryKind> = kUnaryKinds;
constexpr Names<5> kReduceKinds = {"mean", "sum", "max", "min", "prod"};
template <>
constexpr std::span<const std::string_view> kNames<ReduceKind> = kReduceKinds;
constexpr Names<2> kResizeModes = {"nearest", "linear"};
template <>
constexpr std::span<const std::string_view> kNames<ResizeMode> = kResizeModes;
constexpr Names<4> kResizeCoordinates = {"asymmetric", "half_pixel", "align_corners",
                                         "pytorch_half_pixel"};
template <>
constexpr std::span<const std::string_view> kNames<ResizeCoordinates> = kResizeCoordinates;
constexpr Names<4> kNearestRoundings = {"floor", "round_prefer_floor", "round_prefer_ceil", "ceil"};
template <>
constexpr std::span<const std::string_view> kNames<NearestRounding> = kNearestRoundings;

template <typename T>
bool parse(std::string_view text, T* value) {
  if constexpr (std::is_same_v<T, bool>) {
    *value = text == "true";
    return text == "true" || text == "false";
  } else if constexpr (std::is_enum_v<T>) {
    const auto found = std::find(kNames<T>.begin(), kNames<T>.end(), text);
    *value = static_cast<T>(found - kNames<T>.begin());
    return found != kNames<T>.end();
  } else {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
    return error == std::errc() && end == text.data() + text.size();
  }
}

bool parse(std::string_view text, int64_t* value) {
  *value = kSliceEnd;
  return text == "end" || parse<int64_t>(text, value);
}

template <typename T>
bool parse(std::string_view text, std::vector<T>* values) {
  values->clear();
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (!parse(text.substr(0, comma), &values->emplace_back())) return false;
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return true;
}

// Visits members until one has the wanted name.
struct Setter {
  std::string_view name, text;
  bool found = false;
  bool parsed = false;

  template <typename T>
  void operator()(std::string_view member, T* value) {
    if (found || member != name) return;
    found = true;
    parsed = parse(text, value);
  }
};

void visit(Setter&, std::monostate*) {}
void visit(Setter& set, Window2d* w) {
  set("kernel_h", &w->kernel_h), set("kernel_w", &w->kernel_w);
  set("stride_h", &w->stride_h), set("stride_w", &w->stride_w);
  set("dilation_h", &w->dilation_h), set("dilation_w", &w->dilation_w);
  set("pad_top", &w->pad_top), set("pad_bottom", &w->pad_bottom);
  set("pad_left", &w->pad_left), set("pad_right", &w->pad_right);
}
void visit(Setter& set, Activation* a) { set("min", &a->min), set("max", &a->max); }
void visit(Setter& set, Conv2dAttrs* a) {
  visit(set, &a->window), set("groups", &a->groups), visit(set, &a->activation);
}
void visit(Setter& set, FullyConnectedAttrs* a) { visit(set, &a->activation); }
void visit(Setter& set, MatMulAttrs* a) {
  set("transpose_a", &a->transpose_a), set("transpose_b", &a->transpose_b);
  visit(set, &a->activation);
}
void visit(Setter& set, BinaryAttrs* a) {
  set("kind", &a->kind), visit(set, &a->activation), set("rounding", &a->rounding);
}
void visit(Setter& set, UnaryAttrs* a) {
  set("kind", &a->kind), set("alpha", &a->alpha), set("beta", &a->beta);
}
void visit(Setter& set, ClampAttrs* a) { visit(set, &a->range); }
void visit(Setter& set, Pool2dAttrs* a) {
  visit(set, &a->window), set("count_padding", &a->count_padding), visit(set, &a->activation);
}
void visit(Setter& set, ReduceAttrs* a) {
  set("kind", &a->kind), set("axes", &a->axes), set("keep_dims", &a->keep_dims);
}
void visit(Setter& set, ArgMaxAttrs* a) { set("axis", &a->axis), set("keep_dims", &a->keep_dims); }
void visit(Setter& set, SoftmaxAttrs* a) { set("axis", &a->axis), set("beta", &a->beta); }
void visit(Setter& set, ConcatAttrs* a) { set("axis", &a->axis); }
void visit(Setter& set, SliceAttrs* a) {
  set("begin", &a->begin), set("end", &a->end), set("step", &a->step);
}
void visit(Setter& set, PadAttrs* a) {
  set("before", &a->before), set("after", &a->after), set("value", &a->value);
}
void visit(Setter& set, ReshapeAttrs* a) {
  set("dims", &a->dims), set("zero_is_literal", &a->zero_is_literal);
}
void visit(Setter& set, RequantizeAttrs* a) { set("rounding", &a->rounding); }
void visit(Setter& set, TransposeAttrs* a) { set("perm", &a->perm); }
void visit(Setter& set, StridedCopyAttrs* a) {
  set("shape", &a->shape), set("strides", &a->strides);
  set("offset", &a->offset), set("each_slice", &a->each_slice);
}
void visit(Setter& set, GatherAttrs* a) { set("axis", &a->axis); }
void visit(Setter& set, ResizeAttrs* a) {
  set("mode", &a->mode), set("coordinates", &a->coordinates), set("rounding", &a->rounding);
  set("out_h", &a->out_h), set("out_w", &a->out_w);
  set("scale_h", &a->scale_h), set("scale_w", &a->scale_w);
}
void visit(Setter& set, BatchNormAttrs* a) { set("axis", &a->axis); }
void visit(Setter& set, DetectionPostProcessAttrs* a) {
  set("max_detections", &a->max_detections);
  set("max_classes_per_detection", &a->max_classes_per_detection);
  set("detections_per_class", &a->detections_per_class);
  set("regular_nms", &a->regular_nms);
  set("score_threshold", &a->score_threshold), set("iou_threshold", &a->iou_threshold);
  set("num_classes", &a->num_classes);
  set("y_scale", &a->y_scale), set("x_scale", &a->x_scale);
  set("h_scale", &a->h_scale), set("w_scale", &a->w_scale);
}

template <size_t... kIndices>
OpAttrs alternative(size_t index, std::index_sequence<kIndices...>) {
  OpAttrs attrs;
  static_cast<void>(((index == kIndices && (attrs.emplace<kIndices>(), true)) || ...));
  return attrs;
}

}  // namespace

OpAttrs default_attributes(OpKind kind) {
  return alternative(ir::op_info(kind).attrs_index,
                     std::make_index_sequence<std::variant_size_v<OpAttrs>>());
}

Status set_attribute(OpAttrs* attrs, const std::string& name, const std::string& value) {
  Setter setter{name, value};
  std::visit([&](auto& alternative) { visit(setter, &alternative); }, *attrs);
  if (!setter.found) return invalid_argument("the operator has no attribute '" + name + "'");
  if (!setter.parsed) return invalid_argument("'" + value + "' is no value for " + name);
  return ok_status();
}

}  // namespace inferd::ops
