// SPDX-License-Identifier: Apache-2.0
//
// A graph that runs in stages. Most run in one: a plan for the shapes of a request. Where shapes
// depend on data (how many boxes are left, which body of an if runs, how often a loop repeats),
// what can be planned is planned and run, and what it computed decides how the rest is planned.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/thread_pool.h"
#include "engine/ir/graph.h"
#include "engine/plan/plan.h"

namespace inferd::runtime {

class Program;

// A loop between two stages.
struct Loop {
  std::string name;
  std::shared_ptr<const Program> body;  // without inputs that are constants
  LoopAttrs attrs;
  std::vector<size_t> inputs;    // indices of Stage's values: most, condition, carried...
  std::vector<size_t> captured;  // and those that the body takes after the carried ones
};

// What a program does for inputs of certain shapes. Immutable.
//
// Its values are the program's inputs that are not bound, then what the plan makes, then what the
// loop makes.
struct Stage {
  std::vector<Shape> shapes;                  // of the inputs that are not bound
  std::vector<std::vector<std::byte>> bound;  // the numbers of those that are
  std::shared_ptr<const plan::Plan> plan;
  std::optional<Loop> loop;
  std::shared_ptr<const Program> next;  // null: what the plan makes is the program's outputs
  std::vector<size_t> next_inputs;      // values
};

// What the programs of one model share. Outlives them.
struct ProgramContext {
  plan::PlanOptions options;
  std::shared_ptr<ThreadPool> pool;
  mutable plan::WeightCache weights;
  int64_t max_iterations = 0;  // of one loop
  // Whether plans keep the kernels that stored weights are for (plan::PlanOptions): all of them, or
  // those for these shapes; empty: none.
  bool always_keep_stored = false;
  std::vector<Shape> keep_stored_for;
};

// Immutable but for its cache of stages; thread-safe.
class Program {
 public:
  // `graph` is optimised and verified. Borrows `context`. Of inputs at the indices `bound` (sorted)
  // the numbers decide about the stage.
  Program(ir::Graph graph, std::vector<size_t> bound, const ProgramContext& context);

  const ir::Graph& graph() const { return graph_; }
  const std::vector<size_t>& bound() const { return bound_; }
  const ProgramContext& context() const { return context_; }

  // From the cache, or made now: for these shapes of the inputs that are not bound, and numbers of
  // those that are (with shapes `bound_shapes`). Errors of passes and planner; UNIMPLEMENTED where
  // nothing tells a shape.
  Result<std::shared_ptr<const Stage>> stage_for(
      std::span<const Shape> shapes, std::span<const std::span<const std::byte>> bound = {},
      std::span<const Shape> bound_shapes = {}) const;

  void forget_stages() const;  // that nobody else has

 private:
  Result<ir::Graph> specialize(std::span<const Shape> shapes,
                               std::span<const std::span<const std::byte>> bound,
                               std::span<const Shape> bound_shapes) const;
  Result<std::shared_ptr<const Stage>> make_stage(ir::Graph graph,
                                                  const plan::PlanOptions& options) const;
  Result<Loop> make_loop(const ir::Graph& graph, const ir::Node& node,
                         std::span<const ir::ValueId> values) const;

  static constexpr size_t kMaxStages = 16;

  const ir::Graph graph_;
  const std::vector<size_t> bound_;
  const ProgramContext& context_;
  mutable std::mutex mutex_;
  mutable std::list<std::shared_ptr<const Stage>> stages_;  // most recent first; by mutex_
};

}  // namespace inferd::runtime
