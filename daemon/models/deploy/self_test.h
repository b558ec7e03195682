// SPDX-License-Identifier: Apache-2.0
//
// What a model's author says it must answer: selftest/<case>/inputs/<tensor>.npy and
// outputs/<tensor>.npy in the folder of the version. In file names, characters of a tensor's name
// other than letters, digits, '.', '_' and '-' are '_', as `inferctl run --output-dir` writes them.
// Outputs that a case leaves out are not looked at.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/models/deploy/agreement.h"
#include "daemon/models/repository.h"

namespace inferd::models {

// Names of the cases, in order; none where there is no such folder.
std::vector<std::string> self_test_cases(const std::string& version_folder);

// Runs one. DATA_LOSS for an answer that is not what it must be; NOT_FOUND, INVALID_ARGUMENT for a
// case that does not fit the model. Messages name the case.
Status run_self_test(const std::shared_ptr<const ModelVersion>& version,
                     const std::string& version_folder, const std::string& name,
                     const Tolerance& tolerance);

}  // namespace inferd::models
