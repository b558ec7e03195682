// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "package/digest.h"
#include "package/manifest.h"
#include "package/name.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::package {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Folder : public ::testing::Test {
 protected:
  Folder() {
    write("model.onnx", "weights");
    write("labels.txt", "");
    write("selftest/cat/inputs/x.npy", "numbers");
  }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(folder_.file(path)).parent_path());
    std::ofstream(folder_.file(path)) << text;
  }
  Result<Manifest> describe() { return describe_folder(folder_.path(), "detector", 3); }
  Manifest described() {
    const auto manifest = describe();
    EXPECT_TRUE(manifest.ok()) << manifest.status().to_string();
    return manifest.ok() ? *manifest : Manifest();
  }
  void refuses(StatusCode code, const char* message) {
    const Status status = describe().status();
    EXPECT_EQ(status.code(), code);
    EXPECT_THAT(status.message(), HasSubstr(message));
  }

  TemporaryFolder folder_;
};

TEST_F(Folder, IsDescribed) {
  write("manifest.json", "not a part of itself");
  write("manifest.sig", "nor is this");
  const auto now = std::chrono::system_clock::now().time_since_epoch() / std::chrono::seconds(1);
  const Manifest manifest = described();
  EXPECT_EQ(manifest.model, "detector");
  EXPECT_EQ(manifest.version, 3);
  EXPECT_GE(manifest.created_s, now);
  EXPECT_LE(manifest.created_s, now + 300);
  ASSERT_EQ(manifest.files.size(), 3U);
  EXPECT_EQ(manifest.files[0].path, "labels.txt");
  EXPECT_EQ(manifest.files[0].bytes, 0);
  EXPECT_EQ(manifest.files[1].path, "model.onnx");
  EXPECT_EQ(manifest.files[1].bytes, 7);
  EXPECT_EQ(manifest.files[1].sha256, *sha256_of_file(folder_.file("model.onnx")));
  EXPECT_EQ(manifest.files[2].path, "selftest/cat/inputs/x.npy");
  EXPECT_TRUE(parse_manifest(write_manifest(manifest)).ok());
  EXPECT_TRUE(check_folder(folder_.path(), manifest).ok());
}

TEST_F(Folder, HasAManifestAndPerhapsASignature) {
  EXPECT_EQ(read_manifest(folder_.path()).status().code(), StatusCode::kNotFound);
  write("manifest.json", "any text");
  const auto text = read_manifest(folder_.path());
  ASSERT_TRUE(text.ok()) << text.status().to_string();
  EXPECT_EQ(text->manifest, "any text");
  EXPECT_EQ(text->signature, "");
  write("manifest.sig", "a signature");
  EXPECT_EQ(read_manifest(folder_.path())->signature, "a signature");
  write("manifest.sig", std::string(kMaxSignatureBytes, ' '));
  EXPECT_TRUE(read_manifest(folder_.path()).ok());
  write("manifest.sig", std::string(kMaxSignatureBytes + 1, ' '));
  EXPECT_EQ(read_manifest(folder_.path()).status().code(), StatusCode::kResourceExhausted);
  fs::remove(folder_.file("manifest.sig"));
  fs::create_directory(folder_.file("manifest.sig"));
  EXPECT_EQ(read_manifest(folder_.path()).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(Folder, HasNoLinksAndOddNames) {
  fs::create_symlink("/etc/passwd", folder_.file("link"));
  refuses(StatusCode::kInvalidArgument, "'link' is a symbolic link");
  fs::remove(folder_.file("link"));
  fs::create_directory_symlink("/etc", folder_.file("selftest/etc"));
  refuses(StatusCode::kInvalidArgument, "'selftest/etc' is a symbolic link");
  fs::remove(folder_.file("selftest/etc"));
  ASSERT_EQ(::mkfifo(folder_.file("pipe").c_str(), 0600), 0);
  refuses(StatusCode::kInvalidArgument, "'pipe' is not a regular file");
  fs::remove(folder_.file("pipe"));
  for (const char* odd :
       {".DS_Store", "model copy.onnx", "a\nb", "selftest/cat/inputs/deeper/x.npy"}) {
    write(odd, "");
    refuses(StatusCode::kInvalidArgument, "a package cannot have '");
    fs::remove(folder_.file(odd));
  }
}

TEST_F(Folder, HasFilesButNotTooMany) {
  for (int i = 0; i < static_cast<int>(kMaxFiles) - 3; ++i) write("many/" + std::to_string(i), "");
  EXPECT_TRUE(describe().ok());
  write("many/more", "");
  refuses(StatusCode::kInvalidArgument, "more than 1000");
  fs::remove_all(folder_.path());
  refuses(StatusCode::kNotFound, folder_.path().c_str());
  fs::create_directories(folder_.file("empty"));
  refuses(StatusCode::kInvalidArgument, "has no files");
}

TEST_F(Folder, ABadNameOrVersionIsRefused) {
  for (const char* name : {"", "../detector"}) {
    const Status status = describe_folder(folder_.path(), name, 1).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(kModelNameRule));
  }
  EXPECT_EQ(describe_folder(folder_.path(), "detector", 0).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(Folder, AnAlteredByteIsFound) {
  const Manifest manifest = described();
  const std::string text = "weights";
  for (size_t i = 0; i < text.size(); ++i) {
    std::string altered = text;
    altered[i] ^= 1;
    write("model.onnx", altered);
    const Status status = check_folder(folder_.path(), manifest);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), HasSubstr("'model.onnx' has another checksum"));
  }
}

TEST_F(Folder, AnotherSetOfFilesIsFound) {
  const Manifest manifest = described();
  const auto expect = [&](const char* message) {
    const Status status = check_folder(folder_.path(), manifest);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), HasSubstr(message));
  };
  write("model.onnx", "weight");
  expect("'model.onnx' has 6 bytes, not 7");
  fs::remove(folder_.file("model.onnx"));
  expect("'model.onnx' is missing");
  fs::create_symlink(folder_.file("labels.txt"), folder_.file("model.onnx"));
  expect("'model.onnx' is a symbolic link");
  fs::remove(folder_.file("model.onnx"));
  fs::create_directory(folder_.file("model.onnx"));
  expect("'model.onnx' is missing");
  fs::remove(folder_.file("model.onnx"));
  write("model.onnx", "weights");
  EXPECT_TRUE(check_folder(folder_.path(), manifest).ok());
  write("selftest/more", "");
  expect("'selftest/more' is not in it");
  fs::remove_all(folder_.path());
  EXPECT_EQ(check_folder(folder_.path(), manifest).code(), StatusCode::kNotFound);
  fs::create_directory(folder_.path());
}

}  // namespace
}  // namespace inferd::package
