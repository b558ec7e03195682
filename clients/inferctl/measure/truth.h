// SPDX-License-Identifier: Apache-2.0
//
// What people said is right: files of labels. Errors name the file and the line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "clients/inferctl/measure/average_precision.h"
#include "inferd/engine/status.h"

namespace inferd::ctl {

// A line of MLPerf Tiny's y_labels.csv: "file,class", "file,classes,class" or, for recordings that
// are looked at through a window, "file,classes,class,window bytes,stride bytes".
struct LabelledFile {
  std::string file;
  size_t class_id = 0;
  size_t window = 0, stride = 0;  // bytes; 0: none are given
};

// `name` is what errors call the text. INVALID_ARGUMENT for a line of another kind, a class that is
// not below the number of classes, a path that leaves the folder, and a text without lines.
Result<std::vector<LabelledFile>> parse_class_labels(std::string_view text,
                                                     const std::string& name);

// Lines "class centre-x centre-y width height" in parts of the picture's size, as YOLO's data sets
// have them; no lines: nothing is in the picture.
Result<std::vector<TrueBox>> parse_boxes(std::string_view text, const std::string& name);

// A name a line; the line's number, from 0, is the class.
Result<std::vector<std::string>> parse_names(std::string_view text, const std::string& name);

// The text of a file of at most 64 MiB.
Result<std::string> read_text(const std::string& path);

}  // namespace inferd::ctl
