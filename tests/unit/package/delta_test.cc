// SPDX-License-Identifier: Apache-2.0
#include "package/delta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "tests/unit/temporary_folder.h"

namespace inferd::package {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// As hard to compress as weights are.
std::string noise(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random() & 0xff);
  return text;
}

class Delta : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.file(name)) << text;
  }
  std::string read(const std::string& name) {
    std::ifstream file(folder_.file(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string path(const std::string& name) { return name.empty() ? "" : folder_.file(name); }

  // The frame of `content`; `base` may be empty.
  std::string encoded(const std::string& content, const std::string& base, int level = 3) {
    write("content", content);
    write("base", base);
    std::filesystem::remove(folder_.file("encoded"));
    const Status status =
        encode(path("content"), base.empty() ? "" : path("base"), path("encoded"), level);
    EXPECT_TRUE(status.ok()) << status.to_string();
    return read("encoded");
  }
  // What decoding gives before it ends.
  Status decode_frame(const std::string& frame, const std::string& base, size_t expected) {
    decoded_.clear();
    return decode(
        bytes_of(frame), bytes_of(base),
        [this](std::span<const std::byte> piece) {
          decoded_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
          return ok_status();
        },
        static_cast<int64_t>(expected));
  }

  TemporaryFolder folder_;
  std::string decoded_;
};

TEST_F(Delta, GivesTheContentBack) {
  const std::string old_content = noise(300'000, 1);
  std::string new_content = old_content;
  for (size_t i = 0; i < new_content.size(); i += 5000) new_content[i] ^= 1;
  new_content += noise(1000, 2);
  for (const std::string& base : {std::string(), old_content, std::string("short")}) {
    for (const std::string& content :
         {new_content, std::string(), std::string("a"), std::string(1'000'000, 'x')}) {
      for (const int level : {kMinLevel, 19}) {
        const std::string frame = encoded(content, base, level);
        const Status status = decode_frame(frame, base, content.size());
        ASSERT_TRUE(status.ok()) << status.to_string() << " " << content.size() << " "
                                 << base.size();
        ASSERT_EQ(decoded_, content);
        if (base == old_content && content == new_content) {
          EXPECT_LT(frame.size(), content.size() / 50);
        }
      }
    }
  }
}

TEST_F(Delta, FromFileToFile) {
  const std::string content = noise(500'000, 3);
  const std::string frame = encoded(content, content.substr(1));
  std::string result;
  const auto append = [&](std::span<const std::byte> piece) {
    result.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return ok_status();
  };
  ASSERT_TRUE(decode(path("encoded"), path("base"), append, 500'000).ok());
  EXPECT_EQ(result, content);
  EXPECT_EQ(decode(path("encoded"), path("none"), append, 500'000).code(), StatusCode::kNotFound);
  EXPECT_EQ(decode(path("none"), "", append, 500'000).code(), StatusCode::kNotFound);
  EXPECT_EQ(encode(path("content"), "", path("encoded"), 3).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(read("encoded"), frame);
  for (const int level : {0, kMaxLevel + 1}) {
    EXPECT_EQ(encode(path("content"), "", path("new"), level).code(), StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(encode(path("none"), "", path("new"), 3).code(), StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(path("new")));
}

TEST_F(Delta, AnotherBaseIsNoticed) {
  const std::string base = noise(100'000, 4);
  const std::string frame = encoded(base + "more", base);
  ASSERT_TRUE(decode_frame(frame, base, base.size() + 4).ok());
  std::string other = base;
  other[50'000] ^= 1;
  for (const std::string& wrong : {other, std::string(), base.substr(1), noise(100'000, 5)}) {
    const Status status = decode_frame(frame, wrong, base.size() + 4);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), HasSubstr("another base"));
  }
}

TEST_F(Delta, DamageIsFound) {
  const std::string content = noise(2000, 6) + std::string(2000, 'y');
  const std::string frame = encoded(content, "");
  for (size_t i = 0; i < frame.size(); ++i) {
    std::string altered = frame;
    altered[i] ^= 4;
    // There are bits in a header that mean nothing.
    const Status status = decode_frame(altered, "", content.size());
    EXPECT_TRUE(status.code() == StatusCode::kDataLoss || decoded_ == content) << i;
    EXPECT_EQ(decode_frame(frame.substr(0, i), "", content.size()).code(), StatusCode::kDataLoss)
        << i;
  }
  EXPECT_EQ(decode_frame(frame + "x", "", content.size()).code(), StatusCode::kDataLoss);
  EXPECT_EQ(decode_frame(frame + frame, "", content.size()).code(), StatusCode::kDataLoss);
}

TEST_F(Delta, NothingComesBeyondWhatIsExpected) {
  // Zeros in some kilobytes.
  constexpr size_t kZeros = size_t{1} << 26;
  write("content", "");
  std::filesystem::resize_file(path("content"), kZeros);
  ASSERT_TRUE(encode(path("content"), "", path("encoded"), 1).ok());
  const std::string bomb = read("encoded");
  ASSERT_LT(bomb.size(), kZeros / 1000);
  for (const size_t expected : {size_t{0}, size_t{1000}, kZeros - 1, kZeros + 1}) {
    const Status status = decode_frame(bomb, "", expected);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), HasSubstr("it holds 67108864 bytes"));
    EXPECT_TRUE(decoded_.empty());
  }
}

// A frame's header by hand (RFC 8878, section 3.1.1): magic number, what follows, the window, 8
// bytes of content size; then one empty block, the last.
TEST_F(Delta, AWindowIsNoLargerThanItsContentNeeds) {
  constexpr size_t kContent = size_t{1} << 20;
  const auto frame = [](int window_log) {
    return std::string("\x28\xb5\x2f\xfd\xc0", 5) + static_cast<char>((window_log - 10) << 3) +
           std::string("\0\0\x10\0\0\0\0\0", 8) + std::string("\x01\0\0", 3);
  };
  // 2 MiB is enough; what is wrong then is that there is no content.
  EXPECT_THAT(decode_frame(frame(21), "", kContent).message(), Not(HasSubstr("memory")));
  const Status large = decode_frame(frame(22), "", kContent);
  EXPECT_EQ(large.code(), StatusCode::kDataLoss);
  EXPECT_THAT(large.message(), HasSubstr("requires too much memory"));
  EXPECT_THAT(decode_frame(frame(22), noise(kContent * 3, 8), kContent).message(),
              Not(HasSubstr("memory")));
}

TEST_F(Delta, TheSinkMayEndIt) {
  const std::string content = noise(1'000'000, 7);
  const std::string frame = encoded(content, "");
  int pieces = 0;
  const Status status = decode(
      bytes_of(frame), {},
      [&](std::span<const std::byte>) { return ++pieces == 2 ? cancelled("enough") : ok_status(); },
      1'000'000);
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  EXPECT_EQ(status.message(), "enough");
  EXPECT_EQ(pieces, 2);
}

}  // namespace
}  // namespace inferd::package
