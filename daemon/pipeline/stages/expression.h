// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "daemon/pipeline/stage.h"

namespace inferd::pipeline {

// A formula over what is known of a frame: docs/pipelines.md, "Expressions". Used by one thread.
class Expression {
 public:
  // INVALID_ARGUMENT says what is wrong with the text, and where in it.
  static Result<std::unique_ptr<Expression>> create(const std::string& text);
  virtual ~Expression() = default;

  // NaN where it needs something that the frame does not have; allocates nothing.
  virtual double of(const Work& work) = 0;
};

// What the key `key` of a stage says, the last one that it asks for. Errors name its place.
Result<std::unique_ptr<Expression>> read_expression(config::NodeReader& reader,
                                                    const config::NodeConfig& node,
                                                    const std::string& key);

}  // namespace inferd::pipeline
