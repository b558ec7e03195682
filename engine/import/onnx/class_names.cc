// SPDX-License-Identifier: Apache-2.0
#include "engine/import/onnx/class_names.h"

#include <algorithm>

namespace inferd::import {
namespace {

bool is_zip_map(const ForeignNode& node) {
  return node.domain == "ai.onnx.ml" && node.op == "ZipMap";
}
bool names_its_classes(const ForeignNode& node) {
  return node.domain == "ai.onnx.ml" && node.op.ends_with("Classifier") &&
         node.attrs.contains("classlabels_strings");
}

// What the file says of output 0 no longer holds.
void retype_output(ForeignGraph& graph, const ForeignNode& node, DType dtype) {
  if (node.outputs.empty()) return;
  const auto it = graph.tensors.find(node.outputs[0]);
  if (it == graph.tensors.end()) return;
  ForeignTensor tensor;
  tensor.name = it->second.name;
  tensor.dtype = dtype;
  tensor.shape_known = false;
  it->second = std::move(tensor);
}

}  // namespace

bool names_classes(const ForeignGraph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const ForeignNode& node) {
    return is_zip_map(node) || names_its_classes(node);
  });
}

ForeignGraph number_classes(const ForeignGraph& graph) {
  ForeignGraph numbered = graph;
  for (ForeignNode& node : numbered.nodes) {
    if (is_zip_map(node)) {
      retype_output(numbered, node, DType::kFloat32);
      node.op = "Identity";
      node.domain.clear();
    } else if (names_its_classes(node)) {
      retype_output(numbered, node, DType::kInt64);
    }
  }
  return numbered;
}

}  // namespace inferd::import
