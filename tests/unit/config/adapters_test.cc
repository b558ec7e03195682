// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "daemon/config/config.h"
#include "daemon/config/listener_list.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AdaptersConfigTest : public ::testing::Test {
 protected:
  Result<Config> load_server(const std::string& server) {
    std::ofstream(folder_.file("p.yaml")) << "name: p\nsource: {test_pattern: {}}\n";
    std::ofstream(folder_.file("c.yaml"))
        << "pipelines: [{file: p.yaml}]\nserver:\n  " << server << "\n";
    return load(folder_.file("c.yaml"));
  }
  std::string errors(const std::string& server) {
    const auto config = load_server(server);
    return config.ok() ? "" : config.status().message();
  }

  TemporaryFolder folder_;
};

TEST_F(AdaptersConfigTest, ThereAreNoneUnlessConfigured) {
  const auto config = load_server("stall_s: 60");
  ASSERT_TRUE(config.ok()) << config.status().to_string();
  EXPECT_TRUE(config->server.vision.detection.empty());
  EXPECT_TRUE(config->server.vision.custom.empty());
  EXPECT_TRUE(config->server.frigate.empty());
}

TEST_F(AdaptersConfigTest, KeysAreRead) {
  const auto config = load_server(
      "vision: {detection: p, custom: [p]}\n  frigate:\n    - {address: 'unix:s', mode: "
      "\"0600\", pipeline: p}\n    - {address: '0.0.0.0:5555', insecure: true, "
      "pipeline: p, format: bgr}");
  ASSERT_TRUE(config.ok()) << config.status().to_string();
  EXPECT_EQ(config->server.vision.detection, "p");
  EXPECT_THAT(config->server.vision.custom, ElementsAre("p"));
  ASSERT_EQ(config->server.frigate.size(), 2U);
  EXPECT_EQ(config->server.frigate[0].address, "unix:" + folder_.file("s"));
  EXPECT_EQ(config->server.frigate[0].socket_mode, 0600);
  EXPECT_EQ(config->server.frigate[0].format, "rgb");
  EXPECT_EQ(config->server.frigate[1].address, "0.0.0.0:5555");
  EXPECT_EQ(config->server.frigate[1].format, "bgr");
  const auto list = nlohmann::json::parse(listener_list(config->server));
  const auto open = std::find_if(list.begin(), list.end(), [](const auto& listener) {
    return listener["address"] == "0.0.0.0:5555";
  });
  ASSERT_NE(open, list.end());
  EXPECT_EQ((*open)["protocol"], "frigate");
  EXPECT_FALSE((*open)["loopback"] || (*open)["tls"] || (*open)["rules"]);
  EXPECT_THAT((*open)["at"].get<std::string>(), HasSubstr("c.yaml:6:7"));
}

TEST_F(AdaptersConfigTest, MistakesAreReportedWhereTheyStand) {
  EXPECT_THAT(errors("vision: {detection: q}"), HasSubstr("c.yaml:3:11: there is no pipeline 'q'"));
  EXPECT_THAT(errors("vision: {}"), HasSubstr("'vision' needs 'detection' or 'custom'"));
  EXPECT_THAT(errors("vision: {faces: p}"), HasSubstr("faces"));
  EXPECT_THAT(errors("frigate: []"), HasSubstr("'frigate' must be a list"));
  EXPECT_THAT(errors("frigate: [{address: 'unix:s'}]"), HasSubstr("needs a 'pipeline'"));
  EXPECT_THAT(errors("frigate: [{address: 'unix:s', pipeline: q}]"),
              HasSubstr("there is no pipeline 'q'"));
  EXPECT_THAT(errors("frigate: [{pipeline: p}]"), HasSubstr("a listener needs an address"));
  EXPECT_THAT(errors("frigate: [{address: 'unix:s', pipeline: p, format: grey}]"),
              HasSubstr("format"));
  const std::string open = errors("frigate: [{address: '0.0.0.0:5555', pipeline: p}]");
  EXPECT_THAT(open, HasSubstr("can be reached from other machines without encryption; write "
                              "insecure: true beside it"));
}

}  // namespace
}  // namespace inferd::config
