// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/pipe.h"

#include <gtest/gtest.h>

#include <array>
#include <future>
#include <latch>
#include <optional>

#include "daemon/serve/http/call_threads.h"

namespace inferd::serve {
namespace {

struct Reading {
  explicit Reading(const std::shared_ptr<Pipe>& pipe) : stream(pipe->reader()) {
    stream->start([this] { wakes.release(); });
  }
  std::string pull(size_t most) {
    std::string text(most, '\0');
    const Chunk chunk = stream->pull(text);
    ended = chunk.ended;
    return text.substr(0, chunk.bytes);
  }

  struct Wakes {
    void release() { ++count; }
    std::atomic<int> count{0};
  } wakes;
  std::optional<Stream> stream;
  bool ended = false;
};

TEST(Pipe, WhatIsWrittenIsReadInOrderAndTheEndComesLast) {
  const auto pipe = std::make_shared<Pipe>();
  Reading reading(pipe);
  EXPECT_TRUE(pipe->write("abc"));
  EXPECT_TRUE(pipe->write("de"));
  EXPECT_EQ(reading.wakes.count, 2);
  EXPECT_EQ(reading.pull(4), "abcd");
  pipe->finish();
  EXPECT_EQ(reading.pull(4), "e");
  EXPECT_FALSE(reading.ended);
  EXPECT_EQ(reading.pull(4), "");
  EXPECT_TRUE(reading.ended);
  EXPECT_EQ(reading.wakes.count, 3);
}

TEST(Pipe, WhoWritesMoreThanFitsWaitsUntilItIsRead) {
  const auto pipe = std::make_shared<Pipe>();
  Reading reading(pipe);
  EXPECT_TRUE(pipe->write(std::string(Pipe::kRoom, 'a')));
  auto second = std::async(std::launch::async, [&] { return pipe->write("b"); });
  std::string seen;
  while (!seen.ends_with('b')) seen += reading.pull(1000);
  EXPECT_TRUE(second.get());
  EXPECT_EQ(seen, std::string(Pipe::kRoom, 'a') + "b");
  // One that is larger goes into an empty pipe.
  EXPECT_TRUE(pipe->write(std::string(2 * Pipe::kRoom, 'c')));
  EXPECT_EQ(reading.pull(3 * Pipe::kRoom).size(), 2 * Pipe::kRoom);
}

TEST(Pipe, WhoWritesLearnsThatNobodyReads) {
  const auto pipe = std::make_shared<Pipe>();
  Reading reading(pipe);
  EXPECT_TRUE(pipe->write(std::string(Pipe::kRoom, 'a')));
  auto second = std::async(std::launch::async, [&] { return pipe->write("b"); });
  const int wakes = reading.wakes.count;
  EXPECT_FALSE(pipe->gone());
  EXPECT_EQ(reading.wakes.count, wakes + 1);
  reading.stream.reset();
  EXPECT_FALSE(second.get());
  EXPECT_TRUE(pipe->gone());
  EXPECT_FALSE(pipe->write("c"));
}

TEST(CallThreads, SoManyAtMostAndTheEndWaitsForAll) {
  std::latch both{2}, go{1};
  std::atomic<int> done{0};
  {
    CallThreads threads(2);
    const auto call = [&] {
      both.count_down();
      go.wait();
      ++done;
    };
    EXPECT_TRUE(threads.run(call));
    EXPECT_TRUE(threads.run(call));
    both.wait();
    EXPECT_FALSE(threads.run(call));
    go.count_down();
  }
  EXPECT_EQ(done, 2);
}

}  // namespace
}  // namespace inferd::serve
