// SPDX-License-Identifier: Apache-2.0
#include "engine/import/lowering.h"

#include <algorithm>
#include <cstring>

#include "engine/base/float16.h"
#include "engine/ir/late.h"

namespace inferd::import {
namespace {

std::string title(const ForeignNode& node) { return node.op + " '" + node.name + "'"; }

// Dimension 0 may be a batch, which files declare as they like.
bool contradict(const Shape& declared, const Shape& made) {
  if (declared.rank() != made.rank()) return true;
  for (int d = 1; d < made.rank(); ++d) {
    const bool known = declared[d] != kDynamicDim && made[d] != kDynamicDim;
    if (known && declared[d] != made[d]) return true;
  }
  return false;
}

}  // namespace

Status same_padding(int64_t in, int kernel, int stride, int dilation, bool odd_first, int* before,
                    int* after) {
  if (in == kDynamicDim) return failed_precondition("SAME padding over an image of unknown size");
  constexpr int64_t kMost = 1 << 20;
  const int64_t span = int64_t{dilation} * (kernel - 1) + 1;
  const int64_t out = (in + stride - 1) / stride;
  const int64_t total = std::max<int64_t>((out - 1) * stride + span - in, 0);
  if (total > kMost) return invalid_argument("SAME padding is out of range");
  *before = static_cast<int>(odd_first ? total - total / 2 : total / 2);
  *after = static_cast<int>(total) - *before;
  return ok_status();
}

int64_t name_seed(std::string_view name) {
  uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return static_cast<int64_t>(hash);
}

SliceAttrs whole_slice(int rank) {
  const auto count = static_cast<size_t>(rank);
  return {std::vector<int64_t>(count, 0), std::vector<int64_t>(count, kSliceEnd),
          std::vector<int64_t>(count, 1)};
}

Result<int> normalize_axis(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) {
    return invalid_argument("axis " + std::to_string(axis) + " is out of range for rank " +
                            std::to_string(rank));
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

const ForeignTensor* Lowering::tensor(const std::string& name) const {
  const auto it = foreign_.tensors.find(name);
  return it == foreign_.tensors.end() ? nullptr : &it->second;
}

Result<ir::ValueId> Lowering::value(const std::string& name) {
  if (const auto it = values_.find(name); it != values_.end()) {
    if (!untyped_.contains(it->second)) return it->second;
    return failed_precondition("the type of '" + name + "' is not known before a request");
  }
  const ForeignTensor* t = tensor(name);
  if (t != nullptr && !t->unsupported.empty()) {
    return unimplemented("tensor '" + name + "': " + t->unsupported);
  }
  if (left_out_.contains(name)) {
    return unimplemented("tensor '" + name + "' is an output that the engine does not compute");
  }
  if (made_.contains(name)) {
    return invalid_argument("tensor '" + name +
                            "' is used before the operator that makes it: the graph has a cycle, "
                            "or its operators are not in order");
  }
  if (sequences_.contains(name)) {
    return unimplemented("'" + name + "' is a sequence, and this operator takes tensors");
  }
  const bool captures = outer_ != nullptr && !foreign_.is_closed;
  if ((t == nullptr || !t->has_data) && captures) return capture(name);
  if (t == nullptr || !t->has_data) {
    return invalid_argument("tensor '" + name +
                            "' is neither a constant nor a graph input, and no operator makes it");
  }
  const ir::ValueId id = builder_.constant(t->name, t->dtype, t->shape, t->data, t->quantization);
  values_.emplace(name, id);
  return id;
}

bool Lowering::has(const ForeignNode& node, size_t i) const {
  return i < node.inputs.size() && !node.inputs[i].empty();
}

Result<ir::ValueId> Lowering::input(const ForeignNode& node, size_t i) {
  if (!has(node, i)) return invalid_argument("input " + std::to_string(i) + " is missing");
  return value(node.inputs[i]);
}

Result<ir::ValueId> Lowering::untyped_input(const ForeignNode& node, size_t i) {
  const Result<ir::ValueId> id = input(node, i);
  if (id.status().code() != StatusCode::kFailedPrecondition) return id;
  return values_.at(node.inputs[i]);
}

Result<ir::ValueId> Lowering::input_of(const ForeignNode& node, size_t i, DType dtype) {
  INFERD_ASSIGN_OR_RETURN(const ir::ValueId id, untyped_input(node, i));
  if (untyped_.erase(id) > 0) builder_.graph().value(id).dtype = dtype;
  return id;
}

Result<std::vector<int64_t>> Lowering::ints(const ForeignNode& node, size_t i) {
  INFERD_ASSIGN_OR_RETURN(const ir::ValueId id, input(node, i));
  if (!info(id).is_constant()) {
    return failed_precondition("input '" + node.inputs[i] + "' is not known before a request");
  }
  return ir::constant_ints(graph(), id);
}

Result<float> Lowering::scalar(const ForeignNode& node, size_t i) {
  INFERD_ASSIGN_OR_RETURN(const ir::ValueId id, input(node, i));
  const ir::Value& v = info(id);
  if (!v.is_constant()) {
    return failed_precondition("input '" + node.inputs[i] + "' is not known before a request");
  }
  if (v.shape.elements() != 1)
    return invalid_argument("input '" + node.inputs[i] + "' is not a scalar");
  const std::byte* data = v.constant->bytes().data();
  const auto read = [&](auto number) {
    std::memcpy(&number, data, sizeof number);
    return number;
  };
  switch (v.dtype) {
    case DType::kFloat32:
      return read(float{});
    case DType::kFloat16:
      return half_to_float(read(uint16_t{}));
    case DType::kFloat64:
      return static_cast<float>(read(double{}));
    case DType::kInt32:
      return static_cast<float>(read(int32_t{}));
    case DType::kInt64:
      return static_cast<float>(read(int64_t{}));
    case DType::kInt8:
    case DType::kUInt8: {
      const int32_t stored = v.dtype == DType::kInt8 ? read(int8_t{}) : read(uint8_t{});
      if (v.quantization.empty()) return static_cast<float>(stored);
      return v.quantization.scale() * static_cast<float>(stored - v.quantization.zero_point());
    }
    default:
      return unimplemented("input '" + node.inputs[i] + "' has an unexpected type");
  }
}

Result<int> Lowering::axis(int64_t axis, ir::ValueId x) const {
  INFERD_RETURN_IF_ERROR(known_rank(x));
  return normalize_axis(axis, info(x).shape.rank());
}

Status Lowering::known_rank(ir::ValueId x) const {
  return info(x).shape_known ? ok_status() : failed_precondition("an input of unknown rank");
}

Status Lowering::set_output(const ForeignNode& node, size_t i, ir::ValueId id) {
  if (i >= node.outputs.size() || node.outputs[i].empty()) return ok_status();  // nobody wants it
  const std::string& name = node.outputs[i];
  const ForeignTensor* declared = tensor(name);
  if (declared != nullptr && declared->shape_known && info(id).shape_known &&
      contradict(declared->shape, info(id).shape)) {
    return invalid_argument("the file declares output '" + name + "' as " +
                            declared->shape.to_string() + ", the operator makes " +
                            info(id).shape.to_string());
  }
  values_.emplace(name, id);
  return ok_status();
}

int64_t Lowering::int_attr(const ForeignNode& node, const std::string& name, int64_t fallback) {
  const auto it = node.attrs.find(name);
  const auto* value = it == node.attrs.end() ? nullptr : std::get_if<int64_t>(&it->second);
  return value != nullptr ? *value : fallback;
}

float Lowering::float_attr(const ForeignNode& node, const std::string& name, float fallback) {
  const auto it = node.attrs.find(name);
  if (it == node.attrs.end()) return fallback;
  if (const auto* value = std::get_if<float>(&it->second)) return *value;
  if (const auto* value = std::get_if<int64_t>(&it->second)) return static_cast<float>(*value);
  return fallback;
}

std::string Lowering::text_attr(const ForeignNode& node, const std::string& name,
                                const std::string& fallback) {
  const auto it = node.attrs.find(name);
  const auto* value = it == node.attrs.end() ? nullptr : std::get_if<std::string>(&it->second);
  return value != nullptr ? *value : fallback;
}

std::vector<int64_t> Lowering::ints_attr(const ForeignNode& node, const std::string& name) {
  const auto it = node.attrs.find(name);
  const auto* value =
      it == node.attrs.end() ? nullptr : std::get_if<std::vector<int64_t>>(&it->second);
  return value != nullptr ? *value : std::vector<int64_t>();
}

// Each name is made once: by one node, or it is an input, or it is a constant.
Status Lowering::check_names() {
  const std::set<std::string> inputs(foreign_.inputs.begin(), foreign_.inputs.end());
  for (const ForeignNode& node : foreign_.nodes) {
    for (const std::string& name : node.outputs) {
      if (name.empty()) continue;
      const ForeignTensor* t = tensor(name);
      const char* other = !made_.insert(name).second    ? "the output of another operator"
                          : inputs.contains(name)       ? "a graph input"
                          : t != nullptr && t->has_data ? "a constant"
                                                        : nullptr;
      if (other == nullptr) continue;
      return invalid_argument("output '" + name + "' is also " + other).with_context(title(node));
    }
  }
  return ok_status();
}

Status Lowering::add_inputs(std::vector<UnsupportedOp>* unsupported) {
  for (const std::string& name : foreign_.inputs) {
    const ForeignTensor* t = tensor(name);
    if (t == nullptr) return invalid_argument("graph input '" + name + "' does not exist");
    if (!t->unsupported.empty()) {
      unsupported->push_back({"graph input", name, t->unsupported});
      continue;
    }
    if (t->has_data) return invalid_argument("graph input '" + name + "' is also a constant");
    if (!t->shape_known) return unimplemented("graph input '" + name + "' has no rank");
    const ir::ValueId id = builder_.input(t->name, t->dtype, t->shape, t->quantization);
    if (!values_.emplace(name, id).second) {
      return invalid_argument("graph input '" + name + "' is listed twice");
    }
  }
  return ok_status();
}

void Lowering::stand_in(const ForeignNode& node) {
  for (const std::string& name : node.outputs) {
    if (name.empty() || values_.contains(name)) continue;
    ir::Value value;
    value.name = name;
    if (const ForeignTensor* t = tensor(name)) {
      value.dtype = t->dtype;
      value.shape = t->shape;
      value.shape_known = t->shape_known;
      value.quantization = t->quantization;
    }
    values_.emplace(name, builder_.graph().add_value(std::move(value)));
  }
}

Status Lowering::lower_node(LowerNode lower, const ForeignNode& node) {
  if (lower == nullptr) return unimplemented("the engine does not have this operator");
  for (const std::string& name : node.outputs) {
    const ForeignTensor* t = tensor(name);
    if (t == nullptr || t->unsupported.empty()) continue;
    return unimplemented("output '" + name + "': " + t->unsupported);
  }
  INFERD_RETURN_IF_ERROR(lower(*this, node));
  for (const std::string& name : node.outputs) {
    if (!values_.contains(name) && !sequences_.contains(name)) left_out_.insert(name);
  }
  return ok_status();
}

// Which operator it is, and how it is lowered.
class ForeignLateOp final : public ir::LateOp {
 public:
  ForeignLateOp(const ForeignGraph& graph, Lowering::LowerNode how, ForeignNode node)
      : lower_(how), node_(std::move(node)) {
    graph_.format = graph.format;
    graph_.opsets = graph.opsets;
    for (const std::string& name : node_.outputs) {
      const auto declared = graph.tensors.find(name);
      if (declared == graph.tensors.end()) continue;
      ForeignTensor type = declared->second;
      type.shape_known = false;
      graph_.tensors.emplace(name, std::move(type));
    }
  }

  std::string_view op() const override { return node_.op; }

  Result<std::vector<ir::ValueId>> lower(ir::Builder& builder,
                                         std::span<const ir::ValueId> inputs) const override {
    return Lowering::run_node(graph_, lower_, node_, builder, inputs);
  }

 private:
  ForeignGraph graph_;  // without operators; of tensors, the types of the outputs
  Lowering::LowerNode lower_;
  ForeignNode node_;  // inputs that are absent are empty, the others stand in order
};

Status Lowering::postpone(LowerNode lower, const ForeignNode& node) {
  ir::Node late{.kind = OpKind::kLate, .name = node.name, .attrs = {}, .inputs = {}, .outputs = {}};
  for (const std::string& name : node.inputs) {
    if (name.empty()) continue;
    const Result<ir::ValueId> id = value(name);
    if (!id.ok() && id.status().code() != StatusCode::kFailedPrecondition) return id.status();
    late.inputs.push_back(values_.at(name));
  }
  for (const std::string& name : node.outputs) {
    ir::Value made;
    made.name = name;
    const ForeignTensor* declared = tensor(name);
    if (declared != nullptr) {
      made.dtype = declared->dtype;
      made.shape = declared->shape;
      made.shape_known = declared->shape_known;
      made.quantization = declared->quantization;
    }
    const ir::ValueId id = builder_.graph().add_value(std::move(made));
    if (declared == nullptr) untyped_.insert(id);
    late.outputs.push_back(id);
    if (!name.empty()) values_.emplace(name, id);
  }
  late.late = std::make_shared<ForeignLateOp>(foreign_, lower, node);
  builder_.graph().add_node(std::move(late));
  return ok_status();
}

Result<std::vector<ir::ValueId>> Lowering::run_node(const ForeignGraph& foreign, LowerNode lower,
                                                    const ForeignNode& node, ir::Builder& builder,
                                                    std::span<const ir::ValueId> inputs) {
  Lowering l(foreign, builder);
  size_t next = 0;
  for (const std::string& name : node.inputs) {
    if (!name.empty()) l.values_.emplace(name, inputs[next++]);
  }
  INFERD_RETURN_IF_ERROR(l.lower_node(lower, node));
  std::vector<ir::ValueId> outputs;
  for (const std::string& name : node.outputs) {
    const auto made = l.values_.find(name);
    if (made == l.values_.end() && !name.empty()) {
      return unimplemented("output '" + name + "' is one that the engine does not compute");
    }
    outputs.push_back(made == l.values_.end() ? ir::kNoValue : made->second);
  }
  return outputs;
}

Status Lowering::lower_nodes() {
  for (const ForeignNode& node : foreign_.nodes) {
    const LowerNode lower = find_(foreign_, node);
    Status status = lower_node(lower, node);
    if (status.code() == StatusCode::kFailedPrecondition) status = postpone(lower, node);
    if (status.code() == StatusCode::kUnimplemented) {
      const std::string op =
          node.domain.empty() || node.domain == "custom" ? node.op : node.domain + "." + node.op;
      unsupported_->push_back({op, node.name, status.message()});
      stand_in(node);
      continue;
    }
    // After an unsupported operator nothing is known for sure, so later errors may be consequences.
    if (!status.ok() && !unsupported_->empty()) {
      stand_in(node);
      continue;
    }
    INFERD_RETURN_IF_ERROR(status.with_context(title(node)));
  }
  return ok_status();
}

// Another name for a value (an identity): a view of its own, so that both names stay.
Result<ir::ValueId> Lowering::named(ir::ValueId id, const std::string& name) {
  std::vector<ir::ValueId> inputs = {id};
  ReshapeAttrs same;
  if (info(id).shape_known) {
    same.dims.assign(static_cast<size_t>(info(id).shape.rank()), 0);
  } else {
    INFERD_ASSIGN_OR_RETURN(inputs.emplace_back(), builder_.op(OpKind::kShape, {id}, {}, name));
  }
  return builder_.op(OpKind::kReshape, inputs, same, name, ir::OutputSpec::named(name));
}

Status Lowering::set_outputs() {
  for (const std::string& name : foreign_.outputs) {
    Result<ir::ValueId> id = value(name);
    if (id.status().code() == StatusCode::kFailedPrecondition) id = values_.at(name);
    if (id.status().code() == StatusCode::kUnimplemented) {
      unsupported_->push_back({"graph output", name, id.status().message()});
      continue;
    }
    if (!id.ok() && !unsupported_->empty()) continue;
    if (!id.ok()) return id.status().with_context("graph output");
    if (info(*id).name != name && outer_ == nullptr) {  // outputs of bodies need no names
      id = named(*id, name);
      if (!id.ok()) return id.status();
    }
    builder_.output(*id);
  }
  return ok_status();
}

Result<ir::Graph> Lowering::run(Find find, std::vector<UnsupportedOp>* unsupported) {
  find_ = find;
  unsupported_ = unsupported;
  INFERD_RETURN_IF_ERROR(check_names());
  INFERD_RETURN_IF_ERROR(add_inputs(unsupported));
  INFERD_RETURN_IF_ERROR(lower_nodes());
  INFERD_RETURN_IF_ERROR(set_outputs());
  own_graph_.initial_states() = foreign_.initial_states;
  return std::move(own_graph_);
}

Status Lowering::check_body(const ForeignGraph& body, size_t inputs) const {
  if (find_ == nullptr) return unimplemented("a body whose captured values are known only later");
  if (body.inputs.size() == inputs) return ok_status();
  return invalid_argument("a body takes " + std::to_string(body.inputs.size()) + " inputs, not " +
                          std::to_string(inputs));
}

Result<std::vector<ir::ValueId>> Lowering::inline_body(const ForeignGraph& body,
                                                       std::span<const ir::ValueId> inputs) {
  INFERD_RETURN_IF_ERROR(check_body(body, inputs.size()));
  Lowering inner(body, builder_);
  inner.find_ = find_;
  inner.unsupported_ = unsupported_;
  inner.untyped_ = untyped_;
  INFERD_RETURN_IF_ERROR(inner.check_names());
  for (size_t i = 0; i < inputs.size(); ++i) inner.values_.emplace(body.inputs[i], inputs[i]);
  INFERD_RETURN_IF_ERROR(inner.lower_nodes());
  std::vector<ir::ValueId> outputs;
  for (const std::string& name : body.outputs) {
    const Result<ir::ValueId> id = inner.value(name);
    const bool later = id.status().code() == StatusCode::kFailedPrecondition;
    if (!id.ok() && !later) return id.status();
    outputs.push_back(later ? inner.values_.at(name) : *id);
  }
  untyped_ = std::move(inner.untyped_);
  return outputs;
}

Result<Lowering::Body> Lowering::lower_body(const ForeignGraph& body,
                                            std::span<const BodyInput> inputs) {
  INFERD_RETURN_IF_ERROR(check_body(body, inputs.size()));
  Lowering inner(body, *this);
  inner.find_ = find_;
  inner.unsupported_ = unsupported_;
  INFERD_RETURN_IF_ERROR(inner.check_names());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ir::ValueId id = inner.builder_.input(body.inputs[i], inputs[i].dtype, inputs[i].shape,
                                                inputs[i].quantization);
    inner.own_graph_.value(id).shape_known = inputs[i].shape_known;
    if (inputs[i].untyped) inner.untyped_.insert(id);
    if (!inner.values_.emplace(body.inputs[i], id).second) {
      return invalid_argument("a body lists input '" + body.inputs[i] + "' twice");
    }
  }
  INFERD_RETURN_IF_ERROR(inner.lower_nodes());
  INFERD_RETURN_IF_ERROR(inner.set_outputs());
  Body made;
  for (ir::ValueId id : inner.own_graph_.outputs()) made.untyped.push_back(inner.is_untyped(id));
  for (ir::ValueId id : inner.capturing_) inner.own_graph_.inputs().push_back(id);
  made.captured = std::move(inner.captured_);
  made.graph = std::make_shared<ir::Graph>(std::move(inner.own_graph_));
  return made;
}

// What a body uses of the graph around it: constants are its own, computed values become inputs.
Result<ir::ValueId> Lowering::capture(const std::string& name) {
  const Result<ir::ValueId> found = outer_->value(name);
  const bool later = found.status().code() == StatusCode::kFailedPrecondition;
  if (!found.ok() && !later) return found.status();
  const ir::ValueId id = later ? outer_->values_.at(name) : *found;
  ir::Value copy = outer_->info(id);
  const bool constant = copy.is_constant();
  const ir::ValueId inner = own_graph_.add_value(std::move(copy));
  if (!constant) {
    captured_.push_back(id);
    capturing_.push_back(inner);
  }
  values_.emplace(name, inner);
  if (later) untyped_.insert(inner);
  return later ? Result<ir::ValueId>(found.status()) : inner;
}

const std::vector<ir::ValueId>* Lowering::sequence(const std::string& name) const {
  const auto it = sequences_.find(name);
  if (it != sequences_.end()) return &it->second;
  return nullptr;
}

}  // namespace inferd::import
