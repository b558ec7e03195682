// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/setup/detector.h"

#include <algorithm>

#include "clients/inferctl/setup/camera_file.h"

namespace inferd::ctl {
namespace {

constexpr int kPictureRank = 4;

// What published models want; see docs/pipelines.md. From the decoder that is most particular
// about a model's outputs to the one that is least so. YOLOX wants other pictures than its
// relatives, which their decoder tells apart by itself; named, it would take any shape for theirs.
struct Row {
  const char* fit;        // how the picture becomes the input
  const char* normalize;  // of inputs of floats
  const char* decode;
  bool nms;
};
constexpr char kPlainBgr[] = "{mean: 0, std: 1, order: bgr}";
constexpr Row kRows[] = {
    {"resize", "{mean: 127.5, std: 127.5}", "decode_detections: {min_score: 0.5}", false},
    {"letterbox", kPlainBgr, "decode_yunet: {min_score: 0.6}", true},
    {"resize", "{mean: [103.53, 116.28, 123.675], std: [57.375, 57.12, 58.395], order: bgr}",
     "decode_nanodet: {min_score: 0.5}", true},
    {"resize", "{mean: 0, std: 255, order: bgr}", "decode_fastestdet: {min_score: 0.5}", true},
    {"letterbox", kPlainBgr, "decode_yolo: {layout: yolox, min_score: 0.5}", true},
    {"letterbox", "{mean: 0, std: 255}", "decode_yolo: {min_score: 0.5}", true},
};

std::string stages_of(const ServedModelInfo& model, const Row& row) {
  std::string stages = "  - " + std::string(row.fit) + "\n";
  if (model.inputs[0].dtype == DType::kFloat32)
    stages += "  - normalize: " + std::string(row.normalize) + "\n";
  stages += "  - infer: {model: " + yaml_text(model.name) + "}\n  - " + row.decode + "\n";
  if (row.nms) stages += "  - nms: {iou: 0.5}\n";
  if (model.has_labels) stages += "  - labels\n";
  return stages;
}

bool takes_pictures(const ServedModelInfo& model) {
  return model.state == "READY" && model.inputs.size() == 1 &&
         model.inputs[0].shape.rank() == kPictureRank;
}

std::string text_of(const std::vector<TensorInfo>& outputs) {
  std::string text;
  for (const TensorInfo& output : outputs) {
    text += (text.empty() ? "" : ", ") + std::string(dtype_name(output.dtype)) +
            output.shape.to_string();
  }
  return text;
}

}  // namespace

Result<Detector> find_detector(const std::vector<ServedModelInfo>& models,
                               const std::string& wanted, const CheckStages& check) {
  for (const ServedModelInfo& model : models) {
    if ((!wanted.empty() && model.name != wanted) || !takes_pictures(model)) continue;
    for (const Row& row : kRows) {
      const std::string stages = stages_of(model, row);
      INFERD_ASSIGN_OR_RETURN(const bool good, check(stages));
      if (good) return Detector{model.name, stages};
    }
  }
  if (wanted.empty()) return Detector{};
  const auto model = std::find_if(models.begin(), models.end(),
                                  [&](const ServedModelInfo& m) { return m.name == wanted; });
  if (model == models.end())
    return not_found("there is no model '" + wanted +
                     "'; inferctl model list says which there are");
  return invalid_argument("'" + wanted + "' (" + model->state + ") gives " +
                          text_of(model->outputs) +
                          ", which no decoder of detections is known to take; write its stages by "
                          "hand, see docs/pipelines.md");
}

}  // namespace inferd::ctl
