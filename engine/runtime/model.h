// SPDX-License-Identifier: Apache-2.0
//
// A loaded model: its optimised graph and a plan for each set of input shapes that was asked for.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/base/thread_pool.h"
#include "engine/import/import.h"
#include "engine/ir/graph.h"
#include "engine/plan/plan.h"
#include "engine/runtime/program.h"
#include "engine/runtime/state.h"
#include "inferd/engine/engine.h"

namespace inferd::runtime {

class LoadedModel final : public Model {
 public:
  // Optimises `imported` and plans it at batch 1 when its shapes are static, so that a model that
  // loads also runs. `load.limits` replace those of `options`. Errors of passes and planner.
  static Result<std::shared_ptr<const LoadedModel>> create(import::Imported imported,
                                                           const LoadOptions& load,
                                                           plan::PlanOptions options,
                                                           std::shared_ptr<ThreadPool> pool);

  // Writes it as a compiled model with the weights of its plan, which is for `isa`. Errors as
  // Engine::compile().
  Status write(const std::string& path, CompiledWeights weights, std::string_view isa) const;

  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions& options) const override;
  void forget_plans() const override;
  std::unique_ptr<State> create_state() const override;

  // The plan of the first stage, which is the only one where no shape depends on data. From the
  // cache, or made now.
  Result<std::shared_ptr<const plan::Plan>> plan_for(std::span<const Shape> input_shapes) const;

  const Program& program() const { return *program_; }
  TensorState new_state() const;
  // The shapes of all of the program's inputs, for those of the model.
  std::vector<Shape> with_states(std::span<const Shape> input_shapes) const;
  int64_t packed_bytes() const { return shared_.weights.bytes(); }

 private:
  LoadedModel() = default;
  // Takes over what `compiled` has besides `graph`: packed weights, as far as this engine packs
  // them alike. Fails where those are needed and it does not.
  Status adopt(import::Compiled compiled, const ir::Graph& graph);
  // Takes what reading touched of the file out of memory.
  void forget_file() const;
  std::vector<Shape> default_shapes() const;  // batch 1; empty when another dimension is dynamic

  std::shared_ptr<const MappedFile> file_;  // may be null
  ModelInfo info_;
  std::optional<import::Compiled> compiled_;  // of a compiled model
  ProgramContext shared_;
  std::unique_ptr<const Program> program_;
};

}  // namespace inferd::runtime
