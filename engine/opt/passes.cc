// SPDX-License-Identifier: Apache-2.0
#include "engine/opt/passes.h"

#include <algorithm>

#include "engine/ir/shape_inference.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

constexpr bool kWhenSettled = true;

// Order: integer operators and float16 weights early, because folding would turn their weights into
// float32; then constants, because fusions look at them; layout before fusions, because a transpose
// between two operators hides that they are neighbours; transposed convolutions become others when
// everything is fused into them; views last, because few passes look into a strided copy.
const Pass kPasses[] = {
    {"lower_late", lower_late},
    {"inline_if", inline_if},
    {"widen_float16", widen_float16},
    {"matmul_to_fully_connected", matmul_to_fully_connected},
    {"quantize_operators", quantize_operators},
    {"keep_float16", keep_float16},
    {"fold_constants", fold_constants},
    {"depthwise_to_conv2d", depthwise_to_conv2d},
    {"remove_identities", remove_identities},
    {"sink_transposes", sink_transposes},
    {"fuse_pad", fuse_pad},
    {"fuse_normalize", fuse_normalize},
    {"binary_to_batch_norm", binary_to_batch_norm},
    {"fold_batch_norm", fold_batch_norm},
    {"binary_to_clamp", binary_to_clamp},
    {"fuse_activation", fuse_activation},
    {"fuse_silu", fuse_silu},
    {"fuse_lookup", fuse_lookup},
    {"merge_common", merge_common},
    {"conv_transpose_to_conv2d", conv_transpose_to_conv2d, kWhenSettled},
    {"merge_views", merge_views, kWhenSettled},
};

constexpr int kMaxRounds = 64;

}  // namespace

std::span<const Pass> passes() { return kPasses; }

Status optimize(ir::Graph& graph, const PassContext& context) {
  for (int round = 0; round < kMaxRounds; ++round) {
    bool changed = false;
    for (const Pass& pass : kPasses) {
      if (pass.when_settled && changed) continue;
      if (std::ranges::find(context.without, pass.name) != context.without.end()) continue;
      INFERD_RETURN_IF_ERROR(ir::infer_shapes(graph));
      INFERD_ASSIGN_OR_RETURN(const bool did, pass.run(graph, context));
      if (did) graph.remove_dead();
      changed |= did;
    }
    if (!changed) break;
  }
  graph.remove_dead();
  return ir::infer_shapes(graph);
}

}  // namespace inferd::opt
