// SPDX-License-Identifier: Apache-2.0
//
// TreeEnsembleClassifier, TreeEnsembleRegressor and, of ai.onnx.ml 5, TreeEnsemble. Whatever way a
// file lists its nodes, they are laid out tree by tree with parents before their children.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>

#include "engine/import/onnx/classic.h"

namespace inferd::import::onnx_lower {
namespace {

// A node as a file tells it.
struct Split {
  int32_t feature = 0;
  int32_t test = TreeTest::kLeaf;  // with kMissingIsTrue
  float threshold = 0.F;
  int64_t if_true = 0, if_false = 0;  // positions in the list of nodes
};
struct Entry {
  int32_t target;
  float weight;
};
struct Forest {
  std::vector<Split> nodes;
  std::vector<std::vector<Entry>> entries;  // by node
  std::vector<int64_t> roots;
};

// Tables of kTreeEnsemble.
struct Tables {
  std::vector<int32_t> nodes;
  std::vector<float> thresholds;
  std::vector<int32_t> roots;
  std::vector<int32_t> leaves;
  std::vector<float> weights;
};

constexpr int64_t kMostNodes = int64_t{1} << 28;

class Layout {
 public:
  explicit Layout(const Forest& forest) : forest_(forest), seen_(forest.nodes.size(), false) {}

  // INVALID_ARGUMENT when children do not exist, or a node is reached twice.
  Result<Tables> tables() && {
    for (const int64_t root : forest_.roots) {
      tables_.roots.push_back(static_cast<int32_t>(tables_.thresholds.size()));
      INFERD_RETURN_IF_ERROR(add_tree(root));
    }
    return std::move(tables_);
  }

 private:
  // A child that was met and is not laid out yet: where its position has to be written.
  struct Pending {
    int64_t node;
    size_t slot;
  };

  Status add_tree(int64_t root) {
    std::vector<Pending> pending = {{root, kNoSlot}};
    while (!pending.empty()) {
      const auto [node, slot] = pending.back();
      pending.pop_back();
      if (node < 0 || node >= static_cast<int64_t>(forest_.nodes.size())) {
        return invalid_argument("a tree refers to node " + std::to_string(node) + " of " +
                                std::to_string(forest_.nodes.size()));
      }
      if (seen_[static_cast<size_t>(node)])
        return invalid_argument("a tree's node has two parents");
      seen_[static_cast<size_t>(node)] = true;
      if (slot != kNoSlot) tables_.nodes[slot] = static_cast<int32_t>(tables_.thresholds.size());
      const Split& split = forest_.nodes[static_cast<size_t>(node)];
      if (split.test == TreeTest::kLeaf) {
        add_leaf(forest_.entries[static_cast<size_t>(node)]);
        continue;
      }
      const size_t row = add_node({split.feature, split.test, 0, 0}, split.threshold);
      pending.push_back({split.if_false, row + 3});
      pending.push_back({split.if_true, row + 2});
    }
    return ok_status();
  }

  size_t add_node(const std::array<int32_t, 4>& row, float threshold) {
    const size_t at = tables_.nodes.size();
    tables_.nodes.insert(tables_.nodes.end(), row.begin(), row.end());
    tables_.thresholds.push_back(threshold);
    return at;
  }

  void add_leaf(const std::vector<Entry>& entries) {
    add_node({static_cast<int32_t>(tables_.leaves.size()), TreeTest::kLeaf,
              static_cast<int32_t>(entries.size()), 0},
             0.F);
    for (const Entry& e : entries) {
      tables_.leaves.push_back(e.target);
      tables_.weights.push_back(e.weight);
    }
  }

