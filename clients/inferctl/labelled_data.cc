// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/labelled_data.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "clients/inferctl/inputs.h"
#include "media/file.h"
#include "media/reals.h"

namespace inferd::ctl {
namespace {

namespace fs = std::filesystem;

bool is_sample(const std::string& path) {
  const fs::path extension = fs::path(path).extension();
  return is_picture(path) || is_sound(path) || extension == ".npy" || extension == ".bin";
}

// What cannot even be asked for (a name that is too long) is not there.
bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}
bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}
bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// In the order of names.
Result<std::vector<fs::path>> entries_of(const std::string& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  if (error) return not_found("cannot read folder '" + folder + "': " + error.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

Result<std::vector<SampleInput>> read_windows(const LabelledSample& sample,
                                              const TensorInfo& input) {
  INFERD_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, media::read_file(sample.path));
  constexpr size_t kNumber = sizeof(float);
  constexpr size_t kMaxWindows = 100'000;
  if (sample.window % kNumber != 0 || sample.stride % kNumber != 0 ||
      bytes.size() < sample.window || bytes.size() / sample.stride > kMaxWindows) {
    return invalid_argument("has " + std::to_string(bytes.size()) + " bytes, a window of " +
                            std::to_string(sample.window) + " and a stride of " +
                            std::to_string(sample.stride) +
                            ": they must hold whole float32 numbers, fit in the file, and give at "
                            "most 100000 windows");
  }
  std::vector<SampleInput> runs;
  for (size_t at = 0; at + sample.window <= bytes.size(); at += sample.stride) {
    SampleInput run;
    run.reals.resize(sample.window / sizeof(float));
    std::memcpy(run.reals.data(), bytes.data() + at, sample.window);
    INFERD_ASSIGN_OR_RETURN(run.tensor, media::array_of(run.reals, input));
    runs.push_back(std::move(run));
  }
  return runs;
}

Result<SampleInput> read_raw(const LabelledSample& sample, const TensorInfo& input,
                             const std::string& preprocess) {
  INFERD_ASSIGN_OR_RETURN(std::vector<uint8_t> bytes, media::read_file(sample.path));
  SampleInput run;
  const Result<media::ImageTensor> picture = media::image_tensor_of(input);
  if (picture.ok() && picture->channels == 3 &&
      bytes.size() ==
          static_cast<size_t>(picture->width) * static_cast<size_t>(picture->height) * 3) {
    const media::Image image{picture->width, picture->height, std::move(bytes)};
    INFERD_ASSIGN_OR_RETURN(run.tensor, picture_tensor(input, image, preprocess, &run.placement));
    return run;
  }
  run.tensor = {input.dtype, input.shape, {}};
  for (int d = 0; d < run.tensor.shape.rank(); ++d) {
    if (run.tensor.shape[d] == kDynamicDim) run.tensor.shape[d] = 1;
  }
  if (dtype_size(input.dtype) != 1 ||
      run.tensor.shape.elements() != static_cast<int64_t>(bytes.size())) {
    return invalid_argument(
        "has " + std::to_string(bytes.size()) +
        " bytes: neither a picture of the input's size nor the bytes of input '" + input.name +
        "' " + std::string(dtype_name(input.dtype)) + input.shape.to_string());
  }
  run.tensor.data.resize(bytes.size());
  std::memcpy(run.tensor.data.data(), bytes.data(), bytes.size());
  return run;
}

}  // namespace

Status LabelledData::list_files(const std::string& folder) {
  INFERD_ASSIGN_OR_RETURN(const auto entries, entries_of(folder));
  for (const fs::path& entry : entries) {
    if (is_file(entry) && is_sample(entry.string())) {
      samples_.push_back({entry.string(), 0, 0, 0, {}});
    }
  }
  return ok_status();
}

Status LabelledData::list_labels(const std::string& file, const std::string& folder) {
  INFERD_ASSIGN_OR_RETURN(const std::string text, read_text(file));
  INFERD_ASSIGN_OR_RETURN(const auto labels, parse_class_labels(text, file));
  for (const LabelledFile& label : labels) {
    const std::string path = (fs::path(folder) / label.file).string();
    if (!is_there(path)) {
      ++missing_;
      continue;
    }
    samples_.push_back({path, label.class_id, label.window, label.stride, {}});
  }
  return ok_status();
}

