// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace inferd::models {

// The versions of a model in its folder, ascending: Triton's layout, folders whose names are
// positive integers. As much as can be read of it.
std::vector<int64_t> versions_on_disk(const std::string& model_folder);

// All files in a folder and below, and how much they hold.
std::vector<std::string> files_in_folder(const std::string& folder);
int64_t bytes_in_folder(const std::string& folder);

}  // namespace inferd::models
