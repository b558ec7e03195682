// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "inferd/engine/engine.h"

namespace inferd::models {

// How the tensors of an ensemble pass between its steps: names and their meaning are looked up
// once. Immutable.
struct EnsemblePlan {
  static constexpr int kUnwanted = -1;

  struct Tensor {
    TensorInfo info;           // as who writes it says, or its first reader where it is an input
    std::vector<int> read_by;  // steps
    bool is_output = false;    // of the ensemble
  };
  // Indices of tensors, in the order of the model's inputs and outputs.
  struct Step {
    std::vector<int> inputs;
    std::vector<int> outputs;  // or kUnwanted
    int written_inputs = 0;    // those that other steps write; the others are there from the start
  };
  std::vector<Tensor> tensors;
  std::vector<Step> steps;
  std::vector<int> inputs, outputs;  // of the ensemble, in its order
  ModelInfo info;                    // as a model
};

// `parts`: what each step's model takes and gives. INVALID_ARGUMENT, with the step's place in its
// file: a name that the model does not have, an input without a source, a tensor with two, types or
// shapes that do not fit, steps that wait for each other.
Result<EnsemblePlan> plan_ensemble(const config::EnsembleConfig& config,
                                   std::span<const ModelInfo* const> parts);

}  // namespace inferd::models
