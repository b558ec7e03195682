// SPDX-License-Identifier: Apache-2.0
#include "media/video_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "media/file.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::media {
namespace {

namespace fs = std::filesystem;

// What a reader of EBML finds: elements by their path of identifiers, in order.
struct Element {
  std::vector<uint64_t> path;
  size_t begin = 0;  // of its contents
  std::vector<uint8_t> bytes;
};

uint64_t number(std::span<const uint8_t> bytes) {
  uint64_t value = 0;
  for (const uint8_t b : bytes) value = value << 8 | b;
  return value;
}

// The length of a number whose first byte is `first`, by RFC 8794.
size_t length_of(uint8_t first) {
  size_t length = 1;
  for (int bit = 7; bit >= 0 && (first >> bit & 1) == 0; --bit) ++length;
  return length;
}

void read_elements(std::span<const uint8_t> file, size_t begin, size_t end,
                   const std::vector<uint64_t>& path, std::vector<Element>& out) {
  static const std::vector<uint64_t> groups = {0x1A45DFA3, 0x18538067, 0x114D9B74, 0x4DBB,
                                               0x1549A966, 0x1654AE6B, 0xAE,       0xE0,
                                               0x1F43B675, 0x1C53BB6B, 0xBB,       0xB7};
  while (begin < end) {
    const size_t id_length = length_of(file[begin]);
    std::vector<uint64_t> own = path;
    own.push_back(number(file.subspan(begin, id_length)));
    begin += id_length;
    const size_t size_length = length_of(file[begin]);
    uint64_t size = number(file.subspan(begin, size_length)) & ((1ULL << (7 * size_length)) - 1);
    begin += size_length;
    if (size == (1ULL << (7 * size_length)) - 1) size = end - begin;  // unknown
    ASSERT_LE(size, end - begin) << "an element ends where the one around it does, or before";
    const auto contents = file.subspan(begin, size);
    out.push_back({own, begin, {contents.begin(), contents.end()}});
    if (std::find(groups.begin(), groups.end(), own.back()) != groups.end())
      read_elements(file, begin, begin + size, own, out);
    begin += size;
  }
}

std::vector<Element> elements_of(const std::string& path, const std::vector<uint64_t>& id) {
  const auto file = read_file(path);
  EXPECT_TRUE(file.ok()) << file.status().to_string();
  std::vector<Element> all, found;
  if (file.ok()) read_elements(*file, 0, file->size(), {}, all);
  for (Element& e : all) {
    if (e.path == id) found.push_back(std::move(e));
  }
  return found;
}

constexpr uint64_t kSegment = 0x18538067, kCluster = 0x1F43B675, kCues = 0x1C53BB6B;

class Videos : public ::testing::Test {
 protected:
  std::unique_ptr<VideoFile> create() {
    auto file = VideoFile::create(path_, 320, 240);
    EXPECT_TRUE(file.ok()) << file.status().to_string();
    return std::move(*file);
  }
  // Pictures of 1000 and more bytes, every 400 ms.
  static void add(VideoFile& file, int count) {
    for (int i = 0; i < count; ++i) {
      const std::vector<uint8_t> jpeg(1000 + static_cast<size_t>(i), static_cast<uint8_t>(i));
      ASSERT_TRUE(file.add(jpeg, int64_t{i} * 400'000'000).ok());
    }
  }
  // What a process leaves that ends without a word: the file's bytes as they are now.
  void crash(std::unique_ptr<VideoFile> file) {
    fs::copy_file(path_ + ".part", folder_.file("copy"));
    file.reset();
    fs::rename(folder_.file("copy"), path_ + ".part");
  }
  void expect_pictures(size_t count) {
    const auto blocks = elements_of(path_, {kSegment, kCluster, 0xA3});
    ASSERT_EQ(blocks.size(), count);
    const auto times = elements_of(path_, {kSegment, kCluster, 0xE7});
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(blocks[i].bytes.size(), 4 + 1000 + i);
      EXPECT_EQ(blocks[i].bytes.back(), i);
      EXPECT_EQ(number(times[i].bytes), i * 400);
    }
    const auto duration = elements_of(path_, {kSegment, 0x1549A966, 0x4489});
    ASSERT_EQ(duration.size(), 1U);
    EXPECT_EQ(std::bit_cast<double>(number(duration[0].bytes)),
              count == 1 ? 0 : static_cast<double>(count) * 400);
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.file("clip.mkv");
};

TEST_F(Videos, HavePicturesWithTheirTimesAndAnIndex) {
  auto file = create();
  add(*file, 10);
  EXPECT_EQ(file->pictures(), 10U);
  EXPECT_FALSE(fs::exists(path_)) << "not before it is whole";
  ASSERT_TRUE(file->finish().ok());
  EXPECT_EQ(static_cast<uint64_t>(file->bytes()), fs::file_size(path_));
  EXPECT_FALSE(fs::exists(path_ + ".part"));
  expect_pictures(10);
  EXPECT_EQ(number(elements_of(path_, {kSegment, 0x1654AE6B, 0xAE, 0xE0, 0xB0})[0].bytes), 320U);
  EXPECT_EQ(number(elements_of(path_, {kSegment, 0x1654AE6B, 0xAE, 0xE0, 0xBA})[0].bytes), 240U);

  const size_t segment = elements_of(path_, {kSegment})[0].begin;
  const auto clusters = elements_of(path_, {kSegment, kCluster});
  const auto cues = elements_of(path_, {kSegment, kCues, 0xBB, 0xB7, 0xF1});
  ASSERT_EQ(cues.size(), 4U) << "at 0, 1.2, 2.4 and 3.6 seconds";
  for (size_t i = 0; i < cues.size(); ++i) {
    EXPECT_EQ(segment + number(cues[i].bytes), clusters[3 * i].begin - 12);
  }
  const auto seek = elements_of(path_, {kSegment, 0x114D9B74, 0x4DBB, 0x53AC});
  ASSERT_EQ(seek.size(), 1U);
  EXPECT_EQ(segment + number(seek[0].bytes), elements_of(path_, {kSegment, kCues})[0].begin - 12);
}

TEST_F(Videos, ThatAreNotFinishedAreGone) {
  add(*create(), 3);
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  EXPECT_FALSE(VideoFile::create(folder_.file("no/clip.mkv"), 1, 1).ok());
}

TEST_F(Videos, WhatACrashLeavesIsFinishedWithItsWholePictures) {
  auto file = create();
  add(*file, 5);
  const auto whole = file->bytes();
  crash(std::move(file));
  for (const int64_t cut : {0, 1, 500, 1003, 1040}) {
    fs::copy_file(path_ + ".part", folder_.file("all"), fs::copy_options::overwrite_existing);
    fs::resize_file(path_ + ".part", static_cast<uint64_t>(whole - cut));
    EXPECT_TRUE(VideoFile::repair(path_).ok());
    expect_pictures(cut == 0 ? 5 : 4);
    fs::remove(path_);
    fs::rename(folder_.file("all"), path_ + ".part");
  }
}

TEST_F(Videos, WhatIsNoVideoIsRemoved) {
  auto file = create();
  add(*file, 1);
  const auto whole = static_cast<uint64_t>(file->bytes());
  crash(std::move(file));
  const auto good = read_file(path_ + ".part");
  ASSERT_TRUE(good.ok());
  for (const uint64_t size : {whole - 1, uint64_t{100}, uint64_t{0}}) {
    fs::resize_file(path_ + ".part", size);
    EXPECT_EQ(VideoFile::repair(path_).code(), StatusCode::kDataLoss) << size;
    EXPECT_TRUE(fs::is_empty(folder_.path())) << size;
    ASSERT_TRUE(write_file(path_ + ".part", std::as_bytes(std::span(*good))).ok());
  }
  // Sizes that say more than there is, wherever they stand.
  for (size_t at = 0; at + 1000 < whole; ++at) {
    auto bad = *good;
    bad[at] ^= 0xFF;
    ASSERT_TRUE(write_file(path_ + ".part", std::as_bytes(std::span(bad))).ok());
    (void)VideoFile::repair(path_);
    EXPECT_FALSE(fs::exists(path_ + ".part"));
    fs::remove(path_);
  }
}

TEST_F(Videos, ThatAreBeingWrittenAreLeftAlone) {
  auto file = create();
  add(*file, 2);
  EXPECT_EQ(VideoFile::repair(path_).code(), StatusCode::kUnavailable);
  EXPECT_FALSE(VideoFile::create(path_, 1, 1).ok());
  ASSERT_TRUE(file->finish().ok());
  expect_pictures(2);
}

}  // namespace
}  // namespace inferd::media
