// SPDX-License-Identifier: Apache-2.0
//
// The sources, for the table in factory.cc. Their keys are described in
// docs/pipelines.md.
#pragma once

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

// Only where there is ALSA.
Result<std::unique_ptr<Source>> make_alsa(const config::NodeConfig& node);

// Only where there is libiio.
Result<std::unique_ptr<Source>> make_iio(const config::NodeConfig& node);

// Only where there is libcamera.
Result<std::unique_ptr<Source>> make_libcamera(const config::NodeConfig& node);

// Only where there is libmosquitto.
Result<std::unique_ptr<Source>> make_mqtt_source(const config::NodeConfig& node);

// Only where there is GStreamer.
Result<std::unique_ptr<Source>> make_gstreamer(const config::NodeConfig& node);
Result<std::unique_ptr<Source>> make_rtsp(const config::NodeConfig& node);
Result<std::unique_ptr<Source>> make_video(const config::NodeConfig& node);

}  // namespace inferd::pipeline
