// SPDX-License-Identifier: Apache-2.0
#include "package/signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/unit/temporary_folder.h"

namespace inferd::package {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kManifest = "{\"any\": \"bytes\"}\n";

// 32 bytes that are told apart by their first.
SecretKey key_number(unsigned char number) { return SecretKey(SecretKey::Seed{number}); }

template <size_t n>
std::array<unsigned char, n> from_hex(std::string_view hex) {
  EXPECT_EQ(hex.size(), 2 * n);
  std::array<unsigned char, n> bytes;
  for (size_t i = 0; i < n; ++i) {
    bytes[i] =
        static_cast<unsigned char>(std::stoi(std::string(hex.substr(2 * i, 2)), nullptr, 16));
  }
  return bytes;
}

// The first two examples of RFC 8032, section 7.1.
TEST(Ed25519, IsThatOfTheStandard) {
  constexpr struct {
    const char *seed, *public_key, *message, *signature;
  } kExamples[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf"
       "9b46bd25bf5f0595bbe"
       "24655141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "\x72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f"
       "11d8c387b2eaeb4302a"
       "eeb00d291612bb0c00"},
  };
  for (const auto& example : kExamples) {
    const SecretKey key(from_hex<32>(example.seed));
    EXPECT_EQ(key.public_key(), PublicKey(from_hex<32>(example.public_key)));
    const auto signature = key.sign(example.message);
    EXPECT_EQ(signature, from_hex<64>(example.signature));
    EXPECT_TRUE(key.public_key().verifies(signature, example.message));
    EXPECT_FALSE(key.public_key().verifies(signature, "another message"));
  }
}

class Keys : public ::testing::Test {
 protected:
  Keys() {
    auto key = SecretKey::generate();
    EXPECT_TRUE(key.ok());
    EXPECT_TRUE(key->save(secret_).ok());
    EXPECT_TRUE(key->public_key().save(public_).ok());
  }
  static std::string read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write_secret(const std::string& text) const { std::ofstream(secret_) << text; }

  TemporaryFolder folder_;
  const std::string secret_ = folder_.file("key"), public_ = folder_.file("key.pub");
};

