// SPDX-License-Identifier: Apache-2.0
//
// From a graph with static shapes to a plan, in four steps: choose kernels, find out which values
// share storage and how long it lives, lay out the arena, and write every operand's place into the
// steps.
#include "engine/plan/plan.h"

#include <algorithm>
#include <numeric>
#include <thread>
#include <unordered_set>

#include "engine/ir/ops.h"
#include "engine/kernels/candidates.h"
#include "engine/plan/arena.h"

namespace inferd::plan {

std::string describe_types(const kernels::OpDesc& op) {
  std::string text;
  for (const kernels::Operand& input : op.inputs) {
    text +=
        (text.empty() ? "" : ", ") + std::string(dtype_name(input.dtype)) + input.shape.to_string();
  }
  text += " ->";
  for (const kernels::Operand& output : op.outputs) {
    text += " " + std::string(dtype_name(output.dtype)) + output.shape.to_string();
  }
  return text;
}

namespace {

using ir::ValueId;

Status check_sizes(const ir::Graph& graph, const PlanOptions& options) {
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const ir::Value& value = graph.value(static_cast<ValueId>(i));
    if (value.is_constant() || !value.shape_known || !value.shape.is_static()) continue;
    INFERD_ASSIGN_OR_RETURN(const int64_t bytes, checked_bytes(value.dtype, value.shape));
    if (bytes > options.max_tensor_bytes) {
      return resource_exhausted("tensor '" + value.name + "' " + value.shape.to_string() +
                                " takes " + std::to_string(bytes) +
                                " bytes, more than the limit of " +
                                std::to_string(options.max_tensor_bytes));
    }
  }
  return ok_status();
}

class Planner {
 public:
  Planner(ir::Graph graph, WeightCache& weights, const PlanOptions& options)
      : graph_(std::move(graph)),
        weights_(weights),
        options_(options),
        plan_(std::make_shared<Plan>()) {}

  Result<std::shared_ptr<const Plan>> make() {
    INFERD_RETURN_IF_ERROR(check_sizes(graph_, options_));
    INFERD_RETURN_IF_ERROR(choose_kernels());
    count_uses();
    plan_->stripes =
        find_stripes(plan_->steps, step_nodes_, uses_, options_.stripe_bytes, options_.threads);
    find_storage();
    INFERD_RETURN_IF_ERROR(lay_out());
    locate();
    return std::shared_ptr<const Plan>(plan_);
  }

 private:
  Status choose_kernels() {
    for (const ir::Node& node : graph_.nodes()) {
      if (node.kind == OpKind::kReshape) continue;  // a view, not a step
      Step step;
      step.name = node.name;
      step.op = describe(graph_, node);
      if (const auto macs = ir::op_info(node.kind).macs; macs != nullptr) {
        step.macs = macs(graph_, node);
      }
      step_nodes_.push_back(&node);
      plan_->steps.push_back(std::move(step));
    }
    for (const size_t s : by_constants()) INFERD_RETURN_IF_ERROR(choose_kernel(s));
    return ok_status();
  }

  // Steps, those with the largest constants first: while weights are packed they are in memory
  // twice, which matters least when few are packed yet.
  std::vector<size_t> by_constants() const {
    std::vector<size_t> bytes;
    for (const Step& step : plan_->steps) {
      size_t sum = 0;
      for (const kernels::Operand& x : step.op.inputs) sum += x.is_constant() ? x.bytes() : 0;
      bytes.push_back(sum);
    }
    std::vector<size_t> order(bytes.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return bytes[a] > bytes[b]; });
    return order;
  }

  Status choose_kernel(size_t s) {
    Step& step = plan_->steps[s];
    const ir::Node& node = *step_nodes_[s];
    std::vector<std::shared_ptr<const Constant>> constants;
    for (ValueId id : node.inputs) {
      const ir::Value& value = graph_.value(id);
      if (!value.is_constant()) continue;
      constants.push_back(value.constant);
      plan_->constants.push_back(value.constant);
    }
    step.kernel = stored_kernel(&step.op);
    if (step.kernel == nullptr) step.kernel = choose_row(step.op, constants);
    if (step.kernel == nullptr) {
      return unimplemented("no kernel for " + std::string(op_name(node.kind)) + " '" + node.name +
                           "' with " + describe_types(step.op));
    }
    INFERD_RETURN_IF_ERROR(find_weights(&step, constants).with_context(ir::title(node)));
    if (step.kernel->prepare == nullptr) return ok_status();
    step.prepared = step.kernel->prepare(step.op, step.packed.get());
    if (step.prepared == nullptr) return ok_status();
    plan_->scratch_bytes = std::max(plan_->scratch_bytes, step.prepared->scratch_bytes);
    return ok_status();
  }

