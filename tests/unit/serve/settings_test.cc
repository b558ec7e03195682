// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/telemetry/log.h"

namespace inferd::serve {
namespace {

using ::testing::HasSubstr;

class LogSettingsTest : public ::testing::Test {
 protected:
  void TearDown() override { telemetry::set_log_level(LogLevel::kInfo); }
};

TEST_F(LogSettingsTest, TellTheLevel) {
  telemetry::set_log_level(LogLevel::kWarning);
  LogSettings settings = log_settings();
  EXPECT_EQ(settings.at("log_verbose_level"), Parameter(uint64_t{0}));
  EXPECT_EQ(settings.at("log_info"), Parameter(false));
  EXPECT_EQ(settings.at("log_warning"), Parameter(true));
  EXPECT_EQ(settings.at("log_error"), Parameter(true));
  telemetry::set_log_level(LogLevel::kDebug);
  settings = log_settings();
  EXPECT_EQ(settings.at("log_verbose_level"), Parameter(uint64_t{1}));
  EXPECT_EQ(settings.at("log_info"), Parameter(true));
}

TEST_F(LogSettingsTest, ChangeTheLevel) {
  const auto level_after = [](const LogSettings& settings) {
    const Status status = set_log_settings(settings);
    EXPECT_TRUE(status.ok()) << status.to_string();
    return telemetry::log_level();
  };
  EXPECT_EQ(level_after({{"log_verbose_level", uint64_t{2}}}), LogLevel::kDebug);
  EXPECT_EQ(level_after({{"log_info", true}}), LogLevel::kDebug) << "debug includes it";
  EXPECT_EQ(level_after({{"log_verbose_level", int64_t{0}}}), LogLevel::kInfo);
  EXPECT_EQ(level_after({{"log_info", false}}), LogLevel::kWarning);
  EXPECT_EQ(level_after({{"log_warning", false}}), LogLevel::kError);
  EXPECT_EQ(level_after({{"log_info", true}}), LogLevel::kInfo) << "and warnings again";
  EXPECT_EQ(level_after({}), LogLevel::kInfo);
  EXPECT_EQ(level_after(log_settings()), LogLevel::kInfo) << "what is, may be set";
}

TEST_F(LogSettingsTest, AllOrNothing) {
  const auto refusal = [](const std::string& name, const Parameter& value, StatusCode code) {
    const Status status = set_log_settings({{"log_info", false}, {name, value}});
    EXPECT_EQ(status.code(), code) << name;
    EXPECT_EQ(telemetry::log_level(), LogLevel::kInfo) << name;
    return status.message();
  };
  EXPECT_EQ(refusal("color", true, StatusCode::kInvalidArgument), "unknown log setting 'color'");
  EXPECT_EQ(refusal("log_warning", uint64_t{1}, StatusCode::kInvalidArgument),
            "log setting 'log_warning' is true or false");
  EXPECT_EQ(refusal("log_verbose_level", true, StatusCode::kInvalidArgument),
            "log setting 'log_verbose_level' is a whole number");
  EXPECT_THAT(refusal("log_error", false, StatusCode::kUnimplemented),
              HasSubstr("cannot be changed while the daemon runs"));
  EXPECT_THAT(refusal("log_file", std::string("/tmp/log"), StatusCode::kUnimplemented),
              HasSubstr("'log_file'"));
}

TEST(TraceSettings, AModelsComeBeforeThoseOfAll) {
  EXPECT_EQ(trace_settings(""), (TraceSettings{{"trace_level", {"OFF"}},
                                               {"trace_rate", {"1000"}},
                                               {"trace_count", {"-1"}},
                                               {"log_frequency", {"0"}},
                                               {"trace_file", {""}},
                                               {"trace_mode", {"chrome"}}}));
  const auto rate = [](const std::string& model) { return trace_settings(model)["trace_rate"][0]; };
  EXPECT_TRUE(set_trace_settings("", {{"trace_rate", {"5"}}, {"trace_file", {"t.json"}}}).ok());
  EXPECT_TRUE(set_trace_settings("m", {{"trace_rate", {"7"}}, {"trace_level", {"OFF"}}}).ok());
  EXPECT_EQ(rate(""), "5");
  EXPECT_EQ(rate("m"), "7");
  EXPECT_EQ(rate("n"), "5");
  EXPECT_TRUE(set_trace_settings("m", {{"trace_rate", {}}}).ok()) << "cleared";
  EXPECT_EQ(rate("m"), "5");
  EXPECT_TRUE(set_trace_settings("", {{"trace_rate", {}}, {"trace_file", {}}}).ok());
  EXPECT_EQ(rate("m"), "1000");
}

TEST(TraceSettings, WhatCannotBeSetIsRefusedAndChangesNothing) {
  const auto refusal = [](const std::string& name, const std::string& value) {
    const Status status = set_trace_settings("", {{"log_frequency", {"3"}}, {name, {value}}});
    EXPECT_EQ(trace_settings("")["log_frequency"][0], "0");
    return status.code();
  };
  EXPECT_EQ(refusal("trace_level", "TENSORS"), StatusCode::kUnimplemented);
  EXPECT_EQ(refusal("trace_level", "ALL"), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal("trace_level", "TIMESTAMPS"), StatusCode::kFailedPrecondition) << "no folder";
  EXPECT_EQ(refusal("trace_rate", "0"), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal("trace_rate", "2x"), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal("trace_file", "../t"), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal("trace_mode", "opentelemetry"), StatusCode::kUnimplemented);
  EXPECT_EQ(refusal("colour", "red"), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace inferd::serve
