// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/samples.h"

#include <algorithm>
#include <filesystem>

#include "clients/inferctl/inputs.h"

namespace inferd::ctl {
namespace {

namespace fs = std::filesystem;

bool is_npy(const std::string& path) { return fs::path(path).extension() == ".npy"; }

Result<std::vector<std::string>> files_in(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string path = entry.path().string();
    if (entry.is_regular_file() && (is_picture(path) || is_sound(path) || is_npy(path)))
      files.push_back(path);
  }
  if (error) return unavailable("cannot read folder '" + folder + "': " + error.message());
  if (files.empty()) {
    return not_found("folder '" + folder +
                     "' holds no pictures (.jpg, .png, .bmp), sounds (.wav) or .npy files to "
                     "calibrate with");
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Many samples in one array: as the input, but for a larger dimension 0.
bool is_stack(const TensorInfo& info, const Shape& shape) {
  if (shape.rank() != info.shape.rank() || shape.rank() == 0 || shape[0] <= 1) return false;
  return info.shape[0] == 1 || info.shape[0] == kDynamicDim;
}

}  // namespace

Result<Samples::Input> Samples::find(const TensorInfo& info, const std::string& path) {
  Input input;
  if (fs::is_directory(path)) {
    INFERD_ASSIGN_OR_RETURN(input.files, files_in(path));
    return input;
  }
  if (!fs::exists(path)) return not_found("'" + path + "' does not exist");
  if (!is_picture(path) && !is_sound(path) && !is_npy(path)) {
    return invalid_argument("'" + path +
                            "' is neither a folder nor a .npy file nor a picture nor a sound");
  }
  if (is_npy(path)) {
    INFERD_ASSIGN_OR_RETURN(media::Array array, media::read_npy(path));
    if (is_stack(info, array.shape)) {
      input.stacked = std::move(array);
      return input;
    }
  }
  input.files = {path};
  return input;
}

Result<Samples> Samples::open(std::vector<TensorInfo> infos,
                              const std::vector<std::string>& options, std::string preprocess) {
  if (infos.empty()) return invalid_argument("the model has no inputs");
  Samples samples;
  samples.inputs_.resize(infos.size());
  samples.preprocess_ = std::move(preprocess);
  for (const std::string& option : options) {
    INFERD_ASSIGN_OR_RETURN(const auto parts, split_option(infos, "--calibrate", option));
    Input& input = samples.inputs_[parts.first];
    if (input.count() > 0) {
      return invalid_argument("input '" + infos[parts.first].name + "' is given twice");
    }
    INFERD_ASSIGN_OR_RETURN(input, find(infos[parts.first], parts.second));
  }
  for (size_t i = 0; i < infos.size(); ++i) {
    const size_t count = samples.inputs_[i].count();
    if (count == 0) {
      return invalid_argument("input '" + infos[i].name + "' has no samples: --calibrate " +
                              infos[i].name + "=PATH");
    }
    if (count != samples.count()) {
      return invalid_argument("input '" + infos[i].name + "' has " + std::to_string(count) +
                              " samples, '" + infos[0].name + "' has " +
                              std::to_string(samples.count()));
    }
  }
  samples.infos_ = std::move(infos);
  return samples;
}

Result<std::vector<media::Array>> Samples::read(size_t i) const {
  std::vector<media::Array> arrays;
  for (size_t n = 0; n < inputs_.size(); ++n) {
    const Input& input = inputs_[n];
    if (input.stacked.data.empty()) {
      INFERD_ASSIGN_OR_RETURN(media::Array array,
                              read_input(infos_[n], input.files[i], preprocess_));
      arrays.push_back(std::move(array));
      continue;
    }
    media::Array one{input.stacked.dtype, input.stacked.shape, {}};
    one.shape[0] = 1;
    const auto bytes = static_cast<std::ptrdiff_t>(input.stacked.data.size() / input.count());
    const auto begin = input.stacked.data.begin() + bytes * static_cast<std::ptrdiff_t>(i);
    one.data.assign(begin, begin + bytes);
    arrays.push_back(std::move(one));
  }
  return arrays;
}

}  // namespace inferd::ctl
