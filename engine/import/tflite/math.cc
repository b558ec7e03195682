// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {
namespace {

Status fully_connected(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "weights_format", 0) != 0) return unimplemented("shuffled weights");
  INFERD_ASSIGN_OR_RETURN(auto inputs, weighted_inputs(l, node));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  const Shape& x = l.info(inputs[0]).shape;
  const Shape& w = l.info(inputs[1]).shape;
  if (w.rank() != 2) return invalid_argument("weights " + w.to_string() + " are not 2-D");
  const bool keep = Lowering::int_attr(node, "keep_num_dims", 0) != 0;
  if (!keep && x.rank() != 2) {
    // [N,...] with as many elements per row as weights: keep the batch where it shows.
    const bool batched =
        x.rank() > 2 && x.is_static() && x[0] == 1 && x.elements(1, x.rank()) == w[1];
    INFERD_ASSIGN_OR_RETURN(
        inputs[0], l.builder().reshape(inputs[0], {batched ? 1 : -1, w[1]}, node.name + "/flat"));
  }
  INFERD_ASSIGN_OR_RETURN(const Activation act, activation(node));
  return emit(l, node, OpKind::kFullyConnected, inputs, FullyConnectedAttrs{act});
}

const Row kRows[] = {
    {"", "FULLY_CONNECTED", fully_connected},
};

}  // namespace

std::span<const Row> math_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower
