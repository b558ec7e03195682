// SPDX-License-Identifier: Apache-2.0
//
// Tests on simulated devices of the kernel, which scripts/test-devices.sh has.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

// Ends the test, which says that it was left out; where there have to be all devices, it has
// failed.
#define INFERD_WITHOUT_DEVICE(what)                             \
  do {                                                          \
    if (std::getenv("INFERD_REQUIRE_DEVICES") != nullptr) {     \
      FAIL() << (what);                                         \
    }                                                           \
    GTEST_SKIP() << (what) << " (scripts/test-devices.sh has)"; \
  } while (false)

namespace inferd::pipeline {

// Into a file of sysfs or configfs; false: the kernel refuses.
inline bool tell_kernel(const std::filesystem::path& file, const std::string& text) {
  std::ofstream out(file);
  out << text << std::flush;
  return out.good();
}

inline std::string told_by_kernel(const std::filesystem::path& file) {
  std::string line;
  std::ifstream in(file);
  std::getline(in, line);
  return line;
}

// Pulls a device of the platform driver out, or puts it back.
inline bool unplug(const std::string& driver, const std::string& device) {
  return tell_kernel("/sys/bus/platform/drivers/" + driver + "/unbind", device);
}
inline bool plug_in(const std::string& driver, const std::string& device) {
  return tell_kernel("/sys/bus/platform/drivers/" + driver + "/bind", device);
}

}  // namespace inferd::pipeline
