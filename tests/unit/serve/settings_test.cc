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

TEST(TraceSettings, OffIsAllThereIs) {
  EXPECT_EQ(trace_settings(), (TraceSettings{{"trace_level", {"OFF"}}}));
  EXPECT_TRUE(set_trace_settings({}).ok());
  EXPECT_TRUE(set_trace_settings({{"trace_level", {"OFF"}}, {"trace_rate", {}}}).ok());
  for (const TraceSettings& settings :
       {TraceSettings{{"trace_level", {"TIMESTAMPS"}}}, TraceSettings{{"trace_rate", {"1"}}}}) {
    EXPECT_EQ(set_trace_settings(settings).code(), StatusCode::kUnimplemented);
  }
}

}  // namespace
}  // namespace inferd::serve
