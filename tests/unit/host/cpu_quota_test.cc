// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/cpu_quota.h"

#include <gtest/gtest.h>

#include "tests/unit/host/fake_machine.h"

namespace inferd::host {
namespace {

class CpuQuota : public ::testing::Test {
 protected:
  const FakeMachine machine_;
  const std::string group_ = "/sys/fs/cgroup/system.slice/inferd.service";
};

TEST_F(CpuQuota, IsTheLeastOfTheGroupsThatTheProcessIsIn) {
  EXPECT_EQ(cpu_quota(machine_.root()), std::nullopt);
  machine_.write("/proc/self/cgroup", "0::/system.slice/inferd.service\n");
  EXPECT_EQ(cpu_quota(machine_.root()), std::nullopt) << "a controller that is not there";
  machine_.write(group_ + "/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(machine_.root()), std::nullopt);
  machine_.write(group_ + "/cpu.max", "250000 100000\n");
  EXPECT_EQ(cpu_quota(machine_.root()), 2.5);
  machine_.write("/sys/fs/cgroup/system.slice/cpu.max", "30000 20000\n");
  EXPECT_EQ(cpu_quota(machine_.root()), 1.5);
  for (const char* nonsense : {"", "x y\n", "100000 0\n", "-5 100000\n", "100000\n"}) {
    machine_.write("/sys/fs/cgroup/system.slice/cpu.max", nonsense);
    EXPECT_EQ(cpu_quota(machine_.root()), 2.5) << nonsense;
  }
}

TEST_F(CpuQuota, OfVersion1) {
  machine_.write("/proc/self/cgroup", "4:cpu,cpuacct:/docker/0123\n0::/\n");
  machine_.write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  machine_.write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(machine_.root()), std::nullopt);
  machine_.write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(cpu_quota(machine_.root()), 3);
}

TEST(ThreadsWithin, AsManyAsComputeAllTheTime) {
  EXPECT_EQ(threads_within(std::nullopt, 4), 4);
  EXPECT_EQ(threads_within(std::nullopt, 0), 1) << "a machine that does not say";
  EXPECT_EQ(threads_within(0.25, 4), 1);
  EXPECT_EQ(threads_within(2.9, 4), 2);
  EXPECT_EQ(threads_within(1e300, 4), 4);
}

}  // namespace
}  // namespace inferd::host
