// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/triton_json.h"

#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include "inference/model_config.pb.h"

namespace inferd::config {

Result<std::string> triton_text_of(const std::string& json) {
  inference::ModelConfig config;
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &config);
  if (!parsed.ok()) {
    return invalid_argument("is not a model configuration in JSON: " +
                            std::string(parsed.message()));
  }
  std::string text;
  google::protobuf::TextFormat::PrintToString(config, &text);
  return text;
}

}  // namespace inferd::config
