// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/compiled.h"

#include <algorithm>

#include "engine/import/ifd/ifd.h"
#include "engine/ir/shape_inference.h"
#include "engine/kernels/candidates.h"
#include "engine/kernels/packing_id.h"
#include "engine/runtime/model.h"

namespace inferd::runtime {
namespace {

// Constants up to this may decide shapes, which passes and planner work with; they are checked when
// a model is loaded, larger ones when a kernel takes them.
constexpr size_t kMostShapeBytes = 4096;

// Settings besides the instruction set that kernels are chosen with.
std::string choice_of(const plan::PlanOptions& options) {
  std::string text = options.allow_float16 ? "float16" : "";
  for (const std::string& kernel : options.prefer_kernels) text += "," + kernel;
  return text;
}

// The row of that name that this CPU can run and that packs; null: there is none.
const kernels::Kernel* packing_row(const std::string& name, OpKind op) {
  const std::span<const kernels::Kernel> rows = kernels::all();
  const auto row = std::ranges::find_if(
      rows, [&](const kernels::Kernel& kernel) { return kernel.name == name && kernel.op == op; });
  return row != rows.end() && row->pack != nullptr && cpu_has(row->isa) ? &*row : nullptr;
}

Status check_bodies(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    for (const auto& body : node.bodies) INFERD_RETURN_IF_ERROR(check_constants(*body));
  }
  return ok_status();
}

Status check_initial_states(const ir::Graph& graph) {
  for (const auto& initial : graph.initial_states()) {
    if (initial == nullptr) continue;
    INFERD_RETURN_IF_ERROR(initial->check().with_context("initial state"));
  }
  return ok_status();
}

// Constants that may decide shapes, what states begin as, and all those of bodies. What was left
// out of the file is none of those: kernels packed it.
Status check_small_constants(const ir::Graph& graph) {
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const ir::Value& value = graph.value(static_cast<ir::ValueId>(i));
    if (!value.is_constant() || value.constant->size() > kMostShapeBytes) continue;
    const Status status = value.constant->check();
    if (status.ok() || status.code() == StatusCode::kFailedPrecondition) continue;
    return status.with_context("constant '" + value.name + "'");
  }
  INFERD_RETURN_IF_ERROR(check_initial_states(graph));
  return check_bodies(graph);
}

}  // namespace

Status check_constants(const ir::Graph& graph) {
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const ir::Value& value = graph.value(static_cast<ir::ValueId>(i));
    if (!value.is_constant()) continue;
    INFERD_RETURN_IF_ERROR(value.constant->check().with_context("constant '" + value.name + "'"));
  }
  return check_bodies(graph);
}

Status LoadedModel::adopt(import::Compiled compiled, const ir::Graph& graph) {
  compiled_ = std::move(compiled);
  const bool packs_alike = compiled_->packing_id == kernels::packing_id();
  bool all_run_here = packs_alike;
  for (const import::PackedBlock& block : compiled_->packed) {
    if (!packs_alike) break;
    const ir::Node& node = graph.nodes()[block.node];
    const kernels::Kernel* const kernel = packing_row(block.kernel, node.kind);
    all_run_here = all_run_here && kernel != nullptr;
    if (kernel == nullptr) continue;
    shared_.weights.add_stored(*kernel, plan::describe(graph, node), block.bytes, block.checksum);
  }
  const bool choice_is_ours = all_run_here && compiled_->isa == isa_name(best_isa()) &&
                              compiled_->choice == choice_of(shared_.options);
  shared_.always_keep_stored = compiled_->raw_left_out;
  if (choice_is_ours) shared_.keep_stored_for = compiled_->chosen_for;
  if (compiled_->raw_left_out) {
    if (all_run_here) return check_small_constants(graph);
    return failed_precondition(
        "the model was compiled for " + compiled_->isa + " by inferd " + compiled_->engine_version +
        " without its raw weights, and " +
        (packs_alike ? "this CPU has other kernels" : "this build packs weights otherwise") +
        ": compile it again, here or with its raw weights");
  }
  return check_small_constants(graph);
}

#if defined(INFERD_COMPILED_MODELS)

namespace {

// `graph` with the batch that open_batch_dimension() opens, and opens again when it is loaded,
// as 1.
Result<ir::Graph> with_closed_batch(ir::Graph graph, bool batchable) {
  if (!batchable) return graph;
  for (const ir::ValueId id : graph.inputs()) graph.value(id).shape[0] = 1;
  INFERD_RETURN_IF_ERROR(ir::infer_shapes(graph));
  return graph;
}

}  // namespace

Status LoadedModel::write(const std::string& path, CompiledWeights weights,
                          std::string_view isa) const {
  const std::vector<Shape> shapes = default_shapes();
  std::shared_ptr<const plan::Plan> plan;  // keeps packed weights alive
  if (!shapes.empty()) {
    INFERD_ASSIGN_OR_RETURN(plan, plan_for(shapes));
  }
  INFERD_ASSIGN_OR_RETURN(const ir::Graph graph,
                          with_closed_batch(program_->graph(), info_.batchable));
  import::Compiled compiled;
  compiled.packing_id = kernels::packing_id();
  compiled.isa = isa;
  compiled.choice = choice_of(shared_.options);
  compiled.format = compiled_ ? compiled_->format : info_.format;
  compiled.description = compiled_ ? compiled_->description : info_.description;
  compiled.conversions = info_.conversions;

  std::vector<import::PackedSource> packed;
  std::vector<const kernels::PackedWeights*> taken;  // operators may share theirs
  for (size_t n = 0; n < graph.nodes().size() && weights != CompiledWeights::kRaw; ++n) {
    const auto found = shared_.weights.find(plan::describe(graph, graph.nodes()[n]));
    if (!found || std::ranges::find(taken, found->weights.get()) != taken.end()) continue;
    taken.push_back(found->weights.get());
    packed.push_back({n, found->kernel->name, found->weights->arrays()});
  }
  if (!packed.empty()) compiled.chosen_for = with_states(shapes);
  if (packed.empty() && weights == CompiledWeights::kPacked) {
    return failed_precondition(
        "no kernel packs weights of this model, or the sizes of its inputs are open: its raw "
        "weights cannot be left out");
  }
  const bool leave_out = weights == CompiledWeights::kPacked;
  return import::write_ifd(path, graph, compiled, packed,
                           leave_out ? import::RawWeights::kLeaveOut : import::RawWeights::kKeep);
}

#else

Status LoadedModel::write(const std::string&, CompiledWeights, std::string_view) const {
  return unimplemented("this build of inferd has no compiled models (INFERD_COMPILED_MODELS)");
}

#endif

}  // namespace inferd::runtime
