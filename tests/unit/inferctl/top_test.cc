// SPDX-License-Identifier: Apache-2.0
//
// What `inferctl top` makes of samples and keys; tests/integration/terminal_test.py has a terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "clients/inferctl/text.h"
#include "clients/inferctl/top/browser.h"

namespace inferd::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ServedModelStatistics model(const std::string& name, uint64_t answered, double compute_ms = 1) {
  ServedModelStatistics m;
  m.name = name;
  m.version = "1";
  m.succeeded = m.inferences = m.executions = answered;
  m.mean_compute_ms = compute_ms;
  return m;
}

// Two seconds apart.
SamplePair samples() {
  SamplePair s;
  s.before.statistics = {model("slow", 10, 10), model("fast", 100)};
  s.now.statistics = {model("slow", 14, 20), model("fast", 300)};
  s.now.time = s.before.time + std::chrono::seconds(2);
  s.has_before = true;
  return s;
}

std::vector<std::string> keys(const Table& table) {
  std::vector<std::string> keys;
  for (const Row& row : table.rows) keys.push_back(row.key);
  return keys;
}

TEST(Top, RatesAndMeansAreOfTheTimeBetween) {
  Browser browser;
  const Table table = browser.table(samples());
  EXPECT_THAT(keys(table), ElementsAre("fast/1", "slow/1"));
  const auto json = to_json(table);
  EXPECT_EQ(json[0]["requests_per_s"], 100.0);
  EXPECT_EQ(json[1]["requests_per_s"], 2.0);
  EXPECT_EQ(json[0]["requests"], 300.0);
  // (14 * 20 - 10 * 10) / 4
  EXPECT_NEAR(json[1]["compute_ms"].get<double>(), 45, 0.01);
}

TEST(Top, AModelThatWasLoadedAnewBeginsAnew) {
  SamplePair s = samples();
  s.now.statistics[1] = model("fast", 3);
  Browser browser;
  EXPECT_EQ(to_json(browser.table(s))[0]["requests_per_s"], 1.5);
}

TEST(Top, SortsFiltersAndKeepsWhatIsSelected) {
  Browser browser;
  ASSERT_TRUE(browser.sort_by("requests_per_s").ok());
  EXPECT_THAT(keys(browser.table(samples())), ElementsAre("fast/1", "slow/1"));
  browser.press(Key::kDown, 10);
  browser.table(samples());
  EXPECT_EQ(browser.selected(), 1U);
  browser.type('r');
  EXPECT_THAT(keys(browser.table(samples())), ElementsAre("slow/1", "fast/1"));
  EXPECT_EQ(browser.selected(), 0U) << "slow/1 still is";
  for (const char c : std::string("/FAST")) browser.type(c);
  EXPECT_THAT(keys(browser.table(samples())), ElementsAre("fast/1"));
  EXPECT_TRUE(browser.is_typing_filter());
  browser.press(Key::kErase, 10);
  EXPECT_EQ(browser.filter(), "FAS");
  browser.press(Key::kEscape, 10);
  EXPECT_THAT(keys(browser.table(samples())), ElementsAre("slow/1", "fast/1"));
}

TEST(Top, OpensOneAndComesBack) {
  Browser browser;
  browser.table(samples());
  browser.press(Key::kDown, 10);
  browser.table(samples());
  browser.press(Key::kEnter, 10);
  ASSERT_EQ(browser.opened(), "slow/1");
  EXPECT_THAT(to_text(browser.table(samples())), HasSubstr("14 answered, 0 failed"));
  browser.press(Key::kEscape, 10);
  browser.table(samples());
  EXPECT_FALSE(browser.opened());
  EXPECT_EQ(browser.selected(), 1U);
  browser.type('3');
  EXPECT_EQ(views()[browser.view()].name, std::string("clients"));
  EXPECT_THAT(to_text(browser.table(samples())), HasSubstr("not known: not asked yet"));
}

// Over a slow line keys come together: none waits for what the one before it has drawn.
TEST(Top, KeysThatComeTogetherDoWhatEachSays) {
  Browser browser;
  browser.table(samples());
  browser.press(Key::kDown, 10);
  browser.press(Key::kEnter, 10);
  EXPECT_EQ(browser.opened(), "slow/1");
  for (const char c : std::string("++-+")) browser.type(c);
  EXPECT_EQ(browser.take_interval_steps(), 2);
  EXPECT_EQ(browser.take_interval_steps(), 0);
}

TEST(Top, OfRowsWithOneNameEachCanBeSelected) {
  SamplePair s = samples();
  ServedModelInfo info;
  info.name = "fast";
  info.version = "1";
  info.inputs.resize(3);
  s.now.models = {info};
  Browser browser;
  browser.table(s);
  browser.press(Key::kEnter, 10);
  for (int i = 0; i < 4; ++i) {
    browser.table(s);
    browser.press(Key::kDown, 10);
  }
  EXPECT_THAT(keys(browser.table(s)), testing::IsSupersetOf({"model", "input", "input", "input"}));
  EXPECT_EQ(browser.selected(), 4U) << "the second of three inputs";
}

TEST(Top, AFilterIsForEveryViewThatOptionsOpen) {
  Browser browser;
  browser.filter("slow");
  ASSERT_TRUE(browser.open("host").ok());
  EXPECT_TRUE(browser.table(samples()).rows.empty());
  ASSERT_TRUE(browser.open("models").ok());
  EXPECT_THAT(keys(browser.table(samples())), ElementsAre("slow/1"));
}

TEST(Top, WhatThereIsNotIsNamed) {
  Browser browser;
  EXPECT_THAT(browser.open("clocks").message(), HasSubstr("models, pipelines, clients, host"));
  EXPECT_THAT(browser.sort_by("size").message(), HasSubstr("requests_per_s"));
}

TEST(Table, FitsIntoTheWidthThatThereIs) {
  Browser browser;
  SamplePair s = samples();
  s.now.statistics[0].name = std::string(100, 'n');
  const Table table = browser.table(s);
  for (const int width : {10, 40, 80, 200}) {
    const std::vector<int> widths = fit(table, width);
    int all = -1;
    for (const int w : widths) all += w == 0 ? 0 : w + 1;
    EXPECT_LE(all, width);
    EXPECT_GT(widths[0], 0);
  }
  EXPECT_EQ(padded("f\xC3\xBCnf", 6, false), "f\xC3\xBCnf  ") << "characters, not bytes";
  EXPECT_EQ(padded("f\xC3\xBCnfzig", 4, false), "f\xC3\xBCn~");
  EXPECT_EQ(padded("7", 3, true), "  7");
}

// Names come from model files and other machines: none may move the terminal's cursor.
TEST(Text, WhatTerminalsObeyIsNotPrinted) {
  EXPECT_EQ(printable("a\x1b[2Jb\n\x7F"), "a?[2Jb??");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            "??31m")
      << "a control character of two bytes";
  EXPECT_EQ(printable("\xE2\x80\xAE"
                      "abc"),
            "???abc")
      << "from right to left from here on";
  EXPECT_EQ(printable("\xFF\xC0\x80\xED\xA0\x80"), "??????");
  EXPECT_EQ(printable("Gr\xC3\xBC\xC3\x9F"
                      "e \xE7\x8C\xAB \xF0\x9F\x90\x88"),
            "Gr\xC3\xBC\xC3\x9F"
            "e \xE7\x8C\xAB \xF0\x9F\x90\x88");
}

}  // namespace
}  // namespace inferd::ctl
