// SPDX-License-Identifier: Apache-2.0
//
// Which stages a detection model needs around it, found by asking what the daemon says of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "inferd/client/client.h"

namespace inferd::ctl {

struct Detector {
  std::string model;
  std::string stages;  // lines of a pipeline's file, a stage each
};

// True: a pipeline with these stages is good.
using CheckStages = std::function<Result<bool>(const std::string& stages)>;

// The first of `models` that a decoder takes; of one whose name is `wanted` where that is not
// empty. Without any, Detector::model is empty. NOT_FOUND: there is no model `wanted`.
// INVALID_ARGUMENT: no decoder takes it. Otherwise what `check` failed with.
Result<Detector> find_detector(const std::vector<ServedModelInfo>& models,
                               const std::string& wanted, const CheckStages& check);

}  // namespace inferd::ctl
