// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace inferd::host {

// How many CPUs' worth of time the process's control groups let it have (`CPUQuota=` of systemd,
// `--cpus` of containers): 1.5 is all of one CPU and half of another. Nothing: as much as there is.
// `root` is put before all paths, for tests.
std::optional<double> cpu_quota(const std::string& root = "");

// As many threads can compute at once, of `cores`, without using the quota up before its period
// ends: then all would stand still together until the next. At least 1.
int threads_within(std::optional<double> quota, int cores);

}  // namespace inferd::host
