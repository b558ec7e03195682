// SPDX-License-Identifier: Apache-2.0
//
// The stages, for the table in factory.cc. Their keys are described in
// docs/pipelines.md.
#pragma once

#include "daemon/pipeline/decode/box_decoder.h"
#include "daemon/pipeline/stage.h"

namespace inferd::pipeline {

using StageResult = Result<std::unique_ptr<Stage>>;

// describe.cc
StageResult make_resize(const config::NodeConfig&, StageContext&);
StageResult make_letterbox(const config::NodeConfig&, StageContext&);
StageResult make_crop(const config::NodeConfig&, StageContext&);
StageResult make_rotate(const config::NodeConfig&, StageContext&);
StageResult make_normalize(const config::NodeConfig&, StageContext&);
// undistort.cc
StageResult make_undistort(const config::NodeConfig&, StageContext&);
// window.cc
StageResult make_window(const config::NodeConfig&, StageContext&);
// features.cc
StageResult make_spectrum(const config::NodeConfig&, StageContext&);
StageResult make_log_mel(const config::NodeConfig&, StageContext&);
StageResult make_mfcc(const config::NodeConfig&, StageContext&);
// samples.cc
StageResult make_standardize(const config::NodeConfig&, StageContext&);
StageResult make_statistics(const config::NodeConfig&, StageContext&);
// infer.cc
StageResult make_infer(const config::NodeConfig&, StageContext&);
// decode_ssd.cc
StageResult make_decode_ssd(const config::NodeConfig&, StageContext&);
// decode_fastestdet.cc
StageResult make_decode_fastestdet(const config::NodeConfig&, StageContext&);
// decode_detections.cc
StageResult make_decode_detections(const config::NodeConfig&, StageContext&);
// decode_boxes.cc
StageResult make_decode_yunet(const config::NodeConfig&, StageContext&);
StageResult make_decode_nanodet(const config::NodeConfig&, StageContext&);
StageResult make_decode_centernet(const config::NodeConfig&, StageContext&);
StageResult make_decode_yolo(const config::NodeConfig&, StageContext&);
StageResult make_decode_yolo_heads(const config::NodeConfig&, StageContext&);
StageResult make_decode_pose(const config::NodeConfig&, StageContext&);
// decode_frame.cc
StageResult make_decode_classes(const config::NodeConfig&, StageContext&);
StageResult make_decode_segments(const config::NodeConfig&, StageContext&);
// values.cc
StageResult make_decode_values(const config::NodeConfig&, StageContext&);
StageResult make_anomaly(const config::NodeConfig&, StageContext&);
// read_text.cc
StageResult make_decode_text_boxes(const config::NodeConfig&, StageContext&);
StageResult make_decode_text(const config::NodeConfig&, StageContext&);
// recognize.cc
StageResult make_recognize(const config::NodeConfig&, StageContext&);
// voice_activity.cc
StageResult make_voice_activity(const config::NodeConfig&, StageContext&);
// expressions.cc
StageResult make_expression(const config::NodeConfig&, StageContext&);
StageResult make_when(const config::NodeConfig&, StageContext&);
StageResult make_switch(const config::NodeConfig&, StageContext&);
// select.cc
StageResult make_nms(const config::NodeConfig&, StageContext&);
StageResult make_labels(const config::NodeConfig&, StageContext&);
StageResult make_filter(const config::NodeConfig&, StageContext&);
// track.cc
StageResult make_track(const config::NodeConfig&, StageContext&);
StageResult make_count(const config::NodeConfig&, StageContext&);
StageResult make_confirm(const config::NodeConfig&, StageContext&);
// motion_gate.cc
StageResult make_motion_gate(const config::NodeConfig&, StageContext&);
// blur.cc
StageResult make_blur(const config::NodeConfig&, StageContext&);
// custom.cc
StageResult make_custom(const config::NodeConfig&, StageContext&);

// The output that `key` names (by name or index; `fallback` when the key is absent), or an error at
// the node.
Result<size_t> find_output(config::NodeReader& reader, const config::NodeConfig& node,
                           const StageContext& context, const std::string& key, size_t fallback);

// The outputs of the model that runs for a batch of one, or an error at the node.
Result<std::vector<TensorInfo>> outputs_of(const config::NodeConfig& node,
                                           const StageContext& context);

// What a decoder must know of the model that runs, or an error at the node.
Result<ModelShapes> shapes_of(const config::NodeConfig& node, const StageContext& context);

// A float32 view of an output; quantized ones are dequantized into `storage`.
std::span<const float> as_floats(const Tensor& tensor, std::vector<float>& storage);

// From coordinates relative to the model's input to the source frame, clipped to it.
Box to_frame(const Box& box, const media::Placement& placement);

// The same for a detection with its points, which are not clipped. False, and the detection is
// unusable, when a number of it is NaN or infinite: a model may say anything.
bool to_frame(Detection& detection, const media::Placement& placement);

}  // namespace inferd::pipeline
