// SPDX-License-Identifier: Apache-2.0
//
// Names by which clients of every protocol know the daemon and its models.
#pragma once

#include <string>
#include <string_view>

#include "daemon/models/repository.h"

namespace inferd::serve {

inline constexpr std::string_view kServerName = "inferd";

// "inferd_tflite": who runs the model, and the format of its file. "ensemble", which clients know.
inline std::string platform_name(const Model& model) {
  const std::string& format = model.info().format;
  return format == "ensemble" ? format : "inferd_" + format;
}

// As Triton's repository index spells it.
inline std::string_view state_name(models::ModelState state) {
  switch (state) {
    case models::ModelState::kReady:
      return "READY";
    case models::ModelState::kLoading:
      return "LOADING";
    case models::ModelState::kFailed:
    case models::ModelState::kUnloaded:
      break;
  }
  return "UNAVAILABLE";
}

}  // namespace inferd::serve