Status LabelledData::list_classes(const DataOptions& options) {
  if (!options.truth.empty()) return list_labels(options.truth, options.folder);
  for (const char* name : {"y_labels.csv", "labels.csv"}) {
    const std::string file = (fs::path(options.folder) / name).string();
    if (is_there(file)) return list_labels(file, options.folder);
  }
  INFERD_ASSIGN_OR_RETURN(const auto entries, entries_of(options.folder));
  size_t number = 0;
  size_t with_samples = 0;
  for (const fs::path& entry : entries) {
    if (!is_folder(entry)) continue;
    size_t class_id = number++;
    if (!options.names.empty()) {
      const auto at = std::find(options.names.begin(), options.names.end(), entry.filename());
      if (at == options.names.end()) {
        return invalid_argument("folder '" + entry.string() + "' is none of the classes' names");
      }
      class_id = static_cast<size_t>(at - options.names.begin());
    }
    const size_t before = samples_.size();
    INFERD_RETURN_IF_ERROR(list_files(entry.string()));
    for (size_t i = before; i < samples_.size(); ++i) samples_[i].class_id = class_id;
    with_samples += samples_.size() > before ? 1 : 0;
  }
  if (with_samples > 1) return ok_status();  // one alone is no choice, but data of another kind
  return not_found("folder '" + options.folder +
                   "' has neither y_labels.csv nor labels.csv nor a folder for each class: --truth "
                   "FILE with lines \"file,class\"");
}

Status LabelledData::list_boxes(const DataOptions& options) {
  const fs::path folder(options.folder);
  const bool apart = is_folder(folder / "images");
  const fs::path pictures = apart ? folder / "images" : folder;
  const fs::path truth = !options.truth.empty() ? fs::path(options.truth)
                         : apart                ? folder / "labels"
                                                : folder;
  INFERD_RETURN_IF_ERROR(list_files(pictures.string()));
  size_t labelled = 0;
  for (LabelledSample& sample : samples_) {
    const fs::path file = truth / fs::path(sample.path).stem().concat(".txt");
    if (!is_there(file)) continue;  // a picture with nothing in it
    INFERD_ASSIGN_OR_RETURN(const std::string text, read_text(file.string()));
    INFERD_ASSIGN_OR_RETURN(sample.boxes, parse_boxes(text, file.string()));
    ++labelled;
  }
  if (labelled > 0) return ok_status();
  return not_found("no picture in '" + pictures.string() + "' has a file of boxes NAME.txt in '" +
                   truth.string() + "': --truth FOLDER");
}

void LabelledData::keep(size_t limit) {
  if (limit == 0 || limit >= samples_.size()) return;
  std::vector<LabelledSample> kept;
  for (size_t i = 0; i < limit; ++i) {
    kept.push_back(std::move(samples_[i * samples_.size() / limit]));
  }
  samples_ = std::move(kept);
}

Result<LabelledData> LabelledData::open(Truth kind, const DataOptions& options) {
  if (!is_folder(options.folder)) {
    return not_found("'" + options.folder + "' is not a folder");
  }
  LabelledData data;
  switch (kind) {
    case Truth::kNone:
      INFERD_RETURN_IF_ERROR(data.list_files(options.folder));
      break;
    case Truth::kClasses:
      INFERD_RETURN_IF_ERROR(data.list_classes(options));
      break;
    case Truth::kBoxes:
      INFERD_RETURN_IF_ERROR(data.list_boxes(options));
      break;
  }
  if (data.samples_.empty()) {
    return not_found(data.missing_ > 0
                         ? "none of the " + std::to_string(data.missing_) +
                               " files that are listed is in '" + options.folder + "'"
                         : "'" + options.folder +
                               "' holds no pictures, sounds, .npy files or .bin files");
  }
  data.keep(options.limit);
  return data;
}

Result<std::vector<SampleInput>> read_sample(const LabelledSample& sample, const TensorInfo& input,
                                             const std::string& preprocess) {
  if (sample.window > 0) {
    auto runs = read_windows(sample, input);
    return runs.ok() ? std::move(runs) : runs.status().with_context(sample.path);
  }
  std::vector<SampleInput> runs(1);
  if (fs::path(sample.path).extension() == ".bin") {
    auto run = read_raw(sample, input, preprocess);
    if (!run.ok()) return run.status().with_context(sample.path);
    runs[0] = std::move(*run);
    return runs;
  }
  INFERD_ASSIGN_OR_RETURN(runs[0].tensor,
                          read_input(input, sample.path, preprocess, &runs[0].placement));
  return runs;
}

}  // namespace inferd::ctl
