// SPDX-License-Identifier: Apache-2.0
//
// Folders of samples with what people said of them.
#pragma once

#include <string>
#include <vector>

#include "clients/inferctl/measure/truth.h"
#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"
#include "media/npy.h"
#include "media/preprocess.h"

namespace inferd::ctl {

enum class Truth : uint8_t {
  kNone,
  kClasses,  // a list of files with their classes, or a folder for each class
  kBoxes,    // a file of boxes for each picture
};

struct LabelledSample {
  std::string path;
  size_t class_id = 0;
  size_t window = 0, stride = 0;  // bytes of a recording that is looked at in parts; 0: in one
  std::vector<TrueBox> boxes;
};

struct DataOptions {
  std::string folder;
  std::string truth;               // elsewhere than where it usually lies; empty: there
  std::vector<std::string> names;  // of classes; folders of classes go by them, if there are any
  size_t limit = 0;                // samples, evenly over all of them; 0: all
};

class LabelledData {
 public:
  // Where the truth usually lies: y_labels.csv or labels.csv in the folder, or folders in it whose
  // names are classes (numbered in the order of names unless there are `names`); for boxes
  // FOLDER/labels/NAME.txt for each picture FOLDER/images/NAME.jpg, or both in the folder itself.
  // NOT_FOUND or INVALID_ARGUMENT says what is missing; files that a list has and the folder lacks
  // are only counted.
  static Result<LabelledData> open(Truth kind, const DataOptions& options);

  const std::vector<LabelledSample>& samples() const { return samples_; }
  size_t missing() const { return missing_; }  // listed, but not there

 private:
  Status list_files(const std::string& folder);
  Status list_classes(const DataOptions& options);
  Status list_labels(const std::string& file, const std::string& folder);
  Status list_boxes(const DataOptions& options);
  void keep(size_t limit);

  std::vector<LabelledSample> samples_;
  size_t missing_ = 0;
};

// What the model runs on once.
struct SampleInput {
  media::Array tensor;
  std::vector<float> reals;    // of a part of a recording, before they were quantized
  media::Placement placement;  // of a picture
};

// The runs that a sample takes: one, or one for each window. A .bin file holds float32 numbers in
// windows; or red, green and blue of a picture of the input's size; or the bytes of an int8 or
// uint8 input. Other files are read as for `inferctl run`.
Result<std::vector<SampleInput>> read_sample(const LabelledSample& sample, const TensorInfo& input,
                                             const std::string& preprocess);

}  // namespace inferd::ctl
