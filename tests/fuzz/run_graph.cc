// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/run_graph.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "engine/runtime/model.h"

namespace inferd {
namespace {

struct Tensor {
  Shape shape;
  std::vector<std::byte> bytes;
};

enum class Optimised : uint8_t { kNo, kYes };

Result<std::vector<Tensor>> run(const ir::Graph& graph, Optimised optimised,
                                const std::vector<std::string>& prefer) {
  static const auto pool = std::make_shared<ThreadPool>(2);
  import::Imported imported;
  imported.graph = graph;
  if (optimised == Optimised::kNo) imported.compiled.emplace();  // counts as optimised already
  plan::PlanOptions options;
  options.prefer_kernels = prefer;
  LoadOptions load;
  load.limits.max_tensor_bytes = 1 << 20;
  load.limits.max_arena_bytes = 1 << 22;
  INFERD_ASSIGN_OR_RETURN(const auto model,
                          runtime::LoadedModel::create(std::move(imported), load, options, pool));
  INFERD_ASSIGN_OR_RETURN(const auto context, model->create_context({}));
  std::vector<std::vector<std::byte>> buffers;
  std::vector<TensorView> views;
  for (const TensorInfo& input : model->inputs()) {
    Shape shape = input.shape;
    if (model->info().batchable) shape[0] = 1;
    const auto size = static_cast<size_t>(shape.elements()) * dtype_size(input.dtype);
    buffers.emplace_back(size);
    for (size_t i = 0; i < size; ++i) {
      // Bytes of every value, but small floats and small wide integers.
      const bool whole = dtype_size(input.dtype) == 1 || i % dtype_size(input.dtype) == 0;
      buffers.back()[i] = static_cast<std::byte>(whole ? i * 37 & 0xff : 0);
      if (input.dtype == DType::kBool) buffers.back()[i] &= std::byte{1};
    }
    views.push_back({input.dtype, shape, buffers.back()});
  }
  INFERD_ASSIGN_OR_RETURN(const auto outputs, context->run(views));
  std::vector<Tensor> copies;
  for (const TensorView& output : outputs) {
    copies.push_back({output.shape, {output.data.begin(), output.data.end()}});
  }
  return copies;
}

bool has_floats(const ir::Graph& graph) {
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const DType dtype = graph.value(static_cast<ir::ValueId>(i)).dtype;
    if (dtype == DType::kFloat16 || dtype == DType::kFloat32 || dtype == DType::kFloat64) {
      return true;
    }
  }
  return false;
}

bool same_shapes(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, {}, &Tensor::shape, &Tensor::shape);
}
bool same_bytes(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, {}, &Tensor::bytes, &Tensor::bytes);
}

}  // namespace

Status run_graph(const ir::Graph& graph) {
  const auto expected = run(graph, Optimised::kNo, {"ref"});
  const auto fast = run(graph, Optimised::kNo, {});
  const auto optimised = run(graph, Optimised::kYes, {});
  if (!expected.ok() || !fast.ok() || !optimised.ok()) return ok_status();
  if (!same_shapes(*expected, *fast) || !same_shapes(*expected, *optimised)) {
    return internal_error("shapes of outputs differ");
  }
  if (!has_floats(graph) && !same_bytes(*expected, *fast)) {
    return internal_error("kernels differ from the reference");
  }
  return ok_status();
}

}  // namespace inferd
