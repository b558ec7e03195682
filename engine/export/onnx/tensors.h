// SPDX-License-Identifier: Apache-2.0
//
// Where the values of a graph are in an ONNX file. A value with four dimensions may be there as it
// is (NHWC), channels first (NCHW), or both; the form that is missing is made by a Transpose when
// it is asked for. Private to export/onnx.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/export/onnx/document.h"
#include "engine/ir/graph.h"

namespace inferd::exporter {

enum class Layout : uint8_t { kPlain, kChannelsFirst };

// Another arrangement of a constant: seen as `view`, its dimensions permuted, seen as `shape`.
struct Arrangement {
  std::vector<int64_t> view;
  std::vector<int> perm;
  std::vector<int64_t> shape;
  int64_t channel_axis = 0;  // of `shape`, where the constant has a scale for each channel
};

class Tensors {
 public:
  // Borrows both. Names of inputs and outputs are taken first.
  Tensors(const ir::Graph& graph, Document& document);

  const ir::Value& info(ir::ValueId id) const { return graph_.value(id); }
  int rank(ir::ValueId id) const { return info(id).shape.rank(); }

  // The name of a value in a layout. Constants with fewer than four dimensions are broadcast from
  // the right as NHWC and then moved; other values must have four for kChannelsFirst.
  std::string name(ir::ValueId id, Layout layout);
  // The name that a node gives its result, which from then on is there in that layout.
  std::string define(ir::ValueId id, Layout layout);
  // `id` is what the tensor `name` is.
  void alias(ir::ValueId id, Layout layout, const std::string& name);
  // Only there with channels first, so that an operator that works in both layouts had better.
  bool only_channels_first(ir::ValueId id) const;
  bool is_output(ir::ValueId id) const;
  // What an input or output of the graph is called.
  const std::string& outer_name(ir::ValueId id) const { return base_[static_cast<size_t>(id)]; }

  // A constant, or what dequantizes one.
  bool is_constant(ir::ValueId id) const { return constant_of(id) != ir::kNoValue; }
  // Of a constant: whether it has a scale for each channel.
  bool has_scales(ir::ValueId id) const { return info(constant_of(id)).quantization.per_channel(); }
  std::string arranged(ir::ValueId id, const Arrangement& arrangement);

 private:
  ir::ValueId constant_of(ir::ValueId id) const;
  Arrangement as(ir::ValueId id, Layout layout) const;

  const ir::Graph& graph_;
  Document& document_;
  std::vector<std::string> base_;  // by value
  std::map<std::pair<ir::ValueId, Layout>, std::string> there_;
  std::vector<ir::ValueId> dequantized_;  // by value: the constant it is made of
};

}  // namespace inferd::exporter
