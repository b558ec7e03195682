// SPDX-License-Identifier: Apache-2.0
//
// What the reference tests share: running a model on recorded inputs.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "inferd/engine/engine.h"
#include "media/npy.h"

namespace inferd {

// Loads a model and runs it once; outputs are copies in the model's order.
inline Result<std::vector<media::Array>> run_model(const std::string& path,
                                                   const std::vector<media::Array>& inputs) {
  INFERD_ASSIGN_OR_RETURN(const auto engine, Engine::create({}));
  INFERD_ASSIGN_OR_RETURN(const auto model, engine->load(path));
  INFERD_ASSIGN_OR_RETURN(const auto context, model->create_context());
  std::vector<TensorView> views;
  for (const media::Array& input : inputs) views.push_back(input.view());
  INFERD_ASSIGN_OR_RETURN(const auto outputs, context->run(views));
  std::vector<media::Array> copies;
  for (const TensorView& output : outputs) {
    copies.push_back({output.dtype, output.shape, {output.data.begin(), output.data.end()}});
  }
  return copies;
}

}  // namespace inferd
