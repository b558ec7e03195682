// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/certificates.h"

#include <gmock/gmock.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>
#include <fstream>

#include "tests/unit/temporary_folder.h"

namespace inferd::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string pem(int code, gnutls_datum_t text) {
  EXPECT_EQ(code, 0) << gnutls_strerror(code);
  std::string copy(reinterpret_cast<char*>(text.data), text.size);
  gnutls_free(text.data);
  return copy;
}

class CertificatesTest : public ::testing::Test {
 protected:
  static constexpr time_t kDay = 24 * 60 * 60;

  CertificatesTest() {
    const auto [certificate, key] = make_pair(-kDay, kDay);
    config_.certificate = write("cert.pem", certificate, 5);
    config_.key = write("key.pem", key, 6);
  }

  // A certificate that signs itself, valid between these times from now, and its key.
  static std::pair<std::string, std::string> make_pair(time_t begin, time_t end) {
    gnutls_x509_privkey_t key = nullptr;
    gnutls_x509_crt_t certificate = nullptr;
    gnutls_x509_privkey_init(&key);
    gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    gnutls_x509_crt_init(&certificate);
    gnutls_x509_crt_set_version(certificate, 3);
    gnutls_x509_crt_set_serial(certificate, "\1", 1);
    gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, "arm", 3);
    gnutls_x509_crt_set_activation_time(certificate, std::time(nullptr) + begin);
    gnutls_x509_crt_set_expiration_time(certificate, std::time(nullptr) + end);
    gnutls_x509_crt_set_key(certificate, key);
    gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0);
    gnutls_datum_t text{};
    const int written = gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &text);
    std::string first = pem(written, text);
    const int key_written = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &text);
    std::string second = pem(key_written, text);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
    return {std::move(first), std::move(second)};
  }

  config::NamedFile write(const std::string& name, const std::string& text, int line) {
    const std::string path = folder_.file(name);
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0600);
    return {path, {"c.yaml", line, 9}};
  }

  std::string error() {
    std::vector<std::string> warnings;
    return read_tls_files(config_, warnings).status().message();
  }
  std::vector<std::string> warnings() {
    std::vector<std::string> warnings;
    EXPECT_TRUE(read_tls_files(config_, warnings).ok());
    return warnings;
  }

  const TemporaryFolder folder_;
  config::TlsConfig config_;
};

TEST_F(CertificatesTest, APairIsReadAsItIs) {
  std::vector<std::string> warnings;
  const auto files = read_tls_files(config_, warnings);
  ASSERT_TRUE(files.ok()) << files.status().to_string();
  EXPECT_THAT(files->certificate, HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_THAT(files->key, HasSubstr("PRIVATE KEY"));
  EXPECT_EQ(files->client_ca, "");
  EXPECT_THAT(warnings, IsEmpty());
}

TEST_F(CertificatesTest, FilesThatAreNotWhatTheyShallBeAreNamedWithTheirLine) {
  const config::TlsConfig good = config_;
  config_.certificate.path = folder_.file("nowhere.pem");
  EXPECT_THAT(error(), StartsWith("c.yaml:5:9: '" + config_.certificate.path +
                                  "' cannot be read: No such file"));
  config_ = good;
  config_.key.path = folder_.path();
  EXPECT_THAT(error(), HasSubstr("not a regular file"));
  config_.key = write("empty.pem", "", 6);
  EXPECT_THAT(error(), HasSubstr("c.yaml:6:9: '" + config_.key.path + "' holds no private key"));
  config_.key = good.certificate;
  EXPECT_THAT(error(), HasSubstr("holds no private key"));
  config_ = good;
  config_.certificate = good.key;
  EXPECT_THAT(error(), HasSubstr("holds no certificate"));
  config_ = good;
  config_.client_ca = write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n", 7);
  EXPECT_THAT(error(), HasSubstr("c.yaml:7:9: '" + config_.client_ca.path + "' holds no cert"));
  config_.client_ca = write("ca.pem", std::string((1 << 20) + 1, 'x'), 7);
  EXPECT_THAT(error(), HasSubstr("is larger than 1 MiB"));
}

TEST_F(CertificatesTest, AKeyOfAnotherCertificateIsRefused) {
  config_.key = write("other.pem", make_pair(-kDay, kDay).second, 6);
  EXPECT_EQ(error(), "c.yaml:6:9: '" + config_.key.path + "' is not the key of '" +
                         config_.certificate.path + "'");
}

TEST_F(CertificatesTest, AKeyWithAPasswordIsRefused) {
  gnutls_x509_privkey_t key = nullptr;
  gnutls_x509_privkey_init(&key);
  gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                               GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
  gnutls_datum_t text{};
  const int code = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, "secret",
                                                     GNUTLS_PKCS_PBES2_AES_256, &text);
  config_.key = write("locked.pem", pem(code, text), 6);
  gnutls_x509_privkey_deinit(key);
  EXPECT_THAT(error(), HasSubstr("has a password"));
}

TEST_F(CertificatesTest, WhatIsNotValidNowIsWarnedOf) {
  const auto use = [&](time_t begin, time_t end) {
    const auto [certificate, key] = make_pair(begin, end);
    config_.certificate = write("cert.pem", certificate, 5);
    config_.key = write("key.pem", key, 6);
  };
  use(-2 * kDay, -kDay);
  EXPECT_THAT(warnings(), ElementsAre(testing::AllOf(StartsWith("c.yaml:5:9: "),
                                                     HasSubstr("CN=arm, which expired on"))));
  use(kDay, 2 * kDay);
  EXPECT_THAT(warnings(), ElementsAre(HasSubstr("is not valid before")));
}

TEST_F(CertificatesTest, AKeyThatEverybodyCanReadIsWarnedOf) {
  ::chmod(config_.key.path.c_str(), 0644);
  EXPECT_THAT(warnings(), ElementsAre(HasSubstr("is a key that every user can read")));
}

TEST_F(CertificatesTest, AllListenersAreLookedThrough) {
  config::ServerConfig server;
  server.grpc.resize(1);
  server.http.resize(1);
  server.local.resize(1);
  EXPECT_TRUE(check_listeners(server).ok());
  config_.key.path = folder_.file("nowhere");
  server.grpc[0].tls = config_;
  server.http[0].tls = config_;
  server.http[0].allow = {{.roles = {"infer"}, .users = {"nobody-at-all"}}};
  server.local[0].allow = {{.roles = {"infer"}, .groups = {"nobody-at-all"}}};
  const std::string text = check_listeners(server).message();
  EXPECT_THAT(text, HasSubstr("no user 'nobody-at-all'"));
  EXPECT_THAT(text, HasSubstr("no group 'nobody-at-all'"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
}

TEST_F(CertificatesTest, ClientsMustShowOneUnlessTokensDo) {
  config::Listener listener;
  EXPECT_FALSE(requires_client_certificate(listener));
  listener.tls = config_;
  EXPECT_FALSE(requires_client_certificate(listener));
  listener.tls->client_ca = config_.certificate;
  EXPECT_TRUE(requires_client_certificate(listener));
  listener.allow = {{.roles = {"infer"}, .tokens = "t"}};
  EXPECT_FALSE(requires_client_certificate(listener));
}

}  // namespace
}  // namespace inferd::serve
