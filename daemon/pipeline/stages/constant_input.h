// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "inferd/engine/tensor.h"

namespace inferd::pipeline {

// An input of a model that is the same for every frame.
struct ConstantInput {
  DType dtype = DType::kFloat32;
  Shape shape = {};
  std::vector<std::byte> bytes = {};

  TensorView view() const { return {dtype, shape, bytes}; }
};

// The keys `constant.NAME` of an `infer`: a number for all elements of the input NAME, or as many
// as it has elements.
class Constants {
 public:
  Constants(const config::NodeConfig& node, config::NodeReader& reader);

  size_t size() const { return values_.size(); }
  bool has(const std::string& name) const { return values_.contains(name); }

  // INVALID_ARGUMENT where one is of no input; all say which key.
  Status check_names(std::span<const TensorInfo> inputs) const;
  // Of an input that there is one for. Of open dimensions one is what the numbers leave for it, the
  // others are 1. INVALID_ARGUMENT: another number of elements; a type that numbers are not written
  // in (half precision); a number that its type does not have.
  Result<ConstantInput> make(const TensorInfo& info) const;

 private:
  struct Value {
    std::vector<double> numbers;
    config::Mark mark;
  };
  std::map<std::string, Value> values_;  // by input
};

}  // namespace inferd::pipeline
