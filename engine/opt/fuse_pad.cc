// SPDX-License-Identifier: Apache-2.0
//
// Padding of height and width with real zero before a convolution becomes the convolution's own
// padding.
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

constexpr int64_t kMaxPad = 1 << 16;

bool pads_image_with_zero(const ir::Node& node) {
  if (node.kind != OpKind::kPad || node.inputs.size() > 1) return false;
  const auto& attrs = std::get<PadAttrs>(node.attrs);
  if (attrs.mode != PadMode::kConstant || attrs.value != 0.F || attrs.before.size() != 4)
    return false;
  for (size_t d : {size_t{0}, size_t{3}}) {
    if (attrs.before[d] != 0 || attrs.after[d] != 0) return false;
  }
  for (size_t d : {size_t{1}, size_t{2}}) {
    if (attrs.before[d] > kMaxPad || attrs.after[d] > kMaxPad) return false;
  }
  return true;
}

}  // namespace

Result<bool> fuse_pad(ir::Graph& graph, const PassContext&) {
  bool changed = false;
  const std::vector<int> producers = graph.producers();
  for (ir::Node& node : graph.nodes()) {
    if (node.kind != OpKind::kConv2d && node.kind != OpKind::kDepthwiseConv2d) continue;
    const int p = producers[static_cast<size_t>(node.inputs[0])];
    if (p < 0) continue;
    const ir::Node& pad = graph.nodes()[static_cast<size_t>(p)];
    if (!pads_image_with_zero(pad)) continue;
    const auto& amounts = std::get<PadAttrs>(pad.attrs);
    Window2d& w = std::get<Conv2dAttrs>(node.attrs).window;
    w.pad_top += static_cast<int>(amounts.before[1]);
    w.pad_bottom += static_cast<int>(amounts.after[1]);
    w.pad_left += static_cast<int>(amounts.before[2]);
    w.pad_right += static_cast<int>(amounts.after[2]);
    node.inputs[0] = pad.inputs[0];
    changed = true;
  }
  return changed;
}

}  // namespace inferd::opt
