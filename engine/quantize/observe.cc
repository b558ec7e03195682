// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/observe.h"

#include "engine/import/import.h"
#include "engine/runtime/model.h"

namespace inferd::quantize {
namespace {

constexpr int64_t kMaxGroupBytes = int64_t{256} << 20;

// A graph that gives some of its values instead of its outputs.
Result<std::unique_ptr<Context>> context_for(const ir::Graph& graph,
                                             std::span<const ir::ValueId> values,
                                             const Work& work) {
  import::Imported imported;
  imported.graph = graph;
  imported.graph.outputs().assign(values.begin(), values.end());
  imported.graph.remove_dead();
  LoadOptions load;
  load.limits = work.options.limits;
  plan::PlanOptions options;
  options.threads = work.pool->threads();
  INFERD_ASSIGN_OR_RETURN(const auto model, runtime::LoadedModel::create(std::move(imported), load,
                                                                         options, work.pool));
  return model->create_context({});
}

int64_t bytes_of(const ir::Graph& graph, ir::ValueId id) {
  const ir::Value& v = graph.value(id);
  return v.shape.elements() * static_cast<int64_t>(dtype_size(v.dtype));
}

// Indices of values, in order, as many together as memory is for.
std::vector<std::vector<size_t>> groups_of(const ir::Graph& graph,
                                           std::span<const ir::ValueId> values) {
  std::vector<std::vector<size_t>> groups;
  int64_t bytes = kMaxGroupBytes;
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t own = bytes_of(graph, values[i]);
    if (bytes + own > kMaxGroupBytes) {
      groups.emplace_back();
      bytes = 0;
    }
    groups.back().push_back(i);
    bytes += own;
  }
  return groups;
}

std::vector<ir::ValueId> picked(std::span<const ir::ValueId> values,
                                const std::vector<size_t>& group) {
  std::vector<ir::ValueId> ids;
  for (const size_t i : group) ids.push_back(values[i]);
  return ids;
}

// Counts walks over samples for whoever waits.
class Steps {
 public:
  Steps(const Work& work, std::string_view what, size_t groups)
      : work_(work), what_(what), total_(groups * work.data.count) {}
  void next() {
    if (work_.options.progress) work_.options.progress(what_, ++done_, total_);
  }

 private:
  const Work& work_;
  const std::string_view what_;
  const size_t total_;
  size_t done_ = 0;
};

}  // namespace

Status observe(const ir::Graph& graph, std::span<const ir::ValueId> values, const Work& work,
               std::string_view what, const See& see) {
  const auto groups = groups_of(graph, values);
  Steps steps(work, what, groups.size());
  for (const std::vector<size_t>& group : groups) {
    INFERD_ASSIGN_OR_RETURN(const auto context, context_for(graph, picked(values, group), work));
    for (size_t s = 0; s < work.data.count; ++s) {
      INFERD_ASSIGN_OR_RETURN(const auto inputs, work.data.sample(s));
      INFERD_ASSIGN_OR_RETURN(const auto outputs, context->run(inputs));
      for (size_t i = 0; i < group.size(); ++i) see(group[i], outputs[i]);
      steps.next();
    }
  }
  return ok_status();
}

Status observe_both(const ir::Graph& first, const ir::Graph& second, std::span<const Pair> values,
                    const Work& work, std::string_view what, const SeeBoth& see) {
  std::vector<ir::ValueId> of_first;
  std::vector<ir::ValueId> of_second;
  for (const Pair& pair : values) {
    of_first.push_back(pair.in_first);
    of_second.push_back(pair.in_second);
  }
  const auto groups = groups_of(first, of_first);
  Steps steps(work, what, groups.size());
  for (const std::vector<size_t>& group : groups) {
    INFERD_ASSIGN_OR_RETURN(const auto a, context_for(first, picked(of_first, group), work));
    INFERD_ASSIGN_OR_RETURN(const auto b, context_for(second, picked(of_second, group), work));
    for (size_t s = 0; s < work.data.count; ++s) {
      INFERD_ASSIGN_OR_RETURN(const auto inputs, work.data.sample(s));
      INFERD_ASSIGN_OR_RETURN(const auto left, a->run(inputs));
      INFERD_ASSIGN_OR_RETURN(const auto right, b->run(inputs));
      for (size_t i = 0; i < group.size(); ++i) see(group[i], left[i], right[i]);
      steps.next();
    }
  }
  return ok_status();
}

}  // namespace inferd::quantize
