// SPDX-License-Identifier: Apache-2.0
#include "engine/ir/infer.h"

namespace inferd::ir {

// What the nodes say is the data of constants: the kernel bounds every index
// (kernels/ref/trees.cc).
Status infer_tree_ensemble(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const int targets = c.attrs<TreeEnsembleAttrs>().targets;
  const Shape& x = c.input(0).shape;
  const Shape& nodes = c.input(1).shape;
  const Shape& thresholds = c.input(2).shape;
  const Shape& roots = c.input(3).shape;
  const Shape& leaves = c.input(4).shape;
  const Shape& weights = c.input(5).shape;
  if (targets < 1) return c.error("has " + std::to_string(targets) + " targets");
  if (x.rank() != 2) return c.error("input " + x.to_string() + " is not [samples,features]");
  if (nodes.rank() != 2 || nodes[1] != 4 || thresholds != Shape{nodes[0]} || roots.rank() != 1 ||
      leaves.rank() != 1 || weights != leaves || !nodes.is_static() || !roots.is_static() ||
      !leaves.is_static()) {
    return c.error("nodes " + nodes.to_string() + ", thresholds " + thresholds.to_string() +
                   ", roots " + roots.to_string() + ", leaves " + leaves.to_string() +
                   " and weights " + weights.to_string() + " do not fit together");
  }
  return c.set({x[0], targets});
}

}  // namespace inferd::ir