  static constexpr size_t kNoSlot = SIZE_MAX;
  const Forest& forest_;
  std::vector<bool> seen_;
  Tables tables_;
};

Result<int32_t> test_of(const std::string& mode) {
  constexpr std::array<std::pair<const char*, int32_t>, 7> kModes = {{
      {"LEAF", TreeTest::kLeaf},
      {"BRANCH_LEQ", TreeTest::kLessOrEqual},
      {"BRANCH_LT", TreeTest::kLess},
      {"BRANCH_GTE", TreeTest::kGreaterOrEqual},
      {"BRANCH_GT", TreeTest::kGreater},
      {"BRANCH_EQ", TreeTest::kEqual},
      {"BRANCH_NEQ", TreeTest::kNotEqual},
  }};
  for (const auto& [name, test] : kModes) {
    if (mode == name) return test;
  }
  return unimplemented("tree nodes of mode '" + mode + "'");
}

Result<int32_t> feature_of(int64_t feature) {
  if (feature >= 0 && feature <= INT32_MAX) return static_cast<int32_t>(feature);
  return invalid_argument("a tree's node tests feature " + std::to_string(feature));
}

Result<int32_t> target_of(int64_t target, int64_t targets) {
  if (target >= 0 && target < targets) return static_cast<int32_t>(target);
  return invalid_argument("a leaf adds to target " + std::to_string(target) + " of " +
                          std::to_string(targets));
}

using Key = std::pair<int64_t, int64_t>;  // tree and node

// Positions of the nodes; a tree's root is its node that no other has for a child.
class Nodes {
 public:
  // The forest of nodes_*, without its entries.
  static Result<Nodes> read(const ForeignNode& node) {
    const auto ints = [&](const char* name) { return Lowering::ints_attr(node, name); };
    const auto trees = ints("nodes_treeids");
    const auto ids = ints("nodes_nodeids");
    const auto features = ints("nodes_featureids");
    const auto modes = list_attr<std::string>(node, "nodes_modes");
    const auto values = list_attr<float>(node, "nodes_values");
    const auto if_true = ints("nodes_truenodeids");
    const auto if_false = ints("nodes_falsenodeids");
    const auto missing = ints("nodes_missing_value_tracks_true");
    if (Lowering::has_attr(node, "nodes_values_as_tensor")) {
      return unimplemented("trees in double precision");
    }
    const size_t count = trees.size();
    if (count == 0 || ids.size() != count || features.size() != count || modes.size() != count ||
        values.size() != count || if_true.size() != count || if_false.size() != count ||
        (!missing.empty() && missing.size() != count) || static_cast<int64_t>(count) > kMostNodes) {
      return invalid_argument("the lists of tree nodes differ in length, or are empty");
    }
    Nodes nodes;
    for (size_t i = 0; i < count; ++i) {
      if (!nodes.position_.emplace(Key{trees[i], ids[i]}, static_cast<int64_t>(i)).second) {
        return invalid_argument("tree " + std::to_string(trees[i]) + " has node " +
                                std::to_string(ids[i]) + " twice");
      }
    }
    std::set<int64_t> children;
    for (size_t i = 0; i < count; ++i) {
      Split split;
      INFERD_ASSIGN_OR_RETURN(split.test, test_of(modes[i]));
      if (split.test != TreeTest::kLeaf) {
        INFERD_ASSIGN_OR_RETURN(split.feature, feature_of(features[i]));
        INFERD_ASSIGN_OR_RETURN(split.if_true, nodes.find({trees[i], if_true[i]}));
        INFERD_ASSIGN_OR_RETURN(split.if_false, nodes.find({trees[i], if_false[i]}));
        children.insert(split.if_true);
        children.insert(split.if_false);
        if (!missing.empty() && missing[i] != 0) split.test |= TreeTest::kMissingIsTrue;
      }
      split.threshold = values[i];
      nodes.forest_.nodes.push_back(split);
    }
    nodes.forest_.entries.resize(count);
    for (int64_t i = 0; i < static_cast<int64_t>(count); ++i) {
      if (!children.contains(i)) nodes.forest_.roots.push_back(i);
    }
    return nodes;
  }

