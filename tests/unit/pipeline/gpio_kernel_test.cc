// SPDX-License-Identifier: Apache-2.0
//
// The sink `gpio` on lines that the kernel simulates (gpio-sim).
#include <gmock/gmock.h>

#include "daemon/pipeline/sink.h"
#include "tests/unit/pipeline/kernel_device.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/results.h"

namespace inferd::pipeline {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A chip of eight lines, of which line 3 is called "lamp".
class GpioKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto sink = make_sink(node("gpio", {{"line", "1"}})); !sink.ok())
      GTEST_SKIP() << sink.status().message();  // without libgpiod
    std::error_code error;
    fs::create_directory(folder_, error);
    if (error)
      INFERD_WITHOUT_DEVICE("NO gpio-sim IN THIS KERNEL: THE SINK gpio IS NOT TESTED WITH A LINE");
    fs::create_directory(bank_);
    fs::create_directory(bank_ / "line3");
    ASSERT_TRUE(tell_kernel(bank_ / "num_lines", "8"));
    ASSERT_TRUE(tell_kernel(bank_ / "label", "inferd-board"));
    ASSERT_TRUE(tell_kernel(bank_ / "line3" / "name", "lamp"));
    ASSERT_TRUE(plug_in());
  }
  void TearDown() override {
    std::error_code error;
    tell_kernel(folder_ / "live", "0");
    for (const fs::path& path : {bank_ / "line3", bank_, folder_}) fs::remove(path, error);
  }

  bool plug_in() const { return tell_kernel(folder_ / "live", "1"); }
  bool pull_out() const { return tell_kernel(folder_ / "live", "0"); }

  // The level at the pin, as the simulator sees it.
  std::string level() const {
    return told_by_kernel(fs::path("/sys/devices/platform") / told_by_kernel(folder_ / "dev_name") /
                          told_by_kernel(bank_ / "chip_name") / "sim_gpio3" / "value");
  }
  bool becomes(const std::string& wanted) const {
    return becomes_true([&] { return level() == wanted; });
  }

  static std::unique_ptr<Sink> make(std::map<std::string, std::string> keys) {
    keys.emplace("chip", "inferd-board");
    keys.emplace("line", "lamp");
    keys.emplace("hold_ms", "3600000");
    auto sink = make_sink(node("gpio", keys));
    if (!sink.ok()) return nullptr;
    return std::move(*sink);
  }
  Status see_cat(Sink& sink) const { return sink.write(*frame_, result_with(1, {"cat"})); }

  const fs::path folder_ = "/sys/kernel/config/gpio-sim/inferd-test";
  const fs::path bank_ = folder_ / "bank0";
  const std::unique_ptr<Frame> frame_ = grey_frame(8, 8);
};

TEST_F(GpioKernel, SwitchesTheLine) {
  for (const std::string line : {"lamp", "3"}) {
    const auto sink = make({{"line", line}});
    ASSERT_NE(sink, nullptr);
    ASSERT_TRUE(becomes_true([&] { return sink->status().state == "off"; }))
        << "the last has it still";
    EXPECT_EQ(level(), "0");
    ASSERT_TRUE(see_cat(*sink).ok());
    EXPECT_TRUE(becomes("1"));
  }
}

TEST_F(GpioKernel, SwitchesALineThatIsOnWhenItIsLow) {
  const auto sink = make({{"active_low", "true"}});
  ASSERT_TRUE(becomes("1"));
  ASSERT_TRUE(see_cat(*sink).ok());
  EXPECT_TRUE(becomes("0"));
}

TEST_F(GpioKernel, SaysWhoHasTheLineAndWhatIsMissing) {
  const auto error_of = [](const Sink& sink) {
    EXPECT_TRUE(becomes_true([&] { return !sink.status().last_error.empty(); }));
    return sink.status().last_error;
  };
  const auto first = make({});
  ASSERT_TRUE(becomes_true([&] { return first->status().state == "off"; }));
  EXPECT_THAT(error_of(*make({})), HasSubstr("cannot take line 'lamp' of 'inferd-board': "));
  EXPECT_THAT(error_of(*make({{"line", "horn"}})),
              HasSubstr("cannot find line 'horn' of 'inferd-board': "));
  EXPECT_THAT(error_of(*make({{"line", "8"}})), HasSubstr("cannot find line '8'"));
}

TEST_F(GpioKernel, ABoardThatIsPulledOutComesBack) {
  const auto sink = make({{"hold_ms", "1"}});
  ASSERT_TRUE(becomes_true([&] { return sink->status().state == "off"; }));
  ASSERT_TRUE(pull_out());
  EXPECT_TRUE(becomes_true([&] {
    (void)see_cat(*sink);
    return sink->status().state == "waiting for the line";
  }));
  EXPECT_FALSE(sink->status().last_error.empty());
  ASSERT_TRUE(plug_in());
  EXPECT_TRUE(becomes_true([&] {
    (void)see_cat(*sink);
    return level() == "1";
  }));
}

}  // namespace
}  // namespace inferd::pipeline
