// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/inputs.h"

#include <algorithm>
#include <filesystem>

#include "media/preprocess.h"
#include "media/sound_tensor.h"

namespace inferd::ctl {
namespace {

namespace fs = std::filesystem;

std::string extension_of(const std::string& path) {
  std::string extension = fs::path(path).extension();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return extension;
}

}  // namespace

Result<media::Array> picture_tensor(const TensorInfo& info, const media::Image& image,
                                    const std::string& preprocess, media::Placement* placement) {
  if (info.dtype == DType::kFloat32 && preprocess.empty()) {
    return invalid_argument(
        "input '" + info.name +
        "' takes float32: say how a picture becomes it, e.g. --preprocess mean=127.5,std=127.5 "
        "(or mean=0,std=255, letterbox, bgr)");
  }
  INFERD_ASSIGN_OR_RETURN(const media::Preprocess options, media::parse_preprocess(preprocess));
  TensorInfo one = info;
  if (one.shape.rank() > 0 && one.shape[0] == kDynamicDim) one.shape[0] = 1;
  INFERD_RETURN_IF_ERROR(media::image_tensor_of(one).status());
  media::Array array{one.dtype, one.shape, {}};
  array.data.resize(static_cast<size_t>(one.shape.elements()) * dtype_size(one.dtype));
  INFERD_ASSIGN_OR_RETURN(const media::Placement where,
                          media::fill_tensor(image, options, one, array.data));
  if (placement != nullptr) *placement = where;
  return array;
}

bool is_picture(const std::string& path) {
  const std::string extension = extension_of(path);
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" || extension == ".bmp";
}

bool is_sound(const std::string& path) { return extension_of(path) == ".wav"; }

Result<std::pair<size_t, std::string>> split_option(std::span<const TensorInfo> infos,
                                                    const std::string& flag,
                                                    const std::string& option) {
  // Tensor names may hold '='; file names seldom do: the longest name that fits wins.
  size_t index = infos.size();
  std::string file = option;
  for (size_t i = 0; i < infos.size(); ++i) {
    const std::string prefix = infos[i].name + "=";
    if (option.starts_with(prefix) &&
        (index == infos.size() || prefix.size() > infos[index].name.size() + 1)) {
      index = i;
      file = option.substr(prefix.size());
    }
  }
  if (index == infos.size() && infos.size() == 1) index = 0;
  if (index < infos.size()) return std::pair(index, file);
  std::string names;
  for (const TensorInfo& info : infos) names += " '" + info.name + "'";
  return invalid_argument(flag + " " + option + ": write NAME=FILE with one of the inputs" + names);
}

Result<media::Array> read_input(const TensorInfo& info, const std::string& path,
                                const std::string& preprocess, media::Placement* placement) {
  if (is_sound(path)) {
    INFERD_ASSIGN_OR_RETURN(const media::Sound sound, media::read_sound(path));
    Result<media::Array> array = media::sound_tensor(sound, info);
    return array.ok() ? std::move(array) : array.status().with_context(path);
  }
  if (!is_picture(path)) return media::read_npy(path);
  INFERD_ASSIGN_OR_RETURN(const media::Image image, media::read_image(path));
  return picture_tensor(info, image, preprocess, placement);
}

Result<std::vector<media::Array>> read_inputs(std::span<const TensorInfo> infos,
                                              const std::vector<std::string>& options,
                                              const std::string& preprocess) {
  std::vector<media::Array> arrays(infos.size());
  std::vector<bool> given(infos.size(), false);
  for (const std::string& option : options) {
    INFERD_ASSIGN_OR_RETURN(const auto parts, split_option(infos, "--input", option));
    const auto& [index, file] = parts;
    if (given[index]) return invalid_argument("input '" + infos[index].name + "' is given twice");
    given[index] = true;
    INFERD_ASSIGN_OR_RETURN(arrays[index], read_input(infos[index], file, preprocess));
  }
  for (size_t i = 0; i < infos.size(); ++i) {
    if (!given[i])
      return invalid_argument("input '" + infos[i].name + "' is missing: --input " + infos[i].name +
                              "=FILE");
  }
  return arrays;
}

Status write_output(const std::string& folder, const std::string& name, const TensorView& tensor) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return unavailable("cannot make folder '" + folder + "': " + error.message());
  std::string file = name;
  std::replace_if(
      file.begin(), file.end(),
      [](unsigned char c) { return std::isalnum(c) == 0 && c != '.' && c != '_' && c != '-'; },
      '_');
  return media::write_npy((fs::path(folder) / (file + ".npy")).string(), tensor);
}

}  // namespace inferd::ctl
