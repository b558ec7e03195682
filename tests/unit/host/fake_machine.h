// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/unit/temporary_folder.h"

namespace inferd::host {

// Files of a kernel that says what a test wants.
class FakeMachine {
 public:
  std::string root() const { return folder_.file("root"); }
  void write(const std::string& path, const std::string& content) const {
    const std::filesystem::path file = root() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  void remove(const std::string& path) const { std::filesystem::remove_all(root() + path); }

  // A zone with the trip points "passive 85000 critical 105000".
  void add_zone(int number, const std::string& type, const std::string& temp,
                const std::string& trips = "") const {
    const std::string zone = "/sys/class/thermal/thermal_zone" + std::to_string(number) + "/";
    write(zone + "type", type + "\n");
    write(zone + "temp", temp + "\n");
    std::istringstream words(trips);
    std::string kind, at;
    for (int i = 0; words >> kind >> at; ++i) {
      write(zone + "trip_point_" + std::to_string(i) + "_type", kind + "\n");
      write(zone + "trip_point_" + std::to_string(i) + "_temp", at + "\n");
    }
  }
  void set_temp(int number, const std::string& temp) const {
    write("/sys/class/thermal/thermal_zone" + std::to_string(number) + "/temp", temp + "\n");
  }
  void add_clock(const std::string& policy, const std::string& cpus, const std::string& now,
                 const std::string& allowed, const std::string& most) const {
    const std::string path = "/sys/devices/system/cpu/cpufreq/" + policy + "/";
    write(path + "related_cpus", cpus + "\n");
    write(path + "scaling_cur_freq", now + "\n");
    write(path + "scaling_max_freq", allowed + "\n");
    write(path + "cpuinfo_max_freq", most + "\n");
  }

 private:
  const TemporaryFolder folder_;
};

}  // namespace inferd::host
