// SPDX-License-Identifier: Apache-2.0
//
// From a text detector's map to boxes of lines, and from a recognizer's steps to their text, as
// PaddleOCR's models write them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

struct TextBoxOptions {
  float threshold = 0.3F;  // of a place's chance to be text
  float min_score = 0.6F;  // mean chance in a box
  float unclip = 1.5F;  // maps show the core of a line; its box grows by area * unclip / perimeter
  size_t max = 100;
};

// Differentiable binarization (arXiv 1911.08947): upright boxes around places of text that touch
// each other, also diagonally. Used by one thread.
class TextBoxes {
 public:
  explicit TextBoxes(const TextBoxOptions& options) : options_(options) {}

  // `chances` of text, height rows of width. Replaces `found`: boxes in parts of the map's width
  // and height, in the order of reading: from line to line, and from left to right.
  void find(std::span<const float> chances, int width, int height, std::vector<Detection>& found);

 private:
  // Places that touch each other.
  struct Region {
    int left = 0, top = 0, right = 0, bottom = 0;  // inclusive
    double sum = 0;
    int64_t places = 0;
  };
  Region grow(std::span<const float> chances, int width, int height, int start);

  const TextBoxOptions options_;
  std::vector<uint8_t> seen_;
  std::vector<int> waiting_;
};

// Connectionist temporal classification, best path: of each of the steps the best of `classes`
// scores; repetitions and class 0 (nothing) go; class i is characters[i - 1], one after the last a
// space. `text` is replaced; returns the mean score of its characters, 0 without any.
float read_steps(std::span<const float> scores, size_t classes,
                 const std::vector<std::string>& characters, std::string& text);

}  // namespace inferd::pipeline
