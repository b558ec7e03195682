// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/model.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <map>
#include <set>

#include "engine/ir/ops.h"
#include "engine/opt/passes.h"
#include "engine/runtime/context.h"
#include "engine/runtime/evaluate.h"
#include "engine/runtime/out_of_memory.h"
#include "engine/runtime/value_inputs.h"

namespace inferd::runtime {
namespace {

// A model is loaded with many small allocations; the allocator keeps what was freed of them.
void return_free_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

opt::PassContext pass_context() { return {.evaluate = evaluate_node}; }

TensorInfo tensor_info(const ir::Value& value) {
  return {value.name, value.dtype, value.shape, value.quantization};
}

ModelInfo describe_model(const ir::Graph& graph) {
  ModelInfo info;
  const size_t states = graph.initial_states().size();
  const auto infos = [&](std::span<const ir::ValueId> ids) {
    std::vector<TensorInfo> all;
    for (ir::ValueId id : ids) all.push_back(tensor_info(graph.value(id)));
    return all;
  };
  const std::span inputs(graph.inputs());
  const std::span outputs(graph.outputs());
  info.inputs = infos(inputs.first(inputs.size() - states));
  info.outputs = infos(outputs.first(outputs.size() - states));
  info.states = infos(inputs.last(states));
  info.value_inputs = value_inputs(graph);
  info.value_inputs.resize(info.inputs.size());

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

// The index of the value called `name`, or NOT_FOUND.
Result<size_t> find(const ir::Graph& graph, const std::vector<ir::ValueId>& ids,
                    const std::string& name, const char* what) {
  std::string names;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string& known = graph.value(ids[i]).name;
    if (known == name) return i;
    names += (names.empty() ? "'" : ", '") + known + "'";
  }
  return not_found("state: the model has no " + std::string(what) + " '" + name + "', it has " +
                   names);
}

// Makes states of the inputs and outputs that `pairs` name.
Status add_states(ir::Graph& graph, std::span<const StatePair> pairs) {
  for (const StatePair& pair : pairs) {
    INFERD_ASSIGN_OR_RETURN(const size_t in, find(graph, graph.inputs(), pair.input, "input"));
    INFERD_ASSIGN_OR_RETURN(const size_t out, find(graph, graph.outputs(), pair.output, "output"));
    ir::Value& value = graph.value(graph.inputs()[in]);
    for (int d = 0; d < value.shape.rank(); ++d) {
      if (value.shape[d] == kDynamicDim) value.shape[d] = 1;
    }
    const auto to_end = [](std::vector<ir::ValueId>& ids, size_t i) {
      std::rotate(ids.begin() + static_cast<ptrdiff_t>(i),
                  ids.begin() + static_cast<ptrdiff_t>(i) + 1, ids.end());
    };
    to_end(graph.inputs(), in);
    to_end(graph.outputs(), out);
    graph.initial_states().push_back(nullptr);
  }
  return pairs.empty() ? ok_status() : ir::verify(graph);
}

}  // namespace

Result<std::shared_ptr<const LoadedModel>> LoadedModel::create(import::Imported imported,
                                                               const LoadOptions& load,
                                                               plan::PlanOptions options,
                                                               std::shared_ptr<ThreadPool> pool) {
  const std::shared_ptr<LoadedModel> model(new LoadedModel, [](const LoadedModel* m) {
    delete m;
    return_free_memory();
  });
  model->file_ = std::move(imported.file);
  model->shared_.options = std::move(options);
  model->shared_.options.max_arena_bytes = load.limits.max_arena_bytes;
  model->shared_.options.max_tensor_bytes = load.limits.max_tensor_bytes;
  model->shared_.max_iterations = load.limits.max_iterations;
  model->shared_.pool = std::move(pool);

  ir::Graph graph = std::move(imported.graph);
  INFERD_RETURN_IF_ERROR(add_states(graph, load.states));
  opt::Declined declined;
  if (imported.compiled) {
    INFERD_RETURN_IF_ERROR(model->adopt(*std::move(imported.compiled), graph));
  } else {
    opt::PassContext context = pass_context();
    context.declined = &declined;
    INFERD_RETURN_IF_ERROR(opt::optimize(graph, context));
  }
  INFERD_ASSIGN_OR_RETURN(const bool batchable, opt::open_batch_dimension(graph));
  model->forget_file();
  model->info_ = describe_model(graph);
  model->info_.conversions =
      model->compiled_ ? model->compiled_->conversions : opt::left_conversions(graph, declined);
  model->info_.format = std::move(imported.format);
  model->info_.description = std::move(imported.description);
  model->info_.signatures = std::move(imported.signatures);
  model->info_.signature = std::move(imported.signature);
  model->info_.batchable = batchable;
  model->program_ =
      std::make_unique<Program>(std::move(graph), std::vector<size_t>(), model->shared_);

  if (const std::vector<Shape> shapes = model->default_shapes(); !shapes.empty()) {
    INFERD_ASSIGN_OR_RETURN(const auto plan, model->plan_for(shapes));
    for (const plan::Step& step : plan->steps) model->info_.macs += step.macs;
  }
  if (!model->compiled_) model->forget_file();  // what was read of that is read again
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

std::vector<Shape> LoadedModel::with_states(std::span<const Shape> input_shapes) const {
  std::vector<Shape> shapes(input_shapes.begin(), input_shapes.end());
  for (const TensorInfo& state : info_.states) {
    shapes.push_back(state.shape);
    if (info_.batchable) shapes.back()[0] = input_shapes[0][0];
  }
  return shapes;
}

Result<std::shared_ptr<const plan::Plan>> LoadedModel::plan_for(
    std::span<const Shape> input_shapes) const {
  INFERD_ASSIGN_OR_RETURN(const auto stage, program_->stage_for(with_states(input_shapes)));
  return stage->plan;
}

Result<std::unique_ptr<Context>> LoadedModel::create_context(const ContextOptions& options) const {
  using Made = Result<std::unique_ptr<Context>>;
  const auto make = [&]() -> Made {
    auto self = std::static_pointer_cast<const LoadedModel>(shared_from_this());
    auto context = std::make_unique<ModelContext>(std::move(self), options);
    if (const std::vector<Shape> shapes = default_shapes(); !shapes.empty()) {
      INFERD_RETURN_IF_ERROR(context->prepare(shapes));
    }
    return std::unique_ptr<Context>(std::move(context));
  };
  return within_memory(make, "for a context");
}

void LoadedModel::forget_plans() const {
  program_->forget_stages();
  forget_file();
  return_free_memory();
}

TensorState LoadedModel::new_state() const {
  return TensorState(info_.states, program_->graph().initial_states(), info_.batchable);
}

std::unique_ptr<State> LoadedModel::create_state() const {
  if (info_.states.empty()) return nullptr;
  return std::make_unique<TensorState>(new_state());
}

}  // namespace inferd::runtime
