// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "daemon/host/module.h"
#include "daemon/pipeline/sources/libcamera_format.h"
#include "daemon/pipeline/sources/libcamera_manager.h"
#include "daemon/pipeline/sources/sources.h"

namespace inferd::pipeline {
namespace {

CameraInfo describe(libcamera::Camera& camera) {
  CameraInfo info{"libcamera", camera.id(), libcamera_model(camera), {}};
  const auto configuration = camera.generateConfiguration({libcamera::StreamRole::Viewfinder});
  if (configuration == nullptr || configuration->size() != 1) return info;  // none of pictures
  libcamera::StreamConfiguration& stream = configuration->at(0);
  const libcamera::StreamFormats formats = stream.formats();
  for (const libcamera::PixelFormat& format : formats.pixelformats()) {
    const std::string name = libcamera_format_name(format);
    if (name.empty()) continue;
    std::set<libcamera::Size> sizes;
    for (const libcamera::Size& size : formats.sizes(format)) {
      // It lists sizes between its smallest and largest, also some that it only comes near to.
      stream.pixelFormat = format;
      stream.size = size;
      if (configuration->validate() != libcamera::CameraConfiguration::Invalid &&
          stream.pixelFormat == format)
        sizes.insert(stream.size);
    }
    for (const libcamera::Size& size : sizes)
      info.modes.push_back({name, static_cast<int>(size.width), static_cast<int>(size.height)});
  }
  return info;
}

Result<std::vector<CameraInfo>> list_libcamera() {
  INFERD_ASSIGN_OR_RETURN(const auto use, LibcameraUse::begin());
  std::vector<CameraInfo> cameras;
  for (const auto& camera : use->cameras()) cameras.push_back(describe(*camera));
  return cameras;
}

}  // namespace
}  // namespace inferd::pipeline

INFERD_MODULE_FUNCTION(list_libcamera, inferd::pipeline::ListCameras,
                       inferd::pipeline::list_libcamera)
