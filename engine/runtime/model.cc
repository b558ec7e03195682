// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/model.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <map>
#include <set>

#include "engine/ir/ops.h"
#include "engine/ir/shape_inference.h"
#include "engine/opt/passes.h"
#include "engine/runtime/context.h"
#include "engine/runtime/evaluate.h"

namespace inferd::runtime {
namespace {

// A model is loaded with many small allocations; the allocator keeps what was freed of them.
void return_free_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

opt::PassContext pass_context() { return {.evaluate = evaluate_node}; }

const ir::Value* first_dynamic_output(const ir::Graph& graph, const ir::Node** node_out) {
  for (const ir::Node& node : graph.nodes()) {
    for (ir::ValueId id : node.outputs) {
      const ir::Value& value = graph.value(id);
      if (value.shape_known && value.shape.is_static()) continue;
      *node_out = &node;
      return &value;
    }
  }
  return nullptr;
}

TensorInfo tensor_info(const ir::Value& value) {
  return {value.name, value.dtype, value.shape, value.quantization};
}

ModelInfo describe_model(const ir::Graph& graph) {
  ModelInfo info;
  for (ir::ValueId id : graph.inputs()) info.inputs.push_back(tensor_info(graph.value(id)));
  for (ir::ValueId id : graph.outputs()) info.outputs.push_back(tensor_info(graph.value(id)));

  std::map<std::string, int64_t> counts;
  std::set<const Constant*> constants;
  for (const ir::Node& node : graph.nodes()) {
    ++counts[std::string(op_name(node.kind))];
    for (ir::ValueId id : node.inputs) {
      const auto& constant = graph.value(id).constant;
      if (constant != nullptr && constants.insert(constant.get()).second) {
        info.weights_bytes += static_cast<int64_t>(constant->size());
      }
    }
  }
  for (const auto& [op, count] : counts) info.ops.push_back({op, count});
  std::stable_sort(info.ops.begin(), info.ops.end(),
                   [](const OpCount& a, const OpCount& b) { return a.count > b.count; });
  return info;
}

}  // namespace

Result<std::shared_ptr<const LoadedModel>> LoadedModel::create(import::Imported imported,
                                                               const Limits& limits,
                                                               plan::PlanOptions options,
                                                               std::shared_ptr<ThreadPool> pool) {
  const std::shared_ptr<LoadedModel> model(new LoadedModel, [](const LoadedModel* m) {
    delete m;
    return_free_memory();
  });
  model->file_ = std::move(imported.file);
  model->graph_ = std::move(imported.graph);
  model->options_ = std::move(options);
  model->options_.max_arena_bytes = limits.max_arena_bytes;
  model->options_.max_tensor_bytes = limits.max_tensor_bytes;
  model->pool_ = std::move(pool);

  opt::Declined declined;
  opt::PassContext context = pass_context();
  context.declined = &declined;
  INFERD_RETURN_IF_ERROR(opt::optimize(model->graph_, context));
  INFERD_ASSIGN_OR_RETURN(const bool batchable, opt::open_batch_dimension(model->graph_));
  model->forget_file();
  model->info_ = describe_model(model->graph_);
  model->info_.conversions = opt::left_conversions(model->graph_, declined);
  model->info_.format = std::move(imported.format);
  model->info_.description = std::move(imported.description);
  model->info_.batchable = batchable;

  if (const std::vector<Shape> shapes = model->default_shapes(); !shapes.empty()) {
    INFERD_ASSIGN_OR_RETURN(const auto plan, model->plan_for(shapes));
    for (const plan::Step& step : plan->steps) model->info_.macs += step.macs;
  }
  model->forget_file();
  return_free_memory();
  return std::shared_ptr<const LoadedModel>(model);
}

void LoadedModel::forget_file() const {
  if (file_ != nullptr) file_->forget();
}

std::vector<Shape> LoadedModel::default_shapes() const {
  std::vector<Shape> shapes;
  for (const TensorInfo& input : info_.inputs) {
    Shape shape = input.shape;
    if (info_.batchable) shape[0] = 1;
    if (!shape.is_static()) return {};
    shapes.push_back(shape);
  }
  return shapes;
}

Result<ir::Graph> LoadedModel::specialize(std::span<const Shape> input_shapes) const {
  ir::Graph graph = graph_;
  for (size_t i = 0; i < input_shapes.size(); ++i)
    graph.value(graph.inputs()[i]).shape = input_shapes[i];
  INFERD_RETURN_IF_ERROR(ir::infer_shapes(graph));
  const ir::Node* node = nullptr;
  if (first_dynamic_output(graph, &node) == nullptr) return graph;

  // Shapes that were computed from shapes become constants now.
  INFERD_RETURN_IF_ERROR(opt::optimize(graph, pass_context()));
  INFERD_RETURN_IF_ERROR(ir::infer_shapes(graph));
  if (const ir::Value* value = first_dynamic_output(graph, &node); value != nullptr) {
    return unimplemented(std::string(op_name(node->kind)) + " '" + node->name +
                         "': the shape of '" + value->name +
                         "' depends on data, not only on input shapes");
  }
  return graph;
}

Result<std::shared_ptr<const plan::Plan>> LoadedModel::plan_for(
    std::span<const Shape> input_shapes) const {
  const std::lock_guard lock(mutex_);
  for (auto it = plans_.begin(); it != plans_.end(); ++it) {
    const std::vector<Shape>& shapes = (*it)->input_shapes;
    if (std::equal(input_shapes.begin(), input_shapes.end(), shapes.begin(), shapes.end())) {
      plans_.splice(plans_.begin(), plans_, it);
      return plans_.front();
    }
  }
  INFERD_ASSIGN_OR_RETURN(ir::Graph graph, specialize(input_shapes));
  INFERD_ASSIGN_OR_RETURN(auto plan, plan::make_plan(std::move(graph), weights_, options_));
  plans_.push_front(plan);
  if (plans_.size() > kMaxPlans) plans_.pop_back();  // contexts that run it keep it
  return plan;
}

Result<std::unique_ptr<Context>> LoadedModel::create_context(const ContextOptions& options) const {
  auto self = std::static_pointer_cast<const LoadedModel>(shared_from_this());
  auto context = std::make_unique<PlanContext>(std::move(self), options);
  if (const std::vector<Shape> shapes = default_shapes(); !shapes.empty()) {
    INFERD_RETURN_IF_ERROR(context->prepare(shapes));
  }
  return std::unique_ptr<Context>(std::move(context));
}

}  // namespace inferd::runtime