  // The row that the weights of `op` were packed for, if it is to be kept and takes the operator.
  const kernels::Kernel* stored_kernel(kernels::OpDesc* op) const {
    if (!options_.keep_stored_kernels) return nullptr;
    const kernels::Kernel* const kernel = weights_.stored_for(*op);
    op->packed_before = kernel != nullptr;
    if (kernel != nullptr && kernel->accepts(*op)) return kernel;
    op->packed_before = false;
    return nullptr;
  }

  const kernels::Kernel* choose_row(const kernels::OpDesc& op,
                                    std::span<const std::shared_ptr<const Constant>> constants) {
    std::vector<ConstantUse> looked_at;  // the rest may be large, and packed already
    for (const auto& constant : constants) {
      const auto input = std::ranges::find(op.inputs, constant->address(), &kernels::Operand::data);
      if (input != op.inputs.end() && dtype_size(input->dtype) == 1)
        looked_at.emplace_back(constant);
    }
    return kernels::choose(
        op, options_.prefer_kernels,
        options_.allow_float16 ? kernels::Precision::kHalf : kernels::Precision::kFull);
  }

  // Packed weights, or else the constants themselves.
  Status find_weights(Step* step, std::span<const std::shared_ptr<const Constant>> constants) {
    INFERD_ASSIGN_OR_RETURN(step->packed, weights_.get(*step->kernel, step->op, constants));
    if (step->packed != nullptr) return ok_status();
    for (const auto& constant : constants) {
      INFERD_RETURN_IF_ERROR(constant->check());
      plan_->constants_in_use.emplace_back(constant);
    }
    return ok_status();
  }

  // root_[v]: the value whose storage v uses. Reshape shares its input's; an in-place kernel takes
  // over the storage of an input that dies there.
  void find_storage() {
    root_.resize(graph_.value_count());
    for (size_t i = 0; i < root_.size(); ++i) root_[i] = static_cast<ValueId>(i);
    for (const ir::Node& node : graph_.nodes()) {
      if (node.kind == OpKind::kReshape) root_[index(node.outputs[0])] = root(node.inputs[0]);
    }

    shift_.assign(graph_.value_count(), 0);

    const int end = static_cast<int>(step_nodes_.size());
    first_.assign(graph_.value_count(), -1);
    last_.assign(graph_.value_count(), -1);
    for (int s = 0; s < end; ++s) {
      for (ValueId id : step_nodes_[static_cast<size_t>(s)]->inputs) last_[index(root(id))] = s;
      for (ValueId id : step_nodes_[static_cast<size_t>(s)]->outputs) {
        first_[index(id)] = s;
        last_[index(id)] = s;
      }
    }
    for (ValueId id : graph_.outputs()) last_[index(root(id))] = end;
    group_of_.assign(static_cast<size_t>(end), nullptr);
    for (StripedGroup& group : plan_->stripes) keep_for_group(group);
    for (int s = 0; s < end; ++s) place_inputs(s);
    for (StripedGroup& group : plan_->stripes) reserve_scratch(&group);
    for (int s = 0; s < end; ++s) {
      if (group_of_[static_cast<size_t>(s)] == nullptr) try_in_place(s);
    }
  }

  void count_uses() {
    uses_.assign(graph_.value_count(), 0);
    for (const ir::Node& node : graph_.nodes()) {
      for (ValueId id : node.inputs) ++uses_[index(id)];
    }
    for (ValueId id : graph_.outputs()) ++uses_[index(id)];
    maker_.assign(graph_.value_count(), -1);
    for (size_t s = 0; s < step_nodes_.size(); ++s) {
      const std::vector<ValueId>& outputs = step_nodes_[s]->outputs;
      if (outputs.size() == 1) maker_[index(outputs[0])] = static_cast<int>(s);
    }
  }

  // All steps of a group run at the same time; what passes between them is not in the arena.
  void keep_for_group(StripedGroup& group) {
    const auto first = static_cast<int>(group.first);
    const int last = static_cast<int>(group.end()) - 1;
    for (size_t s = group.first; s < group.end(); ++s) {
      group_of_[s] = &group;
      for (ValueId id : step_nodes_[s]->inputs) {
        int& end = last_[index(root(id))];
        end = std::max(end, last);
      }
    }
    for (size_t s = group.first; s + 1 < group.end(); ++s) {
      first_[index(step_nodes_[s]->outputs[0])] = -1;
      in_stripe_.insert(step_nodes_[s]->outputs[0]);
    }
    first_[index(step_nodes_[group.end() - 1]->outputs[0])] = first;
  }

