// SPDX-License-Identifier: Apache-2.0
//
// Real models cut short and with single bits turned over: each gives an error that says something,
// or a model that runs; never a crash, a hang or an allocation out of proportion.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <set>

#include "tests/fuzz/fuzz_model.h"

namespace inferd {
namespace {

namespace fs = std::filesystem;

// Those that the daemon's test serves; what npm brings lies under the test cache.
const char* const kModels[] = {
    "tflite/mobilenet_v2_1.0_224_quant.tflite",
    "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite",
    "tflite/mobilenet_v1_0.25_128_quant.tflite",
    "tflite/vww_96_int8.tflite",
    "tflite/pretrainedResnet_quant.tflite",
    "tflite/traffic_model.tflite",
    "tflite/coco_ssd_mobilenet_v1_1.0_quant.tflite",
    "onnx/mobilenet_v2_quant.onnx",
    "onnx/FastestDet.onnx",
    "onnx/yunet_n_320_320.onnx",
    "ssd_mobilenet_v2_oid.tflite",
    "node_modules/@mediapipe/face_detection/face_detection_short_range.tflite",
};

fs::path find(const std::string& model) {
  const fs::path shared = fs::path(INFERD_TEST_MODELS) / model;
  return fs::exists(shared) ? shared : fs::path(INFERD_TEST_CACHE) / model;
}

// A file in memory whose damage can be mended.
class MemoryFile {
 public:
  explicit MemoryFile(const fs::path& original) : fd_(::memfd_create("model", MFD_CLOEXEC)) {
    std::ifstream stream(original, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(stream), {});
    EXPECT_EQ(::pwrite(fd_, bytes_.data(), bytes_.size(), 0), static_cast<ssize_t>(bytes_.size()));
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }
  size_t size() const { return bytes_.size(); }
  void flip(size_t at, unsigned bit) { write(at, static_cast<char>(bytes_[at] ^ (1U << bit))); }
  void mend(size_t at) { write(at, bytes_[at]); }
  void cut(size_t size) { EXPECT_EQ(::ftruncate(fd_, static_cast<off_t>(size)), 0); }

 private:
  void write(size_t at, char byte) {
    EXPECT_EQ(::pwrite(fd_, &byte, 1, static_cast<off_t>(at)), 1);
  }

  int fd_;
  std::vector<char> bytes_;
};

// Places to damage, mostly where a file describes itself: both formats keep that near an end.
std::set<size_t> places(size_t size, size_t count, std::mt19937& random) {
  std::set<size_t> chosen;
  const size_t edge = std::min<size_t>(size, 8192);
  while (chosen.size() < std::min(count, size)) {
    switch (chosen.size() % 3) {
      case 0:
        chosen.insert(random() % std::min<size_t>(edge, chosen.size() < count / 2 ? 256 : edge));
        break;
      case 1:
        chosen.insert(size - 1 - random() % edge);
        break;
      default:
        chosen.insert(random() % size);
    }
  }
  return chosen;
}

class DamagedModels : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    path_ = find(GetParam());
    if (!fs::exists(path_)) GTEST_SKIP() << "SKIPPED: no model " << GetParam();
    options_.limits.max_tensor_bytes = 256 << 20;
    options_.limits.max_arena_bytes = 256 << 20;
    engine_ = *Engine::create({.threads = 1, .log = nullptr, .prefer_kernels = {}});
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    // An allocation out of proportion fails loudly. Sanitizers map terabytes for themselves.
    rlimit limit{};
    ::getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = rlim_t{4} << 30;
    ::setrlimit(RLIMIT_AS, &limit);
#endif
  }

  // Counts what became of the file.
  void try_to_run(const MemoryFile& file, const std::string& damage) {
    constexpr int64_t kMaxMacs = 2'000'000'000;
    const Status status = load_and_run(*engine_, file.path(), options_, kMaxMacs);
    (status.ok() ? ran_ : refused_) += 1;
    EXPECT_TRUE(status.ok() || !status.message().empty()) << damage;
    EXPECT_NE(status.code(), StatusCode::kInternal) << damage << ": " << status.to_string();
  }
  void report() const { std::cout << "  " << refused_ << " refused, " << ran_ << " ran\n"; }

  static constexpr size_t kTries = 60;
  fs::path path_;
  LoadOptions options_;
  std::shared_ptr<Engine> engine_;
  int ran_ = 0;
  int refused_ = 0;
};

TEST_P(DamagedModels, CutShort) {
  MemoryFile file(path_);
  std::mt19937 random(1);
  std::set<size_t> sizes = places(file.size(), kTries, random);
  sizes.insert({1, 4, 8, file.size() - 1});
  for (auto size = sizes.rbegin(); size != sizes.rend(); ++size) {
    if (*size == 0) continue;
    file.cut(*size);
    try_to_run(file, "cut to " + std::to_string(*size));
  }
  EXPECT_GT(refused_, ran_);
  report();
}

TEST_P(DamagedModels, ABitTurnedOver) {
  MemoryFile file(path_);
  std::mt19937 random(2);
  for (size_t at : places(file.size(), kTries, random)) {
    const unsigned bit = random() % 8;
    file.flip(at, bit);
    try_to_run(file, "bit " + std::to_string(bit) + " of byte " + std::to_string(at));
    file.mend(at);
  }
  report();
}

std::string test_name(const ::testing::TestParamInfo<const char*>& info) {
  std::string name = fs::path(info.param).filename().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, DamagedModels, ::testing::ValuesIn(kModels), test_name);

}  // namespace
}  // namespace inferd
