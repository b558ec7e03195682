// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/credential.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "daemon/config/config.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::config {
namespace {

using ::testing::HasSubstr;

class CredentialTest : public ::testing::Test {
 protected:
  CredentialTest() { ::setenv("CREDENTIALS_DIRECTORY", "/run/credentials/inferd.service", 1); }
  ~CredentialTest() override { ::unsetenv("CREDENTIALS_DIRECTORY"); }

  Result<Config> load_text(const std::string& text) const {
    const std::string path = folder_.file("inferd.yaml");
    std::ofstream(path) << text;
    return load(path);
  }
  const TemporaryFolder folder_;
};

TEST_F(CredentialTest, LiesWhereSystemdPutIt) {
  EXPECT_FALSE(is_credential("tls/credential:key"));
  ASSERT_TRUE(is_credential("credential:tls.key"));
  EXPECT_EQ(*credential_path("credential:tls.key"), "/run/credentials/inferd.service/tls.key");
}

TEST_F(CredentialTest, ANameLeadsNowhereElse) {
  for (const char* path : {"credential:", "credential:.", "credential:..", "credential:../key",
                           "credential:/etc/shadow", "credential:a/b"}) {
    EXPECT_EQ(credential_path(path).status().code(), StatusCode::kInvalidArgument) << path;
  }
}

TEST_F(CredentialTest, AProcessWithoutAnySaysWhatToDo) {
  ::unsetenv("CREDENTIALS_DIRECTORY");
  const Status status = credential_path("credential:tls.key").status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("LoadCredential=tls.key:FILE"));
}

constexpr const char* kListener = R"(
server:
  grpc:
    - address: 127.0.0.1:0
      tls: {certificate: cert.pem, key: "credential:tls.key"}
      allow: [{roles: [infer], tokens: "credential:tokens"}]
models: {deployments: {trusted_keys: ["credential:release.pub"]}}
)";

TEST_F(CredentialTest, KeysTokensAndTrustedKeysMayBeOnes) {
  const auto config = load_text(kListener);
  ASSERT_TRUE(config.ok()) << config.status().message();
  const std::string folder = "/run/credentials/inferd.service/";
  EXPECT_EQ(config->server.grpc[0].tls->key.path, folder + "tls.key");
  EXPECT_EQ(config->server.grpc[0].allow[0].tokens, folder + "tokens");
  EXPECT_EQ(config->models.deployments.trusted_keys[0].path, folder + "release.pub");
}

TEST_F(CredentialTest, ErrorsStandAtTheirLine) {
  ::unsetenv("CREDENTIALS_DIRECTORY");
  const auto config = load_text(kListener);
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(config.status().message(), HasSubstr("inferd.yaml:5:"));
  EXPECT_THAT(config.status().message(), HasSubstr("inferd.yaml:6:"));
  EXPECT_THAT(config.status().message(), HasSubstr("inferd.yaml:7:"));
}

}  // namespace
}  // namespace inferd::config