  // Adds the entries of lists `prefix`_treeids, _nodeids, _ids and _weights.
  Status add_entries(const ForeignNode& node, const std::string& prefix, int64_t targets) {
    const auto trees = Lowering::ints_attr(node, prefix + "_treeids");
    const auto ids = Lowering::ints_attr(node, prefix + "_nodeids");
    const auto to = Lowering::ints_attr(node, prefix + "_ids");
    const auto weights = list_attr<float>(node, (prefix + "_weights").c_str());
    if (ids.size() != trees.size() || to.size() != trees.size() || weights.size() != trees.size()) {
      return invalid_argument("the lists of leaves differ in length");
    }
    for (size_t i = 0; i < trees.size(); ++i) {
      INFERD_ASSIGN_OR_RETURN(const int64_t at, find({trees[i], ids[i]}));
      INFERD_ASSIGN_OR_RETURN(const int32_t target, target_of(to[i], targets));
      forest_.entries[static_cast<size_t>(at)].push_back({target, weights[i]});
    }
    return ok_status();
  }

  const Forest& forest() const { return forest_; }

 private:
  Result<int64_t> find(Key key) const {
    const auto it = position_.find(key);
    if (it != position_.end()) return it->second;
    return invalid_argument("tree " + std::to_string(key.first) + " has no node " +
                            std::to_string(key.second));
  }

