// SPDX-License-Identifier: Apache-2.0
//
// `inferctl setup camera`: from the cameras that there are to the file of a pipeline.
#pragma once

#include <memory>

#include "clients/inferctl/command.h"
#include "clients/inferctl/setup/camera.h"
#include "inferd/client/client.h"

namespace inferd::ctl {

struct CameraOptions {
  bool list = false, yes = false, force = false;
  std::string camera, model;  // empty: one that will do
  std::string output = "/etc/inferd/pipelines/camera.yaml";
  std::string size;  // "640x480"; empty: what suits
  double fps = 0;    // 0: the same
};

// Cameras of this machine and those that the daemon tells of.
struct CameraListing {
  std::vector<Camera> cameras;
  std::string missing;  // why there may be more; empty: these are all
};
CameraListing merge_cameras(std::vector<Camera> local, const Result<std::vector<CameraInfo>>& told);

Status setup_camera(const Globals& globals, const CameraOptions& options);

}  // namespace inferd::ctl
