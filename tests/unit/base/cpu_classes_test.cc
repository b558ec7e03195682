// SPDX-License-Identifier: Apache-2.0
#include "engine/base/cpu_classes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/temporary_folder.h"

namespace inferd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A folder like /sys/devices/system/cpu.
class FakeCpus {
 public:
  FakeCpus& set(int cpu, const std::string& name, const std::string& text) {
    const std::filesystem::path path =
        std::filesystem::path(folder_.path()) / ("cpu" + std::to_string(cpu)) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << "\n";
    return *this;
  }
  std::vector<CpuClass> classes(const std::vector<int>& cpus) const {
    return cpu_classes(cpus, folder_.path());
  }

 private:
  TemporaryFolder folder_;
};

TEST(CpuClasses, BigAndLittleByCapacity) {
  FakeCpus fake;
  for (const int cpu : {0, 1, 2, 3}) fake.set(cpu, "cpu_capacity", "446");
  for (const int cpu : {4, 5}) fake.set(cpu, "cpu_capacity", "1024");
  const auto classes = fake.classes({0, 1, 2, 3, 4, 5});
  ASSERT_EQ(classes.size(), 2U);
  EXPECT_EQ(classes[0].capacity, 1024);
  EXPECT_THAT(classes[0].cpus, ElementsAre(4, 5));
  EXPECT_EQ(classes[1].capacity, 446);
  EXPECT_THAT(classes[1].cpus, ElementsAre(0, 1, 2, 3));
}

TEST(CpuClasses, OnlyCpusThatMayBeUsed) {
  FakeCpus fake;
  fake.set(0, "cpu_capacity", "400").set(1, "cpu_capacity", "400").set(2, "cpu_capacity", "1024");
  const auto classes = fake.classes({0, 1});
  ASSERT_EQ(classes.size(), 1U);
  EXPECT_THAT(classes[0].cpus, ElementsAre(0, 1));
  EXPECT_THAT(fake.classes({}), IsEmpty());
}

TEST(CpuClasses, ByClockWhereCapacitiesAreMissing) {
  FakeCpus fake;
  fake.set(0, "cpu_capacity", "1024");  // and none for the other
  fake.set(0, "cpufreq/cpuinfo_max_freq", "1800000");
  fake.set(1, "cpufreq/cpuinfo_max_freq", "2400000");
  const auto classes = fake.classes({0, 1});
  ASSERT_EQ(classes.size(), 2U);
  EXPECT_EQ(classes[0].capacity, 2400000);
  EXPECT_THAT(classes[0].cpus, ElementsAre(1));
}

TEST(CpuClasses, BoostClocksMakeNoClass) {
  FakeCpus fake;
  fake.set(0, "cpufreq/cpuinfo_max_freq", "4900000");
  fake.set(1, "cpufreq/cpuinfo_max_freq", "5200000");
  EXPECT_EQ(fake.classes({0, 1}).size(), 1U);
}

TEST(CpuClasses, OneWhereNothingIsKnownOrNonsense) {
  FakeCpus fake;
  EXPECT_THAT(fake.classes({0, 1}).at(0).cpus, ElementsAre(0, 1));
  fake.set(0, "cpu_capacity", "many").set(1, "cpu_capacity", "1024");
  EXPECT_EQ(fake.classes({0, 1}).size(), 1U);
  fake.set(0, "cpu_capacity", "-5");
  EXPECT_EQ(fake.classes({0, 1}).size(), 1U);
  fake.set(0, "cpu_capacity", "0");
  EXPECT_EQ(fake.classes({0, 1}).size(), 1U);
}

TEST(CpuClasses, FastCpusAreGivenOutFirst) {
  const std::vector<CpuClass> classes = {{.capacity = 1024, .cpus = {4, 5}},
                                         {.capacity = 400, .cpus = {0, 1, 2}}};
  EXPECT_THAT(class_of_threads(classes, 2), ElementsAre(0, 0));
  EXPECT_THAT(class_of_threads(classes, 4), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(class_of_threads(classes, 7), ElementsAre(0, 0, 1, 1, 1, 0, 0));
  EXPECT_THAT(class_of_threads({}, 2), ElementsAre(0, 0));
}

TEST(CpuClasses, SharesFollowCapacities) {
  const std::vector<int64_t> sums = {1024, 2048, 2448, 2848};
  EXPECT_EQ(split_at(89, sums, 0), 32);
  EXPECT_EQ(split_at(89, sums, 1), 64);
  EXPECT_EQ(split_at(89, sums, 2), 76);
  EXPECT_EQ(split_at(89, sums, 3), 89);
  EXPECT_EQ(split_at(1, sums, 2), 0) << "one piece goes to the last and is taken by the first free";
  EXPECT_EQ(split_at(1, sums, 3), 1);
}

TEST(CpuClasses, ThisMachineHasAllowedCpus) {
  const std::vector<int> cpus = allowed_cpus();
  ASSERT_FALSE(cpus.empty());
  size_t count = 0;
  for (const CpuClass& c : cpu_classes(cpus)) count += c.cpus.size();
  EXPECT_EQ(count, cpus.size());
}

}  // namespace
}  // namespace inferd
