// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace inferd::host {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string mappings() {
  std::ostringstream text;
  text << std::ifstream("/proc/self/maps").rdbuf();
  return text.str();
}

TEST(Modules, ALibraryIsLoadedWhenSomethingOfItIsAskedFor) {
  EXPECT_THAT(mappings(),
              AllOf(HasSubstr("libinferd-daemon.so"), Not(HasSubstr("inferd-mjpeg.so"))));
  const auto found = find_in_module("mjpeg", "sink_mjpeg");
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_THAT(mappings(), AllOf(HasSubstr("inferd-mjpeg.so"), HasSubstr("microhttpd")));
  EXPECT_EQ(*find_in_module("mjpeg", "sink_mjpeg"), *found);
}

TEST(Modules, WhatABuildLacksIsNamed) {
  const Status status = find_in_module("telepathy", "source").status();
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("'telepathy'"), HasSubstr("inferd-telepathy.so")));
}

TEST(Modules, ALibraryThatIsNotInstalledIsNamed) {
  const Status status = find_in_module("test-lonely", "source").status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("'test-lonely'"), HasSubstr("libnobody-has-this.so")));
}

// An upgrade replaces modules under a daemon that runs.
TEST(Modules, OneOfAnotherVersionIsRefused) {
  const Status status = find_in_module("test-other-version", "source").status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("0.0.1"), HasSubstr("restart")));
}

TEST(Modules, AFunctionThatAModuleLacksIsAnError) {
  const Status status = find_in_module("http", "ftp_server").status();
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_THAT(status.message(), HasSubstr("'ftp_server'"));
}

}  // namespace
}  // namespace inferd::host