TEST_F(Keys, AreFiles) {
  const auto secret = load_secret_key(secret_);
  ASSERT_TRUE(secret.ok()) << secret.status().to_string();
  const auto key = load_public_key(public_);
  ASSERT_TRUE(key.ok()) << key.status().to_string();
  EXPECT_EQ(*key, secret->public_key());
  EXPECT_TRUE(key->verifies(secret->sign("text"), "text"));
  EXPECT_THAT(read(public_), HasSubstr("inferd-public-key ed25519 " + key->id() + " "));
  EXPECT_THAT(read(secret_), HasSubstr("inferd-secret-key ed25519 " + key->id() + " "));
  struct stat info {};
  ASSERT_EQ(::stat(secret_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const auto another = SecretKey::generate();
  ASSERT_TRUE(another.ok());
  EXPECT_NE(another->public_key(), *key);
}

TEST_F(Keys, AreNotOverwritten) {
  const std::string before = read(secret_);
  EXPECT_EQ(key_number(1).save(secret_).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(key_number(1).public_key().save(public_).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(read(secret_), before);
  EXPECT_EQ(key_number(1).save(folder_.file("no/folder")).code(), StatusCode::kNotFound);
}

TEST_F(Keys, OthersMayNotReadTheSecret) {
  ASSERT_EQ(::chmod(secret_.c_str(), 0640), 0);
  const Status status = load_secret_key(secret_).status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("chmod 600"));
}

TEST_F(Keys, ALineMayLackItsNewlineAndNothingElse) {
  const std::string line = read(secret_);
  write_secret(line.substr(0, line.size() - 1));
  EXPECT_TRUE(load_secret_key(secret_).ok());
  for (const std::string& text :
       {std::string(), std::string("\n"), line + "\n", " " + line, line.substr(0, line.size() - 2),
        line + line, std::string(1000, 'a')}) {
    write_secret(text);
    EXPECT_FALSE(load_secret_key(secret_).ok()) << text;
  }
  EXPECT_FALSE(load_public_key(secret_).ok());
  EXPECT_EQ(load_public_key(folder_.file("none")).status().code(), StatusCode::kNotFound);
}

TEST_F(Keys, AnAlteredByteIsFoundAndNoSecretIsShown) {
  const std::string line = read(secret_);
  const std::string base64 = line.substr(line.rfind(' ') + 1, 20);
  for (size_t i = 0; i < line.size(); ++i) {
    std::string altered = line;
    altered[i] ^= 1;
    write_secret(altered);
    const Status status = load_secret_key(secret_).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << i;
    EXPECT_THAT(status.message(), Not(HasSubstr(base64.substr(1))));
  }
}

class Signature : public ::testing::Test {
 protected:
  Signature() { EXPECT_TRUE(trusted_.add(key_.public_key()).ok()); }
  Status verify(std::string_view manifest, std::string_view signature) const {
    return trusted_.verify(manifest, signature).status();
  }

  const SecretKey key_ = key_number(1);
  const std::string text_ = sign(kManifest, key_);
  TrustedKeys trusted_;
};

TEST_F(Signature, NamesItsKey) {
  EXPECT_THAT(text_, HasSubstr("inferd-signature ed25519 " + key_.public_key().id() + " "));
  EXPECT_LT(text_.size(), static_cast<size_t>(kMaxSignatureBytes));
  const auto id = trusted_.verify(kManifest, text_);
  ASSERT_TRUE(id.ok()) << id.status().to_string();
  EXPECT_EQ(*id, key_.public_key().id());
  ASSERT_TRUE(trusted_.add(key_number(2).public_key()).ok());
  EXPECT_EQ(*trusted_.verify(kManifest, sign(kManifest, key_number(2))),
            key_number(2).public_key().id());
}

TEST_F(Signature, IsWanted) {
  const Status status = verify(kManifest, "");
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("not signed"));
}

TEST_F(Signature, OfAnUnknownKeyIsRefused) {
  const SecretKey other = key_number(2);
  const Status status = verify(kManifest, sign(kManifest, other));
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("signed by the key " + other.public_key().id()));
  EXPECT_THAT(status.message(), HasSubstr("trusted: " + key_.public_key().id()));
  EXPECT_TRUE(TrustedKeys().empty());
  EXPECT_EQ(TrustedKeys().verify(kManifest, text_).status().code(), StatusCode::kPermissionDenied);
  // Who claims to be another key does not become it.
  std::string claimed = sign(kManifest, other);
  claimed.replace(claimed.find(other.public_key().id()), 16, key_.public_key().id());
  EXPECT_THAT(verify(kManifest, claimed).message(), HasSubstr("did not sign this manifest"));
}

TEST_F(Signature, AnAlteredByteIsFound) {
  for (size_t i = 0; i < kManifest.size(); ++i) {
    std::string altered(kManifest);
    altered[i] ^= 1;
    const Status status = verify(altered, text_);
    EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
    EXPECT_THAT(status.message(), HasSubstr("altered"));
  }
  EXPECT_FALSE(verify(kManifest.substr(1), text_).ok());
  for (size_t i = 0; i < text_.size(); ++i) {
    for (const char bit : {1, 4, 32}) {
      std::string altered = text_;
      altered[i] = static_cast<char>(altered[i] ^ bit);
      const StatusCode code = verify(kManifest, altered).code();
      EXPECT_TRUE(code == StatusCode::kPermissionDenied || code == StatusCode::kInvalidArgument)
          << altered;
    }
    EXPECT_FALSE(verify(kManifest, text_.substr(0, i == text_.size() - 1 ? 0 : i)).ok()) << i;
  }
  EXPECT_FALSE(verify(kManifest, text_ + text_).ok());
}

TEST_F(Signature, KeysComeFromFiles) {
  const TemporaryFolder folder;
  const std::string first = folder.file("first.pub"), second = folder.file("second.pub");
  ASSERT_TRUE(key_.public_key().save(first).ok());
  ASSERT_TRUE(key_number(2).public_key().save(second).ok());
  const auto keys = TrustedKeys::load({first, second, first});
  ASSERT_TRUE(keys.ok()) << keys.status().to_string();
  EXPECT_TRUE(keys->verify(kManifest, text_).ok());
  EXPECT_TRUE(keys->verify(kManifest, sign(kManifest, key_number(2))).ok());
  std::ofstream(second) << "no key";
  EXPECT_THAT(TrustedKeys::load({first, second}).status().message(), HasSubstr(second));
}

TEST(Freshness, IsOfCreationAndExpiry) {
  constexpr int64_t kDay = 86'400, kNow = 1'763'782'467;
  Manifest manifest;
  manifest.created_s = kNow;
  const auto check = [&](int64_t now, int64_t max_age) {
    return check_fresh(manifest, now, max_age);
  };
  EXPECT_TRUE(check(kNow, 0).ok());
  EXPECT_TRUE(check(kNow + 100 * 365 * kDay, 0).ok());
  EXPECT_TRUE(check(kNow + 7 * kDay, 7 * kDay).ok());
  EXPECT_THAT(check(kNow + 7 * kDay + 1, 7 * kDay).message(), HasSubstr("more than the 7 days"));
  EXPECT_TRUE(check(kNow - kDay, 1).ok());  // two clocks differ
  EXPECT_THAT(check(kNow - kDay - 1, 0).message(), HasSubstr("set the clock"));
  EXPECT_THAT(check(0, 0).message(), HasSubstr("1970-01-01T00:00:00Z"));  // a board without a clock
  manifest.expires_s = kNow + kDay;
  EXPECT_TRUE(check(kNow + kDay - 1, 0).ok());
  EXPECT_THAT(check(kNow + kDay, 0).message(), HasSubstr("expired at 2025-11-23T03:34:27Z"));
  EXPECT_EQ(check(kNow + kDay, 0).code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace inferd::package
