// SPDX-License-Identifier: Apache-2.0
//
// The small text files in which a kernel and its drivers say how a machine is. They may be missing,
// empty, without end or nonsense: then they say nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace inferd::host {

// The first line, without the space around it. Nothing: it cannot be read, or is empty or longer
// than 4,000 bytes.
std::optional<std::string> first_line(const std::string& path);

// A first line that is one number, of `base` 10 or 16, and no more.
std::optional<int64_t> number_in(const std::string& path, int base = 10);

// A first line that is a list of CPUs: "0-3,6" or "0 1 2". At most 1,024 of them.
std::vector<int> cpus_in(const std::string& path);

// Entries of a folder whose names begin with `prefix`, in order of the numbers after it; at most
// 256.
std::vector<std::string> entries_of(const std::string& folder, const std::string& prefix);

}  // namespace inferd::host
