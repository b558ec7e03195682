// SPDX-License-Identifier: Apache-2.0
//
// TensorFlow Lite operators -> ir, by the tables of the families. SAME and VALID become explicit
// padding, fused activations become clamps, quantization moves with the values.
#include <algorithm>
#include <cstring>

#include "engine/import/tflite/lower.h"
#include "engine/import/tflite/tflite.h"
#include "engine/import/tflite/variables.h"

namespace inferd::import {
namespace tflite_lower {

OutputSpec spec(const Lowering& l, const ForeignNode& node, size_t i) {
  const ForeignTensor* t = i < node.outputs.size() ? l.tensor(node.outputs[i]) : nullptr;
  return t == nullptr ? OutputSpec{} : OutputSpec::typed(t->name, t->dtype, t->quantization);
}

Status emit(Lowering& l, const ForeignNode& node, OpKind kind, std::span<const ValueId> inputs,
            OpAttrs attrs) {
  INFERD_ASSIGN_OR_RETURN(const ValueId id,
                          l.builder().op(kind, inputs, std::move(attrs), node.name, spec(l, node)));
  return l.set_output(node, 0, id);
}

Result<Activation> activation(const ForeignNode& node) {
  switch (Lowering::int_attr(node, "activation", 0)) {
    case 0:
      return Activation{};
    case 1:
      return Activation{0.F, kInf};
    case 2:
      return Activation{-1.F, 1.F};
    case 3:
      return Activation{0.F, 6.F};
    default:
      return unimplemented("fused activation other than ReLU, ReLU6 and ReLU-1..1");
  }
}

std::vector<int32_t> option_words(const ForeignNode& node, size_t count) {
  const std::string bytes = Lowering::text_attr(node, "struct", "");
  std::vector<int32_t> words(count);
  if (bytes.size() < count * sizeof(int32_t)) return {};
  std::memcpy(words.data(), bytes.data(), count * sizeof(int32_t));
  return words;
}

}  // namespace tflite_lower

namespace {

Lowering::LowerNode find(const ForeignGraph&, const ForeignNode& node) {
  using namespace tflite_lower;  // NOLINT: the tables only
  for (const auto rows : {block_rows(), control_rows(), conv_rows(), elementwise_rows(),
                          image_rows(), index_rows(), landmark_rows(), math_rows(), movement_rows(),
                          quantized_rows(), random_rows(), recurrent_rows(), reduce_rows()}) {
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) {
      return node.domain == r.domain && node.op == r.op;
    });
    if (row != rows.end()) return row->lower;
  }
  return nullptr;
}

}  // namespace

Result<ir::Graph> lower_tflite(const ForeignGraph& foreign,
                               std::vector<UnsupportedOp>* unsupported) {
  if (!remembers(foreign)) return Lowering(foreign).run(find, unsupported);
  const Result<ForeignGraph> threaded = with_states(foreign);
  if (threaded.status().code() == StatusCode::kUnimplemented) {
    unsupported->push_back({"variables", foreign.name, threaded.status().message()});
    return ir::Graph();
  }
  INFERD_RETURN_IF_ERROR(threaded.status());
  return Lowering(*threaded).run(find, unsupported);
}

}  // namespace inferd::import