  void reserve_scratch(StripedGroup* group) {
    lay_out_buffers(group, plan_->steps);
    group->max_workers = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
    plan_->scratch_bytes = std::max(plan_->scratch_bytes, group->max_workers * group->worker_bytes);
  }

  // A concatenation copies nothing of an input that is written into its output right away: where it
  // is contiguous there, or, along the channels, where the step that makes it can leave room
  // between pixels.
  void place_inputs(int s) {
    Step& step = plan_->steps[static_cast<size_t>(s)];
    if (!step.kernel->has(kernels::kTakesPlaced)) return;
    const int axis = step.op.attrs_as<ConcatAttrs>().axis;
    const Shape& y = step.op.outputs[0].shape;
    const auto width = static_cast<int64_t>(dtype_size(step.op.outputs[0].dtype));
    const bool contiguous = y.elements(0, axis) == 1;
    if (y.elements() == 0 || (!contiguous && axis != y.rank() - 1)) return;
    const ir::Node& node = *step_nodes_[static_cast<size_t>(s)];
    int64_t at = 0;                     // bytes
    constexpr size_t kMostPlaced = 64;  // bits of Step::placed
    for (size_t i = 0; i < std::min(node.inputs.size(), kMostPlaced); ++i) {
      const ValueId id = node.inputs[i];
      const Shape& x = step.op.inputs[i].shape;
      const int from = maker_[index(id)];
      const bool fits = contiguous ? at % kArenaAlignment == 0
                                   : from >= 0 && spreads_pixels(static_cast<size_t>(from));
      if (from >= 0 && fits && uses_[index(id)] == 1 && place(from, s, at)) {
        step.placed |= uint64_t{1} << i;
        if (!contiguous) plan_->steps[static_cast<size_t>(from)].pixel_stride = y.back();
      }
      at += x.elements(axis, x.rank()) * width;
    }
  }

  bool spreads_pixels(size_t step) const {
    return plan_->steps[step].kernel->has(kernels::kSpreadsPixels);
  }

  // Lets the output of step `from` lie `at` bytes into that of step `to`. False where one is in
  // the arena and the other between steps of a group.
  bool place(int from, int to, int64_t at) {
    StripedGroup* const group = group_of_[static_cast<size_t>(from)];
    if (group != nullptr && group == group_of_[static_cast<size_t>(to)]) {
      const StripedStep& target = group->steps[static_cast<size_t>(to) - group->first];
      StripedStep& step = group->steps[static_cast<size_t>(from) - group->first];
      part_homes(group, from);
      step.home = target.home;
      step.home_offset = target.home_offset + at;
      return true;
    }
    const ValueId input = step_nodes_[static_cast<size_t>(from)]->outputs[0];
    const ValueId output = step_nodes_[static_cast<size_t>(to)]->outputs[0];
    if (in_stripe_.contains(input) || in_stripe_.contains(output)) return false;
    if (group != nullptr) part_homes(group, from);
    int& first = first_[index(output)];
    first = std::min(first, first_[index(input)]);
    first_[index(input)] = -1;
    root_[index(input)] = output;
    shift_[index(input)] = at;
    return true;
  }

  // Steps whose lines `owner` took over have them for themselves again.
  static void part_homes(StripedGroup* group, int owner) {
    const int own = owner - static_cast<int>(group->first);
    int last = -1;
    for (int s = own; s-- > 0;) {
      StripedStep& step = group->steps[static_cast<size_t>(s)];
      if (step.home != own) continue;
      last = std::max(last, s);
      step.home = last;
    }
  }

  void try_in_place(int s) {
    const ir::Node& node = *step_nodes_[static_cast<size_t>(s)];
    const Step& step = plan_->steps[static_cast<size_t>(s)];
    if (!step.kernel->has(kernels::kInPlace) || node.outputs.size() != 1 || node.inputs.empty())
      return;
    if (root(node.outputs[0]) != node.outputs[0]) return;  // it has its place
    const ValueId from = root(node.inputs[0]);
    const ValueId to = node.outputs[0];
    if (first_[index(from)] < 0 || last_[index(from)] != s)
      return;  // not in the arena, or still needed
    if (step.op.inputs[0].bytes() != step.op.outputs[0].bytes()) return;
    // A second operand in the same storage (x + x reshaped) would be overwritten while it is read.
    const auto uses = std::count_if(node.inputs.begin(), node.inputs.end(),
                                    [&](ValueId id) { return root(id) == from; });
    if (uses != 1) return;
    last_[index(from)] = last_[index(to)];
    first_[index(to)] = -1;
    root_[index(to)] = from;
  }

