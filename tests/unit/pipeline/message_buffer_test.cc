// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sinks/message_buffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MessageBufferTest : public ::testing::Test {
 protected:
  void make(size_t max_bytes = 1 << 20) {
    buffer_.reset();
    buffer_.emplace(folder_.file("buffer"), max_bytes);
  }
  // Numbers `first` to `last` as payloads.
  static void fill(MessageBuffer& buffer, int first, int last) {
    for (int i = first; i <= last; ++i) ASSERT_TRUE(buffer.append("topic", std::to_string(i)).ok());
  }
  static std::vector<int> take_all(MessageBuffer& buffer, bool done) {
    std::vector<int> all;
    uint64_t number = 0;
    std::string topic, payload;
    while (buffer.take(number, topic, payload)) {
      EXPECT_EQ(topic, "topic");
      all.push_back(std::stoi(payload));
      if (done) buffer.done(number);
    }
    return all;
  }
  static std::vector<int> numbers(int first, int last) {
    std::vector<int> all;
    for (int i = first; i <= last; ++i) all.push_back(i);
    return all;
  }

  const TemporaryFolder folder_;
  std::optional<MessageBuffer> buffer_;
};

TEST_F(MessageBufferTest, WhatIsNotDoneIsTakenAgainInOrder) {
  MessageBuffer memory("", 1 << 20);
  make();
  for (MessageBuffer* buffer : {&memory, &*buffer_}) {
    fill(*buffer, 1, 5);
    uint64_t number[5] = {};
    std::string topic, payload;
    for (uint64_t& n : number) ASSERT_TRUE(buffer->take(n, topic, payload));
    EXPECT_FALSE(buffer->take(number[0], topic, payload));
    buffer->done(number[0]);
    buffer->done(number[2]);  // an answer that comes out of order
    EXPECT_EQ(buffer->queued(), 4U) << "the second is still on its way";
    buffer->take_again();
    EXPECT_THAT(take_all(*buffer, false), ElementsAre(2, 3, 4, 5));
    buffer->done(number[4]);
    EXPECT_EQ(buffer->queued(), 4U) << "a number from before means nothing";
    buffer->take_again();
    EXPECT_EQ(take_all(*buffer, true).size(), 4U);
    EXPECT_EQ(buffer->queued(), 0U);
    fill(*buffer, 6, 7);
    EXPECT_THAT(take_all(*buffer, true), ElementsAre(6, 7));
  }
}

TEST_F(MessageBufferTest, TheOldestGoesAndIsCounted) {
  MessageBuffer memory("", 4096);
  make(4096);
  for (MessageBuffer* buffer : {&memory, &*buffer_}) {
    fill(*buffer, 1, 1000);
    const size_t queued = buffer->queued();
    EXPECT_GT(queued, 100U);
    EXPECT_EQ(queued + buffer->dropped(), 1000U);
    EXPECT_EQ(take_all(*buffer, true), numbers(1001 - static_cast<int>(queued), 1000));
    EXPECT_EQ(buffer->append("topic", std::string(3000, 'x')).code(),
              StatusCode::kResourceExhausted);
  }
  uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder_.file("buffer")))
    bytes += file.file_size();
  EXPECT_LE(bytes, 4096U + 16U);
}

TEST_F(MessageBufferTest, SurvivesItsProcessWithoutWhatIsDone) {
  make(4096);
  fill(*buffer_, 1, 80);
  uint64_t number = 0;
  std::string topic, payload;
  for (int i = 1; i <= 50; ++i) {
    ASSERT_TRUE(buffer_->take(number, topic, payload));
    if (i <= 33) buffer_->done(number);
  }
  make(4096);
  fill(*buffer_, 81, 90);
  EXPECT_EQ(buffer_->queued(), 57U);
  EXPECT_EQ(take_all(*buffer_, true), numbers(34, 90));
  EXPECT_EQ(buffer_->dropped(), 0U);
  make();
  EXPECT_TRUE(take_all(*buffer_, true).empty());
}

TEST_F(MessageBufferTest, DamagedRecordsAreLeftOut) {
  make(1 << 14);  // blocks of 1 KiB
  fill(*buffer_, 1, 200);
  buffer_.reset();
  std::vector<std::string> files;
  for (const auto& file : std::filesystem::directory_iterator(folder_.file("buffer"))) {
    if (file.path().extension() == ".messages") files.push_back(file.path());
  }
  ASSERT_GE(files.size(), 3U);
  std::sort(files.begin(), files.end());
  std::fstream(files[1]).seekp(30) << '\xFF';  // in its second record
  std::filesystem::resize_file(files[2], std::filesystem::file_size(files[2]) - 1);
  std::ofstream(folder_.file("buffer/notes")) << "somebody's";
  make(1 << 14);
  const std::vector<int> left = take_all(*buffer_, true);
  EXPECT_TRUE(std::is_sorted(left.begin(), left.end()));
  EXPECT_GT(left.size(), 100U);
  EXPECT_LT(left.size(), 200U);
  EXPECT_EQ(left.front(), 1);
  EXPECT_EQ(left.back(), 200);
  EXPECT_GE(buffer_->dropped(), 2U);
  EXPECT_TRUE(std::filesystem::exists(folder_.file("buffer/notes")));
}

TEST_F(MessageBufferTest, AFolderIsOneBuffersAtATime) {
  make();
  fill(*buffer_, 1, 3);
  MessageBuffer second(folder_.file("buffer"), 1 << 20);
  fill(second, 4, 6);
  EXPECT_THAT(second.trouble(), HasSubstr("in use by another sink"));
  EXPECT_THAT(take_all(*buffer_, false), ElementsAre(1, 2, 3));
  buffer_.reset();
  fill(second, 7, 8);
  EXPECT_EQ(second.trouble(), "");
  EXPECT_THAT(take_all(second, true), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8))
      << "the older ones first";
}

// RLIMIT_FSIZE takes the place of the disk's end.
TEST_F(MessageBufferTest, AFullDiskIsBridgedByMemory) {
  std::signal(SIGXFSZ, SIG_IGN);
  const size_t files = open_files();
  make(1 << 20);
  fill(*buffer_, 1, 3);
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit full { 60, before.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  fill(*buffer_, 4, 5000);
  EXPECT_THAT(buffer_->trouble(), HasSubstr("File too large"));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  fill(*buffer_, 5001, 9000);
  EXPECT_EQ(buffer_->trouble(), "") << "used again";
  EXPECT_EQ(take_all(*buffer_, true), numbers(1, 9000));
  EXPECT_EQ(buffer_->dropped(), 0U);
  buffer_.reset();
  EXPECT_EQ(open_files(), files);
}

}  // namespace
}  // namespace inferd::pipeline
