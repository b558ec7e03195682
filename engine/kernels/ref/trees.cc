// SPDX-License-Identifier: Apache-2.0
//
// Decision trees (TreeTest in op_recurrent.h). The tables are data from a file: a node, feature,
// leaf or target that does not exist adds nothing, and a walk never turns back, so that it ends.
#include <algorithm>
#include <cmath>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

struct Node {
  int32_t feature;  // of a leaf: its first entry
  int32_t test;
  int32_t if_true;  // of a leaf: how many entries
  int32_t if_false;
};

bool holds(int32_t kind, float x, float threshold) {
  switch (kind) {
    case TreeTest::kLessOrEqual:
      return x <= threshold;
    case TreeTest::kLess:
      return x < threshold;
    case TreeTest::kGreaterOrEqual:
      return x >= threshold;
    case TreeTest::kGreater:
      return x > threshold;
    case TreeTest::kEqual:
      return x == threshold;
    default:
      return x != threshold;
  }
}

class Forest {
 public:
  explicit Forest(const RunArgs& args)
      : nodes_(reinterpret_cast<const Node*>(args.inputs[1])),
        thresholds_(args.input<float>(2)),
        node_count_(args.op.inputs[1].shape[0]),
        leaves_(args.input<int32_t>(4)),
        weights_(args.input<float>(5)),
        leaf_count_(args.op.inputs[4].shape[0]),
        features_(args.op.inputs[0].shape[1]) {}

  // f(target, weight) for what the leaf that `x` reaches from `root` holds.
  template <typename F>
  void walk(const float* x, int64_t root, F f) const {
    if (root < 0) return;
    for (int64_t i = root; i < node_count_;) {
      const Node& node = nodes_[i];
      if ((node.test & TreeTest::kKindMask) == TreeTest::kLeaf) {
        const int64_t end = std::min(int64_t{node.feature} + node.if_true, leaf_count_);
        for (int64_t e = std::max(node.feature, 0); e < end; ++e) f(leaves_[e], weights_[e]);
        return;
      }
      const int64_t next = test(node, thresholds_[i], x) ? node.if_true : node.if_false;
      if (next <= i) return;
      i = next;
    }
  }

 private:
  bool test(const Node& node, float threshold, const float* x) const {
    const bool exists = node.feature >= 0 && node.feature < features_;
    const float value = exists ? x[node.feature] : std::numeric_limits<float>::quiet_NaN();
    if (std::isnan(value) && (node.test & TreeTest::kMissingIsTrue) != 0) return true;
    return holds(node.test & TreeTest::kKindMask, value, threshold);
  }

  const Node* nodes_;
  const float* thresholds_;
  int64_t node_count_;
  const int32_t* leaves_;
  const float* weights_;
  int64_t leaf_count_;
  int64_t features_;
};

}  // namespace

bool accepts_tree_ensemble(const OpDesc& op) {
  return is_float(op.inputs[0]) && op.inputs[1].dtype == DType::kInt32 && is_float(op.inputs[2]) &&
         op.inputs[3].dtype == DType::kInt32 && op.inputs[4].dtype == DType::kInt32 &&
         is_float(op.inputs[5]) && is_float(op.outputs[0]);
}

// A target that no leaf names is 0; with kMin and kMax only the trees that name it count.
void run_tree_ensemble(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<TreeEnsembleAttrs>();
  const Forest forest(args);
  const Shape& x = args.op.inputs[0].shape;
  const int64_t trees = args.op.inputs[3].shape[0];
  const float none = attrs.aggregate == TreeAggregate::kMin   ? kInf
                     : attrs.aggregate == TreeAggregate::kMax ? -kInf
                                                              : 0.F;
  for (int64_t n = 0; n < x[0]; ++n) {
    float* y = args.output<float>(0) + n * attrs.targets;
    std::fill_n(y, attrs.targets, none);
    const auto add = [&](int32_t target, float weight) {
      if (target < 0 || target >= attrs.targets) return;
      switch (attrs.aggregate) {
        case TreeAggregate::kMin:
          y[target] = std::min(y[target], weight);
          break;
        case TreeAggregate::kMax:
          y[target] = std::max(y[target], weight);
          break;
        default:
          y[target] += weight;
      }
    };
    for (int64_t t = 0; t < trees; ++t) {
      forest.walk(args.input<float>(0) + n * x[1], args.input<int32_t>(3)[t], add);
    }
    for (int target = 0; target < attrs.targets; ++target) {
      if (none != 0.F && y[target] == none) y[target] = 0.F;
      if (attrs.aggregate == TreeAggregate::kMean)
        y[target] /= static_cast<float>(std::max<int64_t>(trees, 1));
    }
  }
}

}  // namespace inferd::kernels::ref
