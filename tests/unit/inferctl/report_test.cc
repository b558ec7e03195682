// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "clients/inferctl/measure/memory_bandwidth.h"
#include "clients/inferctl/report/html.h"

namespace inferd::ctl::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Names of layers and models come from files of others.
TEST(Report, WhatNamesSayIsNotObeyed) {
  EXPECT_EQ(escaped("<script>\"&'\x1b\xFF"), "&lt;script&gt;&quot;&amp;&#39;??");
  const std::string evil = "</script><script>alert(1)</script><!-- ]]> \xE2\x80\xA8";
  const std::string html = page(evil, "<p>" + escaped(evil) + "</p>", {{"name", evil}, {evil, 1}});
  EXPECT_THAT(html, Not(HasSubstr("<script>")));
  EXPECT_THAT(html, Not(HasSubstr("<!-- ]]")));
  size_t ends = 0;
  for (size_t at = html.find("</script"); at != std::string::npos;
       at = html.find("</script", at + 1))
    ++ends;
  EXPECT_EQ(ends, 1U) << "of the data";
}

TEST(Report, DataAreReadAgainAsTheyWere) {
  const nlohmann::json data = {{"name", "a</script>&<b>"}, {"ms", {1.25, 3e-7}}};
  const std::string html = page("t", "", data);
  const std::string begin = "id=\"data\">";
  const size_t from = html.find(begin) + begin.size();
  EXPECT_EQ(nlohmann::json::parse(html.substr(from, html.find("</script", from) - from)), data);
}

TEST(Report, NothingIsLoadedFromElsewhere) {
  LatencyHistogram latency;
  for (int i = 1; i < 100; ++i) latency.record(i * 100'000);
  const nlohmann::json result = {
      {"model", "m"},
      {"loop", "closed"},
      {"concurrency", 1},
      {"connections", 1},
      {"seconds", 1.0},
      {"sent", 99},
      {"unsent", 0},
      {"succeeded", 99},
      {"throughput", 99.0},
      {"errors", {{"UNAVAILABLE", 3}}},
      {"latency_ms",
       {{"p50", 5.0}, {"p90", 9.0}, {"p99", 9.9}, {"p99.9", 9.9}, {"max", 9.9}, {"mean", 5.0}}},
      {"histogram_ms", histogram_json(latency)}};
  const std::string html = load_report(result, about_this_run("0"));
  for (const char* outside : {"src=", "href=", "url(", "@import"})
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  EXPECT_THAT(html, HasSubstr("UNAVAILABLE"));
  int64_t count = 0;
  for (const auto& range : result["histogram_ms"]) count += range[2].get<int64_t>();
  EXPECT_EQ(count, 99);
}

TEST(Html, NumbersCarryThemselvesExactly) {
  EXPECT_EQ(number(0.1234567891), "<data value=\"0.1234567891\">0.123</data>");
  EXPECT_EQ(number(int64_t{1} << 40), "<data value=\"1099511627776\">1099511627776</data>");
  EXPECT_EQ(number(nullptr), "-");
  EXPECT_EQ(number(std::nan("")), "-");
}

// Without searching it would be a hundred times what any machine has.
TEST(MemoryBandwidth, IsThatOfAMachine) {
  const MemoryBandwidth measured = measure_memory_bandwidth(2);
  EXPECT_EQ(measured.threads, 2);
  EXPECT_GE(measured.bytes, int64_t{64} << 20);
  EXPECT_GT(measured.gbytes_per_s, 0.01);
  EXPECT_LT(measured.gbytes_per_s, 5'000);
}

}  // namespace
}  // namespace inferd::ctl::report
