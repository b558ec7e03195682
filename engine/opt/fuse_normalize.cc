// SPDX-License-Identifier: Apache-2.0
//
// Layer normalisation as frameworks export it, in float32, is one operator:
//   d = x - mean(x);  d / sqrt(mean(d * d) + epsilon)     also d * rsqrt(...)
// over the last dimensions, and then constants that it is multiplied with and that are added to it.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

class Matcher {
 public:
  explicit Matcher(const ir::Graph& graph)
      : graph_(graph), producers_(graph.producers()), uses_(graph.use_counts()) {}

  // What makes `id`, if that is a `kind` without a fused clamp; null otherwise.
  const ir::Node* maker(ir::ValueId id, OpKind kind) const {
    const int p = producers_[static_cast<size_t>(id)];
    if (p < 0) return nullptr;
    const ir::Node& node = graph_.nodes()[static_cast<size_t>(p)];
    return node.kind == kind ? &node : nullptr;
  }
  const ir::Node* binary(ir::ValueId id, BinaryKind kind) const {
    const ir::Node* node = maker(id, OpKind::kBinary);
    return node != nullptr && is(*node, kind) ? node : nullptr;
  }
  const ir::Node* unary(ir::ValueId id, UnaryKind kind) const {
    const ir::Node* node = maker(id, OpKind::kUnary);
    return node != nullptr && std::get<UnaryAttrs>(node->attrs).kind == kind ? node : nullptr;
  }
  static bool is(const ir::Node& node, BinaryKind kind) {
    const auto* attrs = std::get_if<BinaryAttrs>(&node.attrs);
    return attrs != nullptr && attrs->kind == kind && attrs->activation.none();
  }

  // The one element of a float32 constant.
  std::optional<float> scalar(ir::ValueId id) const {
    const ir::Value& v = graph_.value(id);
    if (!v.is_constant() || v.dtype != DType::kFloat32 || v.shape.elements() != 1) {
      return std::nullopt;
    }
    float value = 0.F;
    std::memcpy(&value, v.constant->bytes().data(), sizeof value);
    return value;
  }

  // The first of the last dimensions that `id`, a mean of `of`, is over; -1 when it is not one.
  int mean_from(ir::ValueId id, ir::ValueId* of) const {
    const ir::Node* node = maker(id, OpKind::kReduce);
    if (node == nullptr) return -1;
    const auto& attrs = std::get<ReduceAttrs>(node->attrs);
    const int rank = graph_.value(node->inputs[0]).shape.rank();
    const bool last = !attrs.axes.empty() && attrs.axes.back() == rank - 1 &&
                      attrs.axes.front() == rank - static_cast<int>(attrs.axes.size());
    if (attrs.kind != ReduceKind::kMean || !attrs.keep_dims || !last) return -1;
    *of = node->inputs[0];
    return attrs.axes.front();
  }

  // Whether `id` is d * d.
  bool is_square(ir::ValueId id, ir::ValueId d) const {
    if (const ir::Node* node = unary(id, UnaryKind::kSquare)) return node->inputs[0] == d;
    if (const ir::Node* node = binary(id, BinaryKind::kMul)) {
      return node->inputs[0] == d && node->inputs[1] == d;
    }
    const ir::Node* node = binary(id, BinaryKind::kPow);
    return node != nullptr && node->inputs[0] == d && scalar(node->inputs[1]) == 2.F;
  }

  // mean(d * d) + epsilon over everything from `axis` on: its epsilon.
  std::optional<float> variance(ir::ValueId id, ir::ValueId d, int axis) const {
    const ir::Node* sum = binary(id, BinaryKind::kAdd);
    for (size_t side = 0; sum != nullptr && side < 2; ++side) {
      const std::optional<float> epsilon = scalar(sum->inputs[1 - side]);
      ir::ValueId squares = ir::kNoValue;
      if (epsilon >= 0.F && mean_from(sum->inputs[side], &squares) == axis &&
          is_square(squares, d)) {
        return epsilon;
      }
    }
    return std::nullopt;
  }

  // `node` as a normalisation of what it is one of.
  std::optional<ir::Node> normalisation(const ir::Node& node) const {
    const bool divides = is(node, BinaryKind::kDiv);
    if (!divides && !is(node, BinaryKind::kMul)) return std::nullopt;
    for (size_t side = 0; side < (divides ? 1 : 2); ++side) {
      const ir::ValueId d = node.inputs[side];
      const ir::Node* root =
          unary(node.inputs[1 - side], divides ? UnaryKind::kSqrt : UnaryKind::kRsqrt);
      const ir::Node* centred = binary(d, BinaryKind::kSub);
      if (root == nullptr || centred == nullptr) continue;
      ir::ValueId x = ir::kNoValue;
      const int axis = mean_from(centred->inputs[1], &x);
      if (axis < 0 || x != centred->inputs[0]) continue;
      const std::optional<float> epsilon = variance(root->inputs[0], d, axis);
      if (!epsilon) continue;
      return ir::Node{OpKind::kNormalize,
                      node.name,
                      NormalizeAttrs{NormalizeKind::kMeanVariance, axis, *epsilon},
                      {x},
                      node.outputs};
    }
    return std::nullopt;
  }

  // normalize(x) * constant or normalize(x, scale) + constant as one operator.
  std::optional<ir::Node> with_parameter(const ir::Node& node) const {
    const size_t parameters = is(node, BinaryKind::kMul) ? 0 : is(node, BinaryKind::kAdd) ? 1 : 2;
    for (size_t side = 0; parameters < 2 && side < 2; ++side) {
      const ir::ValueId y = node.inputs[side];
      const ir::Value& parameter = graph_.value(node.inputs[1 - side]);
      const ir::Node* made = maker(y, OpKind::kNormalize);
      if (made == nullptr || made->inputs.size() != 1 + parameters ||
          uses_[static_cast<size_t>(y)] != 1 || !parameter.is_constant() ||
          parameter.dtype != DType::kFloat32 ||
          !(graph_.value(node.outputs[0]).shape == graph_.value(y).shape)) {
        continue;
      }
      ir::Node fused = *made;
      fused.inputs.push_back(node.inputs[1 - side]);
      fused.outputs = node.outputs;
      return fused;
    }
    return std::nullopt;
  }

 private:
  const ir::Graph& graph_;
  const std::vector<int> producers_;
  const std::vector<int> uses_;
};

}  // namespace

// What is left without a reader goes with the dead nodes, and one step at a time makes the rest of
// a chain a matter of further rounds.
Result<bool> fuse_normalize(ir::Graph& graph, const PassContext&) {
  const Matcher matcher(graph);
  std::vector<std::pair<size_t, ir::Node>> found;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const ir::Node& node = graph.nodes()[n];
    if (node.kind != OpKind::kBinary || graph.value(node.outputs[0]).dtype != DType::kFloat32) {
      continue;
    }
    std::optional<ir::Node> fused = matcher.normalisation(node);
    if (!fused) fused = matcher.with_parameter(node);
    if (fused) found.emplace_back(n, std::move(*fused));
  }
  for (auto& [n, node] : found) graph.nodes()[n] = std::move(node);
  return !found.empty();
}

}  // namespace inferd::opt
