// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/machine/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/host/fake_machine.h"

namespace inferd::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class MachineTest : public ::testing::Test {
 protected:
  Machine read() const { return read_machine(fake_.root()); }
  std::string metrics() const {
    telemetry::MetricsPage page;
    add_metrics(read(), page);
    return page.text();
  }
  const FakeMachine fake_{};
};

TEST_F(MachineTest, AMachineThatSaysNothingHasNothing) {
  const Machine machine = read();
  EXPECT_THAT(machine.zones, IsEmpty());
  EXPECT_THAT(machine.clocks, IsEmpty());
  EXPECT_FALSE(machine.throttling.has_value());
  EXPECT_FALSE(machine.pressure.cpu.has_value());
  EXPECT_FALSE(machine.power.battery.has_value());
  EXPECT_EQ(metrics(), "");
}

TEST_F(MachineTest, ZonesHaveTheLowestTripPointOfEachKind) {
  fake_.add_zone(10, "gpu-thermal", "-5000");
  fake_.add_zone(2, "cpu-thermal", "61500",
                 "active 50000 passive 85000 passive 80000 hot 0 critical 105000");
  const Machine machine = read();
  ASSERT_EQ(machine.zones.size(), 2U);
  EXPECT_EQ(machine.zones[0].name, "thermal_zone2") << "in the order of their numbers";
  EXPECT_EQ(machine.zones[0].type, "cpu-thermal");
  EXPECT_DOUBLE_EQ(machine.zones[0].celsius, 61.5);
  EXPECT_EQ(machine.zones[0].passive, 80);
  EXPECT_FALSE(machine.zones[0].hot.has_value()) << "0 stands for none";
  EXPECT_EQ(machine.zones[0].critical, 105);
  EXPECT_DOUBLE_EQ(machine.zones[1].celsius, -5);
}

TEST_F(MachineTest, WhatMakesNoSenseIsNotThere) {
  const std::vector<std::string> nonsense = {
      "",           "warm",         "50000 C", "999999999999999999999",    "-274000",
      "2147483647", "\x01\x02\xff", "5e4",     std::string(5'000'000, '7')};
  for (const std::string& temp : nonsense) {
    fake_.add_zone(0, "cpu-thermal", temp, "passive " + temp.substr(0, 9));
    EXPECT_THAT(read().zones, IsEmpty()) << temp.substr(0, 20);
  }
  fake_.add_clock("policy0", "3-1", "1000", "1000", "1000");
  fake_.add_clock("policy1", "0-4000000000", "1000", "1000", "1000");
  fake_.add_clock("policy2", "0-2000", "1000", "1000", "1000");
  fake_.add_clock("policy3", "0", "-1", "1000", "1000");
  fake_.write("/sys/devices/platform/soc/soc:firmware/get_throttled", "no\n");
  fake_.write("/proc/pressure/cpu", "some avg10=nan avg60=0\n");
  fake_.write("/proc/pressure/memory", "full avg10=1.00\n");
  fake_.write("/proc/pressure/io", "some avg10=101.00\n");
  fake_.write("/sys/class/power_supply/BAT0/type", "Battery\n");
  fake_.write("/sys/class/power_supply/BAT0/capacity", "150\n");
  const Machine machine = read();
  EXPECT_THAT(machine.clocks, IsEmpty());
  EXPECT_FALSE(machine.throttling.has_value());
  EXPECT_FALSE(machine.pressure.cpu || machine.pressure.memory || machine.pressure.io);
  EXPECT_FALSE(machine.power.battery.has_value());
}

TEST_F(MachineTest, WhatIsNoFileIsNotWaitedFor) {
  fake_.write("/sys/class/thermal/thermal_zone0/type", "cpu\n");
  const std::string temp = fake_.root() + "/sys/class/thermal/thermal_zone0/temp";
  ASSERT_EQ(::mkfifo(temp.c_str(), 0600), 0);
  EXPECT_THAT(read().zones, IsEmpty());
  fake_.remove("/sys/class/thermal/thermal_zone0/temp");
  std::filesystem::create_directory(temp);
  EXPECT_THAT(read().zones, IsEmpty());
}

