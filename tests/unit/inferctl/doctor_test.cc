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
#include "clients/inferctl/doctor/listeners.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::ctl {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
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

  // As the kernel lists those that programs listen on: address and port, user, inode.
  struct Socket {
    const char* address;
    int user = 0, inode = 0;
  };
  void listen(const std::vector<Socket>& sockets, const std::string& file = "tcp") const {
    std::string text = "  sl  local_address\n";
    for (const Socket& socket : sockets) {
      text += "   0: " + std::string(socket.address) +
              " 00000000:0000 0A 00000000:00000000 00:00000000 00000000 " +
              std::to_string(socket.user) + " 0 " + std::to_string(socket.inode) + " 1\n";
    }
    write("/proc/net/" + file, text);
  }
  // A process that has a socket.
  void run(int process, const std::string& name, int inode) const {
    const std::string folder = "/proc/" + std::to_string(process);
    write(folder + "/comm", name + "\n");
    std::filesystem::create_directories(folder_.path() + folder + "/fd");
    std::filesystem::create_symlink("socket:[" + std::to_string(inode) + "]",
                                    folder_.path() + folder + "/fd/3");
  }
  Findings examine(const Listener& listener) const {
    Findings findings;
    examine_listeners(patient_, {listener}, findings);
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

// With all that there is nothing to say against.
Listener safe(const std::string& protocol, const std::string& address) {
  return {protocol, address, false, true, true, "inferd.yaml:3:7"};
}

TEST_F(DoctorTest, ReadsWhereTheDaemonListens) {
  const auto listeners = read_listeners(
      R"([{"protocol": "http", "address": "0.0.0.0:80", "loopback": false, "tls": true,
           "rules": true, "at": "inferd.yaml:3:7"},
          {"protocol": "grpc", "address": "unix:/run/inferd/inferd.sock", "loopback": false,
           "tls": false, "rules": false, "at": ""}])");
  ASSERT_TRUE(listeners.ok());
  ASSERT_EQ(listeners->size(), 2U);
  const Listener& first = listeners->front();
  EXPECT_EQ(first.protocol + " " + first.address + " " + first.at,
            "http 0.0.0.0:80 inferd.yaml:3:7");
  EXPECT_TRUE(!first.loopback && first.tls && first.rules);
  EXPECT_TRUE(!listeners->back().tls && !listeners->back().rules);
  EXPECT_FALSE(read_listeners("inferd: no such option").ok());
  EXPECT_FALSE(read_listeners("[1]").ok());
}

TEST_F(DoctorTest, APortThatAnotherProgramHas) {
  const auto taken = found(Level::kError,
                           "port 8001 of grpc 0.0.0.0:8001 is taken by nginx "
                           "(process 812)",
                           "another port at inferd.yaml:3:7");
  run(812, "nginx", 77);
  for (const char* address : {"00000000:1F41", "0100007F:1F41"}) {
    listen({{address, 0, 77}});
    EXPECT_THAT(examine(safe("grpc", "0.0.0.0:8001")), ElementsAre(taken)) << address;
  }
  EXPECT_THAT(examine(safe("grpc", "0.0.0.0:8002")), IsEmpty());
  EXPECT_THAT(examine(safe("grpc", "192.168.0.2:8001")), IsEmpty()) << "another address";
  EXPECT_THAT(examine(safe("grpc", "localhost:8001")),
              ElementsAre(found(Level::kError, "is taken by nginx", "another port")));
  // All of IPv6, and so of IPv4.
  listen({});
  listen({{"00000000000000000000000000000000:1F41", 0, 77}}, "tcp6");
  EXPECT_THAT(examine(safe("grpc", "0.0.0.0:8001")), ElementsAre(taken));
  EXPECT_THAT(examine(safe("grpc", "[::1]:8001")),
              ElementsAre(found(Level::kError, "is taken by nginx", "another port")));
  // Who is not root does not see who has it.
  std::filesystem::remove_all(folder_.path() + "/proc/812");
  EXPECT_THAT(examine(safe("grpc", "0.0.0.0:8001")),
              ElementsAre(found(Level::kWarning, "is taken by a program of user 0", "sudo")));
}

