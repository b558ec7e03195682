// SPDX-License-Identifier: Apache-2.0
//
// Makes graphs: adds a node, infers its outputs' shapes and types at once, and returns the output.
// Importers and passes use it; tests too.
//
//   Builder b(graph);
//   ValueId x = b.input("x", DType::kFloat32, {1, 8, 8, 3});
//   INFERD_ASSIGN_OR_RETURN(ValueId y, b.op(OpKind::kConv2d, {x, w, bias}, Conv2dAttrs{...},
//   "conv1")); b.output(y);
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ir/graph.h"

namespace inferd::ir {

// Overrides for outputs; what is left empty is inferred.
struct OutputSpec {
  std::string name;
  DType dtype = DType::kFloat32;
  bool set_dtype = false;
  Quantization quantization;

  static OutputSpec named(std::string name) {
    return {std::move(name), DType::kFloat32, false, {}};
  }
  static OutputSpec typed(std::string name, DType dtype, Quantization quantization = {}) {
    return {std::move(name), dtype, true, std::move(quantization)};
  }
};

class Builder {
 public:
  // Borrows `graph`.
  explicit Builder(Graph& graph) : graph_(graph) {}

  Graph& graph() { return graph_; }

  ValueId input(std::string name, DType dtype, const Shape& shape, Quantization quantization = {});
  void output(ValueId id);

  // The caller has checked that the size fits shape and dtype.
  ValueId constant(std::string name, DType dtype, const Shape& shape,
                   std::shared_ptr<const Constant> constant, Quantization quantization = {});
  // Copies.
  ValueId constant_bytes(std::string name, DType dtype, const Shape& shape,
                         std::vector<std::byte> bytes, Quantization quantization = {});
  ValueId constant_floats(std::string name, const Shape& shape, std::span<const float> values);
  ValueId constant_int64s(std::string name, std::span<const int64_t> values);  // rank 1
  ValueId constant_int32s(std::string name, const Shape& shape, std::span<const int32_t> values,
                          Quantization quantization = {});

  // One output. Unset dtype and quantization are inferred: same as input 0 where the operator keeps
  // the type; data movement keeps the quantization too. Fails as infer_shapes() does.
  Result<ValueId> op(OpKind kind, std::span<const ValueId> inputs, OpAttrs attrs,
                     std::string_view node_name, const OutputSpec& output = {});
  Result<ValueId> op(OpKind kind, std::initializer_list<ValueId> inputs, OpAttrs attrs,
                     std::string_view node_name, const OutputSpec& output = {}) {
    return op(kind, std::span<const ValueId>(inputs.begin(), inputs.size()), std::move(attrs),
              node_name, output);
  }

  // Several outputs (kDetectionPostProcess).
  Result<std::vector<ValueId>> ops(OpKind kind, std::span<const ValueId> inputs, OpAttrs attrs,
                                   std::string_view node_name, std::span<const OutputSpec> outputs);

  // Often used by lowerings.
  Result<ValueId> transpose(ValueId x, std::vector<int> perm, std::string_view node_name);
  Result<ValueId> reshape(ValueId x, std::vector<int64_t> dims, std::string_view node_name);

 private:
  Graph& graph_;
};

}  // namespace inferd::ir