  std::map<Key, int64_t> position_;
  Forest forest_;
};

// y[N,targets]
Result<ValueId> emit_trees(Lowering& l, const ForeignNode& node, const Forest& forest,
                           int64_t targets, TreeAggregate aggregate) {
  if (targets < 1 || targets > INT32_MAX) {
    return invalid_argument("has " + std::to_string(targets) + " targets");
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId x, float_input(l, node));
  INFERD_ASSIGN_OR_RETURN(const Tables t, Layout(forest).tables());
  ir::Builder& b = l.builder();
  const auto count = [](const auto& list) { return static_cast<int64_t>(list.size()); };
  const std::array inputs = {
      x,
      b.constant_int32s(node.name + "/nodes", {count(t.thresholds), 4}, t.nodes),
      b.constant_floats(node.name + "/thresholds", {count(t.thresholds)}, t.thresholds),
      b.constant_int32s(node.name + "/roots", {count(t.roots)}, t.roots),
      b.constant_int32s(node.name + "/leaves", {count(t.leaves)}, t.leaves),
      b.constant_floats(node.name + "/weights", {count(t.weights)}, t.weights),
  };
  return b.op(OpKind::kTreeEnsemble, inputs,
              TreeEnsembleAttrs{static_cast<int>(targets), aggregate}, node.name);
}

// Adds base_values, if the node has any.
Result<ValueId> add_base(Lowering& l, const ForeignNode& node, ValueId scores, int64_t targets) {
  const auto base = list_attr<float>(node, "base_values");
  if (base.empty()) return scores;
  if (static_cast<int64_t>(base.size()) != targets) {
    return unimplemented(std::to_string(base.size()) + " base values for " +
                         std::to_string(targets) + " scores");
  }
  const ValueId c = l.builder().constant_floats(node.name + "/base", {targets}, base);
  return l.builder().op(OpKind::kBinary, {scores, c}, BinaryAttrs{BinaryKind::kAdd, {}}, node.name);
}

Result<TreeAggregate> aggregate_of(const std::string& name) {
  if (name == "SUM") return TreeAggregate::kSum;
  if (name == "AVERAGE") return TreeAggregate::kMean;
  if (name == "MIN") return TreeAggregate::kMin;
  if (name == "MAX") return TreeAggregate::kMax;
  return invalid_argument("aggregate function '" + name + "'");
}

// Numbers of a tensor attribute with elements of type T.
template <typename T>
Result<std::vector<T>> tensor_attr(const ForeignNode& node, const char* name, DType dtype) {
  const auto it = node.attrs.find(name);
  const auto* tensor = it == node.attrs.end() ? nullptr : std::get_if<ForeignTensor>(&it->second);
  if (tensor == nullptr || tensor->data == nullptr) {
    return invalid_argument(std::string(name) + " is missing");
  }
  if (tensor->dtype != dtype) {
    return unimplemented(std::string(name) + " of type " + std::string(dtype_name(tensor->dtype)));
  }
  const ConstantUse use(tensor->data);
  std::vector<T> values(use.bytes().size() / sizeof(T));
  std::memcpy(values.data(), use.bytes().data(), values.size() * sizeof(T));
  return values;
}

// The forest of ai.onnx.ml 5: leaves are a list of their own, which follows the nodes here.
Result<Forest> read_forest(const ForeignNode& node, int64_t targets) {
  const auto ints = [&](const char* name) { return Lowering::ints_attr(node, name); };
  const auto features = ints("nodes_featureids");
  const auto if_true = ints("nodes_truenodeids");
  const auto if_false = ints("nodes_falsenodeids");
  const auto true_leaf = ints("nodes_trueleafs");
  const auto false_leaf = ints("nodes_falseleafs");
  const auto missing = ints("nodes_missing_value_tracks_true");
  const auto leaf_targets = ints("leaf_targetids");
  INFERD_ASSIGN_OR_RETURN(const auto modes,
                          tensor_attr<uint8_t>(node, "nodes_modes", DType::kUInt8));
  INFERD_ASSIGN_OR_RETURN(const auto splits,
                          tensor_attr<float>(node, "nodes_splits", DType::kFloat32));
  INFERD_ASSIGN_OR_RETURN(const auto weights,
                          tensor_attr<float>(node, "leaf_weights", DType::kFloat32));
  const size_t count = features.size();
  if (if_true.size() != count || if_false.size() != count || true_leaf.size() != count ||
      false_leaf.size() != count || modes.size() != count || splits.size() != count ||
      (!missing.empty() && missing.size() != count) || leaf_targets.size() != weights.size() ||
      static_cast<int64_t>(count + weights.size()) > kMostNodes) {
    return invalid_argument("the lists of tree nodes or leaves differ in length");
  }
  const auto leaves = static_cast<int64_t>(weights.size());
  const auto child = [&](int64_t id, int64_t is_leaf) -> int64_t {
    if (is_leaf == 0) return id;
    return id < 0 || id >= leaves ? -1 : static_cast<int64_t>(count) + id;
  };
  Forest forest;
  for (size_t i = 0; i < count; ++i) {
    // <=, <, >=, >, ==, != and membership of a set.
    if (modes[i] > 5) return unimplemented("tree nodes of mode " + std::to_string(modes[i]));
    Split split;
    INFERD_ASSIGN_OR_RETURN(split.feature, feature_of(features[i]));
    split.test = TreeTest::kLessOrEqual + modes[i];
    if (!missing.empty() && missing[i] != 0) split.test |= TreeTest::kMissingIsTrue;
    split.threshold = splits[i];
    split.if_true = child(if_true[i], true_leaf[i]);
    split.if_false = child(if_false[i], false_leaf[i]);
    forest.nodes.push_back(split);
  }
  forest.entries.resize(count);
  for (size_t i = 0; i < weights.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const int32_t target, target_of(leaf_targets[i], targets));
    forest.nodes.emplace_back();
    forest.entries.push_back({{target, weights[i]}});
  }
  forest.roots = ints("tree_roots");
  return forest;
}

}  // namespace

