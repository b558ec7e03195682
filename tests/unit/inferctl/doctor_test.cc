// SPDX-License-Identifier: Apache-2.0
//
// A folder that looks like a machine, and what is found wrong with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "clients/inferctl/doctor/check.h"
#include "clients/inferctl/doctor/files.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::ctl {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

auto found(Level level, const std::string& what, const std::string& fix) {
  return AllOf(Field(&Finding::level, level), Field(&Finding::what, HasSubstr(what)),
               Field(&Finding::fix,
                     fix.empty() ? testing::Matcher<std::string>(IsEmpty()) : HasSubstr(fix)));
}

class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() {
    patient_.globals = &globals_;
    patient_.root = folder_.path();
    write("/etc/passwd",
          "root:x:0:0::/root:/bin/sh\ninferd:x:990:991::/var/lib/inferd:/bin/false\n");
    write("/etc/group", "root:x:0:\nvideo:x:44:pi,inferd\ngpio:x:997:pi\ninferd:x:991:\n");
  }

  std::string write(const std::string& path, const std::string& text) const {
    const std::filesystem::path whole = folder_.path() + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
    return whole;
  }
  Findings examine(void (*check)(const Patient&, Findings&)) const {
    Findings findings;
    check(patient_, findings);
    return findings;
  }

  const TemporaryFolder folder_;
  Globals globals_;
  Patient patient_;
};

TEST_F(DoctorTest, EveryCheckHasAName) {
  for (const Check& check : kChecks) EXPECT_STRNE(check.name, "");
}

TEST_F(DoctorTest, HeatAndSupply) {
  EXPECT_THAT(examine(examine_heat), IsEmpty());
  write("/sys/class/thermal/thermal_zone0/temp", "81500\n");
  write("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
  write("/sys/class/thermal/thermal_zone1/temp", "41500\n");
  write("/sys/class/thermal/thermal_zone1/type", "gpu-thermal\n");
  // Under-voltage before, throttled now.
  write("/sys/devices/platform/soc/soc:firmware/get_throttled", "10004\n");
  EXPECT_THAT(
      examine(examine_heat),
      ElementsAre(found(Level::kWarning, "cpu-thermal: 81 degrees", "cool it"),
                  found(Level::kOk, "gpu-thermal: 41 degrees", ""),
                  found(Level::kWarning, "voltage was too low since the start", "power supply"),
                  found(Level::kWarning, "slowed down now", "cool it")));
}

TEST_F(DoctorTest, Memory) {
  write("/proc/meminfo",
        "MemTotal:         948304 kB\nMemFree: 10 kB\nMemAvailable:      48304 kB\n");
  write("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n");
  EXPECT_THAT(
      examine(examine_memory),
      ElementsAre(found(Level::kWarning, "47 MB of 926 MB", "models sleep"),
                  found(Level::kWarning, "MemoryHigh= has no effect", "cgroup_enable=memory"),
                  found(Level::kWarning, "when memory is short", "psi=1")));
  write("/proc/meminfo", "MemTotal:         948304 kB\nMemAvailable:      748304 kB\n");
  write("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
  write("/proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
  EXPECT_THAT(examine(examine_memory), ElementsAre(found(Level::kOk, "730 MB of 926 MB", "")));
}

TEST_F(DoctorTest, DevicesBelongToGroups) {
  if (::geteuid() != 0) GTEST_SKIP() << "SKIPPED: only root gives files to groups";
  EXPECT_THAT(examine(examine_devices), ElementsAre(found(Level::kOk, "no camera", "")));
  const auto device = [&](const std::string& path, gid_t group, mode_t mode) {
    const std::string file = write(path, "");
    ASSERT_EQ(::chown(file.c_str(), 0, group), 0);
    ASSERT_EQ(::chmod(file.c_str(), mode), 0);
  };
  device("/dev/video0", 44, 0660);
  device("/dev/gpiochip0", 997, 0660);
  device("/dev/iio:device0", 0, 0600);
  EXPECT_THAT(
      examine(examine_devices),
      ElementsAre(
          found(Level::kOk, "/dev/video0 (camera", ""),
          found(Level::kWarning, "inferd may not use /dev/gpiochip0", "usermod -aG gpio inferd"),
          found(Level::kWarning, "inferd may not use /dev/iio:device0", "udev rule")));
  patient_.user = "nobody-here";
  EXPECT_THAT(examine(examine_devices),
              ElementsAre(found(Level::kWarning, "no user nobody-here", "systemd-sysusers")));
}

TEST_F(DoctorTest, PortsOfTheDaemonsUser) {
  EXPECT_THAT(examine(examine_ports), ElementsAre(found(Level::kOk, "no port is open", "")));
  const std::string header =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n";
  write("/proc/net/tcp", header +
                             "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 "
                             "00000000   990        0 1\n"
                             "   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 "
                             "00000000     0        0 2\n"
                             "   2: 0100007F:1F40 0100007F:9999 01 00000000:00000000 00:00000000 "
                             "00000000   990        0 3\n");
  write("/proc/net/tcp6",
        header +
            "   0: 00000000000000000000000000000000:1F41 00000000000000000000000000000000:0000 0A "
            "00000000:00000000 00:00000000 00000000   990        0 4\n");
  EXPECT_THAT(examine(examine_ports),
              ElementsAre(found(Level::kOk, "port 8000 is open to this machine only", ""),
                          found(Level::kOk, "port 8001 is open to other machines", "")));
}

TEST_F(DoctorTest, ADaemonThatIsNotThere) {
  globals_.endpoint = "unix:" + folder_.file("none.sock");
  EXPECT_THAT(examine(examine_daemon),
              ElementsAre(found(Level::kError, "no daemon answers", "systemctl start inferd")));
  EXPECT_THAT(examine(examine_models), IsEmpty());
  globals_.endpoint = "unix:/run/inferd/inferd.sock";
  EXPECT_THAT(examine(examine_socket),
              ElementsAre(found(Level::kError, "there is no socket", "--endpoint")));
}

TEST_F(DoctorTest, ASlowProcessor) {
  write("/sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "powersave\n");
  write("/sys/devices/system/cpu/cpufreq/policy4/scaling_governor", "schedutil\n");
  EXPECT_THAT(examine(examine_processor),
              ElementsAre(found(Level::kOk, "best instruction set", ""),
                          found(Level::kWarning, "policy0 is powersave", "schedutil")));
}

}  // namespace
}  // namespace inferd::ctl
