// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "daemon/telemetry/process.h"

namespace inferd::telemetry {
namespace {

using ::testing::HasSubstr;

TEST(MetricsPage, SeriesOfOneNameStandTogetherUnderOneHelp) {
  MetricsPage page;
  page.counter("a_total", "What a is", {{"model", "one"}}, 3);
  page.gauge("b", "What b is", {}, -0.5);
  page.counter("a_total", "What a is", {{"model", "two"}}, 12345678901234);
  EXPECT_EQ(page.text(),
            "# HELP a_total What a is\n# TYPE a_total counter\n"
            "a_total{model=\"one\"} 3\na_total{model=\"two\"} 12345678901234\n"
            "# HELP b What b is\n# TYPE b gauge\nb -0.5\n");
}

TEST(MetricsPage, LabelsAreEscaped) {
  MetricsPage page;
  page.gauge("a", "", {{"name", "x\"y\\z\nw"}}, 1);
  EXPECT_THAT(page.text(), HasSubstr(R"(a{name="x\"y\\z\nw"} 1)"));
}

TEST(MetricsPage, BucketsOfHistogramsCountWhatIsAtOrBelowTheirBound) {
  DurationHistogram durations;
  for (const int64_t ns : {-5L, 100'000L, 100'001L, 10'000'000'000L, 10'000'000'001L})
    durations.add(ns);
  EXPECT_EQ(durations.sum_ns(), 20'000'200'002);
  MetricsPage page;
  page.histogram("h", "", {{"m", "x"}}, durations);
  const std::string text = page.text();
  EXPECT_THAT(text, HasSubstr("h_count{m=\"x\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{m=\"x\",le=\"0.0001\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{m=\"x\",le=\"0.00025\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{m=\"x\",le=\"10\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("h_bucket{m=\"x\",le=\"+Inf\"} 5\n"));
}

TEST(ProcessUse, SeesWhatTheProcessTakes) {
  const ProcessUse before = process_use();
  EXPECT_GE(before.threads, 1);
  constexpr size_t kBytes = 64 << 20;
  const auto touched = std::make_unique<char[]>(kBytes);
  for (size_t i = 0; i < kBytes; i += 4096) static_cast<volatile char*>(touched.get())[i] = 1;
  const ProcessUse after = process_use();
  EXPECT_GT(after.resident_bytes - before.resident_bytes, int64_t{kBytes} * 9 / 10);
  EXPECT_GT(after.cpu_seconds, before.cpu_seconds);
}

}  // namespace
}  // namespace inferd::telemetry
