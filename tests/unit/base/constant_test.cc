// SPDX-License-Identifier: Apache-2.0
#include "engine/base/constant.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>
#include <vector>

#include "tests/unit/temporary_folder.h"

namespace inferd {
namespace {

constexpr size_t kLarge = size_t{1} << 20;

// How many of the pages of `bytes` this process has in memory, of anonymous memory or its part of a
// mapped file.
// Emulators know nothing of it.
size_t resident_pages(std::span<const std::byte> bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  size_t count = 0;
  for (auto at = reinterpret_cast<uintptr_t>(bytes.data()) / page;
       at * page < reinterpret_cast<uintptr_t>(bytes.data() + bytes.size()); ++at) {
    uint64_t entry = 0;
    const auto offset = static_cast<off_t>(at * sizeof entry);
    if (pread(pagemap, &entry, sizeof entry, offset) == sizeof entry) count += entry >> 63;
  }
  close(pagemap);
  return count;
}

#define SKIP_WITHOUT_PAGEMAP()                                 \
  const std::vector<std::byte> touched(1 << 16, std::byte{1}); \
  if (resident_pages(touched) == 0) GTEST_SKIP() << "/proc/self/pagemap does not tell"

bool all_are(std::span<const std::byte> bytes, std::byte value) {
  return std::all_of(bytes.begin(), bytes.end(), [&](std::byte b) { return b == value; });
}

TEST(Constant, IsMadeWhenUsedAndForgottenAfterwards) {
  SKIP_WITHOUT_PAGEMAP();
  int made = 0;
  const auto constant = Constant::made(kLarge, [&](std::span<std::byte> bytes) {
    ++made;
    std::fill(bytes.begin(), bytes.end(), std::byte{7});
  });
  EXPECT_EQ(constant->size(), kLarge);
  EXPECT_EQ(made, 0);
  const std::byte* const address = constant->address();
  {
    const ConstantUse first(constant);
    const ConstantUse second(constant);
    EXPECT_EQ(first.bytes().data(), address);
    EXPECT_TRUE(all_are(second.bytes(), std::byte{7}));
    EXPECT_GT(resident_pages(first.bytes()), 0U);
    EXPECT_EQ(made, 1);
  }
  EXPECT_EQ(resident_pages({address, kLarge}), 0U);
  EXPECT_EQ(constant->address(), address);
  EXPECT_TRUE(all_are(ConstantUse(constant).bytes(), std::byte{7}));
  EXPECT_EQ(made, 2);
}

TEST(Constant, StaysOnceItsBytesWereAskedFor) {
  int made = 0;
  const auto constant = Constant::made(kLarge, [&](std::span<std::byte> bytes) {
    ++made;
    std::fill(bytes.begin(), bytes.end(), std::byte{9});
  });
  EXPECT_TRUE(all_are(constant->bytes(), std::byte{9}));
  { const ConstantUse use(constant); }
  EXPECT_TRUE(all_are({constant->address(), kLarge}, std::byte{9}));
  EXPECT_EQ(made, 1);
}

TEST(Constant, MadeOfOthersUsesThemOnlyMeanwhile) {
  SKIP_WITHOUT_PAGEMAP();
  const auto source = Constant::made(kLarge, [](std::span<std::byte> bytes) {
    std::fill(bytes.begin(), bytes.end(), std::byte{1});
  });
  const auto doubled = Constant::made(kLarge, [&](std::span<std::byte> bytes) {
    const ConstantUse use(source);
    std::transform(use.bytes().begin(), use.bytes().end(), bytes.begin(),
                   [](std::byte b) { return b << 1; });
  });
  const ConstantUse use(doubled);
  EXPECT_TRUE(all_are(use.bytes(), std::byte{2}));
  EXPECT_EQ(resident_pages({source->address(), kLarge}), 0U);
}

TEST(Constant, LiesInItsFileWhereAlignmentAllows) {
  SKIP_WITHOUT_PAGEMAP();
  TemporaryFolder folder;
  const std::string path = folder.file("constants");
  std::string contents(kLarge, '\0');
  for (size_t i = 0; i < contents.size(); ++i) contents[i] = static_cast<char>(i % 251);
  std::ofstream(path, std::ios::binary) << contents;
  const auto file = MappedFile::open(path, int64_t{1} << 30);
  ASSERT_TRUE(file.ok()) << file.status().to_string();
  const auto bytes = (*file)->bytes();
  const auto aligned = Constant::in_file(*file, bytes.subspan(8, kLarge / 2), 8);
  const auto misaligned = Constant::in_file(*file, bytes.subspan(3, kLarge / 2), 4);
  EXPECT_EQ(aligned->address(), bytes.data() + 8);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(misaligned->address()) % 4, 0U);
  for (const auto& [constant, offset] : {std::pair(aligned, 8), std::pair(misaligned, 3)}) {
    {
      const ConstantUse use(constant);
      EXPECT_TRUE(std::equal(use.bytes().begin(), use.bytes().end(), bytes.begin() + offset));
    }
    EXPECT_EQ(resident_pages({constant->address(), constant->size()}), 0U);
  }
}

TEST(Constant, UsedByManyThreadsAtOnce) {
  const auto constant = Constant::made(kLarge, [](std::span<std::byte> bytes) {
    std::fill(bytes.begin(), bytes.end(), std::byte{3});
  });
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const ConstantUse use(constant);
        if (!all_are(use.bytes(), std::byte{3})) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace inferd
