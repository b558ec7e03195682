// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/temporary_folder.h"

namespace inferd::host {
namespace {

class MemoryTest : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& content) const {
    const std::filesystem::path file = root() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }
  std::string root() const { return folder_.file("root"); }
  void machine_has_kib(int64_t kib) const {
    write("/proc/meminfo",
          "MemTotal:       8000000 kB\nMemFree:         123456 kB\nMemAvailable:   " +
              std::to_string(kib) + " kB\n");
  }
  const TemporaryFolder folder_;
};

TEST_F(MemoryTest, AMachineWithoutLimits) {
  machine_has_kib(4'000'000);
  write("/proc/self/cgroup", "0::/user.slice\n");
  write("/proc/pressure/memory",
        "some avg10=12.34 avg60=1.00 avg300=0.00 total=1\nfull avg10=9.00 avg60=0 avg300=0 "
        "total=1\n");
  const MemoryState state = read_memory(root());
  EXPECT_EQ(state.available, int64_t{4'000'000} * 1024);
  EXPECT_EQ(state.limit, "the machine");
  EXPECT_DOUBLE_EQ(state.pressure, 12.34);
}

TEST_F(MemoryTest, TheNearestLimitOfTheControlGroupsCounts) {
  machine_has_kib(4'000'000);
  write("/proc/self/cgroup", "0::/system.slice/inferd.service\n");
  const std::string slice = "/sys/fs/cgroup/system.slice";
  const std::string service = slice + "/inferd.service";
  write(service + "/memory.max", "max\n");
  write(service + "/memory.high", "300000000\n");
  write(service + "/memory.current", "250000000\n");
  write(service + "/memory.stat",
        "anon 200000000\nfile 50000000\ninactive_file 40000000\nactive_file 10000000\n");
  write(service + "/memory.pressure", "some avg10=3.00 avg60=1.00 avg300=0.00 total=1\n");
  write(slice + "/memory.max", "1000000000\n");
  write(slice + "/memory.current", "500000000\n");
  write("/proc/pressure/memory", "some avg10=50.00 avg60=1.00 avg300=0.00 total=1\n");
  MemoryState state = read_memory(root());
  EXPECT_EQ(state.available, 300'000'000 - (250'000'000 - 40'000'000 - 5'000'000));
  EXPECT_EQ(state.limit, "control group /system.slice/inferd.service");
  EXPECT_DOUBLE_EQ(state.pressure, 3) << "of its own group, where the kernel says that";
  write(slice + "/memory.current", "990000000\n");
  state = read_memory(root());
  EXPECT_EQ(state.available, 10'000'000);
  EXPECT_EQ(state.limit, "control group /system.slice");
  write(slice + "/memory.current", "1990000000\n");
  EXPECT_EQ(read_memory(root()).available, 0);
}

// As in a container, which sees its own group at the root, and with version 1 under another path.
TEST_F(MemoryTest, GroupsOfVersion1) {
  machine_has_kib(4'000'000);
  write("/proc/self/cgroup", "5:cpu,memory:/docker/0123\n1:name=systemd:/x\n0::/\n");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "200000000\n");
  write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "150000000\n");
  write("/sys/fs/cgroup/memory/memory.stat",
        "inactive_file 1\ntotal_inactive_file 30000000\ntotal_active_file 2000000\n");
  const MemoryState state = read_memory(root());
  EXPECT_EQ(state.available, 81'000'000);
  EXPECT_EQ(state.limit, "control group /");
}

TEST_F(MemoryTest, WhatCannotBeReadIsNoLimit) {
  EXPECT_EQ(read_memory(root()).available, INT64_MAX);
  write("/proc/meminfo", "MemAvailable: many kB\n");
  write("/proc/self/cgroup", "nonsense\n:\n");
  write("/proc/pressure/memory", "full avg10=1\n");
  const MemoryState state = read_memory(root());
  EXPECT_EQ(state.available, INT64_MAX);
  EXPECT_EQ(state.pressure, 0);
}

TEST(Memory, OfThisMachine) {
  const MemoryState state = read_memory();
  EXPECT_GT(state.available, 0);
  EXPECT_LT(state.available, INT64_MAX);
  EXPECT_FALSE(state.limit.empty());
}

}  // namespace
}  // namespace inferd::host