TEST_F(MachineTest, BigAndLittleAreToldApartByCapacityOrElseByClock) {
  fake_.add_clock("policy0", "0-3", "600000", "1416000", "1416000");
  fake_.add_clock("policy4", "4 5", "1200000", "1200000", "1800000");
  Machine machine = read();
  ASSERT_EQ(machine.clocks.size(), 2U);
  EXPECT_THAT(machine.clocks[0].cpus, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(machine.clocks[1].cpus, ElementsAre(4, 5));
  EXPECT_EQ(machine.clocks[0].capacity, 1416 * 1024 / 1800);
  EXPECT_EQ(machine.clocks[1].capacity, 1024);
  EXPECT_EQ(machine.clocks[1].hertz, 1'200'000'000);
  EXPECT_EQ(machine.clocks[1].allowed_hertz, 1'200'000'000) << "it is held back";
  EXPECT_EQ(machine.clocks[1].most_hertz, 1'800'000'000);
  fake_.write("/sys/devices/system/cpu/cpu0/cpu_capacity", "485\n");
  fake_.write("/sys/devices/system/cpu/cpu4/cpu_capacity", "1024\n");
  EXPECT_EQ(read().clocks[0].capacity, 485);
  EXPECT_THAT(metrics(),
              HasSubstr("inferd_host_cpu_capacity{policy=\"policy0\",cpus=\"0-3\"} 485"));
}

TEST_F(MachineTest, TheFirmwareOfARaspberryPiSaysWhatItDoesNow) {
  const std::string file = "/sys/devices/platform/soc/soc:firmware/get_throttled";
  fake_.write(file, "50000\n");
  ASSERT_TRUE(read().throttling.has_value());
  EXPECT_FALSE(read().throttling->any()) << "it has been throttled once";
  fake_.write(file, "50005\n");
  EXPECT_EQ(read().throttling->to_string(), "under-voltage, throttled");
  fake_.write(file, "0xa\n");
  EXPECT_EQ(read().throttling->to_string(), "frequency capped, soft temperature limit");
}

TEST_F(MachineTest, PressureIsThatOfTheServicesOwnGroupWhereItIsSaid) {
  fake_.write("/proc/pressure/cpu", "some avg10=50.00 avg60=1.00 avg300=0.00 total=1\n");
  fake_.write("/proc/pressure/io", "some avg10=7.50 avg60=1.00 avg300=0.00 total=1\n");
  EXPECT_EQ(read().pressure.cpu, 50);
  fake_.write("/proc/self/cgroup", "1:name=x:/y\n0::/system.slice/inferd.service\n");
  fake_.write("/sys/fs/cgroup/system.slice/inferd.service/cpu.pressure",
              "some avg10=12.25 avg60=1.00 avg300=0.00 total=1\n");
  EXPECT_EQ(read().pressure.cpu, 12.25);
  EXPECT_EQ(read().pressure.io, 7.5) << "the group does not say";
  EXPECT_THAT(metrics(), HasSubstr("inferd_host_pressure_ratio{resource=\"cpu\"} 0.1225"));
}

TEST_F(MachineTest, BatteriesOfTheMachineCountAndThoseOfAMouseDoNot) {
  const std::string supplies = "/sys/class/power_supply/";
  fake_.write(supplies + "AC/type", "Mains\n");
  fake_.write(supplies + "AC/online", "0\n");
  fake_.write(supplies + "BAT0/type", "Battery\n");
  fake_.write(supplies + "BAT0/capacity", "40\n");
  fake_.write(supplies + "BAT0/status", "Discharging\n");
  fake_.write(supplies + "BAT1/type", "Battery\n");
  fake_.write(supplies + "BAT1/capacity", "90\n");
  fake_.write(supplies + "BAT1/status", "Full\n");
  fake_.write(supplies + "mouse/type", "Battery\n");
  fake_.write(supplies + "mouse/scope", "Device\n");
  fake_.write(supplies + "mouse/capacity", "3\n");
  const Power power = read().power;
  EXPECT_EQ(power.battery, 40);
  EXPECT_TRUE(power.discharging);
  EXPECT_EQ(power.mains, false);
}

TEST_F(MachineTest, MetricsHaveTheZonesByTheirTypes) {
  fake_.add_zone(0, "cpu-thermal", "48250", "passive 80000");
  fake_.write("/proc/meminfo", "MemTotal: 4000 kB\nMemAvailable: 1000 kB\n");
  const std::string text = metrics();
  const std::string zone = "{zone=\"thermal_zone0\",type=\"cpu-thermal\"";
  EXPECT_THAT(text, HasSubstr("inferd_host_temperature_celsius" + zone + "} 48.25"));
  EXPECT_THAT(text, HasSubstr("inferd_host_trip_celsius" + zone + ",trip=\"passive\"} 80"));
  EXPECT_THAT(text, HasSubstr("inferd_host_memory_limit_bytes{limit=\"the machine\"} 4096000"));
  EXPECT_THAT(text, HasSubstr("inferd_host_memory_available_bytes{limit=\"the machine\"} 1024000"));
  EXPECT_THAT(text, Not(HasSubstr("inferd_host_throttled")));
}

// Whatever this machine is, reading it neither fails nor hangs.
TEST(ThisMachine, CanBeRead) {
  const Machine machine = read_machine();
  EXPECT_GT(machine.memory.total, 0);
  EXPECT_LE(machine.memory.available, machine.memory.total);
}

}  // namespace
}  // namespace inferd::host