  Status lay_out() {
    std::vector<Buffer> buffers;
    std::vector<ValueId> owners;
    for (size_t i = 0; i < root_.size(); ++i) {
      const auto id = static_cast<ValueId>(i);
      if (first_[i] < 0 || root(id) != id) continue;
      const ir::Value& value = graph_.value(id);
      const int64_t bytes = value.shape.elements() * static_cast<int64_t>(dtype_size(value.dtype));
      buffers.push_back({bytes, first_[i], last_[i]});
      owners.push_back(id);
    }
    const Layout layout = assign_offsets(buffers);
    if (layout.bytes > options_.max_arena_bytes) {
      return resource_exhausted("activations take " + std::to_string(layout.bytes) +
                                " bytes, more than the limit of " +
                                std::to_string(options_.max_arena_bytes));
    }
    offsets_.assign(root_.size(), 0);
    for (size_t i = 0; i < owners.size(); ++i) offsets_[index(owners[i])] = layout.offsets[i];
    plan_->arena_bytes = layout.bytes;
    plan_->arena_lower_bound = layout.lower_bound;
    return ok_status();
  }

  void locate() {
    for (size_t s = 0; s < plan_->steps.size(); ++s) {
      for (ValueId id : step_nodes_[s]->inputs) {
        const bool packed = graph_.value(id).is_constant() && plan_->steps[s].packed;
        plan_->steps[s].inputs.push_back(packed ? Location{Location::Base::kConstant, 0, nullptr}
                                                : location(id));
      }
      for (ValueId id : step_nodes_[s]->outputs) plan_->steps[s].outputs.push_back(location(id));
    }
    for (ValueId id : graph_.inputs()) plan_->input_shapes.push_back(graph_.value(id).shape);
    for (ValueId id : graph_.outputs()) {
      const ir::Value& value = graph_.value(id);
      plan_->outputs.push_back({value.name, value.dtype, value.shape, value.quantization});
      plan_->output_locations.push_back(location(id));
    }
  }

  Location location(ValueId id) {
    const ValueId storage = root(id);
    const ir::Value& value = graph_.value(storage);
    if (in_stripe_.contains(storage)) return {Location::Base::kStripe, 0, nullptr};
    if (value.is_constant()) {
      plan_->constants_in_use.emplace_back(value.constant);
      return {Location::Base::kConstant, 0, value.constant->address()};
    }
    const std::vector<ValueId>& inputs = graph_.inputs();
    const auto input = std::find(inputs.begin(), inputs.end(), storage);
    if (input != inputs.end()) return {Location::Base::kInput, input - inputs.begin(), nullptr};
    int64_t offset = offsets_[index(storage)];
    for (ValueId at = id; at != storage; at = root_[index(at)]) offset += shift_[index(at)];
    return {Location::Base::kArena, offset, nullptr};
  }

  static size_t index(ValueId id) { return static_cast<size_t>(id); }
  ValueId root(ValueId id) const {
    while (root_[index(id)] != id) id = root_[index(id)];
    return id;
  }

  const ir::Graph graph_;
  WeightCache& weights_;
  const PlanOptions& options_;
  std::shared_ptr<Plan> plan_;
  std::vector<const ir::Node*> step_nodes_;  // of each step
  std::vector<ValueId> root_;
  std::vector<StripedGroup*> group_of_;    // each step; null: none
  std::unordered_set<ValueId> in_stripe_;  // values between the steps of a group
  std::vector<int64_t> shift_;             // bytes into the root's storage
  std::vector<int64_t> uses_;              // by nodes and as outputs of the graph
  std::vector<int> maker_;                 // step with this output alone, or -1
  std::vector<int> first_, last_;  // steps, of roots in the arena; first -1: not in the arena
  std::vector<int64_t> offsets_;
};

}  // namespace

kernels::OpDesc describe(const ir::Graph& graph, const ir::Node& node) {
  kernels::OpDesc op;
  op.kind = node.kind;
  op.attrs = node.attrs;
  const auto operand = [&](ValueId id) {
    const ir::Value& value = graph.value(id);
    return kernels::Operand{value.dtype, value.shape, value.quantization,
                            value.is_constant() ? value.constant->address() : nullptr};
  };
  for (ValueId id : node.inputs) op.inputs.push_back(operand(id));
  for (ValueId id : node.outputs) op.outputs.push_back(operand(id));
  return op;
}

Result<std::shared_ptr<const Plan>> make_plan(ir::Graph graph, WeightCache& weights,
                                              const PlanOptions& options) {
  return Planner(std::move(graph), weights, options).make();
}

}  // namespace inferd::plan
