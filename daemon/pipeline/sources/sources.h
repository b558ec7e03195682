// SPDX-License-Identifier: Apache-2.0
//
// The sources, for the table in factory.cc. Their keys are described in
// docs/pipelines.md.
#pragma once

#include "daemon/pipeline/pipelines.h"
#include "daemon/pipeline/source.h"

namespace inferd::pipeline {

Result<std::unique_ptr<Source>> make_can(const config::NodeConfig& node);
Result<std::unique_ptr<Source>> make_images(const config::NodeConfig& node);
Result<std::unique_ptr<Source>> make_lines(const config::NodeConfig& node);
Result<std::unique_ptr<Source>> make_points(const config::NodeConfig& node);
Result<std::unique_ptr<Source>> make_push(const config::NodeConfig& node,
                                          const std::shared_ptr<Inlets>& inlets);
Result<std::unique_ptr<Source>> make_test_pattern(const config::NodeConfig& node);
Result<std::unique_ptr<Source>> make_v4l2(const config::NodeConfig& node);
Result<std::unique_ptr<Source>> make_wav(const config::NodeConfig& node);

// What modules (daemon/host/module.h) have under the names source_alsa, source_iio, ..., and where
// the table says so, list_libcamera.
using MakeSource = Result<std::unique_ptr<Source>> (*)(const config::NodeConfig& node);
using ListCameras = Result<std::vector<CameraInfo>> (*)();

}  // namespace inferd::pipeline
