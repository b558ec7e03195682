// SPDX-License-Identifier: Apache-2.0
//
// The memory of one run of a program at a time, and the way through its stages.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/runtime/plan_runner.h"
#include "engine/runtime/program.h"

namespace inferd::runtime {

// A tensor that owns its bytes.
struct OwnedTensor {
  DType dtype = DType::kFloat32;
  Shape shape;
  std::vector<std::byte> data;

  static OwnedTensor copy_of(const TensorView& view) {
    return {view.dtype, view.shape, {view.data.begin(), view.data.end()}};
  }
  TensorView view() const { return {dtype, shape, data}; }
};

// Belongs to one thread at a time.
class ProgramRunner {
 public:
  // Borrows `program`.
  ProgramRunner(const Program& program, const ContextOptions& options)
      : program_(program), options_(options) {}

  // Plans the first stage for these shapes. Errors of Program::stage_for().
  Status prepare(std::span<const Shape> shapes);

  // `inputs` have the types of the program's inputs. The views it returns lie in this runner, in
  // constants or in the inputs, until the next run. Allocates nothing where the program runs in one
  // stage that is prepared. Errors of Program::stage_for(); RESOURCE_EXHAUSTED for a loop that does
  // not end.
  Result<std::span<const TensorView>> run(std::span<const TensorView> inputs);

  std::vector<LayerProfile> profile() const;  // of the last run, all stages but loops
  int64_t arena_bytes() const;
  int64_t arena_lower_bound() const;
  int64_t scratch_bytes() const;

 private:
  struct Level {
    std::shared_ptr<const Stage> stage;
    std::unique_ptr<PlanRunner> runner;
    std::unique_ptr<ProgramRunner> body;  // of the stage's loop
    std::vector<OwnedTensor> loop_outputs;
    std::vector<TensorView> values;
  };

  Status enter(size_t depth, std::shared_ptr<const Stage> stage);
  Result<std::shared_ptr<const Stage>> find_stage(const Program& program,
                                                  std::span<const TensorView> inputs,
                                                  std::vector<TensorView>* plan_inputs) const;
  Status run_loop(Level& level) const;

  const Program& program_;
  ContextOptions options_;
  std::vector<Level> levels_;  // of the last run: one for each stage
  size_t depth_ = 0;           // of these, in use
};

}  // namespace inferd::runtime
