// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/interface.h"

#include <algorithm>
#include <string>

namespace inferd::models {
namespace {

std::string text_of(const TensorInfo& tensor) {
  return std::string(dtype_name(tensor.dtype)) + " " + tensor.shape.to_string();
}

Status compare(std::span<const TensorInfo> old, std::span<const TensorInfo> other,
               const std::string& what) {
  for (const TensorInfo& tensor : old) {
    const auto same = std::find_if(other.begin(), other.end(), [&](const TensorInfo& candidate) {
      return candidate.name == tensor.name;
    });
    const std::string named = what + " '" + tensor.name + "'";
    if (same == other.end()) return failed_precondition("has no " + named);
    if (same->dtype != tensor.dtype || !(same->shape == tensor.shape)) {
      return failed_precondition("has " + named + " of " + text_of(*same) + " instead of " +
                                 text_of(tensor));
    }
    if (same - other.begin() != &tensor - old.data())
      return failed_precondition("has its " + what + "s in another order");
  }
  if (other.size() != old.size()) {
    return failed_precondition("has " + std::to_string(other.size()) + " " + what +
                               "s instead of " + std::to_string(old.size()));
  }
  return ok_status();
}

}  // namespace

Status check_same_interface(const ModelInfo& old, const ModelInfo& other) {
  INFERD_RETURN_IF_ERROR(compare(old.inputs, other.inputs, "input"));
  INFERD_RETURN_IF_ERROR(compare(old.outputs, other.outputs, "output"));
  if (old.states.empty() == other.states.empty()) return ok_status();
  return failed_precondition(other.states.empty() ? "has no state" : "has a state");
}

}  // namespace inferd::models
