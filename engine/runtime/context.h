// SPDX-License-Identifier: Apache-2.0
//
// A model and the memory to run it, with its state.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/runtime/model.h"
#include "engine/runtime/program_runner.h"
#include "engine/runtime/state.h"
#include "inferd/engine/engine.h"

namespace inferd::runtime {

class ModelContext final : public Context {
 public:
  ModelContext(std::shared_ptr<const LoadedModel> model, const ContextOptions& options);

  Result<std::span<const TensorView>> run(std::span<const TensorView> inputs,
                                          std::span<State* const> states) override;
  Status prepare(std::span<const Shape> input_shapes) override;
  std::span<const LayerProfile> profile() const override { return profile_; }
  MemoryUse memory() const override;

 private:
  Result<std::span<const TensorView>> run_once(std::span<const TensorView> inputs,
                                               std::span<State* const> states);
  // Sets given_, or says what is wrong with `states`.
  Status take_states(std::span<State* const> states, int64_t elements);
  // All outputs, those that are what comes after `state` behind the others.
  Result<std::span<const TensorView>> run_from(std::span<const TensorView> inputs,
                                               const TensorState& state);

  const std::shared_ptr<const LoadedModel> model_;
  const bool profiles_;
  ProgramRunner runner_;
  TensorState together_;             // of all elements of a run of several sequences
  std::vector<TensorState*> given_;  // of each element; null: it begins
  std::vector<TensorView> inputs_;   // with states behind them
  std::vector<LayerProfile> profile_;
};

}  // namespace inferd::runtime