// As ONNX Runtime, but that two classes with scores of both take the larger one.
Status tree_ensemble_classifier(Lowering& l, const ForeignNode& node) {
  constexpr const char* kInts = "classlabels_int64s";
  const auto classes = static_cast<int64_t>(label_count(node, kInts, "classlabels_strings"));
  INFERD_ASSIGN_OR_RETURN(Nodes nodes, Nodes::read(node));
  INFERD_RETURN_IF_ERROR(nodes.add_entries(node, "class", classes));
  const auto ids = Lowering::ints_attr(node, "class_ids");
  const auto weights = list_attr<float>(node, "class_weights");
  const bool one_score = classes == 1 || (classes == 2 && std::count(ids.begin(), ids.end(), 0) ==
                                                              static_cast<int64_t>(ids.size()));
  const int64_t targets = one_score ? 1 : classes;
  INFERD_ASSIGN_OR_RETURN(ValueId scores,
                          emit_trees(l, node, nodes.forest(), targets, TreeAggregate::kSum));
  INFERD_ASSIGN_OR_RETURN(scores, add_base(l, node, scores, targets));
  const bool probabilities =
      std::all_of(weights.begin(), weights.end(), [](float w) { return w >= 0.F; });
  if (one_score && classes == 2) {
    return probabilities ? emit_binary(l, node, scores, 0.5F, 1.F, kInts)
                         : emit_binary(l, node, scores, 0.F, 0.F, kInts);
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId z, post_transform(l, node, scores, named(node, 1)));
  INFERD_RETURN_IF_ERROR(l.set_output(node, 1, z));
  // One score alone says yes or no; one for the second class is held against what it would lose to.
  const bool second_alone =
      classes == 2 && std::count(ids.begin(), ids.end(), 1) == static_cast<int64_t>(ids.size());
  if (classes == 1) {
    INFERD_ASSIGN_OR_RETURN(scores,
                            affine(l, node, scores, std::array{0.F, 1.F}, std::array{0.F, 0.F}));
  } else if (second_alone) {
    INFERD_ASSIGN_OR_RETURN(scores, affine(l, node, scores, std::array{0.F, 0.F, 0.F, 1.F},
                                           std::array{probabilities ? 0.5F : 0.F, 0.F}));
  }
  return emit_labels(l, node, scores, kInts);
}

Status tree_ensemble_regressor(Lowering& l, const ForeignNode& node) {
  const int64_t targets = Lowering::int_attr(node, "n_targets", 1);
  INFERD_ASSIGN_OR_RETURN(const TreeAggregate aggregate,
                          aggregate_of(Lowering::text_attr(node, "aggregate_function", "SUM")));
  INFERD_ASSIGN_OR_RETURN(Nodes nodes, Nodes::read(node));
  INFERD_RETURN_IF_ERROR(nodes.add_entries(node, "target", targets));
  INFERD_ASSIGN_OR_RETURN(ValueId y, emit_trees(l, node, nodes.forest(), targets, aggregate));
  INFERD_ASSIGN_OR_RETURN(y, add_base(l, node, y, targets));
  INFERD_ASSIGN_OR_RETURN(y, post_transform(l, node, y, named(node)));
  return l.set_output(node, 0, y);
}

Status tree_ensemble(Lowering& l, const ForeignNode& node) {
  constexpr std::array kAggregates = {TreeAggregate::kMean, TreeAggregate::kSum,
                                      TreeAggregate::kMin, TreeAggregate::kMax};
  const int64_t aggregate = Lowering::int_attr(node, "aggregate_function", 1);
  if (aggregate < 0 || aggregate >= static_cast<int64_t>(kAggregates.size())) {
    return invalid_argument("aggregate function " + std::to_string(aggregate));
  }
  const int64_t targets = Lowering::int_attr(node, "n_targets", 1);
  INFERD_ASSIGN_OR_RETURN(const Forest forest, read_forest(node, targets));
  INFERD_ASSIGN_OR_RETURN(
      ValueId y, emit_trees(l, node, forest, targets, kAggregates[static_cast<size_t>(aggregate)]));
  INFERD_ASSIGN_OR_RETURN(y, post_transform(l, node, y, named(node)));
  return l.set_output(node, 0, y);
}

}  // namespace inferd::import::onnx_lower