TEST_F(DoctorTest, APortOfTheDaemon) {
  listen({{"00000000:1F41", 990, 77}});
  EXPECT_THAT(examine(safe("grpc", "0.0.0.0:8001")), IsEmpty());
  run(1, "systemd", 78);
  listen({{"00000000:1F41", 0, 78}});
  EXPECT_THAT(examine(safe("grpc", "0.0.0.0:8001")), IsEmpty()) << "kept by systemd";
  run(900, "inferd", 79);
  listen({{"00000000:0050", 990, 79}});
  EXPECT_THAT(examine(safe("http", "0.0.0.0:80")), IsEmpty()) << "it has it already";
}

TEST_F(DoctorTest, APortThatNeedsAPrivilege) {
  EXPECT_THAT(examine(safe("http", "0.0.0.0:80")),
              ElementsAre(found(Level::kError, "inferd may not open port 80 of http 0.0.0.0:80",
                                "AmbientCapabilities=CAP_NET_BIND_SERVICE")));
  EXPECT_THAT(examine(safe("grpc", "0.0.0.0:443")),
              ElementsAre(found(Level::kError, "below 1024", "ListenStream=0.0.0.0:443")));
  write("/etc/systemd/system/inferd.socket.d/port.conf", "[Socket]\nListenStream=0.0.0.0:443\n");
  EXPECT_THAT(examine(safe("grpc", "0.0.0.0:443")), IsEmpty());
  write("/etc/systemd/system/inferd.service.d/override.conf",
        "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n");
  EXPECT_THAT(examine(safe("http", "0.0.0.0:80")), IsEmpty());
  std::filesystem::remove_all(folder_.path() + "/etc/systemd");
  write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "80\n");
  EXPECT_THAT(examine(safe("http", "0.0.0.0:80")), IsEmpty());
  EXPECT_THAT(examine(safe("http", "0.0.0.0:79")),
              ElementsAre(found(Level::kError, "below 80", "a port from 80 on")));
}

TEST_F(DoctorTest, AListenerThatLetsEverybodyIn) {
  Listener listener = safe("grpc", "0.0.0.0:8001");
  listener.tls = listener.rules = false;
  EXPECT_THAT(examine(listener),
              ElementsAre(found(Level::kWarning, "open to other machines without encryption",
                                "tls at inferd.yaml:3:7"),
                          found(Level::kWarning, "whoever reaches this machine", "allow:")));
  listener.loopback = true;
  EXPECT_THAT(examine(listener),
              ElementsAre(found(Level::kWarning, "every program on this machine", "allow:")));
}

TEST_F(DoctorTest, AListenerForFrigate) {
  Listener listener{"frigate", "0.0.0.0:5555", false, false, false, "inferd.yaml:3:7"};
  EXPECT_THAT(examine(listener),
              ElementsAre(found(Level::kWarning, "whoever reaches it may ask its pipeline",
                                "127.0.0.1 or unix: at inferd.yaml:3:7")));
  listener.loopback = true;
  EXPECT_THAT(examine(listener), IsEmpty()) << "it asks one pipeline and changes nothing";
  EXPECT_THAT(examine(safe("frigate", "0.0.0.0:443")),
              Contains(found(Level::kError, "below 1024", "AmbientCapabilities")));
}

TEST_F(DoctorTest, AFolderForSockets) {
  const Listener listener = safe("grpc", "unix:/run/inferd/inferd.sock");
  EXPECT_THAT(examine(listener), ElementsAre(found(Level::kError, "there is no folder /run/inferd",
                                                   "systemd-tmpfiles --create")));
  EXPECT_THAT(examine(safe("local", "unix:/run/arm/local.sock")),
              ElementsAre(found(Level::kError, "there is no folder /run/arm",
                                "sudo install -d -o inferd -g inferd /run/arm")));
  const std::string folder = folder_.path() + "/run/inferd";
  std::filesystem::create_directories(folder);
  ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
  EXPECT_THAT(examine(listener),
              ElementsAre(found(Level::kError, "inferd may not make a socket in /run/inferd",
                                "sudo chown inferd:inferd /run/inferd")));
  ASSERT_EQ(::chmod(folder.c_str(), 0777), 0);
  EXPECT_THAT(examine(listener), IsEmpty());
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
