// SPDX-License-Identifier: Apache-2.0
//
// A loaded model: its optimised graph and a plan for each set of input shapes that was asked for.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/base/thread_pool.h"
#include "engine/import/import.h"
#include "engine/ir/graph.h"
#include "engine/plan/plan.h"
#include "inferd/engine/engine.h"

namespace inferd::runtime {

class LoadedModel final : public Model {
 public:
  // Optimises `imported` and plans it at batch 1 when its shapes are static, so that a model that
  // loads also runs. `limits` replace those of `options`. Errors of passes and planner.
  static Result<std::shared_ptr<const LoadedModel>> create(import::Imported imported,
                                                           const Limits& limits,
                                                           plan::PlanOptions options,
                                                           std::shared_ptr<ThreadPool> pool);

  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions& options) const override;

  // From the cache, or made now. INVALID_ARGUMENT names the input and dimension that the model
  // cannot take.
  Result<std::shared_ptr<const plan::Plan>> plan_for(std::span<const Shape> input_shapes) const;

  ThreadPool& pool() const { return *pool_; }
  int64_t packed_bytes() const { return weights_.bytes(); }

 private:
  LoadedModel() = default;
  // Takes what reading touched of the file out of memory.
  void forget_file() const;
  Result<ir::Graph> specialize(std::span<const Shape> input_shapes) const;
  std::vector<Shape> default_shapes() const;  // batch 1; empty when another dimension is dynamic

  static constexpr size_t kMaxPlans = 16;

  std::shared_ptr<const MappedFile> file_;  // may be null
  ir::Graph graph_;
  ModelInfo info_;
  plan::PlanOptions options_;
  std::shared_ptr<ThreadPool> pool_;
  mutable plan::WeightCache weights_;
  mutable std::mutex mutex_;
  mutable std::list<std::shared_ptr<const plan::Plan>> plans_;  // most recent first; by mutex_
};

}  // namespace inferd::runtime
