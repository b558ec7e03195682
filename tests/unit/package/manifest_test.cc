// SPDX-License-Identifier: Apache-2.0
#include "package/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "package/text.h"

namespace inferd::package {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kCreated = 1'763'782'467;  // 2025-11-22T03:34:27Z

Manifest example() {
  Manifest manifest;
  manifest.model = "detector";
  manifest.version = 3;
  manifest.created_s = kCreated;
  manifest.files = {{"labels.txt", 0, std::string(64, '0')},
                    {"model.onnx", 1234, std::string(64, 'a')},
                    {"selftest/cat/inputs/x.npy", 77, std::string(64, 'f')}};
  return manifest;
}

// The example's text with one piece of it replaced.
std::string changed(std::string_view what, std::string_view by) {
  std::string text = write_manifest(example());
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

std::string error_of(const std::string& text) {
  const auto manifest = parse_manifest(text);
  EXPECT_FALSE(manifest.ok());
  EXPECT_EQ(manifest.status().code(), StatusCode::kInvalidArgument);
  return manifest.status().message();
}

TEST(Manifest, IsTextThatPeopleRead) {
  Manifest manifest = example();
  manifest.expires_s = kCreated + 86'400;
  manifest.files.resize(1);
  EXPECT_EQ(write_manifest(manifest), R"({
  "format": 1,
  "model": "detector",
  "version": 3,
  "created": "2025-11-22T03:34:27Z",
  "expires": "2025-11-23T03:34:27Z",
  "files": [
    {
      "path": "labels.txt",
      "bytes": 0,
      "sha256": "0000000000000000000000000000000000000000000000000000000000000000"
    }
  ]
}
)");
}

TEST(Manifest, IsReadAsItWasWritten) {
  Manifest manifest = example();
  for (const int64_t expires : {int64_t{0}, kCreated + 1, kLastTime}) {
    manifest.expires_s = expires;
    const auto read = parse_manifest(write_manifest(manifest));
    ASSERT_TRUE(read.ok()) << read.status().to_string();
    EXPECT_EQ(*read, manifest);
  }
  EXPECT_EQ(manifest.total_bytes(), 1234 + 77);
}

TEST(Manifest, NamesTheMemberThatIsWrong) {
  constexpr struct {
    const char *what, *by, *message;
  } kCases[] = {
      {"\"format\": 1", "\"format\": 2", "its format is 2"},
      {"\"format\": 1", "\"format\": 1.0", "'format'"},
      {"\"format\": 1", "\"form\": 1", "unknown member 'form'"},
      {"\"format\": 1,", "", "'format'"},
      {"\"detector\"", "\"../detector\"", "'model' is '../detector'"},
      {"\"detector\"", "\"\"", "'model'"},
      {"\"detector\"", "7", "'model'"},
      {"\"version\": 3", "\"version\": 0", "'version'"},
      {"\"version\": 3", "\"version\": -3", "'version'"},
      {"\"version\": 3", "\"version\": 9223372036854775808", "'version'"},
      {"\"version\": 3", "\"version\": 1e400", "a number is too large"},
      {"\"version\": 3", "\"version\": 3, \"version\": 4", "'version' is given twice"},
      {"\"version\": 3", "\"version\": 3, \"expires\": 0", "'expires'"},
      {"\"version\": 3", "\"version\": 3, \"expires\": \"2025-11-22T03:34:27Z\"", "not after"},
      {"2025-11-22T", "2025-11-31T", "'created'"},
      {"2025-11-22T", "2025-11-22 ", "'created'"},
      {"2025-11-22T", "1969-11-22T", "'created'"},
      {":27Z", ":60Z", "'created'"},
      {":27Z", ":27+01:00", "'created'"},
      {"\"labels.txt\"", "\"/etc/passwd\"", "file 0: 'path' is '/etc/passwd'"},
      {"\"labels.txt\"", "\"a/../../b\"", "'path'"},
      {"\"labels.txt\"", "\"manifest.json\"", "'path'"},
      {"\"labels.txt\"", "\"model.onnx\"", "'model.onnx' is listed twice"},
      {"\"labels.txt\"", "\"selftest/cat\"", "'selftest/cat' is both a file and a folder"},
      {"\"labels.txt\"", "\"a\\u0000b\"", "'path' is 'a?b'"},
      {"\"bytes\": 1234", "\"bytes\": -1", "file 1 needs 'bytes'"},
      {"\"bytes\": 1234", "\"bytes\": \"1234\"", "file 1 needs 'bytes'"},
      {"\"bytes\": 1234", "\"bytes\": 9223372036854775807", "overflow"},
      {"\"bytes\": 1234", "\"bytes\": 1234, \"mode\": 7", "unknown member 'mode'"},
      {"ffffffff", "FFFFFFFF", "file 2: 'sha256'"},
      {"ffffffff", "", "file 2: 'sha256'"},
      {"\"bytes\": 77", "\"bytes\": [[[[77]]]]", "nested too deeply"},
      {"[", "{", "not JSON at byte"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(error_of(changed(c.what, c.by)), HasSubstr(c.message)) << c.by;
  }
}

TEST(Manifest, IsOneValueWithFiles) {
  const std::string text = write_manifest(example());
  EXPECT_THAT(error_of(""), HasSubstr("not JSON"));
  EXPECT_THAT(error_of("[]"), HasSubstr("must be an object"));
  EXPECT_THAT(error_of(text + "{}"), HasSubstr("not JSON at byte"));
  EXPECT_THAT(error_of(text.substr(0, text.size() / 2)), HasSubstr("not JSON at byte"));
  EXPECT_THAT(
      error_of(
          R"({"format": 1, "model": "m", "version": 1, "created": "2025-11-22T03:34:27Z", "files": []})"),
      HasSubstr("no files"));
}

TEST(Manifest, HasLimits) {
  Manifest manifest = example();
  manifest.files.clear();
  while (manifest.files.size() < kMaxFiles) {
    manifest.files.push_back(
        {"file" + std::to_string(manifest.files.size()), 1, std::string(64, '0')});
  }
  EXPECT_TRUE(parse_manifest(write_manifest(manifest)).ok());
  manifest.files.push_back({"another", 1, std::string(64, '0')});
  EXPECT_THAT(error_of(write_manifest(manifest)), HasSubstr("at most 1000"));
  const auto large =
      parse_manifest(write_manifest(example()) + std::string(kMaxManifestBytes, ' '));
  EXPECT_EQ(large.status().code(), StatusCode::kResourceExhausted);
  // Neither stack nor error messages grow with what strangers send.
  EXPECT_LT(error_of(std::string(kMaxManifestBytes, '[')).size(), 200U);
  EXPECT_LT(error_of("{\"" + std::string(kMaxManifestBytes / 2, 'x') + "\": 1}").size(), 200U);
}

TEST(Times, AreUtcToTheSecond) {
  EXPECT_EQ(utc_text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(utc_text(kCreated), "2025-11-22T03:34:27Z");
  EXPECT_EQ(utc_text(kLastTime), "9999-12-31T23:59:59Z");
  EXPECT_EQ(parse_utc("2024-02-29T23:59:59Z"), 1'709'251'199);
  EXPECT_EQ(parse_utc("2023-02-29T23:59:59Z"), std::nullopt);
  for (const int64_t time : {int64_t{0}, kCreated, kLastTime}) {
    EXPECT_EQ(parse_utc(utc_text(time)), time);
  }
}

}  // namespace
}  // namespace inferd::package
